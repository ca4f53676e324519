//! The energy counters, and the layout of assembly 107, which nobody has published.

pub mod counters;
pub mod layout;
pub mod motion;
pub mod pace;
pub mod quantity;
pub mod stored;
pub mod track;
pub mod unsettled;
