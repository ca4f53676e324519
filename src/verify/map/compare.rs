//! The same element over EtherNet/IP and over Modbus. Equality proves only that the two maps agree.

use crate::meter::{Profile, Readings, Use, Value};

/// How the two values compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreement {
    /// They agree; both in words.
    Equal(String, String),
    /// They agree, and are zero or empty: that says nothing.
    Blank,
    /// They differ.
    Differs(String, String),
}

/// Voltages and frequency differ by less than this between two readings.
const DRIFT: f64 = 0.05;
/// A load may step while nobody looks: powers and currents differ by this factor at most.
const STEP: f64 = 2.0;

/// Compares an element. `eip` are all readings over EtherNet/IP, `modbus` the one beside them.
pub fn element(profile: &Profile, index: usize, eip: &[Readings], modbus: &Readings) -> Option<Agreement> {
    let element = profile.elements.get(index).filter(|element| element.usage != Use::None)?;
    let there = modbus.get(index)?;
    let here: Vec<&Value> = eip.iter().filter_map(|readings| readings.get(index)).collect();
    let newest = here.last()?;
    let (shown, other) = (show(newest, &element.unit), show(there, &element.unit));
    let agree = match there {
        Value::Real(value) => {
            let value = f64::from(*value);
            let reals = here.iter().filter_map(|here| match here {
                Value::Real(here) => Some(f64::from(*here)),
                _ => None,
            });
            let (low, high) =
                reals.fold((f64::MAX, f64::MIN), |(low, high), here| (low.min(here), high.max(here)));
            let size = low.abs().max(high.abs());
            let slack = match element.unit.as_str() {
                "V" | "Hz" => DRIFT * size,
                "" => 0.3 * size.max(1.0),
                _ => (STEP - 1.0) * size,
            };
            // Nothing at all beside something is another place, not another time.
            (low - slack..=high + slack).contains(&value)
                && (value.abs() * STEP * 10.0 >= low.abs().min(high.abs()))
        }
        _ => here.contains(&there),
    };
    let blank = matches!(there, Value::Real(0.0) | Value::Integer(0));
    Some(match (agree, blank) {
        (true, true) => Agreement::Blank,
        (true, false) => Agreement::Equal(shown, other),
        (false, _) => Agreement::Differs(shown, other),
    })
}

/// A value with its unit.
pub fn show(value: &Value, unit: &str) -> String {
    let number = match value {
        Value::Real(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Text(text) => return text.clone(),
    };
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Table;

    fn agreement(table: Table, name: &str, eip: &[Value], modbus: Value) -> Agreement {
        let profile = Profile::built_in();
        let index = profile.index_of(table, name).unwrap();
        let readings = |value: &Value| {
            let mut readings = Readings::new(profile.elements.len());
            readings.set(index, Some(value.clone()));
            readings
        };
        let eip: Vec<Readings> = eip.iter().map(readings).collect();
        element(&profile, index, &eip, &readings(&modbus)).unwrap()
    }

    #[test]
    fn a_value_that_moved_between_two_readings_agrees_and_one_elsewhere_differs() {
        let watts = |modbus| {
            let eip = [Value::Real(1000.0), Value::Real(1400.0)];
            agreement(Table::Realtime, "active_power_l1_w", &eip, Value::Real(modbus))
        };
        assert!(matches!(watts(1200.0), Agreement::Equal(..)));
        assert!(matches!(watts(2500.0), Agreement::Equal(..)), "a load stepped");
        assert!(matches!(watts(4000.0), Agreement::Differs(..)));
        let volts = |modbus| {
            let eip = [Value::Real(230.0), Value::Real(231.0)];
            agreement(Table::Realtime, "voltage_l1_n_v", &eip, Value::Real(modbus))
        };
        assert!(
            matches!(volts(235.0), Agreement::Equal(..)) && matches!(volts(399.0), Agreement::Differs(..))
        );
        assert_eq!(watts(1.2), Agreement::Differs("1400 W".to_owned(), "1.2 W".to_owned()));
        let alarm =
            |eip, modbus| agreement(Table::Alarm, "alarm_1", &[Value::Integer(eip)], Value::Integer(modbus));
        assert_eq!(alarm(0, 0), Agreement::Blank);
        assert!(matches!(alarm(0, 1), Agreement::Differs(..)));
    }
}
