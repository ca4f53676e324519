//! What is read, how and how often, in one sentence for the log.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{Config, MeterConfig, show_duration};

/// `Reading 3 meters: 2 explicit every 10s, 1 modbus every 1m`, or of one meter its tables.
pub(super) fn sentence(config: &Config) -> String {
    match &config.meters[..] {
        [] => "No meter is configured; add an [[inputs.powermonitor_500.meter]] table".to_owned(),
        [meter] => format!("Reading meter \"{}\", {}: {}", meter.name, meter.connection, tables(meter)),
        meters => {
            let mut ways: BTreeMap<(String, Duration), usize> = BTreeMap::new();
            for meter in meters {
                *ways.entry((meter.connection.to_string(), meter.interval)).or_default() += 1;
            }
            let ways: Vec<String> = ways
                .into_iter()
                .map(|((connection, every), count)| {
                    format!("{count} {connection} every {}", show_duration(every))
                })
                .collect();
            format!("Reading {} meters: {}", meters.len(), ways.join(", "))
        }
    }
}

/// `realtime and alarm every 10s, energy every 1m`.
fn tables(meter: &MeterConfig) -> String {
    let mut rates: BTreeMap<Duration, Vec<&str>> = BTreeMap::new();
    for table in meter.tables.union(meter.modbus_tables).iter() {
        rates.entry(meter.period(table)).or_default().push(table.name());
    }
    let rates: Vec<String> = rates
        .into_iter()
        .map(|(every, tables)| format!("{} every {}", tables.join(" and "), show_duration(every)))
        .collect();
    rates.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn one_sentence_says_what_is_read_how_and_how_often() {
        let said = |text: &str| sentence(&Config::parse(text, &Overrides::default()).unwrap());
        let block = "[[inputs.powermonitor_500]]\n";
        let meter = |options: &str| format!("[[inputs.powermonitor_500.meter]]\n{options}\n");
        assert!(said(block).starts_with("No meter is configured"));
        let one =
            meter("address = \"10.0.0.1\"\nconnection = \"modbus\"\ntables = [\"realtime\", \"settings\"]");
        assert_eq!(
            said(&format!("{block}{one}")),
            "Reading meter \"10.0.0.1\", modbus: realtime every 10s, settings every 1h"
        );
        let others = meter("address = \"10.0.0.2\"") + &meter("address = \"10.0.0.3\"");
        assert_eq!(
            said(&format!("{block}{one}{others}")),
            "Reading 3 meters: 2 explicit every 10s, 1 modbus every 10s"
        );
    }
}
