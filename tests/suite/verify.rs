//! `verify` names what is wrong with a map, and writes one on which the next run finds nothing wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::meter::WordOrder;
use telegraf_pm500::meter::element::{Form, Place};
use telegraf_pm500::meter::profile_writer;
use telegraf_pm500::meter::{Evidence, Profile, Table, Value};
use telegraf_pm500::simulator::{
    EnergyForm, EnergyLayout, EnergyOrder, EnergyUnit, Options, SimulatedMeter, Wiring,
};
use telegraf_pm500::source::modbus::{self, TransmissionMode};
use telegraf_pm500::verify::reading::observe::{Plan, observe};
use telegraf_pm500::verify::{Conclusion, Expected, Given, Observation, Verdict, conclude};

use crate::common::peer::scratch;
use crate::common::reading::{HASTY, assert_harmless, config, endpoint, gather, meter};
use crate::common::relay::{Answer, Framing, Relay};

/// One REAL per counter, in kWh.
const SINGLE_REALS: EnergyLayout = EnergyLayout {
    form: EnergyForm::Single,
    unit: EnergyUnit::Kwh,
    order: EnergyOrder::Documented,
    base: 1_000_000,
    update: Duration::ZERO,
};

/// One run: over EtherNet/IP, and over Modbus beside it if that is allowed.
struct Run {
    beside: bool,
    expected: Vec<Expected>,
    readings: u32,
}

const EIP_ALONE: Run = Run { beside: false, expected: Vec::new(), readings: 4 };
const BOTH: Run = Run { beside: true, expected: Vec::new(), readings: 4 };

impl Run {
    async fn on(&self, meter: &SimulatedMeter, profile: &Arc<Profile>) -> (Conclusion, Observation) {
        let word_order = profile.word_order.unwrap_or_default();
        let plan = self.plan(meter, meter.eip(), profile);
        let seen = observe(&plan, &mut |_| {}).await.unwrap();
        assert_eq!(seen.failures, [""; 0]);
        let given = Given { profile: profile.clone(), word_order, expected: self.expected.clone() };
        let conclusion = conclude(&given, &seen);
        assert_harmless(&meter.record());
        (conclusion, seen)
    }

    /// A run whose EtherNet/IP goes by way of this address.
    fn plan(&self, meter: &SimulatedMeter, eip: SocketAddr, profile: &Arc<Profile>) -> Plan {
        Plan {
            eip: Some(endpoint(eip)),
            modbus: self
                .beside
                .then(|| modbus::Place::Network(endpoint(meter.modbus()), TransmissionMode::Tcp)),
            settings: modbus::Settings { close_after_gather: false, ..modbus::Settings::USUAL },
            profile: profile.clone(),
            readings: self.readings,
            interval: Duration::from_millis(200),
            timeouts: HASTY,
            require_identity: true,
        }
    }
}

fn expect(table: Table, name: &str, value: f64, grain: f64) -> Expected {
    Expected { table, name: name.to_owned(), value, grain }
}

/// A load whose phases stay well apart for a minute: where two voltages cross, they cannot be told apart.
fn lively() -> Options {
    Options { seed: 313, ..Options::default() }
}

/// The verdict on a field.
#[track_caller]
fn verdict(conclusion: &Conclusion, table: Table, name: &str) -> (Verdict, String) {
    let index = conclusion.own.index_of(table, name).unwrap();
    let judged = conclusion.judged.iter().find(|judged| judged.index == index).expect(name);
    (judged.verdict, judged.reason.clone())
}

/// The names of a table's fields with this verdict.
fn with(conclusion: &Conclusion, table: Table, verdict: Verdict) -> BTreeSet<&str> {
    let judged = conclusion.judged.iter().filter(|judged| judged.verdict == verdict);
    let elements = judged.map(|judged| &conclusion.own.elements[judged.index]);
    elements.filter(|element| element.table == table).map(|element| element.name.as_str()).collect()
}

/// Writes the profile that follows, and loads it as the plugin would.
fn written(conclusion: &Conclusion, name: &str) -> (PathBuf, Arc<Profile>) {
    let path = scratch(name).join("profile.toml");
    std::fs::write(&path, profile_writer::write(&conclusion.profile, &[])).unwrap();
    let profile = Profile::load(&path).unwrap();
    (path, profile)
}

/// The built-in map, changed.
fn changed(change: impl FnOnce(&mut Profile)) -> Arc<Profile> {
    let mut profile = (*Profile::built_in()).clone();
    change(&mut profile);
    Arc::new(profile)
}

/// Two realtime elements change places over EtherNet/IP.
fn exchange(profile: &mut Profile, one: &str, other: &str) {
    let [one, other] = [one, other].map(|name| profile.index_of(Table::Realtime, name).unwrap());
    let place = profile.elements[one].place;
    profile.elements[one].place = profile.elements[other].place;
    profile.elements[other].place = place;
}

/// Energy in assembly 107: `slots` says where the halves of the nth counter stand.
fn energy(modulus: u32, factor: u32, slots: impl Fn(u16) -> (u16, u16)) -> Arc<Profile> {
    changed(|profile| {
        profile.elements.retain(|element| element.table != Table::Raw);
        profile.assemblies.iter_mut().find(|found| found.instance == 107).unwrap().table = Table::Energy;
        let rows = profile.elements.iter_mut().filter(|element| element.table == Table::Energy);
        for (n, element) in rows.enumerate() {
            let (high, low) = slots(n as u16);
            let form = match element.name.as_str() {
                // Hours and minutes have no kilo.
                "run_time_s" if factor > 1 => Form::Pair { low_offset: 4 * low, modulus: 100, factor: 1 },
                _ => Form::Pair { low_offset: 4 * low, modulus, factor },
            };
            element.place = Some(Place { instance: 107, offset: 4 * high, form });
        }
    })
}

/// The elements that no exchange of names of the phases concerns.
const WITHOUT_PHASE: [&str; 8] = [
    "voltage_ln_avg_v",
    "voltage_ll_avg_v",
    "current_n_a",
    "active_power_total_w",
    "apparent_power_total_va",
    "reactive_power_total_var",
    "power_factor_total",
    "frequency_hz",
];

#[tokio::test]
async fn physics_proves_what_belongs_to_no_phase_and_says_that_no_number_names_the_phases() {
    let meter = meter(lively()).await;
    let (conclusion, seen) = EIP_ALONE.on(&meter, &Profile::built_in()).await;
    assert!(!conclusion.is_contradicted(), "{:?}", conclusion.wrong);
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::Proven), WITHOUT_PHASE.into());
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::Consistent).len(), 21);
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::NotProvable), ["phase_sequence"].into());
    assert!(conclusion.limits.iter().any(|limit| limit.starts_with("21 elements belong to one phase each")));
    // Without leave, Modbus is not touched.
    assert_eq!((meter.record().modbus_clients, seen.pause), (0, None));
    assert!(conclusion.limits.iter().any(|limit| limit.contains("--may-interrupt-plc")));
}

#[tokio::test]
async fn two_values_from_the_display_name_the_phases_and_everything_that_moves_is_proven() {
    let meter = meter(lively()).await;
    let shown = |name: &str| match meter.expected(Table::Realtime, name) {
        Some(Value::Real(value)) => {
            expect(Table::Realtime, name, (f64::from(value) * 10.0).round() / 10.0, 0.1)
        }
        other => panic!("{other:?}"),
    };
    let expected = vec![shown("current_l1_a"), shown("current_l2_a")];
    let (conclusion, _) = Run { expected, ..BOTH }.on(&meter, &Profile::built_in()).await;
    assert!(!conclusion.is_contradicted(), "{:?}", conclusion.wrong);
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::Proven).len(), 29);
    assert_eq!(with(&conclusion, Table::Energy, Verdict::Proven).len(), 9);
    let (_, profile) = written(&conclusion, "verify-display");
    let grades = |table: Table| profile.elements_of(table).map(|(_, e)| e.evidence).collect::<Vec<_>>();
    assert!(grades(Table::Energy).iter().all(|grade| *grade == Evidence::Verified));
    assert_eq!(grades(Table::Realtime).iter().filter(|grade| **grade == Evidence::Verified).count(), 29);
    assert!(grades(Table::Demand).iter().all(|grade| *grade == Evidence::Guessed), "nothing proved them");
}

#[tokio::test]
async fn values_that_stand_still_or_are_zero_prove_nothing() {
    let meter = meter(Options { frozen: true, ..lively() }).await;
    let (conclusion, _) = EIP_ALONE.on(&meter, &Profile::built_in()).await;
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::Proven), [].into());
    assert!(!conclusion.is_contradicted());
    meter.reset_counters();
    let (conclusion, _) = BOTH.on(&meter, &Profile::built_in()).await;
    assert!(
        conclusion.said.iter().any(|said| said.contains("every energy counter is zero")),
        "{:?}",
        conclusion.said
    );
    assert!(conclusion.profile.elements_of(Table::Energy).all(|(_, element)| element.place.is_none()));
}

/// On a meter with another map: the sentence that names it, and the next run with the written profile.
async fn named(name: &str, hidden: Arc<Profile>, says: &[&str], moved: &[&str]) {
    let meter = meter(Options { profile: hidden.clone(), ..lively() }).await;
    let (conclusion, _) = BOTH.on(&meter, &Profile::built_in()).await;
    assert!(conclusion.is_contradicted(), "{name}");
    for says in says {
        assert!(
            conclusion.wrong.iter().any(|wrong| wrong.contains(says)),
            "{name}: {says}: {:#?}",
            conclusion.wrong
        );
    }
    assert_eq!(
        with(&conclusion, Table::Realtime, Verdict::Contradicted),
        moved.iter().copied().collect(),
        "{name}: nothing else is blamed"
    );
    let (_, profile) = written(&conclusion, &format!("verify-{name}"));
    for (_, element) in profile.elements_of(Table::Realtime) {
        let truth = hidden.index_of(Table::Realtime, &element.name).unwrap();
        assert_eq!(element.place, hidden.elements[truth].place, "{name}: {}", element.name);
    }
    let (next, _) = BOTH.on(&meter, &profile).await;
    assert!(!next.is_contradicted(), "{name}: {:?}", next.wrong);
    assert_eq!(with(&next, Table::Realtime, Verdict::Proven), WITHOUT_PHASE.into(), "{name}");
}

#[tokio::test]
async fn exchanged_elements_are_named_and_put_right() {
    let totals = changed(|profile| {
        exchange(profile, "active_power_l1_w", "active_power_total_w");
        exchange(profile, "voltage_l3_n_v", "voltage_ln_avg_v");
    });
    let says = [
        "active_power_l1_w is at 102+12, the profile says 102+0",
        "active_power_total_w is at 102+0, the profile says 102+12",
        "voltage_l3_n_v is at 101+12, the profile says 101+8",
    ];
    let moved = ["active_power_l1_w", "active_power_total_w", "voltage_l3_n_v", "voltage_ln_avg_v"];
    named("totals", totals, &says, &moved).await;
}

#[tokio::test]
async fn exchanged_quantities_and_phases_of_one_quantity_are_named_and_put_right() {
    let quantities = changed(|profile| {
        for end in ["l1", "l2", "l3", "total"] {
            exchange(profile, &format!("active_power_{end}_w"), &format!("apparent_power_{end}_va"));
        }
        exchange(profile, "current_l1_a", "current_l3_a");
    });
    let says = ["active_power_l2_w is at 102+20, the profile says 102+4", "current_l3_a is at 101+32"];
    let moved = [
        "active_power_l1_w",
        "active_power_l2_w",
        "active_power_l3_w",
        "active_power_total_w",
        "apparent_power_l1_va",
        "apparent_power_l2_va",
        "apparent_power_l3_va",
        "apparent_power_total_va",
        "current_l1_a",
        "current_l3_a",
    ];
    named("quantities", quantities, &says, &moved).await;
}

#[tokio::test]
async fn an_assembly_with_two_more_reals_is_named_and_read_around_them() {
    // The sibling's two asymmetries, between frequency and phase sequence.
    let asymmetries = changed(|profile| {
        profile.assemblies.iter_mut().find(|found| found.instance == 102).unwrap().sizes = vec![80];
        let sequence = profile.index_of(Table::Realtime, "phase_sequence").unwrap();
        profile.elements[sequence].place.as_mut().unwrap().offset = 76;
    });
    let meter = meter(Options { profile: asymmetries, ..lively() }).await;
    let (conclusion, _) = EIP_ALONE.on(&meter, &Profile::built_in()).await;
    assert!(
        conclusion.wrong.iter().any(|wrong| wrong == "assembly 102 has 80 bytes, the profile expects 72")
    );
    assert_eq!(with(&conclusion, Table::Realtime, Verdict::Proven), WITHOUT_PHASE.into());
}

#[tokio::test]
async fn powers_in_kilowatts_and_currents_without_the_ct_ratio_are_named_and_put_right() {
    let scaled = |quantities: &'static [&'static str], factor: u32| {
        changed(|profile| {
            for element in profile.elements.iter_mut().filter(|element| element.table == Table::Realtime) {
                if quantities.iter().any(|quantity| element.name.starts_with(quantity))
                    && let Some(place) = &mut element.place
                {
                    place.form = Form::Scaled(factor);
                }
            }
        })
    };
    let of = |quantity: &str| -> Vec<String> {
        let profile = Profile::built_in();
        let rows = profile.elements_of(Table::Realtime).map(|(_, element)| element.name.clone());
        rows.filter(|name| name.starts_with(quantity)).collect()
    };
    let powers = [of("active"), of("apparent"), of("reactive")].concat();
    let powers: Vec<&str> = powers.iter().map(String::as_str).collect();
    let kilowatts = scaled(&["active", "apparent", "reactive"], 1000);
    named("kilowatts", kilowatts, &["powers are in kW, kVA and kvar", "they need the factor 1000"], &powers)
        .await;
    let currents = of("current");
    let currents: Vec<&str> = currents.iter().map(String::as_str).collect();
    let says = ["secondary side: the CT ratio is 20", "they need the factor 20"];
    named("secondary", scaled(&["current"], 20), &says, &currents).await;
}

#[tokio::test]
async fn the_word_order_is_proven_from_the_ratios_and_written() {
    let meter = meter(Options { word_order: WordOrder::HighFirst, ..lively() }).await;
    let (conclusion, _) = BOTH.on(&meter, &Profile::built_in()).await;
    let says = "numbers over Modbus come high_first, not low_first";
    assert!(conclusion.wrong.iter().any(|wrong| wrong.starts_with(says)), "{:?}", conclusion.wrong);
    assert_eq!(with(&conclusion, Table::Energy, Verdict::Proven).len(), 9);
    let (_, profile) = written(&conclusion, "verify-order");
    assert_eq!(profile.word_order, Some(WordOrder::HighFirst));
    let (next, _) = BOTH.on(&meter, &profile).await;
    assert!(!next.is_contradicted(), "{:?}", next.wrong);
}

/// Solves assembly 107, and lets the plugin read energy with the written profile.
async fn energy_without_modbus(name: &str, hidden: Arc<Profile>) {
    let meter = meter(Options { profile: hidden.clone(), ..lively() }).await;
    let (conclusion, _) = BOTH.on(&meter, &Profile::built_in()).await;
    assert!(!conclusion.is_contradicted(), "{name}: {:?}", conclusion.wrong);
    assert_eq!(with(&conclusion, Table::Energy, Verdict::Proven).len(), 9, "{name}: {:?}", conclusion.said);
    let (path, profile) = written(&conclusion, &format!("verify-{name}"));
    for (index, element) in profile.elements_of(Table::Energy) {
        assert_eq!(element.place, hidden.elements[index].place, "{name}: {}", element.name);
    }
    let (next, _) = BOTH.on(&meter, &profile).await;
    assert_eq!(with(&next, Table::Energy, Verdict::Proven).len(), 9, "{name}: {:?}", next.wrong);

    let before = meter.record();
    let settings = config(&format!("address = \"{}\"\nprofile = {path:?}", meter.eip()));
    assert!(settings.tables.contains(Table::Energy), "energy is read without being asked for");
    let mut collector = Collector::new(Arc::new(settings), State::in_memory());
    let held = |name: &str| match meter.expected(Table::Energy, name) {
        Some(Value::Integer(value)) => value,
        other => panic!("{other:?}"),
    };
    let rows: Vec<&str> =
        profile.elements_of(Table::Energy).map(|(_, element)| element.name.as_str()).collect();
    let lower: Vec<i64> = rows.iter().map(|row| held(row)).collect();
    let lines = gather(&mut collector, &[Table::Realtime, Table::Energy]).await;
    let upper: Vec<i64> = rows.iter().map(|row| held(row)).collect();
    assert_eq!(lines.result(), "success");
    for ((row, lower), upper) in rows.iter().zip(lower).zip(upper) {
        let read = lines.one("powermonitor_500_energy").integer(row);
        let step = profile.elements[profile.index_of(Table::Energy, row).unwrap()].place.unwrap().form.step();
        let step = step.filter(|step| *step > 1.0).unwrap_or(0.0) as i64;
        assert!((lower - step..=upper + step).contains(&read), "{name}: {row}: {lower} {read} {upper}");
    }
    let after = meter.record();
    assert_eq!(after.modbus_clients, before.modbus_clients, "{name}: Modbus was touched");
    assert_harmless(&after);
}

#[tokio::test]
async fn assembly_107_is_solved_in_every_encoding_and_the_plugin_reads_energy_without_modbus() {
    energy_without_modbus("pairs", energy(1_000_000, 1, |n| (2 * n, 2 * n + 1))).await;
    energy_without_modbus("low-first-backwards", energy(100_000, 1, |n| (17 - 2 * n, 16 - 2 * n))).await;
    energy_without_modbus("halves-apart", energy(10_000_000, 1, |n| ((n + 4) % 9, (n + 4) % 9 + 9))).await;
    energy_without_modbus("gigawatt-hours", energy(1_000_000, 1000, |n| (2 * n, 2 * n + 1))).await;
}

#[tokio::test]
async fn a_profile_that_says_something_else_of_assembly_107_is_contradicted_and_put_right() {
    let (truth, wrong) =
        (energy(1_000_000, 1, |n| (2 * n, 2 * n + 1)), energy(1_000_000, 1, |n| (2 * n + 1, 2 * n)));
    let pairs = meter(Options { profile: truth.clone(), ..lively() }).await;
    let (conclusion, _) = BOTH.on(&pairs, &wrong).await;
    assert_eq!(with(&conclusion, Table::Energy, Verdict::Contradicted).len(), 9);
    assert!(verdict(&conclusion, Table::Energy, "active_import_wh").1.starts_with("the profile says 107+4 "));
    let (_, profile) = written(&conclusion, "verify-wrong-107");
    for (index, element) in profile.elements_of(Table::Energy) {
        assert_eq!(element.place, truth.elements[index].place, "{}", element.name);
    }
    // Nothing of the kind is there: the REALs are undecoded again.
    let singles = meter(Options { energy_layout: SINGLE_REALS, ..lively() }).await;
    let (conclusion, _) = BOTH.on(&singles, &wrong).await;
    assert_eq!(with(&conclusion, Table::Energy, Verdict::Contradicted).len(), 9);
    let (_, profile) = written(&conclusion, "verify-no-107");
    assert!(profile.elements_of(Table::Energy).all(|(_, element)| element.place.is_none()));
    assert_eq!(profile.elements_of(Table::Raw).count(), 18);
}

#[tokio::test]
async fn one_real_per_counter_becomes_energy_in_the_steps_that_24_bits_have() {
    let meter = meter(Options { energy_layout: SINGLE_REALS, ..lively() }).await;
    let (conclusion, _) = BOTH.on(&meter, &Profile::built_in()).await;
    assert!(!conclusion.is_contradicted(), "{:?}", conclusion.wrong);
    assert!(conclusion.said.iter().any(|said| said.contains("one REAL per counter, in units of 1000 Wh")));
    let (path, profile) = written(&conclusion, "verify-singles");
    let import = &profile.elements[profile.index_of(Table::Energy, "active_import_wh").unwrap()];
    let form = import.place.unwrap().form;
    assert_eq!((form, import.evidence), (Form::Scaled(1000), Evidence::Verified));
    let (next, _) = BOTH.on(&meter, &profile).await;
    assert!(!next.is_contradicted(), "{:?}", next.wrong);
    // The plugin reads what the meter has, to the step of a REAL of this size.
    let settings = config(&format!("address = \"{}\"\nprofile = {path:?}", meter.eip()));
    let mut collector = Collector::new(Arc::new(settings), State::in_memory());
    let Some(Value::Integer(before)) = meter.expected(Table::Energy, "active_import_wh") else { panic!() };
    let lines = gather(&mut collector, &[Table::Realtime, Table::Energy]).await;
    let Some(Value::Integer(after)) = meter.expected(Table::Energy, "active_import_wh") else { panic!() };
    let read = lines.one("powermonitor_500_energy").integer("active_import_wh");
    let step = form.step_at(after as f64) as i64;
    assert!((before - step..=after + step).contains(&read), "{before} {read} {after}, steps of {step}");
}

#[tokio::test]
async fn the_pause_that_modbus_makes_is_measured_and_its_end_awaited() {
    for suspends in [false, true] {
        let meter = meter(Options { modbus_suspends_eip: suspends, ..lively() }).await;
        let (conclusion, seen) = BOTH.on(&meter, &Profile::built_in()).await;
        let pause = seen.pause.unwrap();
        assert_eq!(pause.answered_meanwhile, !suspends);
        // The simulated meter stays silent for 2 s after Modbus.
        assert_eq!(pause.back_after.unwrap() >= Duration::from_millis(1900), suspends);
        assert_eq!(meter.record().modbus_clients, 1, "once");
        assert!(!seen.after.is_empty() && !conclusion.is_contradicted());
    }
}

/// What is kept of a run over both protocols when the reading of this number fails, and what is said of that.
async fn kept(fails: usize) -> Observation {
    let meter = meter(lively()).await;
    let relay = Relay::start(meter.eip(), Framing::EtherNetIp).await;
    let mut readings = 0;
    relay.spoil(move |exchange| {
        // Assembly 101, the first of each reading.
        if !exchange.request.ends_with(&[0x24, 101, 0x30, 3]) {
            return Answer::True;
        }
        readings += 1;
        if readings == fails { Answer::Close } else { Answer::True }
    });
    let plan = BOTH.plan(&meter, relay.address, &Profile::built_in());
    observe(&plan, &mut |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_reading_that_fails_costs_itself_and_what_was_read_before_and_after_it_is_kept() {
    // Readings: four, one just before Modbus, one beside it, and those after it.
    for (fails, before, visits, after) in [(2, 4, 1, 3), (4, 4, 1, 3), (5, 4, 0, 0), (8, 5, 1, 2)] {
        let seen = kept(fails).await;
        let read = (seen.before.len(), seen.visits.len(), seen.after.len());
        assert_eq!(read, (before, visits, after), "{fails}: {:?}", seen.failures);
        assert_eq!(seen.failures.len(), 1, "{fails}: {:?}", seen.failures);
    }
}

#[tokio::test]
async fn mistakes_of_the_wiring_are_hinted_at_and_are_no_fault_of_the_map() {
    for (wiring, says) in [
        (Wiring::Right, None),
        (Wiring::ReversedCt, Some("the current transformer of L2 seems to be the wrong way round")),
        (Wiring::ExchangedCts, Some("the current transformers of L1 and L2 seem to be exchanged")),
        (Wiring::ReversedSequence, Some("the voltages are connected in the order L1-L3-L2")),
    ] {
        let meter = meter(Options { wiring, ..lively() }).await;
        let (conclusion, _) = EIP_ALONE.on(&meter, &Profile::built_in()).await;
        assert!(!conclusion.is_contradicted(), "{wiring:?}: {:?}", conclusion.wrong);
        match says {
            Some(says) => {
                assert!(conclusion.hints.iter().any(|hint| hint.starts_with(says)), "{:?}", conclusion.hints)
            }
            None => assert_eq!(conclusion.hints, [""; 0]),
        }
    }
}

#[tokio::test]
async fn a_ct_ratio_set_wrongly_shows_beside_a_clamp_meter_only() {
    let options = |wiring| Options { wiring, frozen: true, ..lively() };
    let [right, wrong] = [meter(options(Wiring::Right)).await, meter(options(Wiring::CtRatio)).await];
    let Some(Value::Real(clamp)) = right.expected(Table::Realtime, "current_l3_a") else { panic!() };
    let (unseen, _) = EIP_ALONE.on(&wrong, &Profile::built_in()).await;
    assert!(!unseen.is_contradicted(), "{:?}", unseen.wrong);
    let expected = vec![expect(Table::Realtime, "current_l3_a", f64::from(clamp), 0.1)];
    let (seen, _) = Run { expected, ..EIP_ALONE }.on(&wrong, &Profile::built_in()).await;
    let says = "2 times that: a ratio set in the meter may be wrong";
    assert!(seen.wrong.iter().any(|wrong| wrong.contains(says)), "{:?}", seen.wrong);
    let (verdict, _) = verdict(&seen, Table::Realtime, "current_l3_a");
    assert_eq!(verdict, Verdict::Contradicted);
}
