//! What is said about one element, with its reason.

use std::fmt;

use serde::Serialize;

/// How an element's row stands after the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The numbers fit, and would not if the element stood anywhere else.
    Proven,
    /// The numbers fit; something else would fit, too.
    Consistent,
    /// The numbers do not fit.
    Contradicted,
    /// The numbers cannot tell under this load, or nothing that could tell was read.
    NotProvable,
}

impl Verdict {
    /// Every verdict, in the order in which they are counted up.
    pub const ALL: [Verdict; 4] =
        [Verdict::Proven, Verdict::Consistent, Verdict::Contradicted, Verdict::NotProvable];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::Consistent => "consistent",
            Verdict::Contradicted => "contradicted",
            Verdict::NotProvable => "not provable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One element, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Index in the profile.
    pub index: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// The numbers behind it.
    pub reason: String,
    /// What keeps it from being proven, where the next run can do something about it.
    pub gap: Option<Gap>,
}

/// What the next run can do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The three phases can only be exchanged together: which one is called L1 no number tells.
    PhaseNames,
    /// The value did not change between the readings.
    Still,
}

impl Judged {
    /// A verdict with its reason.
    pub fn new(index: usize, verdict: Verdict, reason: impl Into<String>) -> Judged {
        Judged { index, verdict, reason: reason.into(), gap: None }
    }

    /// The same, open for a reason that can be dealt with.
    pub fn because(self, gap: Gap) -> Judged {
        Judged { gap: Some(gap), ..self }
    }
}
