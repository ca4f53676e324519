//! What tests against other programs share.

pub(crate) mod capture;
pub(crate) mod meter;
pub(crate) mod peer;
pub(crate) mod points;
pub(crate) mod process;
