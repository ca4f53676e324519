//! Class 1 of the simulated meter: its rules and variants without I/O, and its frames over real sockets.

mod connections;
mod sockets;
mod variants;
