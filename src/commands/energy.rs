//! `energy`: stored raw values → counters.
//!
//! ```text
//! powermonitor_500_raw (line protocol) ─→ the bytes of assembly 107 ─→ the profile's places ─→ powermonitor_500_energy
//! ```
//!
//! What `raw_energy = true` stored before the layout was known becomes the counters that it always was: the same
//! decoder, the same plausible ranges and the same names as when the plugin reads them now.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::cli::EnergyArgs;
use crate::collector::history::History;
use crate::lines::{Batch, Field, Head};
use crate::meter::element::Place;
use crate::meter::{Profile, Readings, Table, TableSet, Use, Value, decode};
use crate::schema;
use crate::verify::energy::stored::{self, Raw, StoredError};
use crate::verify::energy::track::ASSEMBLY;

use super::{GOOD, answer};

/// Prints the counters that stored lines hold.
///
/// # Errors
/// What is wrong with the profile, the file or one of its lines.
pub fn energy(args: &EnergyArgs) -> anyhow::Result<u8> {
    let profile = Profile::load(&args.profile)?;
    let path = &args.from;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = lines(&text, &in_assembly(&profile, &args.profile)?, args.meter.as_deref())?;
    if lines.is_empty() {
        bail!(
            "no line of {} holds a counter that this profile can tell: is it this meter's?",
            path.display()
        );
    }
    answer::print(lines.bytes()).map(|_| GOOD)
}

/// The profile with assembly 107 read as counters.
fn in_assembly(profile: &Profile, path: &Path) -> anyhow::Result<Profile> {
    let mut profile = profile.clone();
    let inside = |place: Place| place.instance == ASSEMBLY;
    if !profile.elements_of(Table::Energy).any(|(_, element)| element.place.is_some_and(inside)) {
        bail!(
            "{} places no counter in assembly {ASSEMBLY}: \"telegraf-pm500 verify --from FILE --write-profile PROFILE\" \
             finds them",
            path.display()
        );
    }
    for assembly in profile.assemblies.iter_mut().filter(|assembly| assembly.instance == ASSEMBLY) {
        assembly.table = Table::Energy;
    }
    Ok(profile)
}

/// The lines of one meter, judged as the plugin judges them: what is no value of a counter does not leave, and a level that
/// moved is marked.
fn lines(text: &str, profile: &Profile, meter: Option<&str>) -> Result<Batch, StoredError> {
    let mut batch = Batch::default();
    let mut history = History::new(None, TableSet::from(Table::Energy), None);
    for (at, Raw { tags, reals }) in stored::parse(text, meter)?.raw {
        let mut readings = Readings::new(profile.elements.len());
        let data: Vec<u8> = reals.iter().flat_map(|real| (*real as f32).to_le_bytes()).collect();
        // 18 REALs are the size that the profile accepts; another one would hold no counter.
        if decode::assembly(profile, ASSEMBLY, &data, &mut readings).is_err() {
            continue;
        }
        let time = UNIX_EPOCH + Duration::from_nanos(u64::try_from(at).unwrap_or_default());
        readings.arrived(Table::Energy, time);
        for index in history.count(profile, &[&readings]).held {
            readings.set(index, None);
        }
        let fields = profile.elements_of(Table::Energy).filter(|(_, element)| element.usage == Use::Field);
        let fields = fields.filter_map(|(index, element)| match readings.get(index)? {
            Value::Integer(value) => Some((element.name.as_str(), Field::Integer(*value))),
            Value::Real(_) | Value::Text(_) => None,
        });
        // A line of nothing but the mark is none.
        if fields.clone().next().is_some() {
            let marked =
                fields.chain([(schema::COUNTING_SINCE, Field::Integer(history.counting_since_ms()))]);
            batch.line(&Head::new(Table::Energy.measurement(), &tags, None), marked, at);
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::element::Form;

    /// A profile in which active import stands in the REALs e02 (high) and e03, in units of a kWh.
    fn solved() -> Profile {
        let mut profile = Profile::clone(&Profile::built_in());
        let index = profile.index_of(Table::Energy, "active_import_wh").unwrap();
        let form = Form::Pair { low_offset: 12, modulus: 1_000_000, factor: 1_000 };
        profile.elements[index].place = Some(Place { instance: ASSEMBLY, offset: 8, form });
        in_assembly(&profile, Path::new("x.toml")).unwrap()
    }

    fn raw(meter: &str, high: &str, low: &str, at: i64) -> String {
        let reals: Vec<String> = (0..18)
            .map(|n| {
                format!(
                    "e{n:02}={}",
                    if n == 2 {
                        high
                    } else if n == 3 {
                        low
                    } else {
                        "0"
                    }
                )
            })
            .collect();
        format!("powermonitor_500_raw,meter={meter},site=Hall\\ 1 {} {at}\n", reals.join(","))
    }

    #[test]
    fn stored_raw_values_become_the_counters_with_their_tags_and_times() {
        let text = raw("m1", "12", "345678.5", 1_700_000_000_000_000_000)
            + "powermonitor_500,meter=m1 active_power_total_w=1 1700000000000000000\n"
            + &raw("m1", "12", "345679", 1_700_000_001_000_000_000);
        let lines = lines(&text, &solved(), None).unwrap();
        assert_eq!(
            String::from_utf8_lossy(lines.bytes()),
            "powermonitor_500_energy,meter=m1,site=Hall\\ 1 active_import_wh=12345678500i,counting_since_ms=0i 1700000000000000000\n\
             powermonitor_500_energy,meter=m1,site=Hall\\ 1 active_import_wh=12345679000i,counting_since_ms=0i 1700000001000000000\n"
        );
    }

    #[test]
    fn an_export_of_single_fields_is_one_line_per_time_again_and_a_glitch_is_no_counter() {
        let mut text = String::new();
        for (n, low) in ["345678", "345679", "0", "345680"].into_iter().enumerate() {
            for field in ["e02=12".to_owned(), format!("e03={low}")] {
                text += &format!(
                    "powermonitor_500_raw,meter=m1 {field} {}\n",
                    1_700_000_000_000_000_000 + n as i64 * 10_000_000_000
                );
            }
        }
        let lines = lines(&text, &solved(), None).unwrap();
        let counters: Vec<&str> = std::str::from_utf8(lines.bytes())
            .unwrap()
            .lines()
            .filter_map(|line| line.split(['=', ',', ' ']).find(|part| part.ends_with("000i")))
            .collect();
        assert_eq!(counters, ["12345678000i", "12345679000i", "12345680000i"]);
    }

    #[test]
    fn halves_that_belong_to_no_number_are_left_out_and_two_meters_are_told_apart() {
        let torn = raw("m1", "12", "1000000", 1) + &raw("m1", "0.5", "1", 2);
        assert!(lines(&torn, &solved(), None).unwrap().is_empty());
        let two = raw("m1", "1", "2", 1) + &raw("m2", "1", "3", 2);
        let refused = lines(&two, &solved(), None).unwrap_err().to_string();
        assert!(refused.contains("m1, m2") && refused.contains("--meter"), "{refused}");
        assert_eq!(lines(&two, &solved(), Some("m2")).unwrap().lines(), 1);
    }

    #[test]
    fn a_profile_that_is_not_solved_is_refused_with_the_command_that_solves_it() {
        let refused = in_assembly(&Profile::built_in(), Path::new("x.toml")).unwrap_err().to_string();
        assert!(refused.contains("verify --from"), "{refused}");
    }
}
