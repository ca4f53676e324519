//! What a person named → the addresses to ask.

use std::net::Ipv4Addr;

/// Most addresses of one run: a /22.
pub const MOST: u32 = 1024;

/// One address, and whether it was named by itself: such a one is asked over TCP, too, if UDP brings no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub address: Ipv4Addr,
    /// Named alone, not as a part of a range.
    pub alone: bool,
}

/// What cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither an address nor a range.
    #[error(
        "\"{0}\" is neither an IPv4 address nor a range: write 192.168.1.50, 192.168.1.10-50 or 192.168.1.0/24"
    )]
    Unknown(String),
    /// A network whose prefix has no such length.
    #[error("\"{0}\": the length of a network's prefix is a number from 0 to 32")]
    Prefix(String),
    /// A range whose end is before its start.
    #[error("\"{0}\" ends before it begins, exchange the two addresses")]
    Backwards(String),
    /// A sweep.
    #[error(
        "\"{text}\" makes {count} addresses, and at most {MOST} are asked in one run, for a plant network is not to be \
         swept: name a smaller range"
    )]
    TooMany {
        /// The range that is too much.
        text: String,
        /// Addresses with it.
        count: u64,
    },
}

/// Parses addresses, ranges (`192.168.1.10-192.168.1.50`, in short `192.168.1.10-50`) and networks
/// (`192.168.1.0/24`), of which one text may hold several, separated by commas.
///
/// # Errors
/// What is no address, or that there are too many.
pub fn parse(texts: &[String]) -> Result<Vec<Target>, TargetError> {
    let mut targets: Vec<Target> = Vec::new();
    let parts = texts.iter().flat_map(|text| text.split(',').map(str::trim));
    for text in parts {
        let (first, last, alone) = range(text)?;
        let count = u64::from(last - first) + 1 + targets.len() as u64;
        if count > u64::from(MOST) {
            return Err(TargetError::TooMany { text: text.to_owned(), count });
        }
        for address in (first..=last).map(Ipv4Addr::from) {
            if !targets.iter().any(|known| known.address == address) {
                targets.push(Target { address, alone });
            }
        }
    }
    Ok(targets)
}

/// First and last address, and whether it is one alone.
fn range(text: &str) -> Result<(u32, u32, bool), TargetError> {
    let address = |part: &str| {
        let address = part.trim().parse::<Ipv4Addr>();
        address.map(u32::from).map_err(|_| TargetError::Unknown(text.to_owned()))
    };
    if let Some((base, length)) = text.split_once('/') {
        let base = address(base)?;
        let length: Option<u32> = length.parse().ok().filter(|length| *length <= 32);
        let length = length.ok_or_else(|| TargetError::Prefix(text.to_owned()))?;
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        let (network, broadcast) = (base & mask, base | !mask);
        // A network's own address and its broadcast address are no host's.
        return Ok(match length {
            31 | 32 => (network, broadcast, length == 32),
            _ => (network + 1, broadcast - 1, false),
        });
    }
    if let Some((first, last)) = text.split_once('-') {
        let first = address(first)?;
        // What nmap's users write: the end is the last number of the same network.
        let last = match last.trim().parse::<u8>() {
            Ok(number) => first & !0xFF | u32::from(number),
            Err(_) => address(last)?,
        };
        if first > last {
            return Err(TargetError::Backwards(text.to_owned()));
        }
        return Ok((first, last, false));
    }
    address(text).map(|address| (address, address, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Result<Vec<String>, TargetError> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(parse(&texts)?.iter().map(|target| target.address.to_string()).collect())
    }

    #[test]
    fn addresses_ranges_and_networks_become_hosts_each_once() {
        assert_eq!(addresses(&["10.0.0.1"]).unwrap(), ["10.0.0.1"]);
        assert_eq!(addresses(&["10.0.0.1-10.0.0.3", "10.0.0.2"]).unwrap().len(), 3);
        assert_eq!(addresses(&["10.0.0.1-3"]).unwrap(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(addresses(&["10.0.0.1, 10.0.0.9-10"]).unwrap(), ["10.0.0.1", "10.0.0.9", "10.0.0.10"]);
        assert_eq!(addresses(&["10.0.0.7/30"]).unwrap(), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(addresses(&["10.0.0.0/22"]).unwrap().len(), 1022);
        assert_eq!(addresses(&["10.0.0.9/32"]).unwrap(), ["10.0.0.9"]);
        assert!(parse(&["10.0.0.9".to_owned()]).unwrap()[0].alone);
    }

    #[test]
    fn too_much_or_nonsense_is_one_sentence() {
        for (text, says) in [
            ("10.0.0.0/21", "at most 1024"),
            ("0.0.0.0/0", "at most 1024"),
            ("10.0.0.9-10.0.0.1", "ends before it begins"),
            ("10.0.0.1/33", "0 to 32"),
            ("meter-1", "neither an IPv4 address nor a range"),
            ("10.0.0", "neither"),
            ("10.0.0.9-5", "ends before it begins"),
            ("10.0.0.9-500", "neither"),
        ] {
            let reason = addresses(&[text]).unwrap_err().to_string();
            assert!(reason.contains(says) && !reason.contains('\n'), "{text}: {reason}");
        }
    }
}
