//! Numbers as people read them: with a unit, a prefix, and as many digits as mean something.

use crate::meter::Value;

/// A number with its unit: `230.1 V`, `18.14 kW`, `1,234,567.890 kWh`.
pub fn figure(value: f64, unit: &str) -> String {
    match unit {
        "W" | "VA" | "var" => prefixed(value, unit, 1.0e3),
        "V" | "A" => prefixed(value, unit, 1.0e4),
        "Hz" => format!("{value:.2} Hz"),
        "Wh" | "varh" => format!("{} k{unit}", grouped(&format!("{:.3}", value / 1000.0))),
        "s" if value >= 3600.0 => format!("{} h", grouped(&format!("{:.1}", value / 3600.0))),
        "" => significant(value),
        _ => format!("{} {unit}", significant(value)),
    }
}

/// A decoded value with its unit.
pub fn value(value: &Value, unit: &str) -> String {
    match value {
        Value::Real(real) => figure(f64::from(*real), unit),
        Value::Integer(integer) => figure(*integer as f64, unit),
        Value::Text(text) => text.clone(),
    }
}

/// A power factor with its side. The meter's sign says which: + lag, - lead (by its sibling).
pub fn power_factor(value: f64) -> String {
    let side = match value {
        value if value.abs() >= 0.9995 || value == 0.0 => "",
        value if value > 0.0 => " lag",
        _ => " lead",
    };
    format!("{:.3}{side}", value.abs())
}

/// A share of one as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A time that has passed: `0.4 s`, `3 min`, `2 h`.
pub fn age(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 10.0 => format!("{:.1} s", seconds.max(0.0)),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3600.0),
    }
}

/// With k from `from` on, and M and G a thousand and a million times that.
fn prefixed(value: f64, unit: &str, from: f64) -> String {
    let size = value.abs();
    let (scale, prefix) = match size {
        size if size >= from * 1.0e6 => (1.0e9, "G"),
        size if size >= from * 1.0e3 => (1.0e6, "M"),
        size if size >= from => (1.0e3, "k"),
        _ => (1.0, ""),
    };
    format!("{} {prefix}{unit}", significant(value / scale))
}

/// Four digits that mean something, and no more than a meter has.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if value == 0.0 || (value.fract() == 0.0 && value.abs() < 1.0e9) { format!("{value:.0}") } else { text }
}

/// With a comma between thousands.
fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_prefix_and_digits_that_mean_something() {
        for (value, unit, text) in [
            (230.149, "V", "230.1 V"),
            (20_123.0, "V", "20.12 kV"),
            (0.0, "A", "0 A"),
            (81.519, "A", "81.52 A"),
            (18_143.2, "W", "18.14 kW"),
            (-950.04, "var", "-950.0 var"),
            (1.25e6, "VA", "1.250 MVA"),
            (49.987, "Hz", "49.99 Hz"),
            (1_234_567_890.0, "Wh", "1,234,567.890 kWh"),
            (999.0, "varh", "0.999 kvarh"),
            (44_444_760.0, "s", "12,345.8 h"),
            (900.0, "s", "900 s"),
            (3.0, "", "3"),
        ] {
            assert_eq!(figure(value, unit), text);
        }
    }

    #[test]
    fn a_power_factor_has_a_side_unless_it_is_one() {
        assert_eq!(power_factor(0.97), "0.970 lag");
        assert_eq!(power_factor(-0.5), "0.500 lead");
        assert_eq!(power_factor(1.0), "1.000");
        assert_eq!(power_factor(-0.9999), "1.000");
    }
}
