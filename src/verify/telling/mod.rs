//! What follows, and how it is told: to people, in a record, to programs.
//!
//! ```text
//! conclusion ─┬→ summary  for a terminal: the result first, a line per group
//!             ├→ record   Markdown, with every element and its reason
//!             └→ json     for programs
//! limits   what stays open    rows, subject   what these share
//! ```

pub mod conclusion;
pub mod json;
pub mod limits;
pub mod record;
mod rows;
pub mod subject;
pub mod summary;

pub use subject::Subject;
