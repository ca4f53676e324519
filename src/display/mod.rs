//! What people read: tables and values, fitted to where they go.
//!
//! ```text
//! mood      how a text is meant
//! page      where the text goes: how wide it is, and whether it has colors
//! table     the one text table of all commands
//! figures   numbers with units and prefixes
//! latest    reports → the newest that is known of a meter
//! sections  that → rows, in the order of the meter's own display
//! show      those → text
//! watch     those → a live screen
//! export    reports → JSON and CSV for programs
//! ```

pub mod export;
pub mod figures;
pub mod latest;
pub mod mood;
pub mod page;
pub mod sections;
pub mod show;
pub mod table;
pub mod watch;

pub use latest::Latest;
pub use mood::Mood;
pub use page::Page;
pub use table::TextTable;
