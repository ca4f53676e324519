//! The tables that physics says little about: maximum and demand, settings, alarms, product information.

use crate::meter::physics::{LAWS, Premise, Says};
use crate::meter::{Element, Profile, Readings, Table, Use, Value, names};

use crate::verify::map::compare::{self, Agreement, show};
use crate::verify::verdict::{Judged, Verdict};

/// What was decoded.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Every reading over EtherNet/IP.
    pub eip: &'a [Readings],
    /// The newest reading over Modbus.
    pub modbus: Option<&'a Readings>,
    /// Whether Modbus was asked, and perhaps did not answer.
    pub modbus_tried: bool,
}

impl Decoded<'_> {
    /// The newest value of an element, over either protocol.
    pub fn value(&self, index: usize) -> Option<&Value> {
        let over_eip = self.eip.iter().rev().find_map(|readings| readings.get(index));
        over_eip.or_else(|| self.modbus?.get(index))
    }
}

/// Judges an element of these tables; `None` for one that is never read.
pub fn judge(profile: &Profile, index: usize, decoded: &Decoded<'_>) -> Option<Judged> {
    let element = profile.elements.get(index).filter(|element| element.usage != Use::None)?;
    let Some(value) = decoded.value(index) else {
        let why = match (element.place, element.modbus) {
            (None, Some(_)) if decoded.modbus.is_none() && decoded.modbus_tried => {
                "it comes over Modbus only, which did not answer"
            }
            (None, Some(_)) if decoded.modbus.is_none() => "it comes over Modbus only, which was not touched",
            _ => "nothing was read, or nothing plausible",
        };
        return Some(Judged::new(index, Verdict::NotProvable, why));
    };
    let shown = show(value, &element.unit);
    let (verdict, mut reason) = match element.table {
        Table::Max => maximum(profile, element, value, decoded),
        Table::Demand => demand(profile, element, decoded),
        Table::Raw => (Verdict::NotProvable, "nobody has published what it is".to_owned()),
        _ => (Verdict::Consistent, format!("it reads {shown}, which is plausible where the manual puts it")),
    };
    let agreement = decoded.modbus.and_then(|modbus| compare::element(profile, index, decoded.eip, modbus));
    let verdict = match agreement {
        Some(Agreement::Equal(here, there)) => {
            reason = format!("{reason}; {here} over EtherNet/IP and {there} over Modbus agree");
            verdict
        }
        Some(Agreement::Differs(here, there)) => {
            reason =
                format!("{here} over EtherNet/IP and {there} over Modbus: one of the two places is wrong");
            Verdict::Contradicted
        }
        Some(Agreement::Blank) | None => verdict,
    };
    let empty = matches!(value, Value::Integer(0) | Value::Real(0.0));
    Some(match (verdict, empty) {
        (Verdict::Consistent, true) => {
            Judged::new(index, Verdict::NotProvable, "it reads 0, as many registers would")
        }
        _ => Judged::new(index, verdict, reason),
    })
}

/// A maximum is never below what is measured now.
fn maximum(profile: &Profile, element: &Element, value: &Value, decoded: &Decoded<'_>) -> (Verdict, String) {
    // Signed quantities have no agreed maximum.
    let name = element.name.as_str();
    let signed = names::REACTIVE.contains(&name) || names::FACTOR.contains(&name);
    // A later reading may well exceed a maximum that was read before it.
    let until = decoded.eip.iter().rposition(|readings| readings.taken(Table::Max).is_some());
    let earlier = &decoded.eip[..until.map_or(0, |until| until + 1)];
    let now = profile.index_of(Table::Realtime, &element.name);
    let now = now.map(|now| earlier.iter().filter_map(move |readings| readings.number(now)));
    let most = now.and_then(|now| now.max_by(f64::total_cmp)).filter(|most| *most > 0.0 && !signed);
    let maximum = match value {
        Value::Real(value) => f64::from(*value),
        _ => f64::NAN,
    };
    match most {
        Some(most) if maximum < 0.995 * most => (
            Verdict::Contradicted,
            format!("a maximum of {maximum:.2} is below {most:.2}, which was measured just now"),
        ),
        Some(most) => (
            Verdict::Consistent,
            format!(
                "{maximum:.2} is not below {most:.2}, which was measured just now; much else would not be"
            ),
        ),
        None => (Verdict::NotProvable, "no law tells what a maximum must be".to_owned()),
    }
}

/// A value beside what the display showed; it proves its place when no other value of the table is the same.
pub fn beside_display(
    profile: &Profile,
    found: Judged,
    (shown, grain): (f64, f64),
    decoded: &Decoded<'_>,
) -> Judged {
    let near = |value: f64| (value - shown).abs() <= grain.max(1e-3 * shown.abs());
    let number = |index: usize| match decoded.value(index)? {
        Value::Real(value) => Some(f64::from(*value)),
        Value::Integer(value) => Some(*value as f64),
        Value::Text(_) => None,
    };
    let table = profile.elements[found.index].table;
    let Some(value) = number(found.index) else {
        return Judged {
            reason: format!("{}; it was not read, the display is said to show {shown}", found.reason),
            ..found
        };
    };
    if !near(value) {
        let reason = format!("it reads {value}, the display is said to show {shown}");
        return Judged::new(found.index, Verdict::Contradicted, reason);
    }
    let twins = profile
        .elements_of(table)
        .filter(|(index, _)| *index != found.index && number(*index).is_some_and(near));
    match twins.count() {
        0 if shown != 0.0 => Judged::new(
            found.index,
            Verdict::Proven,
            format!("it reads {value}, as the display shows, and no other value of the table does"),
        ),
        _ => Judged {
            reason: format!("{}; the display shows it, and other values are the same", found.reason),
            ..found
        },
    }
}

/// Sums and means survive averaging; the other laws do not.
fn demand(profile: &Profile, element: &Element, decoded: &Decoded<'_>) -> (Verdict, String) {
    let touching = LAWS.iter().filter(|law| law.linear && law.elements().any(|name| name == element.name));
    let mut holds = None;
    for law in touching {
        let newest = decoded.eip.iter().rev().find(|readings| readings.taken(Table::Demand).is_some());
        let value = |name| newest?.number(profile.index_of(Table::Demand, name)?);
        let values: Option<Vec<f64>> = law.elements().map(value).collect();
        let Some(values) = values else { continue };
        match (law.test)(&values, &Premise::IN_ONE_MOMENT).map(|found| found.says) {
            Some(Says::Broken) => {
                return (Verdict::Contradicted, format!("{} ({})", law.name, (law.found)(&values)));
            }
            Some(Says::Holds) => holds = Some(law.name),
            _ => {}
        }
    }
    match holds {
        Some(law) => (Verdict::Consistent, format!("{law}; one interval proves nothing more")),
        None => {
            (Verdict::NotProvable, "no law tells what a demand value must be within one interval".to_owned())
        }
    }
}
