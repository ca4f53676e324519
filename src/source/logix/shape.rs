//! Does a tag hold an assembly? REAL[n], SINT[bytes] and USINT[bytes] carry an assembly's bytes as they came from the
//! meter; other types hold something else, or something that was converted on the way.

use crate::enip::tag::{TagName, TagType};

/// Why a tag cannot hold an assembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misshapen {
    /// A structure, of which one member is meant.
    #[error("tag {0} is a structure; the data of a generic module is its member: {0}.Data")]
    Structure(TagName),
    /// Elements of another type.
    #[error("tag {tag} holds {kind}, and assembly {assembly} needs REAL, SINT or USINT elements")]
    Type {
        /// The tag.
        tag: TagName,
        /// What it holds.
        kind: TagType,
        /// The assembly.
        assembly: u16,
    },
    /// Too few or too many of them.
    #[error(
        "tag {tag} has {found} bytes ({kind}[{}]), and assembly {assembly} has {}{hint}",
        found / kind.element_size().unwrap_or(1),
        sizes(wanted)
    )]
    Length {
        /// The tag.
        tag: TagName,
        /// Type of its elements.
        kind: TagType,
        /// Its length in bytes.
        found: usize,
        /// The assembly.
        assembly: u16,
        /// Lengths in bytes that it may have.
        wanted: Vec<u16>,
        /// What to do.
        hint: String,
    },
}

/// Which elements of a tag are an assembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Type of the elements.
    pub(super) kind: TagType,
    /// How many.
    pub(super) elements: u16,
}

fn sizes(wanted: &[u16]) -> String {
    let words: Vec<String> = wanted.iter().map(u16::to_string).collect();
    words.join(" or ")
}

impl Shape {
    /// Bytes of the whole.
    pub(super) fn bytes(self) -> usize {
        usize::from(self.elements) * self.kind.element_size().unwrap_or(1)
    }

    /// The shape of an assembly of `size` bytes in a tag of this type.
    ///
    /// # Errors
    /// [`Misshapen`] when elements of this type do not carry an assembly's bytes.
    pub(super) fn of(kind: TagType, tag: &TagName, assembly: u16, size: u16) -> Result<Shape, Misshapen> {
        let element = match kind {
            TagType::Structure => return Err(Misshapen::Structure(tag.clone())),
            TagType::Real => 4,
            TagType::Integer("SINT" | "USINT", _) => 1,
            TagType::Integer(..) | TagType::Other(_) => {
                return Err(Misshapen::Type { tag: tag.clone(), kind, assembly });
            }
        };
        Ok(Shape { kind, elements: size.div_ceil(element) })
    }
}

/// A tag is longer or shorter than the assembly.
pub(super) fn wrong_length(
    tag: &TagName,
    kind: TagType,
    found: usize,
    assembly: u16,
    wanted: &[u16],
) -> Misshapen {
    let longest = usize::from(wanted.iter().copied().max().unwrap_or_default());
    let hint = if found <= longest {
        "; correct the tag's or the module's input size".to_owned()
    } else if found == longest + 4 && tag.to_string().contains(":I.") {
        "; 4 bytes more are a status before the data: choose a Comm Format without status, or name the first element that \
         is the meter's, such as TAG[1]"
            .to_owned()
    } else {
        format!("; if it begins with the assembly, name its first element: {tag}[0]")
    };
    Misshapen::Length { tag: tag.clone(), kind, found, assembly, wanted: wanted.to_vec(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_and_bytes_carry_an_assembly_and_nothing_else_does() {
        let tag: TagName = "PM:I.Data".parse().unwrap();
        assert_eq!(Shape::of(TagType::Real, &tag, 101, 48).unwrap().elements, 12);
        assert_eq!(Shape::of(TagType::Integer("SINT", 1), &tag, 101, 48).unwrap().elements, 48);
        let wrong = Shape::of(TagType::Integer("DINT", 4), &tag, 101, 48).unwrap_err().to_string();
        assert!(wrong.contains("DINT") && wrong.contains("assembly 101"), "{wrong}");
        let wrong = Shape::of(TagType::Structure, &"PM:I".parse().unwrap(), 101, 48).unwrap_err().to_string();
        assert!(wrong.ends_with("its member: PM:I.Data"), "{wrong}");
    }

    #[test]
    fn a_wrong_length_names_both() {
        let tag: TagName = "PM:I.Data".parse().unwrap();
        let wrong = wrong_length(&tag, TagType::Real, 52, 101, &[48]).to_string();
        assert!(
            wrong.starts_with("tag PM:I.Data has 52 bytes (REAL[13]), and assembly 101 has 48; 4 bytes"),
            "{wrong}"
        );
        let wrong = wrong_length(&tag, TagType::Real, 24, 100, &[20, 40]).to_string();
        assert!(wrong.contains("assembly 100 has 20 or 40"), "{wrong}");
    }
}
