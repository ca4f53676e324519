//! What is printed is what is described: the profile and the schema hold every name and type that can leave the
//! program, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use telegraf_pm500::meter::element::{Element, Use};
use telegraf_pm500::meter::identity::Identity;
use telegraf_pm500::meter::names::ACTIVE_IMPORT;
use telegraf_pm500::meter::{Profile, Table};
use telegraf_pm500::schema::{self, Type};
use telegraf_pm500::simulator::{Defects, Options};

use crate::common::fake;
use crate::common::line::{Line, Value};
use crate::common::peer::scratch;
use crate::common::program::{Ended, Program, config, run};
use crate::common::simulated::Simulated;

/// Every measurement's fields with their types, as the program describes them.
fn described() -> BTreeMap<(String, String), Type> {
    let mut described = BTreeMap::new();
    for entry in schema::FIELDS {
        described.insert((entry.measurement.to_owned(), entry.field.to_owned()), entry.kind);
    }
    let emitted = |element: &&Element| element.usage == Use::Field;
    for element in Profile::built_in().elements.iter().filter(emitted) {
        let measurement = element.table.measurement().to_owned();
        let kind = if element.is_integer() { Type::Integer } else { Type::Float };
        described.insert((measurement.clone(), element.name.clone()), kind);
        if let Some((label, _)) = &element.labels {
            described.insert((measurement, label.clone()), Type::Text);
        }
    }
    for (_, element) in Profile::built_in().elements_of(Table::Raw) {
        described.insert((Table::Raw.measurement().to_owned(), element.name.clone()), Type::Float);
    }
    described
}

/// What can happen.
const EVENTS: [&str; 13] = [
    "block_refused",
    "counter_glitch",
    "counter_jumped",
    "counter_reset",
    "counter_returned",
    "counter_rollover",
    "demand_reset",
    "gap",
    "map_contradicted",
    "max_reset",
    "meter_swapped",
    "settings_changed",
    "started",
];

/// What was printed in a scenario.
#[derive(Default)]
struct Seen {
    fields: BTreeSet<(String, String)>,
    events: BTreeSet<String>,
}

impl Seen {
    /// Holds every line against the description.
    #[track_caller]
    fn check(&mut self, described: &BTreeMap<(String, String), Type>, lines: &[Line]) {
        assert!(!lines.is_empty());
        for line in lines {
            for (name, value) in &line.fields {
                let key = (line.measurement.clone(), name.clone());
                let kind = match value {
                    Value::Integer(_) => Type::Integer,
                    Value::Float(_) => Type::Float,
                    Value::Text(_) => Type::Text,
                    other => panic!("{name} is {other:?}: {line:#?}"),
                };
                assert_eq!(Some(&kind), described.get(&key), "{key:?}: {line:#?}");
                self.fields.insert(key);
            }
            let tags: Vec<&str> = line.tags.keys().map(String::as_str).collect();
            match line.measurement.as_str() {
                schema::PLUGIN => assert_eq!(tags, [""; 0], "{line:#?}"),
                schema::EVENT => {
                    assert_eq!(tags, [schema::EVENT_TAG, schema::METER_TAG, "site"], "{line:#?}");
                    let event = line.tags[schema::EVENT_TAG].clone();
                    assert!(EVENTS.contains(&event.as_str()), "{line:#?}");
                    self.events.insert(event);
                }
                _ => assert_eq!(tags, [schema::METER_TAG, "site"], "{line:#?}"),
            }
            // Milliseconds after 2001 and before 2200.
            assert_eq!(line.time % 1_000_000, 0, "{line:#?}");
            assert!((1_000_000_000_000..7_258_000_000_000).contains(&(line.time / 1_000_000)), "{line:#?}");
        }
    }
}

const SITE: &str = "tags = { site = \"Wien, Halle 1\" }\n";

fn once(directory: &Path, options: &str, address: &str) -> Ended {
    let block = format!("[[inputs.powermonitor_500]]\n{SITE}{options}\n");
    let meter = format!("[[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"{address}\"\n");
    run(&["--config", config(directory, &(block + &meter)).to_str().unwrap(), "--once"])
}

#[test]
fn every_field_of_every_line_has_the_type_that_is_described() {
    let directory = scratch("schema");
    let described = described();
    let mut seen = Seen::default();

    // All that a healthy meter gives, over both protocols, and what a gap and a reset make of it.
    let mut meters = Simulated::with(Options { count: 2, ..Options::default() });
    let text = format!(
        "[[inputs.powermonitor_500]]\n{SITE}state_file = \"state.json\"\ninterval = \"200ms\"\nevidence = \"guessed\"\n\
         intervals = {{ energy = \"200ms\", max = \"200ms\", demand = \"200ms\", settings = \"200ms\" }}\n\
         [[inputs.powermonitor_500.meter]]\nname = \"eip\"\naddress = \"{}\"\nraw_energy = true\n\
         tables = [\"realtime\", \"max\", \"demand\", \"alarm\"]\n\
         [[inputs.powermonitor_500.meter]]\nname = \"modbus\"\naddress = \"{}\"\nconnection = \"modbus\"\n\
         tables = [\"realtime\", \"energy\", \"alarm\", \"settings\"]\ntimezone = \"UTC\"\ninterval_energy = \"15m\"\n",
        meters.eip(0),
        meters.modbus(1)
    );
    let path = config(&directory, &text);
    let mut program = Program::start(&["--config", path.to_str().unwrap()]);
    let up = |meter: &'static str| move |line: &Line| line.is(meter, "_status") && line.integer("up") == 1;
    program.wait_for_all(&[&up("eip"), &up("modbus")]);
    // A counter that is read wrong once, that jumps, and that returns.
    let import = meters.meter(1).expected(Table::Energy, ACTIVE_IMPORT).unwrap();
    let telegraf_pm500::meter::Value::Integer(import) = import else { panic!("{import:?}") };
    meters.meter(1).show_counters(1, 0);
    program.wait_for("a glitch", |line| line.is_event("modbus", "counter_glitch"));
    meters.meter(1).set_counter(ACTIVE_IMPORT, 5_000_000_000_000);
    program.wait_for("a jump", |line| line.is_event("modbus", "counter_jumped"));
    meters.meter(1).set_counter(ACTIVE_IMPORT, import + 5);
    program.wait_for("a return", |line| line.is_event("modbus", "counter_returned"));
    meters.meter(1).reset_counters();
    meters.meter(0).reset_maxima();
    meters.meter(0).reset_demand();
    program.wait_for_all(&[
        &|line| line.is_event("modbus", "counter_reset"),
        &|line| line.is_event("eip", "max_reset"),
        &|line| line.is_event("eip", "demand_reset"),
    ]);
    meters.stop(0);
    program.wait_for("an outage", |line| line.is("eip", "_status") && line.integer("up") == 0);
    let other = Identity { serial: 1, ..meters.meter(0).identity() };
    meters.break_it(0, Defects { identity: Some(other), ..Defects::default() });
    meters.restart(0);
    program.wait_for_all(&[
        &|line| line.is_event("eip", "gap"),
        &|line| line.is_event("eip", "meter_swapped"),
        &|line| line.measurement == schema::PLUGIN,
    ]);
    seen.check(&described, &program.finish().lines());

    // Another setting, a counter near its top and an interval of two hours ago, as if the state file remembered
    // them, and another map.
    let state = directory.join("state.json");
    let mut remembered: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let modbus = &mut remembered["meters"]["modbus"];
    modbus["settings"]["ct_ratio"] = 30.0.into();
    modbus["counters"]["partial_active_import_wh"] = 9_999_999_999_000_i64.into();
    // Over less than a second no mean power is said, and the first run may be as short as that.
    for (time, ago) in [("from", 7200), ("start", 7210), ("last", 7200)] {
        let time = &mut modbus["interval"][time];
        *time = (time.as_i64().unwrap() - ago * 1000).into();
    }
    std::fs::write(&state, remembered.to_string()).unwrap();
    let exchanged = include_str!("../../src/meter/powermonitor_500.toml")
        .replacen("offset = 0 , modbus", "offset = 99, modbus", 1)
        .replacen("offset = 16, modbus", "offset = 0 , modbus", 1)
        .replacen("offset = 99, modbus", "offset = 16, modbus", 1);
    std::fs::write(directory.join("exchanged.toml"), exchanged).unwrap();
    config(&directory, &text.replace("raw_energy = true", "profile = \"exchanged.toml\""));
    let mut program = Program::start(&["--config", path.to_str().unwrap()]);
    program.wait_for_all(&[
        &|line| line.is_event("eip", "map_contradicted"),
        &|line| line.is_event("modbus", "settings_changed"),
        &|line| line.is_event("modbus", "counter_rollover"),
    ]);
    let lines = program.finish().lines();
    seen.check(&described, &lines);
    assert!(!lines.iter().any(|line| line.is("eip", "")), "a contradicted map is not emitted");

    // All that can be wrong with one.
    let refused = |instances: &[u16]| instances.iter().map(|instance| (*instance, 0x10)).collect();
    let sizes = |sizes: &[(u16, u16)]| sizes.iter().copied().collect();
    let stranger = Identity { device_type: 12, ..meters.meter(0).identity() };
    let faults = [
        Defects { refused_assemblies: refused(&[101]), ..Defects::default() },
        Defects { refused_assemblies: refused(&[101, 102, 108]), ..Defects::default() },
        Defects { assembly_sizes: sizes(&[(108, 6)]), ..Defects::default() },
        Defects { identity: Some(stranger), ..Defects::default() },
        Defects { truncate_next_reply: Some(20), ..Defects::default() },
        Defects { session_handle: Some(1), ..Defects::default() },
        Defects { silent: true, ..Defects::default() },
    ];
    for fault in faults {
        meters.break_it(0, fault);
        seen.check(&described, &once(&directory, "timeout = \"300ms\"", &meters.eip(0)).lines());
    }
    let modbus_exceptions = [(0x0050, 2), (0x4000, 4)].into();
    meters.break_it(1, Defects { modbus_exceptions, ..Defects::default() });
    seen.check(&described, &once(&directory, "connection = \"modbus\"", &meters.modbus(1)).lines());
    seen.check(&described, &once(&directory, "", &fake::closed()).lines());
    seen.check(&described, &once(&directory, "", "something.invalid").lines());

    // What is described and did not come.
    let missing: Vec<_> = described.keys().filter(|key| !seen.fields.contains(*key)).collect();
    let missing: Vec<_> =
        missing.iter().map(|(measurement, field)| (measurement.as_str(), field.as_str())).collect();
    // The simulated meter has no analog outputs, stands behind no controller, and nobody listens here.
    let elsewhere =
        [(schema::INFO, "analog_firmware"), (schema::INFO, "controller"), (schema::STATUS, "rpi_ms")];
    assert_eq!(missing, elsewhere);
    let happened: Vec<_> = seen.events.iter().map(String::as_str).collect();
    assert_eq!(happened, EVENTS);
}
