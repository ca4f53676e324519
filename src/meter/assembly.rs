//! An assembly (class 4) of the meter: what it holds, and how long it is.

use super::table::Table;

/// One assembly of the meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// Instance number.
    pub instance: u16,
    /// The table its elements belong to.
    pub table: Table,
    /// Accepted sizes in bytes, as attribute 4 reports them.
    pub sizes: Vec<u16>,
    /// Title in the manual.
    pub title: String,
}

/// An assembly whose data has a length that the profile does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("assembly {instance} has {actual} bytes, the profile expects {expected}")]
pub struct WrongSize {
    /// Assembly instance.
    pub instance: u16,
    /// Bytes received or reported.
    pub actual: usize,
    /// Accepted sizes, in words for people.
    pub expected: String,
}

impl Assembly {
    /// The smallest accepted size in bytes; every element lies within it.
    pub fn min_size(&self) -> u16 {
        self.sizes.iter().copied().min().unwrap_or(0)
    }

    /// Checks a size in bytes against the accepted ones.
    ///
    /// # Errors
    /// [`WrongSize`] when the profile does not accept it.
    pub fn check_size(&self, actual: usize) -> Result<(), WrongSize> {
        if self.sizes.iter().any(|size| usize::from(*size) == actual) {
            return Ok(());
        }
        let sizes: Vec<_> = self.sizes.iter().map(u16::to_string).collect();
        Err(WrongSize { instance: self.instance, actual, expected: sizes.join(" or ") })
    }
}
