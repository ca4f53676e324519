//! A controller's tag on the command line.

use std::str::FromStr;

use crate::config::Instance;
use crate::enip::tag::{TagName, TagNameError};

/// The tag of an assembly: `101=PM_Line4:I.Data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssemblyTag(pub Instance, pub TagName);

/// Why a text is no tag of an assembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyTagError {
    /// No number of an assembly before a tag.
    #[error("write ASSEMBLY=TAG, as in 101=PM_Line4:I.Data")]
    Form,
    /// What stands behind it is no tag.
    #[error(transparent)]
    Tag(#[from] TagNameError),
}

impl FromStr for AssemblyTag {
    type Err = AssemblyTagError;

    fn from_str(text: &str) -> Result<Self, AssemblyTagError> {
        let (instance, tag) = text.split_once('=').ok_or(AssemblyTagError::Form)?;
        let instance = instance.trim().parse().map_err(|_| AssemblyTagError::Form)?;
        Ok(AssemblyTag(Instance(instance), tag.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assembly_and_its_tag_are_understood_and_anything_else_is_answered_with_the_form() {
        let tag: AssemblyTag = "101=PM_Line4:I.Data".parse().unwrap();
        assert_eq!((tag.0, tag.1.to_string().as_str()), (Instance(101), "PM_Line4:I.Data"));
        for wrong in ["PM_Line4:I.Data", "x=PM", "=PM"] {
            assert_eq!(wrong.parse::<AssemblyTag>(), Err(AssemblyTagError::Form), "{wrong}");
        }
        assert!(matches!("101=9PM".parse::<AssemblyTag>(), Err(AssemblyTagError::Tag(_))));
    }
}
