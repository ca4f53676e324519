//! The host's network interfaces that have an address for everybody.

use std::io;
use std::net::Ipv4Addr;

/// An interface to broadcast on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Our address on it.
    pub local: Ipv4Addr,
    /// The address of everybody on it.
    pub everybody: Ipv4Addr,
}

/// The IPv4 addresses of interfaces that lead to a network; loopback and point-to-point links do not. Whether one is up
/// is not asked: many drivers do not know it of theirs.
///
/// # Errors
/// The system does not tell.
pub fn broadcasting() -> io::Result<Vec<Interface>> {
    let all = if_addrs::get_if_addrs()?.into_iter();
    let usable = all.filter(|one| !one.is_loopback() && !one.is_p2p());
    let interfaces = usable.filter_map(|one| match one.addr {
        if_addrs::IfAddr::V4(address) if address.prefixlen < 31 => {
            // Addresses may be set without one; the last address of the network always is.
            let last = Ipv4Addr::from(u32::from(address.ip) | !u32::from(address.netmask));
            Some(Interface { name: one.name, local: address.ip, everybody: last })
        }
        _ => None,
    });
    Ok(interfaces.collect())
}
