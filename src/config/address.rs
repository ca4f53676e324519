//! Where a meter is: a host name or IP address, a port if it is not the usual one, and the protocol if it is
//! written before it, as in `modbus://192.168.1.50`; or a serial port, as in `file:///dev/ttyUSB0`. Files and
//! arguments write it in the same way.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::words;
use crate::words::Hint;

/// A protocol that is written before an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `eip://`: EtherNet/IP.
    EtherNetIp,
    /// `modbus://`: Modbus TCP.
    Modbus,
    /// `logix://`: a controller that has the meter's assemblies.
    Logix,
    /// `file://`: Modbus at a serial port of this host.
    Serial,
}

words!(Scheme, "protocol": EtherNetIp = "eip", Modbus = "modbus", Logix = "logix",
    Serial = "file"; "tcp" => "modbus", "modbus-tcp" => "modbus", "modbustcp" => "modbus", "enip" => "eip", "cip" => "eip",
    "ethernetip" => "eip", "ethernet-ip" => "eip", "plc" => "logix", "serial" => "file", "rtu" => "file");

/// An address, and the protocol if it is written before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The protocol.
    pub scheme: Option<Scheme>,
    /// The address.
    pub address: Address,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing.
    #[error("an address is a host name or an IP address, not an empty text")]
    Empty,
    /// A protocol that meters do not speak.
    #[error("\"{0}\" is a URL of something else: write HOST, eip://HOST, modbus://HOST or logix://HOST")]
    OtherUrl(String),
    /// A protocol that is called otherwise here.
    #[error("\"{0}\" is written {1}://{2} here")]
    Called(String, String, String),
    /// A protocol without its slashes.
    #[error("\"{0}\" has no // after its protocol, write {1}://{2}")]
    NoSlashes(String, Scheme, String),
    /// A serial port that is not written as one.
    #[error("\"{0}\" is no address; a serial port is written with three slashes, as file:///dev/ttyUSB0")]
    Device(String),
    /// A path behind the address.
    #[error("\"{0}\" goes on after the address, write HOST, eip://HOST, modbus://HOST or logix://HOST")]
    Path(String),
    /// A user before the address.
    #[error("an address has no user and password before an @, the meter asks for none")]
    User,
    /// A space, or something that looks like one.
    #[error("the address \"{}\" must not contain spaces", .0.escape_debug())]
    Space(String),
    /// `[` alone.
    #[error("\"{0}\" has a [ without its ], write [IPv6 address]:port")]
    OpenBracket(String),
    /// Something after `]`.
    #[error("\"{0}\" is no address, write [IPv6 address]:port")]
    AfterBracket(String),
    /// No port.
    #[error("\"{0}\": the port must be a number from 1 to 65535")]
    Port(String),
    /// No IPv6 address.
    #[error("\"{0}\" is no IPv6 address, and with a port it is written [address]:port")]
    IpV6(String),
    /// A number alone.
    #[error("\"{0}\" alone is no address, and a port stands behind its host: HOST:{0}")]
    Number(String),
    /// Numbers, and no IPv4 address.
    #[error("\"{0}\" is no IPv4 address, which is four numbers from 0 to 255")]
    IpV4(String),
    /// A network instead of a meter.
    #[error(
        "\"{0}\" is a range of addresses, write that of one meter; \"telegraf-pm500 discover\" asks ranges"
    )]
    Range(String),
    /// Several at once.
    #[error("\"{0}\" is more than one address, and each meter has its own")]
    Several(String),
    /// A variable that is not replaced.
    #[error("\"{0}\" is no address; in a configuration an environment variable is written ${{{1}}}")]
    Variable(String, String),
    /// Anything else.
    #[error("\"{0}\" is neither a host name nor an IP address")]
    Neither(String),
}

/// A meter's address: `host`, `host:port`, an IPv4 address, an IPv6 address, or `[IPv6]:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, IPv6 without brackets; or the path of a serial port.
    pub host: String,
    /// Port, if one was written.
    pub port: Option<u16>,
}

impl Address {
    /// What a meter there is called that has no name: the host, or the last part of a path.
    pub fn short_name(&self) -> &str {
        self.host.rsplit('/').next().unwrap_or(&self.host)
    }

    /// The host in one spelling, so that two spellings of one address compare equal.
    pub fn canonical_host(&self) -> String {
        match self.host.parse::<IpAddr>() {
            // Paths know capitals.
            Err(_) if self.host.starts_with('/') => self.host.clone(),
            Ok(ip) => ip.to_canonical().to_string(),
            Err(_) => self.host.trim_end_matches('.').to_ascii_lowercase(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Some(scheme) => write!(f, "{scheme}://{}", self.address),
            None => self.address.fmt(f),
        }
    }
}

impl FromStr for Location {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            if cfg!(windows) && is_com_port(text) {
                let address = Address { host: text.to_owned(), port: None };
                return Ok(Location { scheme: Some(Scheme::Serial), address });
            }
            if text.starts_with("/dev/") {
                return Err(AddressError::Device(text.to_owned()));
            }
            return Ok(Location { scheme: None, address: text.parse()? });
        };
        let scheme = scheme.to_ascii_lowercase().parse::<Scheme>();
        let scheme = scheme.map_err(|unknown| match unknown.hint {
            Hint::Nearest(ours) => AddressError::Called(text.to_owned(), ours, rest.to_owned()),
            Hint::Expected(_) => AddressError::OtherUrl(text.to_owned()),
        })?;
        if scheme == Scheme::Serial {
            return Ok(Location { scheme: Some(scheme), address: device(text, rest)? });
        }
        let address = rest.strip_suffix('/').unwrap_or(rest).parse()?;
        Ok(Location { scheme: Some(scheme), address })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let said = || text.to_owned();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.contains("://") {
            return Err(AddressError::OtherUrl(said()));
        }
        if text.contains('@') {
            // What stands before it may be a password.
            return Err(AddressError::User);
        }
        if text.contains([',', ';']) {
            return Err(AddressError::Several(said()));
        }
        if let Some(variable) = text.strip_prefix('$') {
            return Err(AddressError::Variable(said(), variable.trim_matches(['{', '}']).to_owned()));
        }
        if text.contains(char::is_whitespace) {
            return Err(AddressError::Space(said()));
        }
        if let Some((network, bits)) = text.split_once('/') {
            let range = network.parse::<IpAddr>().is_ok() && bits.bytes().all(|byte| byte.is_ascii_digit());
            return Err(if range && !bits.is_empty() {
                AddressError::Range(said())
            } else {
                AddressError::Path(said())
            });
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (host, tail) = bracketed.split_once(']').ok_or_else(|| AddressError::OpenBracket(said()))?;
            let port = match tail.strip_prefix(':') {
                Some(digits) => Some(port(text, digits)?),
                None if tail.is_empty() => None,
                None => return Err(AddressError::AfterBracket(said())),
            };
            return Ok(Address { host: ipv6(text, host)?, port });
        }
        if text.matches(':').count() > 1 {
            return Ok(Address { host: ipv6(text, text)?, port: None });
        }
        match text.split_once(':') {
            Some((host, digits)) => match (host.parse::<Scheme>(), port(text, digits)) {
                (_, Ok(port)) => Ok(Address { host: name(text, host)?, port: Some(port) }),
                (Ok(scheme), Err(_)) if !digits.is_empty() => {
                    Err(AddressError::NoSlashes(said(), scheme, digits.to_owned()))
                }
                (_, Err(error)) => Err(name(text, host).err().unwrap_or(error)),
            },
            None => Ok(Address { host: name(text, text)?, port: None }),
        }
    }
}

fn port(text: &str, digits: &str) -> Result<u16, AddressError> {
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| AddressError::Port(text.to_owned()))
}

/// The path of a serial port, or the name that Windows gives it.
fn device(text: &str, path: &str) -> Result<Address, AddressError> {
    if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(AddressError::Space(text.to_owned()));
    }
    let named = path.len() > 1 && path.starts_with('/') && !path.ends_with('/');
    if !named && !is_com_port(path) {
        return Err(AddressError::Device(text.to_owned()));
    }
    Ok(Address { host: path.to_owned(), port: None })
}

/// `COM3` and the like.
fn is_com_port(text: &str) -> bool {
    let number = text.get(..3).filter(|name| name.eq_ignore_ascii_case("COM")).and_then(|_| text.get(3..));
    number.is_some_and(|number| {
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn ipv6(text: &str, host: &str) -> Result<String, AddressError> {
    // A link-local address carries its interface after a percent sign.
    let (ip, zone) = host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)));
    if ip.parse::<Ipv6Addr>().is_err() || zone.is_some_and(str::is_empty) {
        return Err(AddressError::IpV6(text.to_owned()));
    }
    Ok(host.to_owned())
}

fn name(text: &str, host: &str) -> Result<String, AddressError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(legal);
    let labels = host.strip_suffix('.').unwrap_or(host);
    if labels.len() > 253 || !labels.split('.').all(label) {
        return Err(AddressError::Neither(text.to_owned()));
    }
    // No host name ends in a number, so this was meant to be an IPv4 address.
    let numeric =
        labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric && !host.contains('.') {
        return Err(AddressError::Number(host.to_owned()));
    }
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(AddressError::IpV4(text.to_owned()));
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_address_is_read_and_printed_back() {
        for (text, host, port) in [
            ("192.168.1.50", "192.168.1.50", None),
            ("192.168.1.50:44819", "192.168.1.50", Some(44819)),
            ("meter-1.plant.example", "meter-1.plant.example", None),
            ("meter_1:1502", "meter_1", Some(1502)),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("::1", "::1", None),
            ("[::1]:502", "::1", Some(502)),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
            assert_eq!(address.to_string(), text);
        }
        for (text, scheme) in [
            ("eip://meter", Scheme::EtherNetIp),
            ("modbus://[::1]:1502", Scheme::Modbus),
            ("file:///dev/serial/by-id/usb-FTDI_A5:1-port0", Scheme::Serial),
            ("file://COM3", Scheme::Serial),
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!((location.scheme, location.to_string()), (Some(scheme), text.to_owned()));
        }
        assert_eq!("[::1]".parse::<Address>().map(|address| address.to_string()), Ok("::1".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_it_seems_to_be() {
        for (text, expected) in [
            ("", "empty"),
            ("http://192.168.1.50", "HOST, eip://HOST, modbus://HOST or logix://HOST"),
            ("192.168.1.50 ", "spaces"),
            ("192.168.1.500", "IPv4"),
            ("192.168.1", "IPv4"),
            ("50", "a port stands behind its host"),
            ("meter:0", "1 to 65535"),
            ("meter:70000", "1 to 65535"),
            ("meter:+80", "1 to 65535"),
            ("meter:", "1 to 65535"),
            (":502", "neither"),
            ("meter/1", "goes on after the address"),
            ("192.168.1.0/24", "range of addresses"),
            ("modbus:meter", "write modbus://meter"),
            ("modbus:192.168.1.50", "write modbus://192.168.1.50"),
            ("admin:secret@192.168.1.50", "no user and password"),
            ("meter..plant", "neither"),
            ("/dev/ttyUSB0", "with three slashes"),
            ("file://dev/ttyUSB0", "with three slashes"),
            ("file:///dev/tty USB0", "spaces"),
            ("[::1", "without its ]"),
            ("[::1]502", "[IPv6 address]:port"),
            ("::1:2:3:4:5:6:7:8:9", "IPv6"),
            ("$METER", "is written ${METER}"),
            ("tcp://192.168.1.50:502", "is written modbus://192.168.1.50:502 here"),
            ("192.168.1.50, 192.168.1.51", "more than one address"),
        ] {
            let reason = text.parse::<Location>().expect_err(text).to_string();
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }

    #[test]
    fn two_spellings_of_one_host_are_one_host() {
        let host = |text: &str| text.parse::<Address>().expect(text).canonical_host();
        assert_eq!(host("Meter.Plant."), host("meter.plant"));
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
        assert_eq!(host("0:0::1"), host("::1"));
    }
}
