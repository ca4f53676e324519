//! Do the numbers contradict the map?
//!
//! ```text
//! numbers       the realtime numbers of a gather, by what they are
//! laws          what they obey, each under its premise
//! explanations  what a wrong map looks like
//!   ↓
//! judge         consistent, not provable, or contradicted by an explanation that fits clearly better
//! counters      the same for energy counters, where only the word order can be told
//! ```
//!
//! Everything here is pure: a verdict is about one reading, and what it means for a meter is the collector's. The
//! values come from blocks that were read anyway: no traffic is added.

use std::fmt;

mod counters;
mod explanations;
mod judge;
mod laws;
mod numbers;

pub use counters::judge_counters;
pub use explanations::{Explanation, Kind};
pub use judge::{Contradiction, Known, Seen, Verdict, judge};
pub use laws::{Found, LAWS, Law, Premise, Says, VOLT_AMPERES};
pub use numbers::{COUNT, Map, Numbers, name};

/// The outcome for a meter, as `map_check_code` in `powermonitor_500_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapCheck {
    /// Not checked: `map_check = "off"`, or no realtime block was read yet.
    NotChecked,
    /// Laws support the map and none is broken.
    Consistent,
    /// No law could tell under this load.
    NotProvable,
    /// Another explanation fits the numbers clearly better.
    Contradicted,
}

impl MapCheck {
    /// The code in the data: 0 not checked, 1 consistent, 2 not provable, 3 contradicted.
    pub fn code(self) -> i64 {
        match self {
            MapCheck::NotChecked => 0,
            MapCheck::Consistent => 1,
            MapCheck::NotProvable => 2,
            MapCheck::Contradicted => 3,
        }
    }
}

impl From<&Verdict> for MapCheck {
    fn from(verdict: &Verdict) -> MapCheck {
        match verdict {
            Verdict::Consistent => MapCheck::Consistent,
            Verdict::NotProvable => MapCheck::NotProvable,
            Verdict::Contradicted(_) => MapCheck::Contradicted,
        }
    }
}

impl fmt::Display for MapCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapCheck::NotChecked => "not checked",
            MapCheck::Consistent => "consistent",
            MapCheck::NotProvable => "not provable under this load",
            MapCheck::Contradicted => "contradicted",
        })
    }
}
