//! What the meter is: tables as data, bytes → values, identity, and the physics its numbers must obey.
//!
//! ```text
//! table, word_order, element, assembly, identity   what there is to say about a meter
//! names      the elements that code knows by name: phases, counters
//! file       powermonitor_500.toml, or a user's file → those parts (mistake: what can be wrong with them)
//! profile    the parts together, checked: what every other module asks (profile_writer: the way back)
//! reading    what was read: one slot per element
//! decode     assembly bytes, Modbus registers → reading
//! block      what to ask for a table, and what came of it → reading
//! physics    do the numbers contradict the map?
//! ```
//!
//! Each stands on those above it only.

pub mod assembly;
pub mod block;
pub mod decode;
pub mod element;
mod file;
pub mod identity;
pub mod mistake;
pub mod names;
pub mod physics;
pub mod profile;
pub mod profile_writer;
pub mod reading;
pub mod table;
pub mod word_order;

pub use assembly::{Assembly, WrongSize};
pub use block::{Access, Block, Sizes, Span};
pub use element::{Element, Evidence, Kind, Use};
pub use mistake::{Mistake, ProfileError};
pub use profile::Profile;
pub use reading::{Readings, Value};
pub use table::{Table, TableSet};
pub use word_order::WordOrder;
