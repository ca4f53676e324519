//! Tags: their names, their types on the wire, and which bytes of one a request wants.
//!
//! Atomic types are told by their CIP type code; a structure by 0x02A0 and the handle of its template. Source:
//! 1756-PM020.

use std::fmt;

use super::path::Step;

/// Type code of a structure, before its handle.
const STRUCTURE: u16 = 0x02A0;
/// The member of a module's input tag.
const DATA: &str = "Data";

/// An atomic type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atom {
    /// One bit, in a byte.
    Bool,
    /// 8-bit integer.
    Sint,
    /// 32-bit integer.
    Dint,
    /// 32-bit floating point.
    Real,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Single(atom) => write!(f, "{atom}"),
            Shape::Array(atom, length) => write!(f, "{atom}[{length}]"),
            Shape::Module(atom, length) => write!(f, "with member Data, {atom}[{length}]"),
        }
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Atom::Bool => "BOOL",
            Atom::Sint => "SINT",
            Atom::Dint => "DINT",
            Atom::Real => "REAL",
        })
    }
}

impl Atom {
    pub(super) fn code(self) -> u16 {
        match self {
            Atom::Bool => 0x00C1,
            Atom::Sint => 0x00C2,
            Atom::Dint => 0x00C4,
            Atom::Real => 0x00CA,
        }
    }

    pub(super) fn size(self) -> usize {
        match self {
            Atom::Bool | Atom::Sint => 1,
            Atom::Dint | Atom::Real => 4,
        }
    }
}

/// What a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    Single(Atom),
    /// An array of so many elements.
    Array(Atom, usize),
    /// The input tag of a module: a structure whose one member, `Data`, is an array of so many elements.
    Module(Atom, usize),
}

/// A tag by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// With the program's name before it, if it belongs to one: `Program:Main.Meter`.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// Where its value comes from.
    pub(super) value: Value,
}

/// Where a tag's value comes from. The number is that of a module connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// The module's data as they are.
    Input(usize),
    /// The module's data as a message brought them last.
    Message(usize),
    /// The same, again and again until the tag is full.
    Repeated(usize),
    /// Not 0 while one of the module connections of a meter, from the first to before the last, is faulted.
    Faulted(usize, usize),
}

/// What a request points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Type as told in the reply.
    pub(super) kind: Kind,
    /// First byte.
    pub(super) offset: usize,
    /// Bytes of one element, and elements from the first byte to the tag's end.
    pub(super) element: usize,
    pub(super) elements: usize,
}

/// A type as told in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Atom(Atom),
    /// Handle of the template.
    Structure(u16),
}

impl Kind {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Kind::Atom(atom) => atom.code().to_le_bytes().to_vec(),
            Kind::Structure(handle) => [STRUCTURE.to_le_bytes(), handle.to_le_bytes()].concat(),
        }
    }
}

impl Shape {
    /// Bytes of the whole tag.
    pub fn size(self) -> usize {
        match self {
            Shape::Single(atom) => atom.size(),
            Shape::Array(atom, length) | Shape::Module(atom, length) => atom.size() * length,
        }
    }

    /// A number that all modules of the same shape have in common, as handles are.
    fn handle(atom: Atom, length: usize) -> u16 {
        let code = if atom == Atom::Real { 0x4000 } else { 0x2000 };
        code | u16::try_from(length & 0x0FFF).unwrap_or(0)
    }

    /// What the steps behind the tag's name point at; `None` when there is no such member or element.
    pub(super) fn part(self, steps: &[Step]) -> Option<Part> {
        let of = |atom: Atom, first: usize, length: usize| {
            let elements = length.checked_sub(first).filter(|left| *left > 0)?;
            Some(Part { kind: Kind::Atom(atom), offset: first * atom.size(), element: atom.size(), elements })
        };
        match (self, steps) {
            (Shape::Single(atom), []) => of(atom, 0, 1),
            (Shape::Array(atom, length), []) => of(atom, 0, length),
            (Shape::Array(atom, length), [Step::Index(first)]) => of(atom, *first as usize, length),
            (Shape::Module(atom, length), []) => Some(Part {
                kind: Kind::Structure(Shape::handle(atom, length)),
                offset: 0,
                element: self.size(),
                elements: 1,
            }),
            (Shape::Module(atom, length), [Step::Name(member), rest @ ..])
                if member.eq_ignore_ascii_case(DATA) =>
            {
                Shape::Array(atom, length).part(rest)
            }
            _ => None,
        }
    }
}

impl Tag {
    /// The steps that are left behind the tag's name, if a path begins with it. Names know no case.
    pub(super) fn rest<'a>(&self, steps: &'a [Step]) -> Option<&'a [Step]> {
        let mut left = steps;
        for part in self.name.split('.') {
            match left {
                [Step::Name(name), rest @ ..] if name.eq_ignore_ascii_case(part) => left = rest,
                _ => return None,
            }
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Step {
        Step::Name(text.to_owned())
    }

    #[test]
    fn members_and_elements_of_a_tag_are_found_without_regard_to_case() {
        let shape = Shape::Module(Atom::Real, 12);
        let tag = Tag { name: "Program:Main.PM1:I".to_owned(), shape, value: Value::Input(0) };
        let path = [name("PROGRAM:main"), name("pm1:i"), name("data"), Step::Index(10)];
        let rest = tag.rest(&path).unwrap();
        let wanted = Part { kind: Kind::Atom(Atom::Real), offset: 40, element: 4, elements: 2 };
        assert_eq!(shape.part(rest), Some(wanted));
        assert_eq!(shape.part(&[name("Data"), Step::Index(12)]), None);
        assert_eq!(shape.part(&[name("Fault")]), None);
        let whole = shape.part(&[]).unwrap();
        assert_eq!((whole.kind.encode(), whole.element), (vec![0xA0, 0x02, 12, 0x40], 48));
        assert_eq!(tag.rest(&[name("PM1:I")]), None);
        assert_eq!(Shape::Single(Atom::Bool).part(&[Step::Index(0)]), None);
    }
}
