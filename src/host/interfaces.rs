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
    Ok(leading_to_networks(if_addrs::get_if_addrs()?))
}

fn leading_to_networks(all: Vec<if_addrs::Interface>) -> Vec<Interface> {
    let usable = all.into_iter().filter(|one| !one.is_loopback() && !one.is_p2p());
    let interfaces = usable.filter_map(|one| match one.addr {
        if_addrs::IfAddr::V4(address) if address.prefixlen < 31 => {
            // Addresses may be set without one; the last address of the network always is.
            let last = Ipv4Addr::from(u32::from(address.ip) | !u32::from(address.netmask));
            Some(Interface { name: one.name, local: address.ip, everybody: last })
        }
        _ => None,
    });
    interfaces.collect()
}

// On Windows an interface has a name of the system's more.
#[cfg(all(test, not(windows)))]
mod tests {
    use super::*;
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr};

    fn interface(name: &str, ip: [u8; 4], oper_status: IfOperStatus) -> if_addrs::Interface {
        let netmask = Ipv4Addr::new(255, 255, 255, 0);
        let addr = IfAddr::V4(Ifv4Addr { ip: ip.into(), netmask, prefixlen: 24, broadcast: None });
        if_addrs::Interface { name: name.to_owned(), addr, index: None, oper_status, is_p2p: false }
    }

    #[test]
    fn an_interface_whose_state_is_not_known_is_asked_on_and_one_that_leads_to_no_network_is_not() {
        let tunnel =
            if_addrs::Interface { is_p2p: true, ..interface("tun0", [10, 8, 0, 1], IfOperStatus::Up) };
        let all = vec![
            interface("lo", [127, 0, 0, 1], IfOperStatus::Up),
            interface("eth0", [192, 0, 2, 9], IfOperStatus::Up),
            interface("dsl0", [198, 51, 100, 9], IfOperStatus::Unknown),
            interface("eth1", [203, 0, 113, 9], IfOperStatus::Down),
            tunnel,
        ];
        let asked = leading_to_networks(all);
        let names: Vec<_> = asked.iter().map(|one| (one.name.as_str(), one.everybody.octets()[3])).collect();
        assert_eq!(names, [("eth0", 255), ("dsl0", 255), ("eth1", 255)]);
    }
}
