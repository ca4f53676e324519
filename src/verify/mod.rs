//! Is this map right for this meter? What was read → a verdict per element, with the numbers behind it.
//!
//! ```text
//! reading/  observe       I/O: EtherNet/IP readings, one short use of Modbus, what that did to EtherNet/IP
//!           observation   undecoded bytes and registers, with their times
//!   ↓
//! map/      sizes         attribute 4 and the data against the profile
//!           word_order    which word of a number comes first over Modbus
//!           series        realtime REALs over all readings, and maps of them
//!           weigh         how well a map fits the laws of physics
//!           alternatives  the other maps it is compared with
//!           search        from a map that does not fit to one that does
//!           scale         values in another unit
//!           realtime      a verdict for each realtime element
//!           compare       EtherNet/IP beside Modbus
//!           tables        a verdict for the elements of the other tables
//!           hints         mistakes of the wiring
//! energy/   layout        the layout of assembly 107, solved from the Modbus counters
//!           counters      a verdict for each counter
//!           pace          counters beside the integral of power
//!   ↓
//! telling/  conclusion    everything together, and the profile that follows
//!           limits        what stays open, and what would settle it
//!           report        the result as text, Markdown and JSON
//! ```
//!
//! Everything below `observe` is pure. What "proven" means: at least three readings between which the value
//! changed, laws of physics that hold, and no other map of those in [`map::alternatives`] that does not break one of
//! them ten times as much.

pub mod energy;
pub mod map;
pub mod reading;
pub mod telling;
pub mod verdict;

pub use reading::Observation;
pub use telling::conclusion::{Conclusion, Expected, Given, conclude};
pub use verdict::Verdict;
