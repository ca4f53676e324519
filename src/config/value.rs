//! One value of the file, or one argument → its type, refused at the door with words for people.
//!
//! Every text of the file has its variables expanded, and a bad value is reported with the line it stands on,
//! which only the deserializer knows.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer as _, MapAccess, Visitor};

use super::address::{AddressError, Location};
use super::choice::{
    Accepted, Connection, Emit, IdentityPolicy, Listened, MapCheckPolicy, OtherOption, Requested, Timed,
};
use super::controller_tags::{FaultTags, Instance};
use super::duration::{self, DurationError};
use super::env::{self, VariableError};
use super::names::{MeterName, NameError, TagValue};
use super::zone::{self, Zone, ZoneError};
use crate::enip::tag::{Route, RouteError, TagName, TagNameError};
use crate::host::serial::Parity;
use crate::meter::{Evidence, Table, WordOrder};
use crate::source::modbus::TransmissionMode;
use crate::words::UnknownWord;

/// A value that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// None of the possible words.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// A word that another option takes.
    #[error(transparent)]
    OtherOption(#[from] OtherOption),
    /// No duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// No address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No name for a meter, or value for a tag.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No tag of a controller.
    #[error(transparent)]
    Tag(#[from] TagNameError),
    /// No route to a controller.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// No instance of an assembly.
    #[error("\"{0}\" is no assembly; write its number, such as 101")]
    Instance(String),
    /// No time zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A variable that cannot be replaced.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// No pattern of names.
    #[error("\"{text}\" is no pattern: {reason}")]
    Pattern {
        /// What was written.
        text: String,
        /// Why it is none.
        reason: &'static str,
    },
    /// Several names in one text.
    #[error("\"{0}\" is one text, write each name in quotes of its own")]
    OneText(String),
    /// The value of a variable is wrong, and may be a secret.
    #[error("what \"{written}\" stands for in the environment is not {expected}")]
    Hidden {
        /// What was written.
        written: String,
        /// What it should stand for.
        expected: &'static str,
    },
}

/// A type that is written as a text.
pub trait FromText: Sized {
    /// What is expected, after "expected ".
    const EXPECTED: &'static str;

    /// Parses the text, variables already expanded.
    ///
    /// # Errors
    /// What is wrong with it.
    fn from_text(text: &str) -> Result<Self, ValueError>;
}

/// Parses an argument as the same option of a file would be.
///
/// # Errors
/// What is wrong with it.
pub fn argument<T: FromText>(text: &str) -> Result<T, ValueError> {
    T::from_text(text)
}

/// Parses a text of the file; the value of a variable never comes out in an error.
fn text<T: FromText>(written: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<T, ValueError> {
    let expanded = env::expand(written, lookup)?;
    T::from_text(&expanded).map_err(|error| match expanded == written {
        true => error,
        false => ValueError::Hidden { written: written.to_owned(), expected: T::EXPECTED },
    })
}

/// A type that an option of the file may have.
pub(super) trait FromToml: Sized {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// What [`FromToml`] makes of a value, for lists and tables of them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Item<T>(T);

impl<'de, T: FromToml> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::from_toml(deserializer).map(Item)
    }
}

/// Deserializes an option that stands in the file.
pub(super) fn optional<'de, T: FromToml, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::from_toml(deserializer).map(Some)
}

impl<T: FromText> FromToml for T {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromText> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text in quotes: {}", T::EXPECTED)
            }

            fn visit_str<E: Error>(self, written: &str) -> Result<T, E> {
                text(written, |name| std::env::var(name).ok()).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl FromToml for bool {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer)
    }
}

impl<T: FromToml> FromToml for Vec<T> {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::<Item<T>>::deserialize(deserializer)?;
        Ok(items.into_iter().map(|item| item.0).collect())
    }
}

impl<K: FromToml + Ord, V: FromToml> FromToml for BTreeMap<K, V> {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = BTreeMap::<Item<K>, Item<V>>::deserialize(deserializer)?;
        Ok(items.into_iter().map(|(key, value)| (key.0, value.0)).collect())
    }
}

/// A whole number from `LOW` to `HIGH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within<const LOW: u16, const HIGH: u16>(pub u16);

impl<const LOW: u16, const HIGH: u16> FromToml for Within<LOW, HIGH> {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole<const LOW: u16, const HIGH: u16>;

        impl<const LOW: u16, const HIGH: u16> Visitor<'_> for Whole<LOW, HIGH> {
            type Value = u16;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LOW} to {HIGH} without quotes")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<u16, E> {
                u16::try_from(number)
                    .ok()
                    .filter(|number| (LOW..=HIGH).contains(number))
                    .ok_or_else(|| E::custom(format!("{number} is not a whole number from {LOW} to {HIGH}")))
            }
        }

        deserializer.deserialize_i64(Whole::<LOW, HIGH>).map(Within)
    }
}

/// Bits per second on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaudRate(pub u32);

impl FromToml for BaudRate {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bauds;

        impl Visitor<'_> for Bauds {
            type Value = BaudRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a speed such as 9600 without quotes")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<BaudRate, E> {
                let rate = u32::try_from(number).ok().filter(|rate| (1200..=115_200).contains(rate));
                rate.map(BaudRate)
                    .ok_or_else(|| E::custom(format!("{number} is not a speed from 1200 to 115200 baud")))
            }
        }

        deserializer.deserialize_i64(Bauds)
    }
}

impl FromToml for u8 {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Within(number) = Within::<0, 255>::from_toml(deserializer)?;
        u8::try_from(number).map_err(D::Error::custom)
    }
}

impl FromToml for NonZeroU16 {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Within(number) = Within::<1, 65535>::from_toml(deserializer)?;
        NonZeroU16::try_from(number).map_err(D::Error::custom)
    }
}

impl FromText for String {
    const EXPECTED: &'static str = "the path of a file";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(text.to_owned())
    }
}

impl FromText for TagName {
    const EXPECTED: &'static str = "the name of a controller's tag, such as \"PM_Line4:I.Data\"";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(text.parse::<TagName>()?)
    }
}

impl FromText for Route {
    const EXPECTED: &'static str = "a route such as \"1,0\", the backplane and slot 0";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(text.parse::<Route>()?)
    }
}

impl FromText for Instance {
    const EXPECTED: &'static str = "the number of an assembly";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Instance).map_err(|_| ValueError::Instance(text.to_owned()))
    }
}

impl FromToml for FaultTags {
    fn from_toml<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrEach;

        impl<'de> Visitor<'de> for OneOrEach {
            type Value = FaultTags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a tag's name, or a table with one for each assembly, such as { 101 = \"PM_Fault\" }",
                )
            }

            fn visit_str<E: Error>(self, written: &str) -> Result<FaultTags, E> {
                if written.is_empty() {
                    return Ok(FaultTags::None);
                }
                TagName::from_toml(written.into_deserializer()).map(FaultTags::All)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FaultTags, A::Error> {
                BTreeMap::from_toml(MapAccessDeserializer::new(map)).map(FaultTags::Each)
            }
        }

        deserializer.deserialize_any(OneOrEach)
    }
}

impl FromText for Duration {
    const EXPECTED: &'static str = "a duration with its unit, such as \"10s\"";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(duration::parse(text)?)
    }
}

impl FromText for Location {
    const EXPECTED: &'static str = "a host name or IP address";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(text.parse::<Location>()?)
    }
}

impl FromText for MeterName {
    const EXPECTED: &'static str = "a name that an MQTT topic and a tag can hold";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(MeterName::new(text)?)
    }
}

impl FromText for TagValue {
    const EXPECTED: &'static str = "a text that a tag can hold";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(TagValue::new(text)?)
    }
}

impl FromText for glob::Pattern {
    const EXPECTED: &'static str = "a field name, in which * and ? stand for other characters";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        glob::Pattern::new(text)
            .map_err(|error| ValueError::Pattern { text: text.to_owned(), reason: error.msg })
    }
}

/// Types whose words are declared once, by [`words!`](crate::words).
macro_rules! from_words {
    ($($type:ty: $expected:literal),+ $(,)?) => {
        $(impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, ValueError> {
                Ok(text.parse::<$type>()?)
            }
        })+
    };
}

from_words!(
    Connection: "\"explicit\", \"auto\", \"listen_only\", \"input_only\", \"modbus\" or \"logix\"",
    Emit: "\"newest\" or \"every_frame\"",
    IdentityPolicy: "\"require\" or \"warn\"",
    MapCheckPolicy: "\"refuse\", \"warn\" or \"off\"",
    WordOrder: "\"low_first\" or \"high_first\"",
    TransmissionMode: "\"TCP\", \"RTUoverTCP\" or \"RTU\"",
    Parity: "\"N\", \"E\" or \"O\"",
);

/// The table of this name, if it is one of `choices`.
fn table(text: &str, choices: &[Table]) -> Result<Table, ValueError> {
    if text.contains(',') {
        return Err(ValueError::OneText(text.to_owned()));
    }
    choices.iter().copied().find(|table| table.name() == text).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|table| table.name()).collect();
        UnknownWord::none_of("table", text, &names).into()
    })
}

impl FromText for Requested {
    const EXPECTED: &'static str = "a table's name";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        match text {
            "info" => Err(OtherOption::InfoIsRead.into()),
            "raw" => Err(OtherOption::RawIsAnOption.into()),
            _ => table(text, &Table::REQUESTABLE).map(Requested),
        }
    }
}

impl FromText for Timed {
    const EXPECTED: &'static str = "a table's name";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        match text {
            "raw" => Ok(Timed(Table::Raw)),
            "info" => Err(OtherOption::InfoIsHourly.into()),
            _ => table(text, &Table::REQUESTABLE).map(Timed),
        }
    }
}

impl FromText for Listened {
    const EXPECTED: &'static str = "a table's name";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        match text {
            "settings" => Err(OtherOption::SettingsAreNotHeard.into()),
            _ => table(text, &Listened::CHOICES).map(Listened),
        }
    }
}

impl FromText for Accepted {
    const EXPECTED: &'static str = "\"guessed\", \"inferred\", \"documented\" or \"verified\"";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        let grades = Evidence::ALL.into_iter().filter(|grade| *grade != Evidence::Unknown);
        match text.parse() {
            Ok(Evidence::Unknown) => Err(OtherOption::UnknownIsNotDecoded.into()),
            Ok(grade) => Ok(Accepted(grade)),
            Err(UnknownWord { what, word, .. }) => {
                let names: Vec<_> = grades.map(Evidence::name).collect();
                Err(UnknownWord::none_of(what, &word, &names).into())
            }
        }
    }
}

impl FromText for log::LevelFilter {
    const EXPECTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(match text {
            "error" => log::LevelFilter::Error,
            "warn" => log::LevelFilter::Warn,
            "info" => log::LevelFilter::Info,
            "debug" => log::LevelFilter::Debug,
            "trace" => log::LevelFilter::Trace,
            _ => {
                let names = ["error", "warn", "info", "debug", "trace"];
                return Err(UnknownWord::none_of("log level", text, &names).into());
            }
        })
    }
}

/// A duration that an empty text takes back: no packet interval of one's own, no load profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switchable(pub Option<Duration>);

impl FromText for Switchable {
    const EXPECTED: &'static str = Duration::EXPECTED;

    fn from_text(text: &str) -> Result<Self, ValueError> {
        let named = (!text.is_empty()).then(|| duration::parse(text)).transpose()?;
        Ok(Switchable(named))
    }
}

impl FromText for Zone {
    const EXPECTED: &'static str = "the IANA name of a time zone, such as \"Europe/Vienna\"";

    fn from_text(text: &str) -> Result<Self, ValueError> {
        Ok(zone::find(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_variable_is_in_no_error() {
        let secret = |_: &str| Some("hunter2 at meter".to_owned());
        let reasons = [
            text::<Location>("${METER}", secret).map(|_| ()),
            text::<Duration>("${METER}", secret).map(|_| ()),
            text::<Connection>("${METER}", secret).map(|_| ()),
            text::<Requested>("${METER}", secret).map(|_| ()),
            text::<Zone>("${METER}", secret).map(|_| ()),
            text::<MeterName>("${METER}/1", secret).map(|_| ()),
            text::<TagValue>("${METER}\u{200b}", secret).map(|_| ()),
            text::<glob::Pattern>("${METER}***", secret).map(|_| ()),
        ];
        for reason in reasons {
            let said = reason.expect_err("refused").to_string();
            assert!(said.contains("\"${METER}") && !said.contains("hunter2"), "{said}");
        }
    }
}
