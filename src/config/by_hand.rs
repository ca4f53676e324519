//! Meters and options named on the command line rather than in a file.

use std::path::Path;
use std::time::Duration;

use super::address::Address;
use super::choice::{Connection, Emit};
use super::file::{Block, Placed};
use super::value::{FromText, Number, Parsed, Switchable};
use super::{Config, Overrides, build};
use crate::meter::{Table, TableSet};

/// What was written by hand; options that were not are the file's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByHand {
    /// Meters: a name if it is not the host, and `HOST[:PORT]`, `eip://…` or `modbus://…`.
    pub meters: Vec<(Option<String>, String)>,
    /// How often every table is read.
    pub interval: Option<Duration>,
    /// Listen beside the owner instead of reading explicitly.
    pub listen: bool,
    /// The owner's packet interval.
    pub rpi: Option<Duration>,
    /// Configuration instance of a listener's connection path.
    pub config_instance: Option<u8>,
    /// Emit every new sample.
    pub every_frame: bool,
    /// Tables, separated by commas.
    pub tables: Option<String>,
    /// Lowest evidence accepted.
    pub evidence: Option<String>,
    /// Profile file.
    pub profile: Option<String>,
    /// What to do with a different device.
    pub identity: Option<String>,
    /// What to do with a contradicted map.
    pub map_check: Option<String>,
    /// Word order of Modbus numbers.
    pub word_order: Option<String>,
    /// Modbus unit id.
    pub unit_id: Option<u8>,
}

impl Config {
    /// Settings for meters named on the command line. Every table is read at every interval, and no state
    /// is kept.
    ///
    /// # Errors
    /// One sentence, as from a file.
    pub fn by_hand(hand: &ByHand) -> Result<Config, String> {
        let mut block = Block::default();
        let options = &mut block.plugin.options;
        let tables = hand.tables.as_ref().map(|names| names.split(',').map(|name| parsed(name.trim())));
        options.tables = tables.map(Iterator::collect).transpose()?;
        options.interval = hand.interval.map(Parsed);
        options.rpi = hand.rpi.map(|rpi| Parsed(Switchable(Some(rpi))));
        options.config_instance = hand.config_instance.map(|instance| Number(instance.into()));
        options.emit = hand.every_frame.then_some(Parsed(Emit::EveryFrame));
        options.evidence = optional(hand.evidence.as_deref())?;
        options.profile = optional(hand.profile.as_deref())?;
        options.identity = optional(hand.identity.as_deref())?;
        options.map_check = optional(hand.map_check.as_deref())?;
        options.word_order = optional(hand.word_order.as_deref())?;
        options.unit_id = hand.unit_id.map(|unit| Number(unit.into()));
        for (name, url) in &hand.meters {
            let (connection, address) = match (locate(url)?, hand.listen) {
                ((Connection::Modbus, _), true) => {
                    return Err(format!("\"{url}\" cannot be listened to, Modbus has no such thing"));
                }
                ((_, address), true) => (Connection::ListenOnly, address),
                (located, false) => located,
            };
            let mut meter = Placed::default();
            meter.options.name = name.clone().map(|name| toml::Spanned::new(0..0, Parsed(name)));
            meter.options.address = Some(toml::Spanned::new(0..0, Parsed(address)));
            meter.options.connection = Some(Parsed(connection));
            block.meters.push(meter);
        }
        let mut config = build(vec![block], &Overrides::default(), Path::new(""), None)?;
        if hand.listen && hand.tables.is_none() {
            // Whoever asks to listen wants to see what is heard, and nothing that was asked for.
            config.meters.iter_mut().for_each(|meter| meter.tables = TableSet::from_iter([Table::Realtime]));
        }
        for meter in &mut config.meters {
            meter.intervals.values_mut().for_each(|period| *period = meter.interval);
        }
        Ok(config)
    }
}

fn parsed<T: FromText>(text: &str) -> Result<Parsed<T>, String> {
    T::from_text(text).map(Parsed)
}

fn optional<T: FromText>(text: Option<&str>) -> Result<Option<Parsed<T>>, String> {
    text.map(parsed).transpose()
}

/// `eip://`, `modbus://` or a bare address, which is EtherNet/IP.
fn locate(url: &str) -> Result<(Connection, Address), String> {
    let (connection, address) = match url.split_once("://") {
        None => (Connection::Explicit, url),
        Some(("eip", address)) => (Connection::Explicit, address),
        Some(("modbus", address)) => (Connection::Modbus, address),
        Some((scheme, _)) => {
            return Err(format!(
                "\"{scheme}://\" is not known, write eip:// or modbus:// before the address"
            ));
        }
    };
    Ok((connection, address.trim_end_matches('/').parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand(url: &str, tables: Option<&str>) -> Result<Config, String> {
        let meters = vec![(None, url.to_owned())];
        Config::by_hand(&ByHand { meters, tables: tables.map(str::to_owned), ..ByHand::default() })
    }

    #[test]
    fn an_address_says_how_the_meter_is_read_and_every_table_comes_every_time() {
        let config = by_hand("modbus://192.168.1.50:1502", None).unwrap();
        let meter = &config.meters[0];
        assert_eq!((meter.connection, meter.port()), (Connection::Modbus, 1502));
        assert_eq!(meter.period(Table::Energy), meter.interval);
        let config = by_hand("eip://[::1]", Some("realtime")).unwrap();
        assert_eq!((config.meters[0].connection, config.meters[0].port()), (Connection::Explicit, 44818));
    }

    #[test]
    fn a_bad_address_table_or_scheme_is_one_sentence() {
        for (url, tables, says) in [
            ("http://meter", None, "eip:// or modbus://"),
            ("eip://", None, "not an empty text"),
            ("meter:99999", None, "port"),
            ("meter", Some("realtim"), "did you mean \"realtime\"?"),
            ("meter", Some("energy"), "Modbus"),
        ] {
            let reason = by_hand(url, tables).unwrap_err();
            assert!(reason.contains(says) && !reason.contains('\n'), "{url}: {reason}");
        }
    }
}
