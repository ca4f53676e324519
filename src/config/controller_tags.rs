//! What is written of a controller's tags: which assembly each is of, and which of them tell a fault.

use std::collections::BTreeMap;

use crate::enip::tag::TagName;

/// An assembly's instance, as the key of a table of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance(pub u16);

/// The tags that say whether the controller's connection to the meter is faulted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultTags {
    /// There is none.
    None,
    /// One for all assemblies.
    All(TagName),
    /// One for each.
    Each(BTreeMap<Instance, TagName>),
}

impl FaultTags {
    /// The one of an assembly.
    pub(super) fn of(&self, assembly: u16) -> Option<&TagName> {
        match self {
            FaultTags::None => None,
            FaultTags::All(tag) => Some(tag),
            FaultTags::Each(tags) => tags.get(&Instance(assembly)),
        }
    }
}
