//! The layout of assembly 107 from what moves: a counter of active energy rises as the integral of active power
//! does, whatever place and unit it has.
//!
//! ```text
//! samples ─→ integrals of power ─┐
//!        └→ REALs that rise ─────┴→ tracks: which quantity, in which unit (`track`)
//!                                      ↓
//!        values from the display ─→ forms: one REAL, or two, and what else would fit ─→ places
//! ```
//!
//! Nothing is accepted that has a rival: two counters that rise alike are told apart by their size and the order of
//! the documented table together, or not at all; a REAL that has a constant whole number beside it may be the low half
//! of a pair, which only a value from the display (or a carry) tells.

use crate::meter::element::{Form, Place, REAL_BYTES};
use crate::meter::names;

use super::quantity::Quantity;
use super::track::{self, Recording, Sample, Track};
use super::unsettled::Unsettled;

/// A value that a person read from the display.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The counter's field.
    pub name: String,
    /// Its value in the field's unit.
    pub value: f64,
    /// What the last digit is worth.
    pub grain: f64,
}

/// What is known of one counter.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It stands here.
    At(Place, String),
    /// It is not proven, for this reason.
    Open(Unsettled),
}

/// Every counter of the energy table, in its order; what motion says of them comes in the same one.
pub const COUNTERS: [&str; 9] = {
    let [a, b, c, d, e, f, g, h] = names::ENERGY_COUNTERS;
    [a, b, c, d, e, f, g, h, names::RUN_TIME]
};

/// The quantity that a counter adds up.
fn quantity(name: &str) -> Quantity {
    let energies = names::ENERGIES.into_iter().zip(names::PARTIAL_ENERGIES);
    let energies = energies.zip([
        Quantity::ActiveImport,
        Quantity::ActiveExport,
        Quantity::ReactiveImport,
        Quantity::ReactiveExport,
    ]);
    let mut energies = energies.filter(|((total, partial), _)| *total == name || *partial == name);
    energies.next().map_or(Quantity::Hours, |(_, quantity)| quantity)
}

/// The most that a counter can hold, in Wh: ten digits of kWh, of which the meter shows nine and a tenth.
const MOST: f64 = 1e13;

/// How a counter is written, relative to the slot that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Whole in one REAL.
    Single,
    /// The high half stands so many slots from it and counts in units of the modulus.
    Pair { apart: isize, modulus: u32 },
}

impl Written {
    /// The counter at a sample, in the field's unit.
    fn value(self, sample: &Sample, slot: usize, unit: u32) -> Option<f64> {
        let low = *sample.reals.get(slot)?;
        match self {
            Written::Single => Some(low * f64::from(unit)),
            Written::Pair { apart, modulus } => {
                let high = *sample.reals.get(slot.checked_add_signed(apart)?)?;
                let sound = high >= 0.0 && high.fract() == 0.0 && low >= 0.0 && low < f64::from(modulus);
                let value = (high * f64::from(modulus) + low) * f64::from(unit);
                (sound && value <= MOST).then_some(value)
            }
        }
    }

    fn place(self, slot: usize, unit: u32) -> Option<Place> {
        let offset = |slot: usize| u16::try_from(slot).ok()?.checked_mul(REAL_BYTES);
        let (offset, form) = match self {
            Written::Single => (offset(slot)?, Form::Scaled(unit)),
            Written::Pair { apart, modulus } => {
                let high = slot.checked_add_signed(apart)?;
                (offset(high)?, Form::Pair { low_offset: offset(slot)?, modulus, factor: unit })
            }
        };
        Some(Place { instance: track::ASSEMBLY, offset, form })
    }
}

/// Solves the layout from what was read over some time, and from what the display showed.
pub fn solve(recording: &Recording, shown: &[Shown]) -> Vec<Settled> {
    let tracks = track::all(recording);
    let known = Known { recording, tracks: &tracks, shown };
    let form = form(&known);
    COUNTERS.iter().map(|name| settle(name, &known, &form)).collect()
}

/// Everything that is known.
struct Known<'a> {
    recording: &'a Recording,
    tracks: &'a [Track],
    shown: &'a [Shown],
}

/// How the counters are written, or why that is not known.
fn form(known: &Known<'_>) -> Result<Written, Unsettled> {
    // A value from the display says how its counter is written, and with it the others.
    for shown in
        known.shown.iter().filter(|shown| quantity(&shown.name) != Quantity::Hours && shown.value > 0.0)
    {
        match &displayed(known, shown)[..] {
            [(slot, _, Written::Single)] => return alone(known, Some(*slot)).map(|()| Written::Single),
            [(_, _, written)] => return Ok(*written),
            [] => {
                return Err(Unsettled::Nowhere { name: shown.name.clone(), value: shown.value });
            }
            _ => {}
        }
    }
    let moving: Vec<&Track> = known.tracks.iter().filter(|track| track.sole().is_some()).collect();
    if moving.is_empty() {
        return Err(Unsettled::NoEnergy);
    }
    if moving.iter().any(|track| track.modulus.is_some()) {
        return carried(known, &moving);
    }
    alone(known, None).map(|()| Written::Single)
}

/// The pair whose low half was seen to begin again at 0 while the high half took one more.
fn carried(known: &Known<'_>, moving: &[&Track]) -> Result<Written, Unsettled> {
    let samples = &known.recording.samples;
    let count = samples.first().map_or(0, |sample| sample.reals.len()) as isize;
    let mut fits = Vec::new();
    for apart in (1 - count..count).filter(|apart| *apart != 0) {
        let takes = |track: &&&Track| {
            let Some(at) = track.slot.checked_add_signed(apart).filter(|at| (*at as isize) < count) else {
                return false;
            };
            let (low, high) = (|n: usize| samples[n].reals[track.slot], |n: usize| samples[n].reals[at]);
            (1..samples.len()).all(|n| high(n) - high(n - 1) == f64::from(u8::from(low(n) < low(n - 1))))
        };
        if moving.iter().filter(|track| track.modulus.is_some()).all(|track| takes(&track)) {
            fits.extend(
                moving.iter().find_map(|track| track.modulus).map(|modulus| Written::Pair { apart, modulus }),
            );
        }
    }
    let same = moving.iter().filter_map(|track| track.modulus).all(
        |modulus| matches!(fits.first(), Some(Written::Pair { modulus: known, .. }) if *known == modulus),
    );
    match &fits[..] {
        [written] if same => Ok(*written),
        _ => Err(Unsettled::NoHighHalf),
    }
}

/// Whether what moves stands in one REAL: none of the others can be the high half of it.
fn alone(known: &Known<'_>, beside: Option<usize>) -> Result<(), Unsettled> {
    let samples = &known.recording.samples;
    let Some(last) = samples.last() else { return Err(Unsettled::NothingRead) };
    let moving = known.tracks.iter().filter_map(|track| Some((track.slot, f64::from(track.sole()?.1))));
    let mut slots: Vec<(usize, f64)> = moving.collect();
    slots.extend(beside.filter(|slot| slots.iter().all(|(known, _)| known != slot)).map(|slot| (slot, 1.0)));
    let count = last.reals.len() as isize;
    let high_of = |slot: usize, apart: isize| {
        slot.checked_add_signed(apart).and_then(|at| last.reals.get(at).map(|high| (at, *high)))
    };
    let companion = |apart: &isize| {
        slots.iter().all(|(slot, unit)| {
            let low = samples
                .iter()
                .filter_map(|sample| sample.reals.get(*slot))
                .fold(0.0, |most: f64, low| most.max(*low));
            let modulus = 10f64.powf((low + 1.0).log10().ceil());
            high_of(*slot, *apart).is_some_and(|(at, high)| {
                let still = samples.iter().all(|sample| sample.reals.get(at) == Some(&high));
                still && high >= 0.0 && high.fract() == 0.0 && high * modulus * unit <= MOST
            })
        })
    };
    // Halves that are 0 and stand far behind are the empty rest of the assembly.
    let rest = |apart: &isize| {
        *apart > 1
            && slots.iter().all(|(slot, _)| high_of(*slot, *apart).is_some_and(|(_, high)| high == 0.0))
    };
    let mut rivals = (1 - count..count).filter(|apart| *apart != 0).filter(companion);
    if rivals.any(|apart| !rest(&apart)) {
        return Err(match beside {
            Some(_) => Unsettled::HighHalfEmpty,
            None => Unsettled::OneOrTwo,
        });
    }
    Ok(())
}

/// A value from the display must be known this well to settle a place by itself.
const DIGITS: f64 = 1e-4;

/// Every way in which a value from the display can stand in the assembly: slot of the REAL (of the low half), unit,
/// how it is written.
fn displayed(known: &Known<'_>, shown: &Shown) -> Vec<(usize, u32, Written)> {
    let samples = &known.recording.samples;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let wanted = quantity(&shown.name);
    let (grown, late) = track::total(known.recording, wanted);
    let slots = last.reals.len();
    let mut fits = Vec::new();
    for slot in 0..slots {
        let track = known.tracks.iter().find(|track| track.slot == slot);
        let sole = track.and_then(Track::sole);
        // What moves as something else is something else.
        if sole.is_some_and(|(found, _)| found != wanted)
            || (sole.is_none() && shown.grain > DIGITS * shown.value)
        {
            continue;
        }
        for unit in
            (0..=6).map(|power| 10u32.pow(power)).filter(|unit| sole.is_none_or(|(_, found)| found == *unit))
        {
            let pairs = (0..slots).filter(|high| *high != slot).flat_map(|high| {
                (1..=9).map(move |power| Written::Pair {
                    apart: high as isize - slot as isize,
                    modulus: 10u32.pow(power),
                })
            });
            for written in std::iter::once(Written::Single).chain(pairs) {
                let (Some(from), Some(to)) =
                    (written.value(first, slot, unit), written.value(last, slot, unit))
                else {
                    continue;
                };
                // A high half of 0 adds nothing: the number stands in one REAL, as far as can be seen.
                let empty = matches!(written, Written::Pair { apart, .. }
                    if slot.checked_add_signed(apart).and_then(|high| last.reals.get(high)) == Some(&0.0));
                let step = track::spacing(last.reals[slot]) * f64::from(unit);
                let slack = shown.grain + 2.0 * step;
                let moves =
                    (to - from - grown).abs() <= late + 2.0 * step.max(f64::from(unit)) + 0.02 * grown;
                if !empty && moves && from - slack <= shown.value && shown.value <= to + late + slack {
                    fits.push((slot, unit, written));
                }
            }
        }
    }
    fits
}

/// One counter.
fn settle(name: &str, known: &Known<'_>, form: &Result<Written, Unsettled>) -> Settled {
    let wanted = quantity(name);
    if let Some(shown) = known.shown.iter().find(|shown| shown.name == name) {
        return by_display(known, shown);
    }
    let tracks = known.tracks;
    let alike: Vec<&Track> =
        tracks.iter().filter(|track| track.sole().is_some_and(|(found, _)| found == wanted)).collect();
    if alike.is_empty() {
        return Settled::Open(match tracks.iter().find(|track| track.moved && track.may_be(wanted)) {
            None => Unsettled::Still(wanted),
            Some(track) => track.why(wanted),
        });
    }
    if wanted == Quantity::Hours {
        return Settled::Open(Unsettled::Hours { slots: alike.iter().map(|track| track.slot).collect() });
    }
    let written = match form {
        Ok(written) => *written,
        Err(why) => return Settled::Open(why.clone()),
    };
    let [one, two] = &alike[..] else {
        return Settled::Open(Unsettled::NotTwo { quantity: wanted, found: alike.len() });
    };
    let value = |track: &Track| {
        let (_, unit) = track.sole()?;
        Some((written.value(known.recording.samples.last()?, track.slot, unit)?, unit))
    };
    let (Some((first, unit)), Some((second, other_unit))) = (value(one), value(two)) else {
        return Settled::Open(Unsettled::Halves);
    };
    // The total and the partial counter move alike. Which is which, size and documented order must say alike, or the
    // display says it of one of them.
    let other = known.shown.iter().find(|shown| shown.name != name && quantity(&shown.name) == wanted);
    let taken = other.and_then(|other| match by_display(known, other) {
        Settled::At(..) => displayed(known, other).first().map(|(slot, ..)| *slot),
        Settled::Open(_) => None,
    });
    let first_is_total = first > second;
    let close = (first - second).abs() <= 2.0 * f64::from(unit.max(other_unit));
    let (track, unit) = match taken {
        Some(slot) if one.slot == slot => (two, other_unit),
        Some(slot) if two.slot == slot => (one, unit),
        _ if close => {
            return Settled::Open(Unsettled::Equal);
        }
        _ if !first_is_total => {
            return Settled::Open(Unsettled::SmallerFirst);
        }
        _ if names::PARTIAL_ENERGIES.contains(&name) => (two, other_unit),
        _ => (one, unit),
    };
    match written.place(track.slot, unit) {
        Some(place) => Settled::At(place, track.proof(wanted)),
        None => Settled::Open(Unsettled::BeyondProfile),
    }
}

/// The counter whose value the display showed.
fn by_display(known: &Known<'_>, shown: &Shown) -> Settled {
    if quantity(&shown.name) == Quantity::Hours || shown.value <= 0.0 {
        return Settled::Open(Unsettled::NoEnergyShown);
    }
    match &displayed(known, shown)[..] {
        [(slot, unit, written)] => {
            if *written == Written::Single
                && let Err(why) = alone(known, Some(*slot))
            {
                return Settled::Open(why);
            }
            match written.place(*slot, *unit) {
                Some(place) => Settled::At(
                    place,
                    format!("it is the only place that holds {}, as the display shows", shown.value),
                ),
                None => Settled::Open(Unsettled::BeyondProfile),
            }
        }
        [] => Settled::Open(Unsettled::NotHeld(shown.value)),
        more => Settled::Open(Unsettled::Places(more.len())),
    }
}
