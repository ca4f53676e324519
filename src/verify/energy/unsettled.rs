//! Why a counter's place is not proven by what moves and by what the display shows.

use super::quantity::Quantity;

/// The reason, as `verify --explain` and the report tell it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unsettled {
    /// Nothing was read at all.
    #[error("nothing was read")]
    NothingRead,
    /// Nothing is told well as energy.
    #[error("no REAL moved as energy does")]
    NoEnergy,
    /// Nothing moved as this counter would.
    #[error("nothing moved as {0} does")]
    Still(Quantity),
    /// Too little movement to tell.
    #[error("REAL {slot} moved by {steps:.0} of its steps only: run it for {}", minutes(*seconds))]
    FewSteps {
        /// Where it stands.
        slot: usize,
        /// Its steps.
        steps: f64,
        /// How long it takes to tell.
        seconds: f64,
    },
    /// Told well, but not in which unit.
    #[error("REAL {slot} moves as {quantity} does, in more than one unit")]
    Units {
        /// Where it stands.
        slot: usize,
        /// What it may count.
        quantity: Quantity,
    },
    /// It may be other counters as well.
    #[error(
        "REAL {slot} moves as {quantity} does, and as {}: run it for {}, under a load that varies",
        all(others), minutes(*seconds)
    )]
    Alike {
        /// Where it stands.
        slot: usize,
        /// What it may count.
        quantity: Quantity,
        /// What else.
        others: Vec<Quantity>,
        /// How long it takes to tell.
        seconds: f64,
    },
    /// Hours are coded in a way that motion does not tell.
    #[error(
        "REAL {} moves as time does; how hours and minutes are coded in it is not proven by that",
        all(slots)
    )]
    Hours {
        /// Where they may stand.
        slots: Vec<usize>,
    },
    /// Not the two that there should be.
    #[error("of the two REALs that move as {quantity} does (total and partial), {found} could be told")]
    NotTwo {
        /// What they count.
        quantity: Quantity,
        /// How many there are.
        found: usize,
    },
    /// A low half began again, and nothing carried.
    #[error("a low half began again at 0, and no other REAL took one more at that moment alone")]
    NoHighHalf,
    /// It may have a high half that is still 0.
    #[error("it may be the low half of a pair whose high half is still 0: wait until it has counted on")]
    HighHalfEmpty,
    /// It may have a high half that stands still.
    #[error(
        "it may be one REAL, or the low half of two: one value from the display tells (--expect \
         active_import_wh=1234567.8kWh)"
    )]
    OneOrTwo,
    /// The two halves make no number.
    #[error("its halves do not belong to one number")]
    Halves,
    /// Total and partial cannot be told apart.
    #[error("the total and the partial counter are equal, and move alike")]
    Equal,
    /// Size and order contradict each other.
    #[error(
        "two counters move alike and the smaller comes first: size says it is the partial one, the documented order \
         says it is the total"
    )]
    SmallerFirst,
    /// Proven, and not to be written down.
    #[error("it stands beyond what a profile can say")]
    BeyondProfile,
    /// A value of another kind.
    #[error("a value from the display settles an energy that is not 0")]
    NoEnergyShown,
    /// The display's value is nowhere, in no form.
    #[error("no REAL and no pair of them is {name} = {value}: look at the display again")]
    Nowhere {
        /// The counter.
        name: String,
        /// What the display is said to show.
        value: f64,
    },
    /// The display's value is nowhere that moves as it should.
    #[error("no place holds {0}, which the display is said to show")]
    NotHeld(f64),
    /// The display's value is in several places.
    #[error("{0} places hold what the display shows")]
    Places(usize),
}

fn all<T: ToString>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

pub(super) fn minutes(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", (seconds / 60.0).ceil()) }
}
