//! The energy counters: over Modbus as the manual documents them, and in assembly 107 as solved.

use crate::meter::WordOrder;
use crate::meter::decode::{joined, real};
use crate::meter::element::{Element, Form, Place, REAL_BYTES};
use crate::meter::{Profile, Table, names};

use crate::verify::energy::layout::{self, Evidence, Found, Layout, Pair};
use crate::verify::energy::motion::{self, Settled, Shown};
use crate::verify::energy::track::{ASSEMBLY, Recording};
use crate::verify::reading::observation::{Moment, Observation};
use crate::verify::verdict::{Judged, Verdict};

/// What is known of the counters.
#[derive(Debug, Default)]
pub struct Energy {
    /// The elements of the table.
    pub judged: Vec<Judged>,
    /// Where counters stand in assembly 107, as far as that is proven: index and place.
    pub places: Vec<(usize, Place)>,
    /// Labels for the undecoded REALs, where a counter is one REAL: slot and label.
    pub labels: Vec<(usize, String)>,
    /// What was found, in sentences.
    pub said: Vec<String>,
    /// What is wrong, in sentences.
    pub wrong: Vec<String>,
}

/// What is known beside the counters.
#[derive(Debug, Default)]
pub struct Beside<'a> {
    /// The word order over Modbus.
    pub order: WordOrder,
    /// The largest apparent power seen, in VA.
    pub most_power: f64,
    /// Assembly 107 and power over time.
    pub recording: Recording,
    /// What a person read from the display.
    pub shown: &'a [Shown],
}

/// Judges the table.
pub fn judge(profile: &Profile, observation: &Observation, beside: &Beside<'_>) -> Energy {
    let Beside { order, most_power, .. } = *beside;
    let mut rows: Vec<(usize, &Element)> = profile.elements_of(Table::Energy).collect();
    // The hours counter is written in its own way, and comes last.
    rows.sort_by_key(|(_, element)| element.name == names::RUN_TIME);
    let mut energy = Energy::default();
    let evidence = evidence(&rows, observation, order, most_power);
    let layout = evidence.as_ref().map(layout::solve);
    let undecoded = rows.iter().all(|(_, element)| element.place.is_none());
    if evidence.is_none() && undecoded && beside.recording.samples.len() > 1 {
        return by_motion(&rows, beside);
    }
    for (at, (index, element)) in rows.iter().enumerate() {
        let judged = match (&layout, &evidence) {
            (Some(layout), Some(evidence)) => {
                let Solved { judged, stands } = judge_solved((at, *index), element, layout, evidence);
                match stands {
                    Some(Stands::At(place)) => energy.places.push((*index, place)),
                    Some(Stands::In(slot, label)) => energy.labels.push((slot, label)),
                    None => {}
                }
                judged
            }
            _ => judge_alone(element, *index, observation, order),
        };
        if judged.verdict == Verdict::Contradicted {
            energy.wrong.push(format!("{}: {}", element.name, judged.reason));
        }
        energy.judged.push(judged);
    }
    if let (Some(layout), Some(evidence)) = (&layout, &evidence) {
        energy.said.push(summary(&energy.places, &rows, layout, evidence));
    }
    energy
}

/// Every counter as motion and the display tell it.
fn by_motion(rows: &[(usize, &Element)], beside: &Beside<'_>) -> Energy {
    let mut energy = Energy::default();
    let settled = motion::solve(&beside.recording, beside.shown);
    let of =
        |name: &str| motion::COUNTERS.iter().position(|known| *known == name).and_then(|at| settled.get(at));
    for (index, element) in rows {
        let judged = match of(&element.name) {
            Some(Settled::At(place, why)) => {
                energy.places.push((*index, *place));
                let reason = format!("{ASSEMBLY}+{} ({}): {why}", place.offset, place.form);
                Judged::new(*index, Verdict::Proven, reason)
            }
            Some(Settled::Open(why)) => Judged::new(*index, Verdict::NotProvable, why.to_string()),
            None => Judged::new(*index, Verdict::NotProvable, "it is none of the nine counters"),
        };
        energy.judged.push(judged);
    }
    energy.said.push(match energy.places.len() {
        0 => format!("assembly {ASSEMBLY} is not solved: what moved does not settle one counter yet"),
        many => format!(
            "assembly {ASSEMBLY}: {many} of {} counters have one place, by what moved{}",
            rows.len(),
            if beside.shown.is_empty() { "" } else { " and what the display showed" }
        ),
    });
    energy
}

/// The counters and assembly 107 around them, if both were read.
fn evidence(
    rows: &[(usize, &Element)],
    observation: &Observation,
    order: WordOrder,
    most_power: f64,
) -> Option<Evidence> {
    let reals = |moment: &Moment| moment.reals(ASSEMBLY).map(|reals| (moment.at, reals));
    let visit = observation.visits.first()?;
    let (from, before) = observation.before.iter().rev().find_map(reals)?;
    let (to, after) = observation.after.iter().find_map(reals).unwrap_or_else(|| (visit.at, before.clone()));
    let counter = |(_, element): &(usize, &Element)| {
        let words = visit.words(element.registers()?)?;
        Some(order.number(words))
    };
    let mut counters: Vec<Option<u64>> = rows.iter().map(counter).collect();
    let hours =
        rows.iter().position(|(_, element)| element.name == names::RUN_TIME).map(|at| counters.remove(at));
    let seconds = to.duration_since(from).unwrap_or_default().as_secs_f64();
    counters.iter().any(Option::is_some).then(|| Evidence {
        before,
        after,
        counters,
        hours: hours.flatten(),
        most: 2.0 * most_power * seconds / 3600.0 + 20.0,
    })
}

fn place(pair: &Pair) -> Place {
    let offset = |slot: usize| u16::try_from(slot).unwrap_or(u16::MAX).saturating_mul(REAL_BYTES);
    let form = Form::Pair { low_offset: offset(pair.low), modulus: pair.modulus, factor: pair.factor };
    Place { instance: ASSEMBLY, offset: offset(pair.high), form }
}

/// What a layout says of one counter.
struct Solved {
    judged: Judged,
    /// Where it stands, as far as that is proven.
    stands: Option<Stands>,
}

/// Where a counter stands in assembly 107.
enum Stands {
    /// Where a profile can say it.
    At(Place),
    /// In this REAL, which a label tells.
    In(usize, String),
}

impl From<Judged> for Solved {
    fn from(judged: Judged) -> Solved {
        Solved { judged, stands: None }
    }
}

/// One counter beside the solved layout.
fn judge_solved(
    (at, index): (usize, usize),
    element: &Element,
    layout: &Layout,
    evidence: &Evidence,
) -> Solved {
    let counter = evidence.counters.get(at).copied().unwrap_or(evidence.hours);
    let Some(counter) = counter else {
        return Judged::new(index, Verdict::NotProvable, "it was not read over Modbus").into();
    };
    let documented = format!("over Modbus, where the manual documents it, it reads {counter}");
    let said = element.place.filter(|place| place.form != Form::Own);
    let single = |place: Place| {
        let Layout::Singles(unit, slots) = layout else { return false };
        let slots = slots.get(at).map_or(&[][..], Vec::as_slice);
        slots.iter().any(|slot| slot * usize::from(REAL_BYTES) == usize::from(place.offset))
            && place.form == Form::Scaled(*unit as u32)
    };
    match layout {
        Layout::Pairs(found) => match &found[at] {
            Found::At(pair) => {
                let solved = place(pair);
                let between = between(evidence, pair);
                let reason =
                    format!("{documented}, {ASSEMBLY}+{} ({}) {between}", solved.offset, solved.form);
                let judged = match said {
                    Some(said) if said != solved => Judged::new(
                        index,
                        Verdict::Contradicted,
                        format!("the profile says {ASSEMBLY}+{} ({}); {reason}", said.offset, said.form),
                    ),
                    _ => Judged::new(index, Verdict::Proven, format!("{reason}, no other place fits")),
                };
                Solved { judged, stands: Some(Stands::At(solved)) }
            }
            Found::Open(places) => {
                let fits = said.is_none_or(|said| places.iter().any(|pair| place(pair) == said));
                if !fits {
                    return Judged::new(
                        index,
                        Verdict::Contradicted,
                        format!(
                            "{documented}, and assembly {ASSEMBLY} is something else at the profile's place"
                        ),
                    )
                    .into();
                }
                let why = if counter == 0 { "zero" } else { "what another counter reads, too" };
                let why = format!("{documented}, {why}: {} places in assembly {ASSEMBLY} fit", places.len());
                Judged::new(index, Verdict::Consistent, format!("{why}; run it again when it has counted on"))
                    .into()
            }
            Found::Nowhere if said.is_some() => Judged::new(
                index,
                Verdict::Contradicted,
                format!("{documented}, and assembly {ASSEMBLY} does not hold it at the profile's place"),
            )
            .into(),
            Found::Nowhere => Judged::new(
                index,
                Verdict::Consistent,
                format!("{documented}; assembly {ASSEMBLY} does not hold it as it holds the others"),
            )
            .into(),
        },
        Layout::Singles(..) | Layout::Unsolved(_) if said.is_some_and(|place| !single(place)) => Judged::new(
            index,
            Verdict::Contradicted,
            format!("{documented}, and assembly {ASSEMBLY} does not hold it at the profile's place"),
        )
        .into(),
        Layout::Singles(unit, slots) => {
            let slots = slots.get(at).map_or(&[][..], Vec::as_slice);
            if let [slot] = slots {
                let step = format!(
                    "{documented}; assembly {ASSEMBLY} holds it in one REAL at +{}, in units of {unit} {}",
                    slot * usize::from(REAL_BYTES),
                    element.unit
                );
                // A profile says whole units; hours are written in more than one way.
                if unit.fract() != 0.0 || element.name == names::RUN_TIME || counter == 0 {
                    let label = format!("{} in units of {unit} {}", element.label, element.unit);
                    let judged = Judged::new(index, Verdict::Consistent, step);
                    return Solved { judged, stands: Some(Stands::In(*slot, label)) };
                }
                let offset = u16::try_from(*slot).unwrap_or(u16::MAX).saturating_mul(REAL_BYTES);
                let form = Form::Scaled(*unit as u32);
                let place = Place { instance: ASSEMBLY, offset, form };
                let reason =
                    format!("{step}, which steps by {} {} there", form.step_at(counter as f64), element.unit);
                let judged = Judged::new(index, Verdict::Proven, reason);
                return Solved { judged, stands: Some(Stands::At(place)) };
            }
            Judged::new(index, Verdict::Consistent, documented).into()
        }
        Layout::Unsolved(_) => Judged::new(index, Verdict::Consistent, documented).into(),
    }
}

/// What the halves were worth before and after.
fn between(evidence: &Evidence, pair: &Pair) -> String {
    let value =
        |slots: &[f32]| joined(*slots.get(pair.high)?, *slots.get(pair.low)?, pair.modulus, pair.factor);
    match (value(&evidence.before), value(&evidence.after)) {
        (Some(before), Some(after)) if before == after => format!("reads {before} before and after"),
        (Some(before), Some(after)) => format!("reads {before} before and {after} after"),
        _ => String::new(),
    }
}

/// A counter that was read over one protocol only.
fn judge_alone(element: &Element, index: usize, observation: &Observation, order: WordOrder) -> Judged {
    let over_modbus: Vec<u64> = observation
        .visits
        .iter()
        .filter_map(|visit| visit.words(element.registers()?))
        .map(|words| order.number(words))
        .collect();
    let over_eip: Vec<Option<i64>> = match element.place {
        Some(Place { instance, offset, form: Form::Pair { low_offset, modulus, factor } }) => observation
            .moments()
            .filter_map(|moment| moment.assemblies.get(&instance))
            .map(|data| joined(real(data, offset)?, real(data, low_offset)?, modulus, factor))
            .collect(),
        Some(Place { instance, offset, form: Form::Scaled(factor) }) => observation
            .moments()
            .filter_map(|moment| moment.assemblies.get(&instance))
            .map(|data| Some((f64::from(real(data, offset)?) * f64::from(factor)).round() as i64))
            .collect(),
        _ => Vec::new(),
    };
    if over_eip.contains(&None) {
        let reason = format!("its halves in assembly {ASSEMBLY} do not belong to one number");
        return Judged::new(index, Verdict::Contradicted, reason);
    }
    let values: Vec<i64> =
        over_eip.into_iter().flatten().chain(over_modbus.iter().map(|v| *v as i64)).collect();
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Judged::new(
            index,
            Verdict::NotProvable,
            if observation.modbus_tried {
                "it was not read: Modbus did not answer"
            } else {
                "it was not read: Modbus has it (--may-interrupt-plc), or --duration finds it in assembly 107"
            },
        );
    };
    if values.windows(2).any(|pair| pair[1] < pair[0]) {
        return Judged::new(index, Verdict::Contradicted, format!("a counter went from {first} to {last}"));
    }
    let reason = match (*last, last - first) {
        (0, _) => return Judged::new(index, Verdict::NotProvable, "it reads 0"),
        (_, 0) => format!("it reads {last} in every reading"),
        (_, more) => format!("it went up by {more} to {last}"),
    };
    let against = if over_modbus.is_empty() { "; only Modbus beside it can prove its place" } else { "" };
    Judged::new(index, Verdict::Consistent, format!("{reason}{against}"))
}

/// What the layout is, as a whole.
fn summary(
    places: &[(usize, Place)],
    rows: &[(usize, &Element)],
    layout: &Layout,
    evidence: &Evidence,
) -> String {
    match layout {
        Layout::Pairs(found) => {
            let solved = found.iter().filter(|found| matches!(found, Found::At(_))).count();
            let open = rows.len() - solved;
            let moved = evidence.before != evidence.after;
            let first = places.first().map(|(_, place)| place.form);
            let form = match first {
                Some(Form::Pair { modulus, factor, .. }) => {
                    format!("high x {modulus} + low, in units of {factor}")
                }
                _ => "two REALs".to_owned(),
            };
            let form = form.replace(", in units of 1", "");
            let step = first.and_then(Form::step).filter(|step| *step > 1.0);
            let step = step.map_or("exact".to_owned(), |step| format!("in steps of up to {step}"));
            let open = match open {
                0 => String::new(),
                _ => format!("; {open} counters stay open: run it again when they have counted on"),
            };
            let twice =
                if moved { "counters moved in between and still fit" } else { "no counter moved meanwhile" };
            format!(
                "assembly {ASSEMBLY} is solved: two REALs per counter ({form}), {step}; {solved} of {} counters \
                 have one place, {twice}{open}",
                rows.len()
            )
        }
        Layout::Singles(unit, _) => format!(
            "assembly {ASSEMBLY} holds one REAL per counter, in units of {unit} Wh: 24 bits, so large counters come in \
             steps; {} of {} counters have one place",
            places.len(),
            rows.len()
        ),
        Layout::Unsolved(why) => format!("assembly {ASSEMBLY} is not solved: {why}"),
    }
}
