//! One value of the file → its type, refused at the door with words for people.
//!
//! Every text passes through [`Parsed`], so that variables expand everywhere and a bad value is reported
//! with the line it stands on, which only the deserializer knows.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::address::Address;
use super::choice::{Connection, Emit, IdentityPolicy, Listened, MapCheckPolicy, Timed};

use super::{duration, env};
use crate::meter::decode::WordOrder;
use crate::meter::{Evidence, Table};

/// A type that is written as a text.
pub(super) trait FromText: Sized {
    /// What is expected, after "expected ".
    const EXPECTED: &'static str;

    /// Parses the text, variables already expanded.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// A value read from a quoted string, with its variables expanded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromText> Visitor<'_> for Text<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                env::expand(text, |name| std::env::var(name).ok())
                    .and_then(|text| T::from_text(&text))
                    .map(Parsed)
                    .map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// A whole number from `LOW` to `HIGH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<const LOW: u16, const HIGH: u16>(pub(super) u16);

impl<'de, const LOW: u16, const HIGH: u16> Deserialize<'de> for Number<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole<const LOW: u16, const HIGH: u16>;

        impl<const LOW: u16, const HIGH: u16> Visitor<'_> for Whole<LOW, HIGH> {
            type Value = Number<LOW, HIGH>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LOW} to {HIGH} without quotes")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                u16::try_from(number)
                    .ok()
                    .filter(|number| (LOW..=HIGH).contains(number))
                    .map(Number)
                    .ok_or_else(|| E::custom(format!("{number} is not a whole number from {LOW} to {HIGH}")))
            }
        }

        deserializer.deserialize_i64(Whole)
    }
}

impl FromText for String {
    const EXPECTED: &'static str = "a text in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for Duration {
    const EXPECTED: &'static str = "a duration with its unit in quotes, such as \"10s\"";

    fn from_text(text: &str) -> Result<Self, String> {
        duration::parse(text)
    }
}

impl FromText for Address {
    const EXPECTED: &'static str = "a host name or IP address in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for glob::Pattern {
    const EXPECTED: &'static str = "a field name in quotes, in which * and ? stand for other characters";

    fn from_text(text: &str) -> Result<Self, String> {
        glob::Pattern::new(text).map_err(|error| format!("\"{text}\" is no pattern: {}", error.msg))
    }
}

impl FromText for Connection {
    const EXPECTED: &'static str = "\"explicit\", \"auto\", \"listen_only\", \"input_only\" or \"modbus\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choose("connection", text, &Connection::ALL, |choice| choice.name())
    }
}

impl FromText for Emit {
    const EXPECTED: &'static str = "\"newest\" or \"every_frame\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choose("value of emit", text, &[Emit::Newest, Emit::EveryFrame], |choice| choice.name())
    }
}

impl FromText for Table {
    const EXPECTED: &'static str = "a table's name in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "info" => Err("the table info is always read and need not be named".to_owned()),
            "raw" => Err("assembly 107 is stored undecoded by raw_energy = true, not by a table".to_owned()),
            _ => choose("table", text, &Table::REQUESTABLE, |choice| choice.name()),
        }
    }
}

impl FromText for Timed {
    const EXPECTED: &'static str = Table::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "raw" => Ok(Timed(Table::Raw)),
            "info" => Err("the table info is read at connect and hourly, its interval is fixed".to_owned()),
            _ => Table::from_text(text).map(Timed),
        }
    }
}

impl FromText for Listened {
    const EXPECTED: &'static str = "a table's name in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "settings" => {
                Err("the table settings comes over Modbus only and cannot be listened to".to_owned())
            }
            _ => choose("table", text, &Listened::CHOICES, |choice| choice.0.name()),
        }
    }
}

impl FromText for Evidence {
    const EXPECTED: &'static str = "\"guessed\", \"inferred\", \"documented\" or \"verified\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if text == Evidence::Unknown.name() {
            return Err("nothing of unknown layout is decoded, see raw_energy for assembly 107".to_owned());
        }
        choose("grade of evidence", text, &Evidence::ALL[1..], |choice| choice.name())
    }
}

impl FromText for IdentityPolicy {
    const EXPECTED: &'static str = "\"require\" or \"warn\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choose("identity policy", text, &[IdentityPolicy::Require, IdentityPolicy::Warn], |choice| {
            choice.name()
        })
    }
}

impl FromText for MapCheckPolicy {
    const EXPECTED: &'static str = "\"refuse\", \"warn\" or \"off\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let choices = [MapCheckPolicy::Refuse, MapCheckPolicy::Warn, MapCheckPolicy::Off];
        choose("map check policy", text, &choices, |choice| choice.name())
    }
}

impl FromText for WordOrder {
    const EXPECTED: &'static str = "\"low_first\" or \"high_first\"";

    fn from_text(text: &str) -> Result<Self, String> {
        choose("word order", text, &[WordOrder::LowFirst, WordOrder::HighFirst], |choice| choice.name())
    }
}

impl FromText for log::LevelFilter {
    const EXPECTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let choices: Vec<_> = log::LevelFilter::iter().skip(1).collect();
        let name = |choice: log::LevelFilter| match choice {
            log::LevelFilter::Off => "off",
            log::LevelFilter::Error => "error",
            log::LevelFilter::Warn => "warn",
            log::LevelFilter::Info => "info",
            log::LevelFilter::Debug => "debug",
            log::LevelFilter::Trace => "trace",
        };
        choose("log level", text, &choices, name)
    }
}

/// A duration that an empty text takes back: no packet interval of one's own, no load profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switchable(pub(super) Option<Duration>);

impl FromText for Switchable {
    const EXPECTED: &'static str = Duration::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        let named = (!text.is_empty()).then(|| duration::parse(text)).transpose();
        named.map(Switchable)
    }
}

/// An IANA time zone by name; empty for none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Zone(pub(super) Option<jiff::tz::TimeZone>);

impl FromText for Zone {
    const EXPECTED: &'static str = "the IANA name of a time zone in quotes, such as \"Europe/Vienna\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Zone(None));
        }
        let database = jiff::tz::db();
        database.get(text).map(|zone| Zone(Some(zone))).map_err(|_| {
            let names: Vec<_> = database.available().map(|name| name.as_str().to_owned()).collect();
            if names.is_empty() {
                return format!(
                    "time zone \"{text}\": this system has no time zones, install the package tzdata"
                );
            }
            unknown("time zone", text, names.iter().map(String::as_str), "an IANA name such as Europe/Vienna")
        })
    }
}

/// Picks the choice with this name.
fn choose<T: Copy>(
    what: &str,
    text: &str,
    choices: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let found = choices.iter().copied().find(|choice| name(*choice) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|choice| name(*choice)).collect();
        unknown(what, text, names.iter().copied(), &format!("one of {}", names.join(", ")))
    })
}

/// "unknown table "enrgy", did you mean "energy"?", or what was expected when nothing is near.
pub(super) fn unknown<'a>(
    what: &str,
    text: &str,
    names: impl IntoIterator<Item = &'a str>,
    expected: &str,
) -> String {
    match crate::suggest::nearest(text, names) {
        Some(nearest) => format!("unknown {what} \"{text}\", did you mean \"{nearest}\"?"),
        None => format!("unknown {what} \"{text}\", expected {expected}"),
    }
}
