//! How listening ends: with a good-bye, or with leftovers that the next start clears away.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::enip::forward_open::Application::{InputOnly, ListenOnly};
use telegraf_pm500::enip::forward_open::{FORWARD_CLOSE, FORWARD_OPEN, Triad};
use telegraf_pm500::meter::Table::Realtime;
use telegraf_pm500::simulator::{Options, Record, Variant};
use telegraf_pm500::source::listen::Settings;

use crate::common::listening::{
    DEADLINE, EAGER, RPI, Tap, frozen, gather_until, is_service, listener, owner, owner_of, settings, until,
};
use crate::common::namespace::alone;
use crate::common::reading::{config, gather, meter};
use crate::common::relay::{Answer, End};

/// A collector that listens to both realtime assemblies and is quickly thought dead.
fn collector(address: std::net::SocketAddr, state: &State) -> Collector {
    let options = "connection = \"auto\"\nheartbeat_interval = \"100ms\"";
    Collector::new(Arc::new(config(&format!("address = \"{address}\"\n{options}"))), state.clone())
}

fn listeners(record: &Record) -> Vec<Triad> {
    let open = record.io.open.iter().filter(|open| open.application == ListenOnly);
    open.map(|open| open.triad).collect()
}

/// Waits until nobody has UDP 2222 on our address any more.
async fn port_is_free() {
    let free = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 2222)).is_ok();
    until("free", free).await;
}

#[test]
fn closing_says_good_bye_for_every_connection_and_every_session() {
    alone(async {
        let meter = meter(frozen()).await;
        let _owners =
            [owner(&meter, 1, owner_of(101, RPI)).await, owner(&meter, 2, owner_of(102, RPI)).await];
        let before = meter.record().sessions;
        let mut collector = collector(meter.eip(), &State::in_memory());
        gather(&mut collector, &[Realtime]).await;
        assert_eq!(listeners(&meter.record()).len(), 2);
        collector.close().await;
        let record = meter.record();
        assert_eq!((record.io.closed.get(&ListenOnly), listeners(&record)), (Some(&2), vec![]));
        assert_eq!((record.io.opened[&ListenOnly], record.sessions - before), (2, 1));
        until("unregistered", || meter.record().unregistered == 1).await;
        port_is_free().await;
    });
}

#[test]
fn connections_are_closed_although_the_meter_has_closed_the_idle_session() {
    alone(async {
        let meter = meter(Options { inactivity: Duration::from_millis(300), ..frozen() }).await;
        let _owners =
            [owner(&meter, 1, owner_of(101, RPI)).await, owner(&meter, 2, owner_of(102, RPI)).await];
        let tap = Tap::on(&meter).await;
        let state = State::in_memory();
        let mut collector = collector(tap.relay.address, &state);
        gather(&mut collector, &[Realtime]).await;
        assert_eq!(tap.relay.end(0).await, End::ByMeter);

        // I/O lives on, and an idle session's end is no fault.
        let lines = gather(&mut collector, &[Realtime]).await;
        let (status, traffic) = (lines.one("powermonitor_500_status"), lines.one("powermonitor_500_traffic"));
        assert_eq!(
            (lines.result(), traffic.integer("errors"), status.text("connection")),
            ("success", 0, "listen_only")
        );
        assert_eq!(state.record(&collector.config().name).unwrap().open_connections.len(), 2);

        collector.close().await;
        let record = meter.record();
        assert_eq!((record.io.closed.get(&ListenOnly), listeners(&record)), (Some(&2), vec![]));
        assert_eq!(state.record(&collector.config().name).unwrap().open_connections, []);
        let open = || (1..tap.relay.connections()).count() as u64;
        until("unregistered", || meter.record().unregistered == open()).await;
    });
}

#[test]
fn after_a_kill_the_next_start_closes_what_was_left_before_it_opens_anything() {
    alone(async {
        for (dead, hosts) in [(false, [1, 2]), (true, [3, 4])] {
            let meter = meter(Options { variants: vec![Variant::Lingering], ..frozen() }).await;
            let [voltage, power] = hosts;
            let _voltage = owner(&meter, voltage, owner_of(101, RPI)).await;
            let _power = owner(&meter, power, owner_of(102, RPI)).await;
            let state = State::in_memory();
            let mut killed = collector(meter.eip(), &state);
            gather(&mut killed, &[Realtime]).await;
            let left = listeners(&meter.record());
            drop(killed);
            port_is_free().await;
            if dead {
                let both = || meter.record().io.timed_out.get(&ListenOnly) == Some(&2);
                until("thought dead", both).await;
            }
            assert_eq!(listeners(&meter.record()), left, "it lingers");

            let tap = Tap::on(&meter).await;
            let mut next = collector(tap.relay.address, &state);
            let lines = gather(&mut next, &[Realtime]).await;
            assert_eq!(lines.one("powermonitor_500_status").text("connection"), "listen_only");
            let kept = |service: &u8| matches!(*service, FORWARD_OPEN | FORWARD_CLOSE);
            let order: Vec<_> = tap.services().into_iter().filter(kept).collect();
            assert_eq!(order[..2], [FORWARD_CLOSE; 2], "{order:02X?}");
            assert!(order[2..].iter().all(|service| *service == FORWARD_OPEN), "{order:02X?}");
            let record = meter.record();
            assert_eq!(record.io.closed.get(&ListenOnly), Some(&2));
            let now = listeners(&record);
            assert!(now.len() == 2 && now.iter().all(|triad| !left.contains(triad)), "{now:?}");
            let originator = |triads: &[Triad]| (triads[0].vendor, triads[0].serial);
            assert_eq!(originator(&now), originator(&left));
            next.close().await;
            port_is_free().await;
        }
    });
}

#[test]
fn an_open_whose_answer_was_lost_with_its_session_is_closed_and_made_again_at_once() {
    alone(async {
        let meter = meter(frozen()).await;
        let owned = Arc::new(AtomicBool::new(false));
        let owned_now = owned.clone();
        let tap = Tap::changing(&meter, move |exchange| {
            // The meter has opened the connection, and the session, which had been idle, ends before anybody hears of it.
            let first = is_service(exchange, FORWARD_OPEN) && owned_now.swap(false, Ordering::Relaxed);
            if first { Answer::Reset } else { Answer::True }
        })
        .await;
        let settings = Settings { rpi: Some(RPI), waits: EAGER, ..settings() };
        let mut reading = listener(tap.relay.address, settings, DEADLINE);
        reading.gather(&[Realtime]).await;
        let _owner = owner(&meter, 1, owner_of(101, RPI)).await;
        owned.store(true, Ordering::Relaxed);
        let before = tap.services().len();
        let said = gather_until(&mut reading, &[Realtime], "heard", |r| r.source.heard().is_some()).await;
        assert!(!format!("{said:?}").contains("serial numbers"), "it was no reason to wait: {said:?}");
        let kept = |service: &u8| matches!(*service, FORWARD_OPEN | FORWARD_CLOSE);
        let order: Vec<_> = tap.services().split_off(before).into_iter().filter(kept).collect();
        assert_eq!(order, [FORWARD_OPEN, FORWARD_OPEN, FORWARD_CLOSE, FORWARD_OPEN], "{order:02X?}");
        assert_eq!(listeners(&meter.record()).len(), 1);
        reading.source.close().await;
        assert!(meter.record().io.open.iter().all(|open| open.application == InputOnly));
    });
}

#[test]
fn an_open_whose_answer_did_not_come_in_time_is_closed_before_anything_else_is_tried() {
    alone(async {
        let meter = meter(frozen()).await;
        let _owner = owner(&meter, 1, owner_of(101, RPI)).await;
        let mut lost = false;
        let tap = Tap::changing(&meter, move |exchange| {
            // The meter has opened the connection, and nobody hears of it.
            let first = is_service(exchange, FORWARD_OPEN) && !std::mem::replace(&mut lost, true);
            if first { Answer::Late(Vec::new()) } else { Answer::True }
        })
        .await;
        let mut reading = listener(tap.relay.address, Settings { rpi: Some(RPI), ..settings() }, DEADLINE);
        tokio::select! {
            () = reading.gather(&[Realtime]) => panic!("{:?}", reading.notices),
            () = until("opened", || tap.opens().len() == 1) => {}
        }
        assert_eq!(listeners(&meter.record()).len(), 1);
        gather_until(&mut reading, &[Realtime], "heard", |r| r.source.heard().is_some()).await;
        let record = meter.record();
        assert_eq!(listeners(&record).len(), 1, "{record:?}");
        reading.source.close().await;
        assert!(meter.record().io.open.iter().all(|open| open.application == InputOnly));
    });
}
