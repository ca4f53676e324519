//! What is read of a meter for `verify`: undecoded bytes and registers, with their times.

pub mod observation;
pub mod observe;

pub use observation::Observation;
