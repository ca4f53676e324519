//! Listening beside a PLC: what it pays for is heard, what it does not is read or said to be missing, and
//! nothing is opened that could get in its way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::enip::forward_open::Application::{InputOnly, ListenOnly};
use telegraf_pm500::meter::Table::{Alarm, Realtime};
use telegraf_pm500::simulator::{Defects, Options, OwnerOptions, Record, SimulatedMeter, Simulator, Variant};
use telegraf_pm500::source::Notice;
use telegraf_pm500::source::Shared;
use telegraf_pm500::source::listen::Settings;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

use crate::common::lines::Lines;
use crate::common::listening::{
    DEADLINE, EAGER, RPI, Tap, closes, frozen, gather_until, listener, only, opens, owner, owner_of,
    redirected, settings, until,
};
use crate::common::meter::{POWER, VOLTAGE_CURRENT};
use crate::common::namespace::alone;
use crate::common::peer::scratch;
use crate::common::program::{config as config_file, run};
use crate::common::reading::{collector, config, gather, meter};
use crate::common::simulated::reads;

const STATUS: &str = "powermonitor_500_status";
const DATA: &str = "powermonitor_500";

fn options(address: SocketAddr, connection: &str) -> String {
    format!("address = \"{address}\"\nconnection = \"{connection}\"")
}

/// Who is connected to an assembly of a meter, by kind.
fn connected(record: &Record) -> Vec<(telegraf_pm500::enip::forward_open::Application, u16)> {
    record.io.open.iter().map(|open| (open.application, open.assembly)).collect()
}

/// Gathers until something is so; the lines of every gather with the time at which it began.
async fn lines_until(
    collector: &mut Collector,
    what: &str,
    wanted: impl Fn(&Lines) -> bool,
) -> Vec<(SystemTime, Lines)> {
    let until = Instant::now() + DEADLINE;
    let mut all = Vec::new();
    loop {
        let began = SystemTime::now();
        let lines = gather(collector, &[Realtime]).await;
        let done = wanted(&lines);
        all.push((began, lines));
        if done {
            return all;
        }
        assert!(Instant::now() < until, "never {what}: {:?}", all.last());
        sleep(Duration::from_millis(5)).await;
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[test]
fn what_the_plc_owns_is_heard_and_the_rest_is_read_into_the_same_line_with_the_older_time() {
    alone(async {
        let meter = meter(frozen()).await;
        let _plc = owner(&meter, 1, owner_of(101, Duration::from_millis(250))).await;
        let mut collector = collector(&options(meter.eip(), "auto"));
        let lines = gather(&mut collector, &[Realtime]).await;
        let names = VOLTAGE_CURRENT.iter().chain(&POWER);
        for name in names {
            assert!(lines.one(DATA).fields.contains_key(*name), "{name}");
        }
        let status = lines.one(STATUS);
        assert_eq!((lines.result(), status.integer("up")), ("success", 1));
        assert_eq!((status.text("connection"), status.float("rpi_ms")), ("listen_only", 250.0));
        let record = meter.record();
        assert_eq!((reads(&record, 101), reads(&record, 102)), (0, 1));
        assert_eq!(connected(&record), [(InputOnly, 101), (ListenOnly, 101)]);

        // From now on the last frame grows older while 102 is read anew.
        let mut faults = Defects::default();
        faults.frames.drop_all = true;
        meter.set_defects(faults);
        gather(&mut collector, &[Realtime]).await;
        let before = SystemTime::now();
        let lines = gather(&mut collector, &[Realtime]).await;
        assert!(lines.one(DATA).time < nanoseconds(before), "{lines:?}");
        assert_eq!((reads(&meter.record(), 101), reads(&meter.record(), 102)), (0, 3));
    });
}

#[test]
fn without_an_owner_listen_only_reads_nothing_and_says_so() {
    alone(async {
        let meter = meter(frozen()).await;
        let mut listening = collector(&options(meter.eip(), "listen_only"));
        let lines = gather(&mut listening, &[Realtime]).await;
        let status = lines.one(STATUS);
        assert_eq!((status.integer("up"), status.integer("result_code"), lines.result()), (0, 5, "no_owner"));
        assert_eq!(status.text("connection"), "none");
        assert!(!lines.has(DATA));

        // Tables that are not listened to are read as ever, and the meter is up.
        let mut listening = collector(&options(meter.eip(), "listen_only"));
        let lines = gather(&mut listening, &[Realtime, Alarm]).await;
        assert_eq!((lines.one(STATUS).integer("up"), lines.result()), (1, "partial"));
        assert!(!lines.has(DATA) && lines.has("powermonitor_500_alarm"));
        let record = meter.record();
        assert_eq!((reads(&record, 101), reads(&record, 102)), (0, 0));
        assert_eq!(record.io.opened.get(&InputOnly), None);
    });
}

#[test]
fn an_owner_that_crashes_is_said_and_explicit_reads_take_over_with_nothing_old() {
    alone(async {
        let meter = meter(frozen()).await;
        let plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let mut collector = collector(&options(meter.eip(), "auto"));
        let lines = gather(&mut collector, &[Realtime]).await;
        assert_eq!(lines.one(STATUS).text("connection"), "listen_only");
        plc.crash().await;
        let gathers =
            lines_until(&mut collector, "owner_lost", |lines| !lines.events("owner_lost").is_empty());
        let gathers = gathers.await;
        let watchdog = RPI * 16;
        for (began, lines) in &gathers {
            // Times are rounded to milliseconds.
            let oldest = *began - watchdog - Duration::from_millis(1);
            assert!(lines.one(DATA).time >= nanoseconds(oldest), "{lines:?}");
            assert_eq!(lines.result(), "success");
        }
        let (_, last) = gathers.last().unwrap();
        let [lost] = last.events("owner_lost")[..] else { panic!("{last:?}") };
        assert!(lost.text("reason").contains("the owner has left"), "{lost:?}");
        let [changed] = last.events("connection_changed")[..] else { panic!("{last:?}") };
        assert_eq!((changed.text("before_text"), changed.text("after_text")), ("listen_only", "explicit"));
        assert_eq!(last.one(STATUS).text("connection"), "explicit");
        assert_eq!(connected(&meter.record()), []);

        // Looked for again after a minute, not now.
        let before = opens(&meter.record());
        gather(&mut collector, &[Realtime]).await;
        assert_eq!(opens(&meter.record()), before);
    });
}

#[test]
fn a_listener_that_lost_its_owner_is_never_said_to_read_explicitly() {
    alone(async {
        let meter = meter(frozen()).await;
        let plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let mut collector = collector(&options(meter.eip(), "listen_only"));
        let lines = gather(&mut collector, &[Realtime]).await;
        assert_eq!(lines.one(STATUS).text("connection"), "listen_only");
        plc.crash().await;
        let gathers = lines_until(&mut collector, "no_owner", |lines| lines.result() == "no_owner").await;
        for (_, lines) in &gathers {
            assert!(lines.events("connection_changed").is_empty(), "{lines:?}");
            assert_ne!(lines.one(STATUS).text("connection"), "explicit", "{lines:?}");
        }
        assert!(gathers.iter().any(|(_, lines)| !lines.events("owner_lost").is_empty()));
        assert_eq!((reads(&meter.record(), 101), reads(&meter.record(), 102)), (0, 0));
    });
}

#[test]
fn one_command_listens_to_several_meters_at_the_one_udp_port() {
    alone(async {
        let (first, second) = (meter(frozen()).await, meter(frozen()).await);
        let _owners =
            (owner(&first, 1, owner_of(101, RPI)).await, owner(&second, 2, owner_of(101, RPI)).await);
        let (first, second) = (first.eip().to_string(), second.eip().to_string());
        let meter = |address: &str| format!("[[inputs.powermonitor_500.meter]]\naddress = \"{address}\"\n");
        let text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"\"\nconnection = \"listen_only\"\ntables = [\"realtime\"]\n{}{}",
            meter(&first),
            meter(&second)
        );
        let file = config_file(&scratch("one_hub"), &text).to_str().unwrap().to_owned();
        let named = ["dump", "--listen", &first, &second].map(str::to_owned).to_vec();
        let once = ["--once", "--config", &file].map(str::to_owned).to_vec();
        let probe = ["check", "--probe", "--config", &file].map(str::to_owned).to_vec();
        for command in [named, once, probe] {
            let listening = command.clone();
            let ended = tokio::task::spawn_blocking(move || {
                run(&listening.iter().map(String::as_str).collect::<Vec<_>>())
            });
            let ended = ended.await.unwrap();
            assert!(!ended.err.contains("2222"), "{command:?}: {}", ended.err);
            // Each of them hears its owner, in one line of its own.
            let heard = ended.out.lines().filter(|line| line.contains("listen_only")).count();
            assert_eq!(heard, 2, "{command:?}: {}{}", ended.out, ended.err);
        }
    });
}

#[test]
fn an_owner_that_returns_at_another_interval_is_picked_up_without_help() {
    alone(async {
        for variants in [vec![], vec![Variant::RpiWithoutValues]] {
            let meter = meter(Options { variants, ..frozen() }).await;
            let plc = owner(&meter, 1, owner_of(101, RPI)).await;
            let mut reading = listener(meter.eip(), Settings { waits: EAGER, ..settings() }, DEADLINE);
            reading.gather(&[Realtime]).await;
            let Notice::Heard { again: false, .. } = only(&reading.notices) else { panic!() };
            plc.crash().await;
            let lost = |r: &crate::common::reading::Reading| r.source.heard().is_none();
            let said = gather_until(&mut reading, &[Realtime], "lost", lost).await;
            assert!(matches!(only(&said), Notice::Lost { assembly: 101, .. }), "{said:?}");
            reading.assert_true(&meter, &[Realtime]);

            let rpi = Duration::from_millis(50);
            let _plc = owner(&meter, 2, owner_of(101, rpi)).await;
            let found = |r: &crate::common::reading::Reading| r.source.heard().is_some();
            let said = gather_until(&mut reading, &[Realtime], "heard again", found).await;
            let Some(Notice::Heard { again: true, rpi: heard, .. }) = said.last() else { panic!("{said:?}") };
            assert_eq!(*heard, rpi);
            reading.assert_true(&meter, &[Realtime]);
        }
    });
}

#[test]
fn the_stream_of_a_unicast_owner_is_left_alone_and_logix_is_told_what_to_clear() {
    alone(async {
        let meter = meter(Options { variants: vec![Variant::SecondStream], ..frozen() }).await;
        let plc = owner(&meter, 1, OwnerOptions { unicast: true, ..owner_of(101, RPI) }).await;
        let unhurried = Settings { rpi: Some(RPI), ..settings() };
        let mut reading = listener(meter.eip(), unhurried, DEADLINE);
        reading.gather(&[Realtime]).await;
        // Nothing was lost: it never was ours to hear.
        let Notice::Unheard { reason, retry, .. } = only(&reading.notices) else {
            panic!("{:?}", reading.notices)
        };
        assert!(reason.contains("a second look will tell"), "{reason}");
        assert!((2..=5).contains(&retry.unwrap().as_secs()), "{retry:?}");
        reading.assert_true(&meter, &[Realtime]);
        assert_eq!((reads(&meter.record(), 101), reading.source.heard()), (1, None));
        assert_eq!(connected(&meter.record()), [(InputOnly, 101)]);
        assert_eq!(meter.record().io.closed.get(&ListenOnly), Some(&1));
        let frames = plc.frames();
        plc.received(frames + 5).await;

        // Looked at twice, and no more until the link was lost.
        let eager = Settings { rpi: Some(RPI), waits: EAGER, ..settings() };
        let mut reading = listener(meter.eip(), eager, DEADLINE);
        let before = closes(&meter.record());
        let closed = || closes(&meter.record()) - before;
        let said = gather_until(&mut reading, &[Realtime], "closed twice", |_| closed() >= 2).await;
        let [Notice::Unheard { .. }, Notice::Unheard { reason, retry: None, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        assert!(reason.contains("clear \"Use Unicast Connection over EtherNet/IP\""), "{reason}");
        for _ in 0..20 {
            reading.gather(&[Realtime]).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(closed(), 2);
        reading.source.close().await;
        gather_until(&mut reading, &[Realtime], "looked again on a new session", |_| closed() >= 3).await;
    });
}

#[test]
fn nothing_but_listen_only_is_ever_opened_unless_input_only_is_written() {
    alone(async {
        let meter = meter(frozen()).await;
        for connection in ["explicit", "auto", "listen_only"] {
            let tap = Tap::on(&meter).await;
            let mut collector = collector(&options(tap.relay.address, connection));
            for _ in 0..3 {
                gather(&mut collector, &[Realtime]).await;
            }
            collector.close().await;
            let heartbeats: Vec<_> = tap.opens().iter().map(|open| open.path.consumed).collect();
            let expected = if connection == "explicit" { vec![] } else { vec![99, 99] };
            assert_eq!(heartbeats, expected, "{connection}");
        }
        assert_eq!(meter.record().io.opened.get(&InputOnly), None);

        let before = meter.record();
        let rpi = "rpi = \"150ms\"\nheartbeat_interval = \"100ms\"";
        let mut collector = collector(&format!("{}\n{rpi}", options(meter.eip(), "input_only")));
        let lines = gather(&mut collector, &[Realtime]).await;
        let status = lines.one(STATUS);
        assert_eq!((status.text("connection"), status.float("rpi_ms")), ("input_only", 150.0));
        assert_eq!((lines.result(), lines.one(DATA).fields.len()), ("success", 30));
        let open = meter.record().io.open;
        assert_eq!(connected(&meter.record()), [(InputOnly, 101), (InputOnly, 102)]);
        assert!(open.iter().all(|open| open.rpi.as_millis() == 150), "{open:?}");
        assert_eq!(
            [101, 102].map(|instance| reads(&meter.record(), instance) - reads(&before, instance)),
            [0, 0]
        );
        collector.close().await;
        assert_eq!(meter.record().io.open, []);
    });
}

#[test]
fn input_only_does_not_look_for_another_interval_than_the_written_one() {
    alone(async {
        let meter = meter(frozen()).await;
        let _plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let tap = Tap::on(&meter).await;
        let rpi = Some(Duration::from_millis(150));
        let written = Settings { application: InputOnly, fallback: false, rpi, ..settings() };
        let mut reading = listener(tap.relay.address, written, DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [150]);
        assert!(matches!(only(&reading.notices), Notice::Unheard { .. }), "{:?}", reading.notices);
    });
}

#[test]
fn a_group_outside_the_organization_local_range_is_not_joined() {
    alone(async {
        let meter = meter(frozen()).await;
        let _plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let group = Ipv4Addr::new(239, 192, 1, 33);
        let elsewhere = Ipv4Addr::new(224, 0, 1, 129);
        let tap = Tap::changing(&meter, move |exchange| redirected(exchange, group, elsewhere)).await;
        let mut reading = listener(tap.relay.address, Settings { rpi: Some(RPI), ..settings() }, DEADLINE);
        reading.gather(&[Realtime]).await;
        let Notice::Unheard { reason, .. } = only(&reading.notices) else { panic!("{:?}", reading.notices) };
        assert!(reason.contains("224.0.1.129") && reason.contains("239.0.0.0/8"), "{reason}");
        assert_eq!(connected(&meter.record()), [(InputOnly, 101)], "what cannot be heard is closed");
        reading.assert_true(&meter, &[Realtime]);
    });
}

#[test]
fn heartbeats_go_to_the_meter_itself_wherever_a_reply_sends_them() {
    alone(async {
        let meter = meter(frozen()).await;
        let _plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let stranger = Ipv4Addr::new(127, 0, 0, 99);
        let trap = UdpSocket::bind((stranger, meter.io().port())).await.unwrap();
        let own = *meter.io().ip();
        let tap = Tap::changing(&meter, move |exchange| redirected(exchange, own, stranger)).await;
        let mut reading = listener(tap.relay.address, Settings { rpi: Some(RPI), ..settings() }, DEADLINE);
        reading.gather(&[Realtime]).await;
        assert!(reading.source.heard().is_some());
        let heartbeats = || {
            let open = meter.record().io.open;
            open.iter().filter(|open| open.application == ListenOnly).map(|open| open.heartbeats).sum::<u64>()
        };
        until("three heartbeats", || heartbeats() >= 3).await;
        let nothing = trap.try_recv_from(&mut [0; 64]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    });
}

#[test]
fn several_meters_share_the_port_and_another_program_on_it_costs_no_value() {
    alone(async {
        let simulator = Simulator::start(Options { count: 3, ..frozen() }).await.unwrap();
        let meters: &[SimulatedMeter] = &simulator.meters;
        let (shared, state) = (Shared::default(), State::in_memory());
        let mut plcs = Vec::new();
        let mut collectors = Vec::new();
        for (host, meter) in (1..).zip(meters) {
            plcs.push(owner(meter, 2 * host, owner_of(101, RPI)).await);
            plcs.push(owner(meter, 2 * host + 1, owner_of(102, 2 * RPI)).await);
            let config = config(&options(meter.eip(), "auto"));
            collectors.push(Collector::sharing(Arc::new(config), state.clone(), shared.clone()));
        }
        for (collector, meter) in collectors.iter_mut().zip(meters) {
            let lines = gather(collector, &[Realtime]).await;
            assert_eq!(lines.one(STATUS).text("connection"), "listen_only");
            assert_eq!((reads(&meter.record(), 101), reads(&meter.record(), 102)), (0, 0));
            assert_eq!((lines.result(), lines.one(DATA).fields.len()), ("success", 30));
        }

        // As another process would: a shared of its own.
        let mut other = listener(meters[0].eip(), settings(), DEADLINE);
        other.gather(&[Realtime]).await;
        let Notice::Unheard { reason, .. } = only(&other.notices) else { panic!("{:?}", other.notices) };
        assert!(reason.contains("UDP port 2222 on 127.0.0.1 is in use by another program"), "{reason}");
        other.assert_true(&meters[0], &[Realtime]);
    });
}
