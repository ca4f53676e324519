//! Enums whose values are words that people write and read: in a configuration, a profile, an argument, a line.
//!
//! `words!` gives such an enum its names, once; parsing, printing and the words that a person is
//! told when none fits all come from there. Words of other programs for the same thing may follow, behind a semicolon: they
//! are not understood, but answered with the one that is.

use crate::suggest::nearest;

/// A word that is none of those that are possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{word}\", {hint}")]
pub struct UnknownWord {
    /// What the word names.
    pub what: &'static str,
    /// What was written.
    pub word: String,
    /// The nearest possible word, or what was expected.
    pub hint: Hint,
}

/// What to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Hint {
    /// One name is so near that it was meant.
    #[error("did you mean \"{0}\"?")]
    Nearest(String),
    /// Nothing is near.
    #[error("expected {0}")]
    Expected(String),
}

impl UnknownWord {
    /// An error that suggests the nearest of `names`, or says what was expected.
    pub fn new<'a>(
        what: &'static str,
        word: &str,
        names: impl IntoIterator<Item = &'a str>,
        expected: impl Into<String>,
    ) -> UnknownWord {
        let hint = match nearest(word, names) {
            Some(nearest) => Hint::Nearest(nearest.to_owned()),
            None => Hint::Expected(expected.into()),
        };
        UnknownWord { what, word: word.to_owned(), hint }
    }

    /// An error about a word that other programs have for one of ours.
    pub fn instead(what: &'static str, word: &str, ours: &str) -> UnknownWord {
        UnknownWord { what, word: word.to_owned(), hint: Hint::Nearest(ours.to_owned()) }
    }

    /// An error about a word that is none of these.
    pub fn none_of(what: &'static str, word: &str, names: &[&str]) -> UnknownWord {
        UnknownWord::new(what, word, names.iter().copied(), format!("one of {}", names.join(", ")))
    }
}

/// Gives an enum its words: `ALL`, `name`, and parsing and printing by name.
///
/// ```
/// #[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// pub enum Color {
///     /// Like blood.
///     Red,
///     /// Like the sky.
///     Blue,
/// }
/// telegraf_pm500::words!(Color, "color": Red = "red", Blue = "blue");
///
/// assert_eq!("blue".parse(), Ok(Color::Blue));
/// let unknown = "bleu".parse::<Color>().unwrap_err();
/// assert_eq!(unknown.to_string(), "unknown color \"bleu\", did you mean \"blue\"?");
/// ```
///
/// ```
/// #[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// pub enum Color {
///     /// Like blood.
///     Red,
/// }
/// telegraf_pm500::words!(Color, "color": Red = "red"; "crimson" => "red");
///
/// let unknown = "Crimson".parse::<Color>().unwrap_err();
/// assert_eq!(unknown.to_string(), "unknown color \"Crimson\", did you mean \"red\"?");
/// ```
#[macro_export]
macro_rules! words {
    ($type:ident, $what:literal: $($variant:ident = $name:literal),+ $(; $($other:literal => $ours:literal),+)? $(,)?) => {
        impl $type {
            /// Every value, in the order in which they are listed to people.
            pub const ALL: [$type; [$($type::$variant),+].len()] = [$($type::$variant),+];

            /// The word in configurations, arguments and output.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => return Ok($type::$variant),)+
                    _ => {}
                }
                let other: &[(&str, &str)] = &[$($(($other, $ours)),+)?];
                Err(match other.iter().find(|(other, _)| text.eq_ignore_ascii_case(other)) {
                    Some((_, ours)) => $crate::words::UnknownWord::instead($what, text, ours),
                    None => $crate::words::UnknownWord::none_of($what, text, &[$($name),+]),
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
