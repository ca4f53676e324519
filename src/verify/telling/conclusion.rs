//! Everything together: from an observation to a verdict per element, what is wrong, what cannot be proven, and
//! the profile that follows.

use std::sync::Arc;

use crate::meter::WordOrder;
use crate::meter::decode;
use crate::meter::{Element, Evidence, Profile, Readings, Table, Use, Value};

use crate::meter::names;
use crate::verify::energy::counters::{self, Energy};
use crate::verify::energy::motion::Shown;
use crate::verify::energy::pace::Pace;
use crate::verify::energy::quantity::Power;
use crate::verify::energy::track::{ASSEMBLY, Recording, Sample};
use crate::verify::map::compare::{self, Agreement};
use crate::verify::map::hints;
use crate::verify::map::realtime::{self, Correction, Realtime};
use crate::verify::map::series::Series;
use crate::verify::map::sizes::{self, Size};
use crate::verify::map::tables::{self, Decoded};
use crate::verify::map::word_order::{self, Order};
use crate::verify::reading::observation::{Moment, Observation, Visit};
use crate::verify::telling::limits;
use crate::verify::verdict::{Judged, Verdict};

/// What is taken for granted.
#[derive(Debug, Clone)]
pub struct Given {
    /// The map to be proven.
    pub profile: Arc<Profile>,
    /// The word order that is set.
    pub word_order: WordOrder,
    /// What the display or a clamp meter showed.
    pub expected: Vec<Expected>,
}

/// A value that a person read from the display, or measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The field's table.
    pub table: Table,
    /// The field.
    pub name: String,
    /// Its value in the field's unit.
    pub value: f64,
    /// What the last digit is worth.
    pub grain: f64,
}

impl Given {
    /// What was shown of a table.
    fn shown(&self, table: Table) -> impl Iterator<Item = &Expected> {
        self.expected.iter().filter(move |expected| expected.table == table)
    }

    fn realtime(&self) -> Vec<(String, f64)> {
        self.shown(Table::Realtime).map(|shown| (shown.name.clone(), shown.value)).collect()
    }
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
    /// Laws that do not hold and that nothing explains, in sentences.
    pub odd: Vec<String>,
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

    /// Whether the profile that follows has an element elsewhere than the one that was judged.
    pub fn profile_differs(&self) -> bool {
        let places = |profile: &Profile| {
            profile.elements.iter().map(|row| (row.place, row.modbus)).collect::<Vec<_>>()
        };
        places(&self.profile) != places(&self.own) || self.profile.word_order != self.own.word_order
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
    let shown: Vec<Shown> = given
        .shown(Table::Energy)
        .map(|shown| Shown { name: shown.name.clone(), value: shown.value, grain: shown.grain })
        .collect();
    let places = corrected(own, realtime.as_ref(), &Energy::default(), &sizes);
    let beside = counters::Beside {
        order: word_order,
        most_power: most_power(realtime.as_ref()),
        recording: observation.recording.clone().unwrap_or_else(|| recording(&places, observation)),
        shown: &shown,
    };
    let energy = counters::judge(own, observation, &beside);
    let mut profile = corrected(own, realtime.as_ref(), &energy, &sizes);
    profile.word_order = match &order {
        Some(Order::Proven(order, _)) => Some(*order),
        _ => own.word_order,
    };
    let eip: Vec<Readings> = observation.moments().map(|moment| assemblies(&profile, moment)).collect();
    let modbus = observation.visits.last().map(|visit| registers(&profile, visit, word_order));
    let decoded = Decoded { eip: &eip, modbus: modbus.as_ref(), modbus_tried: observation.modbus_tried };

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
        let shown = given.shown(element.table).find(|shown| shown.name == element.name);
        let found = match (found, shown) {
            (Some(found), Some(shown)) if !matches!(element.table, Table::Realtime | Table::Energy) => {
                Some(tables::beside_display(&profile, found, (shown.value, shown.grain), &decoded))
            }
            (found, _) => found,
        };
        judged.extend(found);
    }
    let values = (0..own.elements.len()).map(|index| decoded.value(index).cloned()).collect();
    grade(&mut profile, &judged, &decoded);
    let (mut said, mut hints, mut odd) = (energy.said.clone(), Vec::new(), Vec::new());
    if let Some(realtime) = &realtime {
        wrong.extend(realtime.wrong.iter().cloned());
        odd.clone_from(&realtime.odd);
        said.extend(realtime.open.iter().cloned());
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
    Conclusion { own: own.clone(), judged, values, sizes, order, said, wrong, hints, odd, limits, profile }
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
    Some(realtime::judge(profile, series, &starts, &given.realtime(), ct_ratio))
}

/// The largest apparent power seen; without any, one that no counter of the meter can exceed.
fn most_power(realtime: Option<&Realtime>) -> f64 {
    let seen = realtime.and_then(|realtime| {
        let series = &realtime.series;
        let element = series.position(names::APPARENT[3])?;
        let values = (0..series.readings.len()).filter_map(|n| series.value(n, element, &realtime.map));
        values.max_by(f64::total_cmp)
    });
    seen.filter(|power| *power > 0.0 && power.is_finite()).unwrap_or(1e6)
}

/// The profile with everything where it was found.
fn corrected(own: &Profile, realtime: Option<&Realtime>, energy: &Energy, sizes: &[Size]) -> Profile {
    let mut profile = own.clone();
    let corrections: &[(usize, Correction)] = realtime.map_or(&[], |realtime| &realtime.corrections);
    for (index, correction) in corrections {
        let element = &mut profile.elements[*index];
        match *correction {
            Correction::Place(place) => element.place = place,
            Correction::Register(address) => element.modbus = address,
        }
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
    for assembly in profile.assemblies.iter_mut().filter(|found| found.instance == ASSEMBLY) {
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

/// Assembly 107 and power over the readings.
fn recording(profile: &Profile, observation: &Observation) -> Recording {
    let mut recording = Recording::default();
    let index = |name: &str| profile.index_of(Table::Realtime, name);
    let (active, reactive) = (index(names::ACTIVE[3]), index(names::REACTIVE[3]));
    for moment in observation.moments() {
        let Ok(at) = moment.at.duration_since(std::time::UNIX_EPOCH) else { continue };
        let at = at.as_secs_f64();
        if let Some(reals) = moment.reals(ASSEMBLY) {
            recording.samples.push(Sample { at, reals: reals.into_iter().map(f64::from).collect() });
        }
        let readings = assemblies(profile, moment);
        if let Some(active) = active.and_then(|index| readings.number(index)) {
            let reactive = reactive.and_then(|index| readings.number(index)).unwrap_or(0.0);
            recording.power.push(Power { at, active, reactive });
        }
    }
    recording
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
    let mut readings = Readings::new(profile.elements.len());
    for (start, words) in &visit.blocks {
        decode::registers(profile, 0..profile.elements.len(), *start, words, order, &mut readings);
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
