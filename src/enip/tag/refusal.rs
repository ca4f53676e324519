//! Why a controller refuses to read a tag, and what to do next.
//!
//! Sources: 1756-PM020 tables "Read Tag Service Error Codes", CIP Vol. 1 appendix B and 3-5.6 (extended status of the
//! Connection Manager).

use crate::enip::status::Refusal;

use super::{Route, TagName};

/// What a refusal means for what is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagRefusal {
    /// There is no such tag now.
    NoSuchTag,
    /// The tag may not be read from outside.
    NoAccess,
    /// The tag is shorter than what was asked for.
    TooShort,
    /// What was asked for does not fit into one reply.
    TooLong,
    /// The route leads to no controller.
    Route,
    /// The device does not know the service: it has no tags, or they are elsewhere.
    NoTags,
    /// Not now.
    Busy,
    /// Something else.
    Other,
}

/// Success with a part of the data, which here carries none.
const PARTIAL: u8 = 0x06;
/// Rockwell's own status, told apart by its extended status.
const VENDOR: u8 = 0xFF;
/// Beyond the end of the tag.
const BEYOND: u16 = 0x2105;
/// Offset beyond the end of the tag.
const BEYOND_OFFSET: u16 = 0x2104;

/// A refusal that concerns the way to the controller, in words, with the next step.
pub fn unreached(refusal: &Refusal, route: &Route) -> Option<(TagRefusal, String)> {
    let way = if route.is_direct() {
        "no route is set: a controller in a chassis needs its slot, such as route = \"1,0\"".to_owned()
    } else {
        format!(
            "route = \"{route}\" leads nowhere: the last number is the controller's slot, and \"\" is for controllers \
                 whose own port this is"
        )
    };
    let (kind, sentence) = match (refusal.general, refusal.extended.first()) {
        (0x01, Some(0x0311 | 0x0312 | 0x0315 | 0x0318 | 0x0204)) => (TagRefusal::Route, way),
        (0x08, _) => (TagRefusal::NoTags, format!("the device that answers has no tags; {way}")),
        _ => return None,
    };
    Some((kind, format!("{sentence} ({refusal})")))
}

/// A refusal in words, with the next step.
pub fn explain(refusal: &Refusal, tag: &TagName, route: &Route) -> (TagRefusal, String) {
    if let Some(unreached) = unreached(refusal, route) {
        return unreached;
    }
    let (kind, sentence) = match (refusal.general, refusal.extended.first().copied()) {
        (0x04 | 0x05, _) => {
            (TagRefusal::NoSuchTag, format!("the controller has no tag {tag} now{}", nearly(tag)))
        }
        (0x0F, _) => (
            TagRefusal::NoAccess,
            format!(
                "tag {tag} may not be read: set its External Access to Read Only or Read/Write in the controller"
            ),
        ),
        (VENDOR, Some(BEYOND | BEYOND_OFFSET)) => {
            (TagRefusal::TooShort, format!("tag {tag} is shorter than the assembly"))
        }
        (PARTIAL | 0x11 | 0x1B, _) => {
            (TagRefusal::TooLong, format!("tag {tag} does not fit into one reply of the controller"))
        }
        (0x02, _) => (TagRefusal::Busy, "the controller has no resources left for the read".to_owned()),
        (0x10, _) => (
            TagRefusal::Busy,
            format!(
                "the controller cannot give tag {tag} in its present state; a download or a restart may be under way"
            ),
        ),
        _ => (TagRefusal::Other, format!("the controller refuses to read tag {tag}")),
    };
    (kind, format!("{sentence} ({refusal})"))
}

/// What is easily forgotten in a name.
fn nearly(tag: &TagName) -> String {
    let text = tag.to_string();
    if text.contains(":I.") || text.contains(":C.") {
        "; look the module's name up in the controller's I/O tree, and whether the module is there".to_owned()
    } else if text.ends_with(":I") {
        format!("; the data of a generic module is its member: {text}.Data")
    } else if text.starts_with("Program:") {
        "; look the program's and the tag's name up in the controller".to_owned()
    } else {
        format!("; a tag of a program is Program:NAME.{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(general: u8, extended: &[u16], tag: &str, route: &str) -> (TagRefusal, String) {
        let refusal = Refusal { general, extended: extended.to_vec() };
        explain(&refusal, &tag.parse().unwrap(), &route.parse().unwrap())
    }

    #[test]
    fn each_refusal_names_the_tag_or_the_route_and_the_next_step() {
        for (general, extended, tag, route, kind, words) in [
            (0x05, &[][..], "PM", "1,0", TagRefusal::NoSuchTag, "Program:NAME.PM"),
            (0x04, &[0], "PM:I.Data", "1,0", TagRefusal::NoSuchTag, "I/O tree"),
            (0x05, &[0], "PM:I", "1,0", TagRefusal::NoSuchTag, "PM:I.Data"),
            (0x0F, &[], "PM", "1,0", TagRefusal::NoAccess, "External Access"),
            (0xFF, &[0x2105], "PM", "1,0", TagRefusal::TooShort, "shorter"),
            (0x01, &[0x0312], "PM", "1,9", TagRefusal::Route, "\"1,9\" leads nowhere"),
            (0x08, &[], "PM", "", TagRefusal::NoTags, "route = \"1,0\""),
            (0x10, &[], "PM", "1,0", TagRefusal::Busy, "download"),
            (0x77, &[], "PM", "1,0", TagRefusal::Other, "tag PM"),
        ] {
            let (found, sentence) = said(general, extended, tag, route);
            assert_eq!(found, kind, "{sentence}");
            assert!(sentence.contains(words), "{sentence}");
        }
    }
}
