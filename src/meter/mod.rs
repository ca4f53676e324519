//! What the meter is: tables as data, bytes → values, identity, and the physics its numbers must obey.
//!
//! ```text
//! powermonitor_500.toml → file → profile ─┬→ decode (assembly bytes, Modbus registers → reading)
//!                                         ├→ identity (is this the device the profile was made for?)
//!                                         └→ physics (do the numbers contradict the map?)
//! ```

pub mod decode;
pub mod element;
mod file;
pub mod identity;
pub mod physics;
pub mod profile;
pub mod reading;
pub mod table;

pub use element::{Element, Evidence, Kind, Use};
pub use profile::Profile;
pub use reading::{Readings, Value};
pub use table::{Table, TableSet};
