//! The plant is never disturbed: nothing is ever written, and Modbus never mixes into EtherNet/IP unasked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use telegraf_pm500::collector::history::Record;
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::collector::{Collector, task};
use telegraf_pm500::config::{Config, Overrides};
use telegraf_pm500::meter::Table;
use telegraf_pm500::meter::reading::milliseconds;
use telegraf_pm500::simulator::{Defects, Options, SimulatedMeter};

use crate::common::lines::Lines;
use crate::common::peer::scratch;
use crate::common::reading::{assert_harmless, collector, config, frozen, gather, meter, set};

const MINUTE: Duration = Duration::from_secs(60);
/// A multiple of every period used here.
const BOUNDARY: u64 = 1_800_000_000;

/// The options of a meter that is read over EtherNet/IP, with energy over Modbus every 15 minutes.
fn beside(meter: &SimulatedMeter) -> String {
    beside_on(meter, meter.modbus().port())
}

/// The same with Modbus at another port.
fn beside_on(meter: &SimulatedMeter, modbus_port: u16) -> String {
    format!(
        "address = \"{}\"\nmodbus_port = {modbus_port}\nmodbus_tables = [\"energy\"]\n\
         modbus_may_interrupt = true\ntimeout = \"500ms\"",
        meter.eip()
    )
}

/// What is due at a boundary of energy over Modbus.
fn at_boundary() -> Due {
    Due { tables: set(&[Table::Realtime]), beside: set(&[Table::Energy]), status: true, ..Due::default() }
}

#[tokio::test]
async fn a_whole_life_with_everything_turned_on_writes_nothing() {
    let over_eip = meter(Options { info_size: 40, ..Options::default() }).await;
    let over_modbus = meter(Options { hole: true, ..Options::default() }).await;
    let mut eip = collector(&format!(
        "address = \"{}\"\ntables = [\"realtime\", \"max\", \"demand\", \"alarm\"]\nraw_energy = true\n\
         evidence = \"guessed\"\nmodbus_port = {}\nmodbus_tables = [\"energy\", \"settings\"]\n\
         modbus_may_interrupt = true\ntimezone = \"Europe/Berlin\"",
        over_eip.eip(),
        over_eip.modbus().port()
    ));
    let mut modbus = collector(&format!(
        "address = \"{}\"\nconnection = \"modbus\"\ntables = [\"realtime\", \"energy\", \"alarm\", \"settings\"]\n\
         timezone = \"Europe/Berlin\"",
        over_modbus.modbus()
    ));
    let due = Due {
        tables: set(&[Table::Realtime, Table::Max, Table::Demand, Table::Alarm, Table::Raw]),
        beside: set(&[Table::Energy, Table::Settings]),
        status: true,
        ..Due::default()
    };
    let over_modbus_due = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings];

    let lines = Lines::of(&eip.gather(due).await);
    for suffix in ["", "_max", "_demand", "_alarm", "_raw", "_energy", "_settings", "_info", "_status"] {
        assert!(lines.has(&format!("powermonitor_500{suffix}")), "{suffix}: {lines:?}");
    }
    assert_eq!(lines.result(), "success");
    let lines = gather(&mut modbus, &over_modbus_due).await;
    for suffix in ["", "_energy", "_alarm", "_settings", "_info", "_status"] {
        assert!(lines.has(&format!("powermonitor_500{suffix}")), "{suffix}: {lines:?}");
    }
    assert_eq!(lines.result(), "success");

    // Defects, retries and what is learned from them are part of life.
    let faults = Defects {
        refused_assemblies: BTreeMap::from([(102, 0x10), (108, 0x08)]),
        modbus_exceptions: BTreeMap::from([(0x0052, 2), (0x0510, 4), (0x1100, 3)]),
        truncate_next_reply: Some(30),
        ..Defects::default()
    };
    for faults in [faults, Defects::default(), Defects::default()] {
        over_eip.set_defects(faults.clone());
        over_modbus.set_defects(faults);
        eip.gather(due).await;
        gather(&mut modbus, &over_modbus_due).await;
    }
    eip.close().await;
    modbus.close().await;
    for meter in [&over_eip, &over_modbus] {
        assert_harmless(&meter.record());
    }
    assert_eq!(over_modbus.record().sessions, 0, "a Modbus meter sees no EtherNet/IP");
}

#[tokio::test]
async fn an_ethernet_ip_meter_sees_no_modbus_unless_its_configuration_allows_it() {
    let meter = meter(frozen()).await;
    let mut collector = collector(&format!(
        "address = \"{}\"\nmodbus_port = {}\nmodbus_may_interrupt = true",
        meter.eip(),
        meter.modbus().port()
    ));
    let start = UNIX_EPOCH + Duration::from_secs(BOUNDARY);
    let mut schedule = task::schedule(collector.config(), 0, 1, start);
    for minute in 0..=24 * 60 {
        assert!(schedule.take(start + minute * MINUTE).beside.is_empty(), "minute {minute}");
    }
    // Not even when somebody asks the collector to.
    collector.gather(at_boundary()).await;
    assert_eq!(meter.record().modbus_clients, 0);

    let text = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"meter\"\n\
                modbus_tables = [\"energy\"]";
    let refused = Config::parse(text, &Overrides::default()).unwrap_err().to_string();
    assert!(refused.contains("modbus_may_interrupt = true"), "{refused}");
}

#[tokio::test]
async fn modbus_beside_a_plc_comes_at_the_aligned_time_only_and_never_at_start() {
    let meter = meter(frozen()).await;
    let mut collector = collector(&beside(&meter));
    // Started three seconds after a boundary, and looked at every ten seconds.
    let start = UNIX_EPOCH + Duration::from_secs(BOUNDARY + 3);
    let mut schedule = task::schedule(collector.config(), 0, 1, start);
    let mut used_at = Vec::new();
    for seconds in (0..=1800).step_by(10).map(|tick: u64| tick.saturating_sub(3)) {
        let due = schedule.take(start + Duration::from_secs(seconds));
        let uses_modbus = !due.beside.is_empty();
        // Reading itself is tried twice: at start and at the first boundary.
        if seconds == 0 || (uses_modbus && used_at.is_empty()) {
            let lines = Lines::of(&collector.gather(due).await);
            assert_eq!(lines.has("powermonitor_500_energy"), uses_modbus);
            assert_eq!(meter.record().modbus_clients, u64::from(uses_modbus));
        }
        if uses_modbus {
            used_at.push(seconds);
        }
    }
    assert_eq!(used_at, [897, 1797], "900 and 1800 seconds after the boundary");
}

#[tokio::test]
async fn modbus_beside_a_plc_comes_at_most_once_in_five_minutes_also_across_a_restart() {
    let meter = meter(frozen()).await;
    let path = scratch("modbus-pause").join("state.json");
    let settings = Arc::new(config(&beside(&meter)));
    let mut times = 0;
    for _ in 0..3 {
        let (state, troubles) = State::open(&path, std::slice::from_ref(&settings.name));
        assert!(troubles.is_empty(), "{troubles:?}");
        let mut collector = Collector::new(settings.clone(), state);
        for _ in 0..2 {
            let lines = Lines::of(&collector.gather(at_boundary()).await);
            times += u64::from(lines.has("powermonitor_500_energy"));
            assert_eq!((lines.result(), lines.has("powermonitor_500")), ("success", true));
        }
        // Nothing is closed or saved here: a crash is a restart, too.
    }
    assert_eq!((times, meter.record().modbus_clients), (1, 1));
}

#[tokio::test]
async fn five_minutes_count_from_the_last_use_even_if_the_clock_was_set_back() {
    for (seconds_ago, allowed) in
        [(10, false), (290, false), (301, true), (-60, false), (-290, false), (-86_400, true)]
    {
        let meter = meter(frozen()).await;
        let settings = Arc::new(config(&beside(&meter)));
        let (state, now) = (State::in_memory(), milliseconds(SystemTime::now()));
        let before = Record { last_modbus_ms: Some(now - seconds_ago * 1000), ..Record::default() };
        state.remember(&settings.name, &before);
        let mut collector = Collector::new(settings.clone(), state.clone());
        collector.gather(at_boundary()).await;
        assert_eq!(meter.record().modbus_clients, u64::from(allowed), "{seconds_ago} s after the last use");
        let after = state.record(&settings.name).unwrap().last_modbus_ms;
        assert_eq!(after != before.last_modbus_ms, allowed);
    }
}

#[tokio::test]
async fn an_odd_counter_is_no_reason_to_use_modbus_beside_a_plc_once_more() {
    let meter = meter(frozen()).await;
    let settings = Arc::new(config(&beside(&meter)));
    let state = State::in_memory();
    // The plugin starts again and again, always after more than five minutes.
    let turn = async |odd: bool| {
        let before = state.record(&settings.name).unwrap_or_default();
        let last_modbus_ms = before.last_modbus_ms.map(|last| last - 301_000);
        state.remember(&settings.name, &Record { last_modbus_ms, ..before });
        meter.show_counters(u32::from(odd), 0);
        let mut collector = Collector::new(settings.clone(), state.clone());
        let lines = Lines::of(&collector.gather(at_boundary()).await);
        (lines.one("powermonitor_500_energy").fields.contains_key("active_import_wh"), lines)
    };
    assert!(turn(false).await.0);
    assert!(!turn(true).await.0, "nobody knows yet what that is");
    assert_eq!(meter.record().modbus_clients, 2);
    let (counters_left, lines) = turn(false).await;
    assert!(counters_left);
    assert_eq!((lines.events("counter_glitch").len(), lines.events("counter_reset").len()), (1, 0));
    assert_eq!(meter.record().modbus_clients, 3);
}

#[tokio::test]
async fn a_table_of_which_nothing_can_leave_yet_has_no_line_and_is_said_to_have_failed() {
    let meter = meter(frozen()).await;
    // Without the hours counter, which shows nothing odd.
    let modbus_exceptions = [(0x0520, 2)].into();
    meter.set_defects(Defects { modbus_exceptions, ..Defects::default() });
    let settings = Arc::new(config(&beside(&meter)));
    let state = State::in_memory();
    for odd in [false, true, false] {
        let before = state.record(&settings.name).unwrap_or_default();
        let last_modbus_ms = before.last_modbus_ms.map(|last| last - 301_000);
        state.remember(&settings.name, &Record { last_modbus_ms, ..before });
        // The refusal makes several readings of one.
        meter.show_counters(20 * u32::from(odd), 0);
        let mut collector = Collector::new(settings.clone(), state.clone());
        let lines = Lines::of(&collector.gather(at_boundary()).await);
        assert_eq!((lines.has("powermonitor_500_energy"), lines.has("powermonitor_500")), (!odd, true));
        assert_eq!(lines.one("powermonitor_500_status").integer("tables_failed"), 1);
    }
}

#[tokio::test]
async fn modbus_that_may_not_be_used_yet_leaves_the_status_as_it_was() {
    let meter = meter(frozen()).await;
    let mut collector = collector(&beside(&meter));
    collector.gather(at_boundary()).await;
    let only_modbus = Due { tables: set(&[]), ..at_boundary() };
    let lines = Lines::of(&collector.gather(only_modbus).await);
    let status = lines.one("powermonitor_500_status");
    assert_eq!((status.integer("up"), status.text("connection")), (1, "explicit"));
    assert!(collector.health().up);
}

#[tokio::test]
async fn the_pause_of_ethernet_ip_after_our_own_modbus_is_expected_and_reading_resumes() {
    keep_logs();
    let meter = meter(Options { modbus_suspends_eip: true, ..frozen() }).await;
    let mut collector = collector(&format!("{}\nname = \"suspended\"", beside(&meter)));
    let lines = Lines::of(&collector.gather(at_boundary()).await);
    assert_eq!((lines.result(), lines.has("powermonitor_500_energy")), ("success", true));

    let lines = gather(&mut collector, &[Table::Realtime]).await;
    let status = lines.one("powermonitor_500_status");
    assert_eq!((status.integer("up"), status.integer("result_code")), (0, 9));
    assert_eq!((lines.result(), lines.has("powermonitor_500")), ("suspended", false));

    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = gather(&mut collector, &[Table::Realtime]).await;
        if lines.result() == "success" {
            assert!(lines.has("powermonitor_500"));
            break;
        }
        assert_eq!(lines.result(), "suspended");
        assert!(Instant::now() < deadline, "reading does not resume");
    }
    let said = logs("suspended");
    assert!(said.is_empty(), "an expected pause is no fault: {said:?}");
}

#[tokio::test]
async fn a_real_fault_is_no_pause_where_modbus_was_not_used() {
    keep_logs();
    let mut meter = meter(frozen()).await;
    let mut collector = collector(&format!("{}\nname = \"faulty\"", beside(&meter)));
    gather(&mut collector, &[Table::Realtime]).await;
    meter.stop().await;
    let lines = gather(&mut collector, &[Table::Realtime]).await;
    assert_eq!(lines.result(), "connection_failed");
    assert_eq!(logs("faulty").len(), 1);
}

#[tokio::test]
async fn a_modbus_port_that_refuses_is_no_reason_to_call_a_real_fault_a_pause() {
    let mut meter = meter(frozen()).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut collector = collector(&beside_on(&meter, nobody.port()));
    let lines = Lines::of(&collector.gather(at_boundary()).await);
    assert_eq!((lines.result(), lines.has("powermonitor_500")), ("partial", true));
    meter.stop().await;
    let lines = gather(&mut collector, &[Table::Realtime]).await;
    assert_eq!(lines.result(), "connection_failed");
}

static LOGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what this process says as information or worse, for [`logs`].
fn keep_logs() {
    struct Keep;
    impl log::Log for Keep {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Info
        }
        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                LOGS.lock().unwrap().push(record.args().to_string());
            }
        }
        fn flush(&self) {}
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_boxed_logger(Box::new(Keep)).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// What was said about a meter.
fn logs(meter: &str) -> Vec<String> {
    let prefix = format!("Meter \"{meter}\"");
    LOGS.lock().unwrap().iter().filter(|line| line.starts_with(&prefix)).cloned().collect()
}
