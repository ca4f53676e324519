//! The judge of the map's judge: every healthy state and every wrong map, as one table.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, SystemTime};
use telegraf_pm500::meter::decode;
use telegraf_pm500::meter::names::GROUPS;
use telegraf_pm500::meter::physics::{Known, Map, Numbers, Seen, Verdict, judge};
use telegraf_pm500::meter::{Profile, Readings, Table, WordOrder};
use telegraf_pm500::verify::reading::observation::{Moment, Visit};
use telegraf_pm500::verify::{self, Conclusion, Given, Observation, conclude};

use crate::common::states::healthy::{self, State};
use crate::common::states::{Network, Values, wire, wrong};

/// How the values get to the judge.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Assemblies,
    Registers,
}

fn numbers(map: &Map, way: Way, bits: &[u32; 30]) -> Numbers {
    let profile = Profile::built_in();
    let mut readings = Readings::new(profile.elements.len());
    match way {
        Way::Assemblies => {
            let (one, two) = wire::assemblies(bits);
            decode::assembly(&profile, 101, &one, &mut readings).unwrap();
            decode::assembly(&profile, 102, &two, &mut readings).unwrap();
        }
        Way::Registers => {
            let all = 0..profile.elements.len();
            let words = wire::registers(bits);
            decode::registers(&profile, all, 0x50, &words, WordOrder::LowFirst, &mut readings);
        }
    }
    Numbers::of(map, &readings)
}

/// The verdicts on readings in a row.
fn verdicts(way: Way, readings: &[[u32; 30]]) -> Vec<Verdict> {
    let map = Map::new(&Profile::built_in());
    let (mut seen, mut earlier) = (Seen::default(), None);
    let mut verdicts = Vec::new();
    for bits in readings {
        let numbers = numbers(&map, way, bits);
        let order = (way == Way::Registers).then_some(WordOrder::LowFirst);
        let known = Known { order, ct_ratio: None, seen, earlier: earlier.as_ref() };
        let verdict = judge(&map, &numbers, &known);
        if verdict == Verdict::Consistent {
            seen = seen.with(&map, &numbers);
        }
        earlier = Some(numbers);
        verdicts.push(verdict);
    }
    verdicts
}

/// Random networks of every size, seldom ordinary.
fn random(random: &mut StdRng) -> Network {
    let volts = [120.0, 230.0, 277.0, 347.0, 6351.0][random.random_range(0..5)];
    let size = 10f64.powf(random.random_range(-1.0..2.7));
    let phase = |random: &mut StdRng| {
        let angle = if random.random_bool(0.2) {
            random.random_range(-180.0..180.0)
        } else {
            random.random_range(-30.0..60.0)
        };
        (volts * random.random_range(0.94..1.06), size * random.random_range(0.3..1.0), angle)
    };
    let phases = [phase(random), phase(random), phase(random)];
    let phases = if random.random_bool(0.2) { [phases[0]; 3] } else { phases };
    let distortion = if random.random_bool(0.5) { 1.0 } else { random.random_range(1.0..2.0) };
    Network { distortion, cosine: random.random_bool(0.5), ..Network::new(phases, 50.0) }
}

#[test]
fn a_load_that_varies_while_small_blocks_are_read_contradicts_nothing() {
    let profile = Profile::built_in();
    let map = Map::new(&profile);
    let mut rng = StdRng::seed_from_u64(7);
    let mut refused = Vec::new();
    for n in 0..800 {
        let network = random(&mut rng);
        let chunk = [2, 4, 8, 12, 20, 32, 50, 64][n % 8];
        let mut earlier = None;
        for _ in 0..3 {
            let mut readings = Readings::new(profile.elements.len());
            let mut step: f64 = 1.0;
            for start in (0..64).step_by(chunk) {
                if rng.random_bool(0.4) {
                    step = 10f64.powf(rng.random_range(-1.5..1.3));
                }
                let words = wire::registers(&wire::bits(&network.times(step).values(), 0));
                let words = &words[start..(start + chunk).min(64)];
                let (all, first) = (0..profile.elements.len(), 0x50 + start as u16);
                decode::registers(&profile, all, first, words, WordOrder::LowFirst, &mut readings);
            }
            let numbers = Numbers::of(&map, &readings);
            let known =
                Known { order: Some(WordOrder::LowFirst), earlier: earlier.as_ref(), ..Known::default() };
            if let Verdict::Contradicted(why) = judge(&map, &numbers, &known) {
                refused.push(format!("{chunk} registers, {network:?}: {why}"));
            }
            earlier = Some(numbers);
        }
    }
    assert!(refused.is_empty(), "{} refused: {}", refused.len(), refused[..refused.len().min(5)].join("\n"));
}

#[test]
fn no_random_network_is_contradicted_and_its_wrong_maps_are_mostly_caught() {
    let mut rng = StdRng::seed_from_u64(11);
    let (mut refused, mut tries, mut caught) = (Vec::new(), 0, 0);
    for n in 0..1050 {
        let network = random(&mut rng);
        let way = [Way::Assemblies, Way::Registers][n % 2];
        let readings = wrong::readings(network).map(|values| wire::bits(&values, 0));
        for verdict in verdicts(way, &readings) {
            if let Verdict::Contradicted(why) = verdict {
                refused.push(format!("{network:?}: {why}"));
            }
        }
        let maps = wrong::maps();
        let map = &maps[n % maps.len()];
        let wrong = readings.map(|mut bits| {
            (map.change)(&mut bits);
            bits
        });
        tries += 1;
        let all =
            verdicts(way, &wrong)[1..].iter().all(|verdict| matches!(verdict, Verdict::Contradicted(_)));
        if !all {
            println!("MISSED {} {network:?}", map.name);
        }
        caught += usize::from(all);
    }
    println!("{caught} of {tries} wrong maps of random networks caught");
    assert!(refused.is_empty(), "{} refused: {}", refused.len(), refused[..refused.len().min(5)].join("\n"));
    assert!(caught * 10 >= tries * 9, "{caught} of {tries}");
}

fn short(verdicts: &[Verdict]) -> String {
    let short = verdicts.iter().map(|verdict| match verdict {
        Verdict::Consistent => "consistent".to_owned(),
        Verdict::NotProvable => "not provable".to_owned(),
        Verdict::Contradicted(why) => format!("CONTRADICTED: {why}"),
    });
    let mut all: Vec<String> = short.collect();
    all.dedup();
    all.join(", ")
}

#[test]
fn no_healthy_state_is_contradicted_however_it_says_nothing() {
    let mut refused = Vec::new();
    for State { name, readings, ordinary } in healthy::reported().into_iter().chain(healthy::invented()) {
        for way in [Way::Assemblies, Way::Registers] {
            let lacks = readings.iter().flatten().any(Option::is_none);
            let mut shown = Vec::new();
            for (nothing, pattern) in wire::NOTHINGS.iter().take(if lacks { 9 } else { 1 }) {
                let verdicts = verdicts(way, &readings.map(|values: Values| wire::bits(&values, *pattern)));
                if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Contradicted(_))) {
                    refused.push(format!("{name} ({way:?}, nothing is {nothing}): {}", short(&verdicts)));
                }
                assert!(!ordinary || verdicts[2] == Verdict::Consistent, "{name}: {}", short(&verdicts));
                shown.push(short(&verdicts));
            }
            shown.dedup();
            println!("{name:60} {way:10?} {}", shown.join(" | "));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// What `verify` makes of readings, over EtherNet/IP or over Modbus.
fn verified(way: Way, readings: &[[u32; 30]]) -> Conclusion {
    let mut seen = Observation::default();
    for (n, bits) in readings.iter().enumerate() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n as u64);
        match way {
            Way::Assemblies => {
                let (one, two) = wire::assemblies(bits);
                seen.before.push(Moment { at, assemblies: [(101, one), (102, two)].into() });
            }
            Way::Registers => seen.visits.push(Visit { at, blocks: vec![(0x50, wire::registers(bits))] }),
        }
    }
    let given = Given { profile: Profile::built_in(), word_order: WordOrder::LowFirst, expected: Vec::new() };
    conclude(&given, &seen)
}

#[test]
fn verify_accuses_no_healthy_meter_and_proposes_nothing_over_ethernet_ip() {
    assert_accuses_nobody(Way::Assemblies);
}

#[test]
fn verify_accuses_no_healthy_meter_and_proposes_nothing_over_modbus() {
    assert_accuses_nobody(Way::Registers);
}

fn assert_accuses_nobody(way: Way) {
    let built_in = Profile::built_in();
    let mut accused = Vec::new();
    for State { name, readings, .. } in healthy::reported().into_iter().chain(healthy::invented()) {
        let lacks = readings.iter().flatten().any(Option::is_none);
        for (nothing, pattern) in wire::NOTHINGS.iter().take(if lacks { 4 } else { 1 }) {
            let conclusion = verified(way, &readings.map(|values: Values| wire::bits(&values, *pattern)));
            let moved: Vec<&str> = built_in
                .elements_of(Table::Realtime)
                .filter(|(_, own)| {
                    let found = conclusion.profile.index_of(Table::Realtime, &own.name);
                    let found = found.map(|index| &conclusion.profile.elements[index]);
                    // What was proven over one protocol loses the place over the other.
                    let same = |found: &telegraf_pm500::meter::Element| {
                        (found.place == own.place || found.place.is_none())
                            && (found.modbus == own.modbus || found.modbus.is_none())
                    };
                    !found.is_some_and(same)
                })
                .map(|(_, own)| own.name.as_str())
                .collect();
            let count = |verdict| conclusion.count(verdict);
            println!(
                "{name:60} {way:10?} nothing is {nothing:12} {} proven, {} consistent, {} contradicted, {} not provable",
                count(verify::Verdict::Proven),
                count(verify::Verdict::Consistent),
                count(verify::Verdict::Contradicted),
                count(verify::Verdict::NotProvable)
            );
            if conclusion.is_contradicted() || !moved.is_empty() {
                accused.push(format!("{name} ({way:?}, {nothing}): {:?}, moved {moved:?}", conclusion.wrong));
            }
        }
    }
    assert!(accused.is_empty(), "{}", accused.join("\n"));
}

#[test]
fn every_wrong_map_is_caught_under_every_load_and_named() {
    let (mut tries, mut caught, mut named, mut missed) = (0, 0, 0, Vec::new());
    for map in wrong::maps() {
        for way in [Way::Assemblies, Way::Registers] {
            for (load, network) in wrong::loads() {
                let bits = wrong::readings(network).map(|values| {
                    let mut bits = wire::bits(&values, 0);
                    (map.change)(&mut bits);
                    bits
                });
                let verdicts = verdicts(way, &bits);
                tries += 1;
                // A load that stands still is seen to do so from the second reading on.
                let verdicts = &verdicts[1..];
                let all = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Contradicted(_)));
                let right = verdicts.iter().all(|verdict| match verdict {
                    Verdict::Contradicted(why) => {
                        map.says.iter().any(|says| why.explanation.words.contains(says))
                    }
                    _ => false,
                });
                caught += usize::from(all);
                named += usize::from(right);
                let mark = if right {
                    "named"
                } else if all {
                    "caught"
                } else {
                    "MISSED"
                };
                println!("{:38} {way:10?} {load:10} {mark:6} {}", map.name, short(verdicts));
                if !all {
                    missed.push(format!("{} ({way:?}, {load})", map.name));
                }
            }
        }
    }
    println!("{caught} of {tries} caught, {named} named rightly");
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn two_voltages_in_each_others_places_are_named_by_the_first_reading_whatever_the_load_does() {
    let name = |position: usize| GROUPS[position / 4].elements[position % 4];
    for (load, network) in wrong::loads() {
        for (phase, line) in (0..3).flat_map(|phase| (4..7).map(move |line| (phase, line))) {
            for way in [Way::Assemblies, Way::Registers] {
                let mut bits = wire::bits(&network.values(), 0);
                bits.swap(phase, line);
                let expected = format!("{} and {} are exchanged", name(phase), name(line));
                match &verdicts(way, &[bits])[0] {
                    Verdict::Contradicted(why) => assert_eq!(why.explanation.words, expected, "{load}"),
                    verdict => panic!("{expected} ({way:?}, {load}): {verdict:?}"),
                }
            }
        }
    }
}
