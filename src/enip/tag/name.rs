//! The name of a tag as a person writes it → the path that a request carries.
//!
//! One symbolic segment (0x91, length USINT, characters, a zero byte where that is needed for an even length) for each
//! part between dots, and one member segment for each index: 0x28 USINT, 0x29 0 UINT or 0x2A 0 UDINT. A module's tag is
//! `NAME:I`, with the member `Data`; a program's is `Program:NAME.TAG`. Source: 1756-PM020, "Request path".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Symbolic segment, characters of one byte.
const SYMBOL: u8 = 0x91;
/// Member segments: index of 8, 16 or 32 bits.
const MEMBER_8: u8 = 0x28;
const MEMBER_16: u8 = 0x29;
const MEMBER_32: u8 = 0x2A;

/// Longest name of one part. Logix allows 40 characters, and a module's tag adds `:slot:I`.
const LONGEST_PART: usize = 64;
/// Most parts of a name; structures are not nested deeper in practice, and the path stays well below its limit.
const MOST_PARTS: usize = 8;
/// An array has three dimensions at most.
const MOST_INDEXES: usize = 3;

/// A tag's name, which can be asked for. Cheap to clone: it goes into every request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName(Arc<Name>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    text: String,
    path: Vec<u8>,
    indexed: bool,
}

/// Why a text is no name of a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagNameError {
    /// Nothing at all, or nothing between two dots.
    #[error("a part of the tag's name is empty; write it as the controller does, such as PM_Line4:I.Data")]
    Empty,
    /// A character that no tag has.
    #[error(
        "a tag's name has no {0:?}; it consists of letters, digits, _ and :, with dots between its parts"
    )]
    Character(char),
    /// A part that begins with a digit.
    #[error(
        "{0:?} is no name; a bit or an element is read with its whole: name the integer, or TAG[{0}] for an element"
    )]
    Digit(String),
    /// An index that is none.
    #[error("[{0}] is no index; write up to three numbers, such as [0] or [1,2]")]
    Index(String),
    /// Longer than any name a controller takes.
    #[error("the tag's name is longer than any name a controller has")]
    TooLong,
}

impl TagName {
    /// Whether the last part names an element of an array, from which on the data is taken.
    pub fn is_indexed(&self) -> bool {
        self.0.indexed
    }

    /// The path of a request, of even length.
    pub fn path(&self) -> &[u8] {
        &self.0.path
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl FromStr for TagName {
    type Err = TagNameError;

    fn from_str(text: &str) -> Result<Self, TagNameError> {
        let text = text.trim();
        let (mut path, mut indexed) = (Vec::new(), false);
        for (position, part) in text.split('.').enumerate() {
            if position == MOST_PARTS {
                return Err(TagNameError::TooLong);
            }
            let (name, indexes) = match part.split_once('[') {
                Some((name, rest)) => {
                    let inside =
                        rest.strip_suffix(']').ok_or_else(|| TagNameError::Index(rest.to_owned()))?;
                    (name, numbers(inside)?)
                }
                None => (part, Vec::new()),
            };
            path.extend(symbol(name)?);
            indexed = !indexes.is_empty();
            path.extend(indexes.into_iter().flat_map(member));
        }
        Ok(TagName(Arc::new(Name { text: text.to_owned(), path, indexed })))
    }
}

fn symbol(name: &str) -> Result<Vec<u8>, TagNameError> {
    let first = name.chars().next().ok_or(TagNameError::Empty)?;
    if let Some(odd) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))) {
        return Err(TagNameError::Character(odd));
    }
    if first.is_ascii_digit() {
        return Err(TagNameError::Digit(name.to_owned()));
    }
    let length = u8::try_from(name.len()).ok().filter(|length| usize::from(*length) <= LONGEST_PART);
    let mut segment = vec![SYMBOL, length.ok_or(TagNameError::TooLong)?];
    segment.extend(name.bytes());
    if segment.len() % 2 == 1 {
        segment.push(0);
    }
    Ok(segment)
}

fn numbers(inside: &str) -> Result<Vec<u32>, TagNameError> {
    let wrong = || TagNameError::Index(inside.to_owned());
    let numbers: Result<Vec<u32>, _> = inside.split(',').map(|number| number.trim().parse()).collect();
    numbers.ok().filter(|numbers| numbers.len() <= MOST_INDEXES).ok_or_else(wrong)
}

fn member(index: u32) -> Vec<u8> {
    match (u8::try_from(index), u16::try_from(index)) {
        (Ok(short), _) => vec![MEMBER_8, short],
        (_, Ok(word)) => [&[MEMBER_16, 0][..], &word.to_le_bytes()].concat(),
        _ => [&[MEMBER_32, 0][..], &index.to_le_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<u8> {
        text.parse::<TagName>().unwrap().path().to_vec()
    }

    #[test]
    fn a_module_s_tag_is_one_segment_for_each_part_between_dots() {
        let golden = [
            0x91, 10, b'P', b'M', b'_', b'L', b'i', b'n', b'e', b'4', b':', b'I', // even: no padding
            0x91, 4, b'D', b'a', b't', b'a',
        ];
        assert_eq!(path("PM_Line4:I.Data"), golden);
        let golden = [0x91, 3, b'P', b'M', b'5', 0, 0x28, 3];
        assert_eq!(path("PM5[3]"), golden);
        assert_eq!(path("Program:Main.A")[..2], [0x91, 12]);
    }

    #[test]
    fn indexes_take_as_many_bytes_as_they_need() {
        assert_eq!(path("A[255]")[4..], [0x28, 255]);
        assert_eq!(path("A[256]")[4..], [0x29, 0, 0, 1]);
        assert_eq!(path("A[65536]")[4..], [0x2A, 0, 0, 0, 1, 0]);
        assert_eq!(path("A[1, 2,3]")[4..], [0x28, 1, 0x28, 2, 0x28, 3]);
        assert!("A[2].B".parse::<TagName>().is_ok_and(|name| !name.is_indexed()));
        assert!("A.B[2]".parse::<TagName>().is_ok_and(|name| name.is_indexed()));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason_and_every_path_is_even() {
        let long = "x".repeat(80);
        for wrong in
            ["", ".", "A..B", "A b", "A-B", "3A", "A.3", "A[", "A[x]", "A[1,2,3,4]", "A[-1]", "Ä", &long]
        {
            assert!(wrong.parse::<TagName>().is_err(), "{wrong}");
        }
        for right in ["A", "AB", "_a.Bc.D[7].E", "Local:2:I.Data[0]", " spaced "] {
            assert_eq!(path(right).len() % 2, 0, "{right}");
        }
    }
}
