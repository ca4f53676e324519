//! What a simulated meter measures: an installation with its wiring, its supply and its load, at any time.
//!
//! ```text
//! state     supply and load: night, a dead bus, export …      wiring   what the meter's inputs measure
//!   ↓                                                            ↓
//! load      volts, amperes, watts at a time; energy between two times
//!   ↓
//! sample    one value per element        absent   how the meter says that there is none
//! ```

mod absent;
mod load;
mod sample;
mod state;
mod wave;
mod wiring;

pub use absent::Absent;
pub(super) use load::Load;
pub(super) use sample::Sample;
pub(super) use state::Boot;
pub use state::State;
pub use wiring::{SystemVoltage, Wiring};
