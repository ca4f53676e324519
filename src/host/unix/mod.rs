//! What Unix gives, Linux above all: the same modules with the same functions as in the other systems.

#[cfg(test)]
pub mod broken;
pub mod clock;
pub mod datagram;
pub mod descriptors;
pub(super) mod exclusive;
pub(super) mod opening;
pub mod places;
pub mod pty;
pub mod signals;
pub mod sockets;
pub mod stdio;
