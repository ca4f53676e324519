//! Everything together: from an observation to a verdict per element, what is wrong, what cannot be proven, and
//! the profile that follows.

use std::sync::Arc;

use crate::meter::decode::{self, WordOrder};
use crate::meter::element::Place;
use crate::meter::{Element, Evidence, Profile, Readings, Table, Use, Value};

use super::compare::{self, Agreement};
use super::energy::{self, Energy};
use super::hints;
use super::limits;
use super::observation::{Moment, Observation, Visit};
use super::pace::Pace;
use super::realtime::{self, Realtime};
use super::series::Series;
use super::sizes::{self, Size};
use super::tables::{self, Decoded};
use super::verdict::{Judged, Verdict};
use super::word_order::{self, Order};

/// What is taken for granted.
#[derive(Debug, Clone)]
pub struct Given {
    /// The map to be proven.
    pub profile: Arc<Profile>,
    /// The word order that is set.
    pub word_order: WordOrder,
    /// What the display or a clamp meter showed: realtime fields with their values.
    pub expected: Vec<(String, f64)>,
}

/// What follows.
#[derive(Debug)]
pub struct Conclusion {
    /// The map that was judged; indexes are its.
    pub own: Arc<Profile>,
    /// Every element that is read, in the profile's order.
    pub judged: Vec<Judged>,
    /// Newest values, under the corrected map.
    pub values: Vec<Option<Value>>,
    /// Sizes of the assemblies.
    pub sizes: Vec<Size>,
    /// Word order over Modbus, if any number was read there.
    pub order: Option<Order>,
    /// What was found beside the verdicts, in sentences.
    pub said: Vec<String>,
    /// What is wrong, in sentences.
    pub wrong: Vec<String>,
    /// Mistakes of the wiring, in sentences.
    pub hints: Vec<String>,
    /// What cannot be proven and why, in sentences.
    pub limits: Vec<String>,
    /// The profile that follows.
    pub profile: Profile,
}

impl Conclusion {
    /// How many elements have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.judged.iter().filter(|judged| judged.verdict == verdict).count()
    }

    /// Whether the numbers contradict the profile or the settings.
    pub fn is_contradicted(&self) -> bool {
        !self.wrong.is_empty() || self.count(Verdict::Contradicted) > 0
    }

    /// The value of a field of some table.
    pub fn value(&self, table: Table, name: &str) -> Option<&Value> {
        self.values.get(self.own.index_of(table, name)?)?.as_ref()
    }
}

/// Draws the conclusion.
pub fn conclude(given: &Given, observation: &Observation) -> Conclusion {
    let own = &given.profile;
    let order = word_order::decide(own, observation);
    let (word_order, mut wrong) = settled(given, order.as_ref());
    let sizes = sizes::compare(own, observation);
    wrong.extend(sizes.iter().filter_map(|size| size.wrong.clone()));
    let settings = observation.visits.last().map(|visit| registers(own, visit, word_order));
    let ct_ratio =
        settings.as_ref().and_then(|settings| settings.number(own.index_of(Table::Settings, "ct_ratio")?));
    let realtime = realtime(given, observation, &sizes, word_order, ct_ratio);
    let energy = energy::judge(own, observation, word_order, most_power(realtime.as_ref()));
    let mut profile = corrected(own, realtime.as_ref(), &energy, &sizes);
    profile.word_order = match &order {
        Some(Order::Proven(order, _)) => Some(*order),
        _ => own.word_order,
    };
    let eip: Vec<Readings> = observation.moments().map(|moment| assemblies(&profile, moment)).collect();
    let modbus = observation.visits.last().map(|visit| registers(&profile, visit, word_order));
    let decoded = Decoded { eip: &eip, modbus: modbus.as_ref() };

    let mut judged = Vec::new();
    for (index, element) in own.elements.iter().enumerate().filter(|(_, row)| row.usage != Use::None) {
        let found = match element.table {
            Table::Realtime => realtime.as_ref().and_then(|realtime| find(&realtime.judged, index)),
            Table::Energy => find(&energy.judged, index),
            _ => None,
        };
        let found = match found {
            Some(found) if element.table == Table::Realtime => Some(compared(own, index, found, &decoded)),
            Some(found) => Some(found),
            None => tables::judge(&profile, index, &decoded),
        };
        judged.extend(found);
    }
    let values = (0..own.elements.len()).map(|index| decoded.value(index).cloned()).collect();
    grade(&mut profile, &judged, &decoded);
    let (mut said, mut hints) = (energy.said.clone(), Vec::new());
    if let Some(realtime) = &realtime {
        wrong.extend(realtime.wrong.iter().cloned());
        hints = hints::of(&realtime.series, &realtime.map, ct_ratio);
    }
    wrong.extend(energy.wrong.iter().cloned());
    said.extend(said_of_order(order.as_ref()));
    let limits = limits::of(own, observation, &judged, !given.expected.is_empty());
    let profile = written(profile, &energy);
    let counted: Vec<Readings> = observation.moments().map(|moment| assemblies(&profile, moment)).collect();
    if let Some(pace) = Pace::of(&profile, &counted) {
        said.extend(pace.said());
        hints.extend(pace.hint());
    }
    Conclusion { own: own.clone(), judged, values, sizes, order, said, wrong, hints, limits, profile }
}

/// The word order that is used from here on, and what is wrong with the one that is set.
fn settled(given: &Given, order: Option<&Order>) -> (WordOrder, Vec<String>) {
    match order {
        Some(Order::Proven(proven, by)) if *proven != given.word_order => {
            let wrong = format!(
                "numbers over Modbus come {proven}, not {}: only then do {} make sense; set word_order = \
                 \"{proven}\" or use the written profile",
                given.word_order,
                few(by)
            );
            (*proven, vec![wrong])
        }
        Some(Order::Torn(low, high)) => {
            let wrong = format!(
                "over Modbus {} make sense {} only and {} {} only: their addresses cannot all be right",
                few(low),
                WordOrder::LowFirst,
                few(high),
                WordOrder::HighFirst
            );
            (given.word_order, vec![wrong])
        }
        _ => (given.word_order, Vec::new()),
    }
}

fn said_of_order(order: Option<&Order>) -> Option<String> {
    match order? {
        Order::Proven(order, by) => {
            Some(format!("word order over Modbus is {order}: {} make sense in this order only", few(by)))
        }
        Order::Open => Some("word order over Modbus is open: every number makes sense in both".to_owned()),
        Order::Torn(..) => None,
    }
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        _ => names.join(", "),
    }
}

fn realtime(
    given: &Given,
    observation: &Observation,
    sizes: &[Size],
    order: WordOrder,
    ct_ratio: Option<f64>,
) -> Option<Realtime> {
    let profile = &given.profile;
    let (series, starts) = match Series::of_assemblies(profile, observation) {
        Some((series, own)) => {
            let starts = sizes::starts(profile, &series, &own, sizes);
            (series, starts)
        }
        None => {
            let (series, own) = Series::of_registers(profile, observation, order)?;
            (series, vec![own])
        }
    };
    Some(realtime::judge(profile, series, &starts, &given.expected, ct_ratio))
}

/// The largest apparent power seen; without any, one that no counter of the meter can exceed.
fn most_power(realtime: Option<&Realtime>) -> f64 {
    let seen = realtime.and_then(|realtime| {
        let series = &realtime.series;
        let element = series.position("apparent_power_total_va")?;
        let values = (0..series.readings.len()).filter_map(|n| series.value(n, element, &realtime.map));
        values.max_by(f64::total_cmp)
    });
    seen.filter(|power| *power > 0.0 && power.is_finite()).unwrap_or(1e6)
}

/// The profile with everything where it was found.
fn corrected(own: &Profile, realtime: Option<&Realtime>, energy: &Energy, sizes: &[Size]) -> Profile {
    let mut profile = own.clone();
    let corrections: &[(usize, Option<Place>)] = realtime.map_or(&[], |realtime| &realtime.corrections);
    for (index, place) in corrections {
        profile.elements[*index].place = *place;
    }
    // Only what was found to fit can change a size.
    if !corrections.is_empty() {
        for size in sizes.iter().filter(|size| size.wrong.is_some()) {
            let received = size.received.and_then(|received| u16::try_from(received).ok());
            let found = profile
                .assemblies
                .iter_mut()
                .find(|assembly| assembly.instance == size.instance && assembly.table == Table::Realtime);
            if let (Some(assembly), Some(received)) = (found, received) {
                assembly.sizes = vec![received];
            }
        }
    }
    for (slot, label) in &energy.labels {
        let at = profile.elements.iter().position(|element| {
            element.table == Table::Raw
                && element.place.is_some_and(|place| usize::from(place.offset) == slot * 4)
        });
        if let Some(at) = at {
            profile.elements[at].label.clone_from(label);
        }
    }
    profile
}

/// The profile with the counters in assembly 107 where that is proven: the undecoded rows go then, and return
/// when no counter is there any more. What stands nowhere goes.
fn written(mut profile: Profile, energy: &Energy) -> Profile {
    for judged in energy.judged.iter().filter(|judged| judged.verdict == Verdict::Contradicted) {
        profile.elements[judged.index].place = None;
    }
    for (index, place) in &energy.places {
        profile.elements[*index].place = Some(*place);
    }
    let counters = profile.elements_of(Table::Energy).any(|(_, element)| element.place.is_some());
    let table = if counters { Table::Energy } else { Table::Raw };
    for assembly in profile.assemblies.iter_mut().filter(|found| found.instance == energy::ASSEMBLY) {
        if assembly.table != table && table == Table::Raw {
            let raw =
                Profile::built_in().elements_of(Table::Raw).map(|(_, raw)| raw.clone()).collect::<Vec<_>>();
            profile.elements.extend(raw);
        }
        assembly.table = table;
    }
    let stands = |element: &Element| element.place.is_some() || element.modbus.is_some();
    profile.elements.retain(|element| stands(element) && !(counters && element.table == Table::Raw));
    profile
}

fn assemblies(profile: &Profile, moment: &Moment) -> Readings {
    let mut readings = Readings::new(profile.elements.len());
    for (&instance, data) in &moment.assemblies {
        let known = profile.assembly(instance);
        if let (Some(assembly), Ok(())) = (known, decode::assembly(profile, instance, data, &mut readings)) {
            readings.arrived(assembly.table, moment.at);
        }
    }
    readings
}

fn registers(profile: &Profile, visit: &Visit, order: WordOrder) -> Readings {
    let all: Vec<usize> = (0..profile.elements.len()).collect();
    let mut readings = Readings::new(profile.elements.len());
    for (start, words) in &visit.blocks {
        decode::registers(profile, &all, *start, words, order, &mut readings);
    }
    readings
}

fn find(judged: &[Judged], index: usize) -> Option<Judged> {
    judged.iter().find(|judged| judged.index == index).cloned()
}

/// A realtime element beside its Modbus register.
fn compared(profile: &Profile, index: usize, judged: Judged, decoded: &Decoded<'_>) -> Judged {
    let agreement = decoded.modbus.and_then(|modbus| compare::element(profile, index, decoded.eip, modbus));
    match agreement {
        Some(Agreement::Equal(here, there)) => {
            Judged { reason: format!("{}; over Modbus {there}, here {here}", judged.reason), ..judged }
        }
        Some(Agreement::Differs(here, there)) if judged.verdict != Verdict::Contradicted => Judged::new(
            index,
            Verdict::Contradicted,
            format!("{here} over EtherNet/IP and {there} over Modbus: one of the two places is wrong"),
        ),
        _ => judged,
    }
}

/// Raises what was proven, and lowers what is contradicted. A row says only what was checked: a proven element
/// loses the place over the protocol that it was not read over.
fn grade(profile: &mut Profile, judged: &[Judged], decoded: &Decoded<'_>) {
    let built_in = Profile::built_in();
    for judged in judged {
        let element = &mut profile.elements[judged.index];
        match judged.verdict {
            Verdict::Proven => {
                element.evidence = Evidence::Verified;
                let over_eip = decoded.eip.iter().any(|readings| readings.get(judged.index).is_some());
                let over_modbus = decoded.modbus.is_some_and(|modbus| modbus.get(judged.index).is_some());
                if over_eip && !over_modbus {
                    element.modbus = None;
                }
                if over_modbus && !over_eip {
                    element.place = None;
                }
            }
            Verdict::Contradicted if element.evidence == Evidence::Verified => {
                let ours = built_in.index_of(element.table, &element.name);
                element.evidence = ours.map_or(Evidence::Guessed, |ours| built_in.elements[ours].evidence);
            }
            _ => {}
        }
    }
}
