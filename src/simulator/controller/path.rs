//! Paths that a controller is asked for: symbolic segments with their members and indices, or logical ones.
//!
//! Symbolic segment: 0x91, length USINT, characters, a pad byte after an odd length; one for each part of a name
//! between dots. Element: 0x28 with USINT, 0x29 00 with UINT, 0x2A 00 with UDINT. Source: 1756-PM020, "CIP services
//! and tag addressing".

/// One step of a path by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of a name.
    Name(String),
    /// An element of an array.
    Index(u32),
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    /// A tag, perhaps a member or an element of one.
    Tag(Vec<Step>),
    /// An object: class, instance (0 is the class itself), attribute.
    Object { class: u16, instance: u16, attribute: Option<u16> },
}

impl Path {
    /// Reads a padded path; `None` when it is none.
    pub(super) fn parse(path: &[u8]) -> Option<Path> {
        if path.first() == Some(&0x91) { steps(path).map(Path::Tag) } else { object(path) }
    }
}

fn steps(path: &[u8]) -> Option<Vec<Step>> {
    let (mut steps, mut rest) = (Vec::new(), path);
    loop {
        rest = match *rest {
            [] => return Some(steps),
            [0x91, length, ref tail @ ..] => {
                let (name, tail) = tail.split_at_checked(usize::from(length))?;
                steps.push(Step::Name(std::str::from_utf8(name).ok()?.to_owned()));
                if length % 2 == 0 { tail } else { tail.get(1..)? }
            }
            [0x28, index, ref tail @ ..] => {
                steps.push(Step::Index(u32::from(index)));
                tail
            }
            [0x29, 0, low, high, ref tail @ ..] => {
                steps.push(Step::Index(u32::from(u16::from_le_bytes([low, high]))));
                tail
            }
            [0x2A, 0, a, b, c, d, ref tail @ ..] => {
                steps.push(Step::Index(u32::from_le_bytes([a, b, c, d])));
                tail
            }
            _ => return None,
        };
    }
}

fn object(path: &[u8]) -> Option<Path> {
    let (mut class, mut instance, mut attribute, mut rest) = (None, None, None, path);
    while let [segment, tail @ ..] = rest {
        let (value, tail) = match (segment & 0x03, tail) {
            (0, [value, tail @ ..]) => (u16::from(*value), tail),
            (1, [0, low, high, tail @ ..]) => (u16::from_le_bytes([*low, *high]), tail),
            _ => return None,
        };
        match segment & 0xFC {
            0x20 => class = Some(value),
            0x24 => instance = Some(value),
            0x30 => attribute = Some(value),
            _ => return None,
        }
        rest = tail;
    }
    Some(Path::Object { class: class?, instance: instance.unwrap_or(0), attribute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_members_and_elements_are_read_as_the_manual_writes_them() {
        let name = |text: &str| Step::Name(text.to_owned());
        let module = b"\x91\x06PM1A:I\x91\x04Data\x28\x03";
        let wanted = vec![name("PM1A:I"), name("Data"), Step::Index(3)];
        assert_eq!(Path::parse(module), Some(Path::Tag(wanted)));
        let program = b"\x91\x0CProgram:Main\x91\x03abc\x00\x29\x00\x34\x12";
        let wanted = vec![name("Program:Main"), name("abc"), Step::Index(0x1234)];
        assert_eq!(Path::parse(program), Some(Path::Tag(wanted)));
        let identity = Path::Object { class: 1, instance: 1, attribute: Some(7) };
        assert_eq!(Path::parse(&[0x20, 1, 0x24, 1, 0x30, 7]), Some(identity));
        let symbols = Path::Object { class: 0x6B, instance: 0x0100, attribute: None };
        assert_eq!(Path::parse(&[0x20, 0x6B, 0x25, 0, 0, 1]), Some(symbols));
        for broken in [&b"\x91\x09abc"[..], b"\x91\x03abc", b"\x91\x02ab\x77\x00", b"\x30", b""] {
            assert_eq!(Path::parse(broken), None, "{broken:02X?}");
        }
    }
}
