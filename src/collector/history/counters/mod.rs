//! Energy counters: what is believed of them, and what is said when one of them is not where it can be.
//!
//! ```text
//! readings of a gather, once or twice ─→ follow ─→ Counted: events, what is held, whose level moved
//!                                          │ limits   what a counter of this meter can do
//!                                          └ track    one counter from reading to reading
//! ```
//!
//! A value that cannot follow the one before (it fell, or rose faster than the meter's range allows) is held until a
//! second reading decides. Where the meter may be asked again at once, that is the same gather's. If the second
//! reading goes on from where the counter was, the first one was a **glitch** and is dropped. If it agrees with the
//! first, the counter's level **moved**: it was reset, rolled over, jumped, or, when it is within a day where it was
//! before it fell or jumped, returned. The step of a move is nobody's consumption; it is said, and in no interval.
//!
//! A step back by a few of the counter's smallest steps is **noise** of the meter: it is said once, and the intervals go
//! on when the counter has passed its highest value.
//!
//! One gather makes one event of a kind, whatever number of counters it concerns.

use std::collections::BTreeMap;

use crate::collector::event::{Event, Step};
use crate::meter::names::ENERGIES;
use crate::meter::reading::milliseconds;
use crate::meter::{Element, Kind, Profile, Readings, Table, Use, Value};

use super::record::{Record, note};

pub mod limits;
#[cfg(test)]
mod tests;
pub mod track;

use limits::{Limits, Size};
use track::{Move, Taken, Track};

/// The settings that tell the meter's range.
const RATIOS: [&str; 2] = ["ct_ratio", "vt_ratio"];

/// What was found about the counters of one gather.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    /// What is to be said.
    pub events: Vec<Event>,
    /// The elements whose values must not leave: nobody knows yet what they mean.
    pub held: Vec<usize>,
    /// What is held, in words, if anything is.
    pub doubt: Option<String>,
    /// Which of [`ENERGIES`] are somewhere else, without energy that flowed for it.
    pub moved: [bool; 4],
    /// Values that were no values of the counter.
    pub glitches: u64,
}

/// Whether any counter is where it cannot be; `anew` asks only for those of which no earlier reading waits for this one.
pub fn any_odd(profile: &Profile, readings: &Readings, record: &Record, anew: bool) -> bool {
    let Some(at) = readings.taken(Table::Energy).map(milliseconds) else { return false };
    let (size, never) = (size(record), Track::default());
    counters(profile, readings).any(|(_, row, now)| {
        let Some(known) = record.counters.get(&row.name) else { return false };
        let track = record.counter_tracks.get(&row.name).unwrap_or(&never);
        track.is_odd(*known, now, at, &Limits::of(row, *known, size)) && !(anew && track.waits())
    })
}

/// Compares the readings of one gather, in their order, with what is remembered; remembers the new values, and tells
/// what happened to the counters.
pub fn follow(profile: &Profile, looks: &[&Readings], record: &mut Record) -> Counted {
    let mut counted = Counted::default();
    let mut moves: BTreeMap<Move, Vec<Step>> = BTreeMap::new();
    let (mut glitches, mut wavered) = (Vec::new(), Vec::new());
    for readings in looks {
        let Some(at) = readings.taken(Table::Energy).map(milliseconds) else { continue };
        let size = size(record);
        // The last look at a counter is the one that leaves.
        (counted.held, counted.doubt) = (Vec::new(), None);
        for (index, row, now) in counters(profile, readings) {
            let (Some(known), track) = (record.counters.get(&row.name).copied(), &mut record.counter_tracks)
            else {
                note(&mut record.counters, &row.name, now);
                note(&mut record.counter_tracks, &row.name, Track::begin(now, at));
                continue;
            };
            if !track.contains_key(&row.name) {
                track.insert(row.name.clone(), Track::default());
            }
            let Some(track) = track.get_mut(&row.name) else { continue };
            let step = |after| Step { field: row.name.clone(), before: known, after };
            let (taken, glitch) = track.take(known, now, at, &Limits::of(row, known, size));
            glitches.extend(glitch.map(step));
            match taken {
                Taken::Rose => {
                    note(&mut record.counters, &row.name, now);
                }
                Taken::Wavered { new: false } => {}
                Taken::Wavered { new: true } => wavered.push(step(now)),
                Taken::Held => {
                    counted.held.push(index);
                    counted.doubt.get_or_insert_with(|| doubt(&step(now)));
                }
                Taken::Moved { how, level } => {
                    note(&mut record.counters, &row.name, level);
                    moves.entry(how).or_default().push(step(now));
                    let energy = ENERGIES.iter().position(|name| *name == row.name);
                    energy.into_iter().for_each(|energy| counted.moved[energy] = true);
                }
            }
        }
    }
    counted.glitches = glitches.len() as u64;
    let mut say = |event: fn(Vec<Step>) -> Event, steps: Vec<Step>| {
        if !steps.is_empty() {
            counted.events.push(event(steps));
        }
    };
    say(Event::CounterGlitch, glitches);
    say(Event::CounterWavered, wavered);
    for (how, steps) in moves {
        let event = match how {
            Move::Reset => Event::CounterReset,
            Move::Rollover => Event::CounterRollover,
            Move::Returned => Event::CounterReturned,
            Move::Jumped => Event::CounterJumped,
        };
        say(event, steps);
    }
    counted
}

/// Remembers the largest apparent power that was seen.
pub fn follow_size(profile: &Profile, readings: &Readings, record: &mut Record) {
    let powers = profile.elements_of(Table::Realtime).filter(|(_, row)| row.unit == "VA");
    let seen = powers.filter_map(|(index, _)| readings.number(index)).fold(0.0, f64::max);
    record.largest_apparent_va = record.largest_apparent_va.max(seen);
}

/// What is known of the meter's size.
fn size(record: &Record) -> Size {
    let [ct, vt] = RATIOS.map(|name| record.settings.get(name).copied().filter(|ratio| *ratio > 0.0));
    let ratio = ct.zip(vt).map(|(ct, vt)| ct * vt).filter(|ratio| ratio.is_finite());
    Size { ratio, seen: record.largest_apparent_va }
}

fn doubt(Step { field, before, after }: &Step) -> String {
    let how = if after < before { "fell" } else { "rose" };
    format!("{field} {how} from {before} to {after}; what that is shows the next reading")
}

/// The counters that were read: index, row and value.
fn counters<'a>(
    profile: &'a Profile,
    readings: &'a Readings,
) -> impl Iterator<Item = (usize, &'a Element, i64)> {
    let counters = profile.elements_of(Table::Energy);
    let counters = counters.filter(|(_, row)| row.usage == Use::Field && row.kind == Kind::Counter);
    counters.filter_map(|(index, row)| match readings.get(index) {
        Some(Value::Integer(value)) => Some((index, row, *value)),
        _ => None,
    })
}
