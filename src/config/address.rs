//! Where a meter is: a host name or IP address, and a port if it is not the usual one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A meter's address: `host`, `host:port`, an IPv4 address, an IPv6 address, or `[IPv6]:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address; IPv6 without brackets.
    pub host: String,
    /// Port, if one was written.
    pub port: Option<u16>,
}

impl Address {
    /// The host in one spelling, so that two spellings of one address compare equal.
    pub fn canonical_host(&self) -> String {
        match self.host.parse::<IpAddr>() {
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

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an address is a host name or an IP address, not an empty text".to_owned());
        }
        if text.contains("://") {
            return Err(format!("\"{text}\" is a URL, write the host name or IP address alone"));
        }
        if text.contains(char::is_whitespace) {
            return Err(format!("the address \"{}\" must not contain spaces", text.escape_debug()));
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let Some((host, tail)) = bracketed.split_once(']') else {
                return Err(format!("\"{text}\" has a [ without its ], write [IPv6 address]:port"));
            };
            let port = match tail.strip_prefix(':') {
                Some(digits) => Some(port(text, digits)?),
                None if tail.is_empty() => None,
                None => return Err(format!("\"{text}\" is no address, write [IPv6 address]:port")),
            };
            return Ok(Address { host: ipv6(text, host)?, port });
        }
        if text.matches(':').count() > 1 {
            return Ok(Address { host: ipv6(text, text)?, port: None });
        }
        match text.split_once(':') {
            Some((host, digits)) => Ok(Address { host: name(text, host)?, port: Some(port(text, digits)?) }),
            None => Ok(Address { host: name(text, text)?, port: None }),
        }
    }
}

fn port(text: &str, digits: &str) -> Result<u16, String> {
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| format!("\"{text}\": the port must be a number from 1 to 65535"))
}

fn ipv6(text: &str, host: &str) -> Result<String, String> {
    // A link-local address carries its interface after a percent sign.
    let (ip, zone) = host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)));
    if ip.parse::<Ipv6Addr>().is_err() || zone.is_some_and(str::is_empty) {
        return Err(format!("\"{text}\" is no IPv6 address, and with a port it is written [address]:port"));
    }
    Ok(host.to_owned())
}

fn name(text: &str, host: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(legal);
    let labels = host.strip_suffix('.').unwrap_or(host);
    if labels.len() > 253 || !labels.split('.').all(label) {
        return Err(format!("\"{text}\" is neither a host name nor an IP address"));
    }
    // No host name ends in a number, so this was meant to be an IPv4 address.
    let numeric =
        labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!("\"{text}\" is no IPv4 address, which is four numbers from 0 to 255"));
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
        assert_eq!("[::1]".parse::<Address>().map(|address| address.to_string()), Ok("::1".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_it_seems_to_be() {
        for (text, expected) in [
            ("", "empty"),
            ("http://192.168.1.50", "URL"),
            ("192.168.1.50 ", "spaces"),
            ("192.168.1.500", "IPv4"),
            ("192.168.1", "IPv4"),
            ("50", "IPv4"),
            ("meter:0", "1 to 65535"),
            ("meter:70000", "1 to 65535"),
            ("meter:+80", "1 to 65535"),
            ("meter:", "1 to 65535"),
            (":502", "neither"),
            ("meter/1", "neither"),
            ("meter..plant", "neither"),
            ("[::1", "without its ]"),
            ("[::1]502", "[IPv6 address]:port"),
            ("::1:2:3:4:5:6:7:8:9", "IPv6"),
            ("$METER", "neither"),
        ] {
            let reason = text.parse::<Address>().expect_err(text);
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
