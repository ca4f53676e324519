//! Meters named on the command line rather than in a file.

use std::collections::HashSet;
use std::path::Path;
use std::str::FromStr;

use super::address::Location;
use super::file::{Block, Placed};
use super::mistake::ConfigError;
use super::names::{MeterName, NameError};
use super::options::Options;
use super::value::ValueError;
use super::{Config, Overrides, build};

/// A meter as an argument: `192.168.1.50`, `modbus://192.168.1.50:1502` or `press4=192.168.1.50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name, if it is not to be the host.
    pub name: Option<MeterName>,
    /// Where it is.
    pub location: Location,
}

impl FromStr for Named {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, location) = match text.split_once('=') {
            Some((name, location)) => (Some(MeterName::new(name)?), location),
            None => (None, text),
        };
        Ok(Named { name, location: location.parse::<Location>()? })
    }
}

/// Settings for meters named on the command line, all with the same options. Every table is read at every
/// interval, and no state is kept. A host that is named for both protocols is two meters, whose names
/// say so.
///
/// # Errors
/// What cannot be, as from a file.
pub fn by_hand(meters: &[Named], options: Options) -> Result<Config, ConfigError> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut block = Block { plugin: Placed { line: None, options }, meters: Vec::new() };
    for Named { name, location } in meters {
        let name = match name {
            Some(name) => name.clone(),
            None => free_name(location, &taken).map_err(|error| ConfigError::at(None, error))?,
        };
        taken.insert(name.as_str().to_owned());
        let options = Options { name: Some(name), address: Some(location.clone()), ..Options::default() };
        block.meters.push(Placed { line: None, options });
    }
    let mut config = build(vec![block], &Overrides::default(), Path::new(""), None)?;
    for meter in &mut config.meters {
        meter.intervals.values_mut().for_each(|period| *period = meter.interval);
    }
    Ok(config)
}

/// The host, or the host and the protocol where the host is taken.
fn free_name(location: &Location, taken: &HashSet<String>) -> Result<MeterName, NameError> {
    let host = location.address.short_name();
    let written = location.to_string();
    let longer = match (taken.contains(host), location.scheme) {
        (false, _) => host.to_owned(),
        (true, Some(scheme)) => format!("{host}-{scheme}"),
        (true, None) => written,
    };
    MeterName::new(&longer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Connection, Requested};
    use crate::meter::Table;

    fn named(meters: &[&str], options: Options) -> anyhow::Result<Config> {
        let named: Result<Vec<Named>, ValueError> = meters.iter().map(|meter| meter.parse()).collect();
        Ok(by_hand(&named?, options)?)
    }

    #[test]
    fn an_address_says_how_the_meter_is_read_and_every_table_comes_every_time() {
        let config = named(&["modbus://192.168.1.50:1502"], Options::default()).unwrap();
        let meter = &config.meters[0];
        assert_eq!((meter.connection, meter.port()), (Connection::Modbus, 1502));
        assert_eq!(meter.period(Table::Energy), meter.interval);
        let options = Options { tables: Some(vec![Requested(Table::Realtime)]), ..Options::default() };
        let config = named(&["eip://[::1]"], options).unwrap();
        assert_eq!((config.meters[0].connection, config.meters[0].port()), (Connection::Explicit, 44818));
    }

    #[test]
    fn meters_can_be_named_and_a_host_read_in_both_ways_is_two_of_them() {
        let names = |meters: &[&str]| -> Vec<String> {
            let config = named(meters, Options::default()).unwrap();
            config.meters.into_iter().map(|meter| meter.name).collect()
        };
        assert_eq!(names(&["press4=192.168.1.50", "oven=eip://meter"]), ["press4", "oven"]);
        assert_eq!(names(&["meter", "modbus://meter"]), ["meter", "meter-modbus"]);
        assert_eq!(names(&["meter:44818", "meter:44819"]), ["meter", "meter:44819"]);
        let twice = named(&["a=meter", "b=eip://meter"], Options::default()).unwrap_err().to_string();
        assert!(twice.contains("the meters \"a\" and \"b\" have the same address"), "{twice}");
    }

    #[test]
    fn a_bad_address_table_or_scheme_is_one_sentence() {
        let energy = Options { tables: Some(vec![Requested(Table::Energy)]), ..Options::default() };
        for (url, options, says) in [
            ("http://meter", Options::default(), "modbus://HOST or logix://HOST"),
            ("eip://", Options::default(), "not an empty text"),
            ("meter:99999", Options::default(), "port"),
            ("hall/1=meter", Options::default(), "MQTT topic level"),
            ("meter", energy, "Modbus"),
        ] {
            let reason = named(&[url], options).unwrap_err().to_string();
            assert!(reason.contains(says) && !reason.contains('\n'), "{url}: {reason}");
        }
    }
}
