//! Is this map right for this meter? What was read → a verdict per element, with the numbers behind it.
//!
//! ```text
//! observe      I/O: EtherNet/IP readings, one short use of Modbus, what that did to EtherNet/IP
//!   ↓
//! observation  undecoded bytes and registers, with their times
//!   ↓
//! sizes        attribute 4 and the data against the profile
//! word_order   which word of a number comes first over Modbus
//! series       realtime REALs over all readings, and maps of them
//!   weigh        how well a map fits the laws of physics
//!   alternatives the other maps it is compared with
//!   search       from a map that does not fit to one that does
//!   scale        values in another unit
//!   realtime     a verdict for each realtime element
//! energy107    the layout of assembly 107, solved from the Modbus counters
//!   energy       a verdict for each counter
//! compare      EtherNet/IP beside Modbus
//! tables       a verdict for the elements of the other tables
//! hints        mistakes of the wiring
//!   pace         counters beside the integral of power
//! limits       what stays open, and what would settle it
//!   ↓
//! conclusion   everything together, and the profile that follows
//!   ↓
//! profile_writer  the profile as a file      report  the result as text, Markdown and JSON
//! ```
//!
//! Everything below `observe` is pure. What "proven" means: at least three readings between which the value
//! changed, laws of physics that hold, and no other map of those in [`alternatives`] that does not break one of
//! them ten times as much.

pub mod alternatives;
pub mod compare;
pub mod conclusion;
pub mod energy;
pub mod energy107;
pub mod hints;
pub mod limits;
pub mod observation;
pub mod observe;
pub mod pace;
pub mod profile_writer;
pub mod realtime;
pub mod report;
pub mod scale;
pub mod search;
pub mod series;
pub mod sizes;
pub mod tables;
pub mod verdict;
pub mod weigh;
pub mod word_order;

pub use conclusion::{Conclusion, Given, conclude};
pub use observation::Observation;
pub use verdict::Verdict;
