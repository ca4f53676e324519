//! A meter that leaves a class 1 request without an answer: silence is no refusal, and costs nothing that can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::clock::HostClock;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::enip::forward_open::{FORWARD_CLOSE, FORWARD_OPEN, ForwardOpen};
use telegraf_pm500::enip::hub::Hub;
use telegraf_pm500::meter::Profile;
use telegraf_pm500::meter::Table::{Alarm, Realtime};
use telegraf_pm500::source::listen::Settings;
use telegraf_pm500::source::{FailureKind, Listen, Notice};
use tokio::time::{Instant, sleep};

use crate::common::listening::{
    DEADLINE, EAGER, MESSAGE, RPI, Tap, frozen, gather_until, is_service, only, owner, owner_of, settings,
};
use crate::common::namespace::alone;
use crate::common::reading::{HASTY, Reading, config, explicit, gather, meter};
use crate::common::relay::{Answer, Exchange};

/// Whether it asks to listen to this assembly.
fn opens(exchange: &Exchange, assembly: u8) -> bool {
    let open =
        |request: &[u8]| ForwardOpen::decode(request).is_ok_and(|(open, _)| open.path.produced == assembly);
    is_service(exchange, FORWARD_OPEN) && exchange.request.get(MESSAGE + 6..).is_some_and(open)
}

/// Whether it asks for the data of assembly 101.
fn asks_for_data_of_101(exchange: &Exchange) -> bool {
    exchange.request.get(MESSAGE..) == Some(&[0x0E, 3, 0x20, 4, 0x24, 101, 0x30, 3])
}

/// The same reply with CIP general status 8 and no data.
fn refused(exchange: &Exchange) -> Vec<u8> {
    let mut reply = exchange.reply[..MESSAGE + 4].to_vec();
    reply[MESSAGE + 2] = 8;
    reply[MESSAGE - 2..MESSAGE].copy_from_slice(&4u16.to_le_bytes());
    let length = reply.len() as u16 - 24;
    reply[2..4].copy_from_slice(&length.to_le_bytes());
    reply
}

/// A listener that waits a second for an answer.
fn listen(tap: &Tap, settings: Settings) -> Listen {
    let explicit = explicit(tap.relay.address, HASTY);
    Listen::new(explicit, settings, DEADLINE, Hub::default(), (Vec::new(), &BTreeMap::new()))
}

#[test]
fn a_forward_open_without_an_answer_is_a_timeout_and_a_gap_of_its_table_and_no_refusal() {
    alone(async {
        let meter = meter(frozen()).await;
        let _owners =
            (owner(&meter, 1, owner_of(101, RPI)).await, owner(&meter, 2, owner_of(102, RPI)).await);
        let silent = Arc::new(AtomicBool::new(false));
        let is_silent = silent.clone();
        let tap = Tap::changing(&meter, move |exchange| match opens(exchange, 102) {
            true if is_silent.load(Ordering::Relaxed) => Answer::Nothing,
            _ => Answer::True,
        })
        .await;
        let settings = Settings {
            fallback: false,
            rpi: Some(RPI),
            waits: EAGER,
            assemblies: vec![101, 102],
            ..settings()
        };
        let options = format!(
            "address = \"{}\"\nconnection = \"listen_only\"\ntables = [\"realtime\"]",
            tap.relay.address
        );
        let source = (Box::new(listen(&tap, settings)) as _, None);
        let mut collector =
            Collector::reading(Arc::new(config(&options)), State::in_memory(), source, Arc::new(HostClock));
        assert_eq!(gather(&mut collector, &[Realtime]).await.result(), "success");
        collector.close().await;
        silent.store(true, Ordering::Relaxed);
        // One half of the table comes, the other does not.
        for _ in 0..3 {
            let lines = gather(&mut collector, &[Realtime]).await;
            assert_eq!((lines.result(), lines.has("powermonitor_500")), ("partial", true));
            assert!(lines.events("block_refused").is_empty(), "{lines:?}");
        }
        silent.store(false, Ordering::Relaxed);
        let until = Instant::now() + DEADLINE;
        loop {
            let lines = gather(&mut collector, &[Realtime]).await;
            if let [gap] = lines.events("gap")[..] {
                assert!(gap.text("message").starts_with("Not all data of realtime"), "{gap:?}");
                assert!(gap.text("reason").contains("no reply to the Forward Open within 1s"), "{gap:?}");
                assert_eq!(lines.result(), "success");
                break;
            }
            assert!(lines.events("block_refused").is_empty(), "{lines:?}");
            assert!(Instant::now() < until, "no gap is declared");
            sleep(RPI).await;
        }
        collector.close().await;
    });
}

#[test]
fn a_meter_that_answers_nothing_of_class_1_loses_no_gather_of_what_is_read_explicitly() {
    alone(async {
        let meter = meter(frozen()).await;
        let tap = Tap::changing(&meter, |exchange| {
            match is_service(exchange, FORWARD_OPEN) || is_service(exchange, FORWARD_CLOSE) {
                true => Answer::Nothing,
                false => Answer::True,
            }
        })
        .await;
        let mut reading =
            Reading::new(listen(&tap, Settings { waits: EAGER, ..settings() }), Profile::built_in());
        for gather in 0..4 {
            reading.gather(&[Realtime, Alarm]).await;
            reading.assert_true(&meter, &[Realtime, Alarm]);
            if gather == 0 {
                let Notice::Unheard { assembly: 101, reason, .. } = only(&reading.notices) else {
                    panic!("{:?}", reading.notices)
                };
                assert!(reason.contains("no reply to the Forward Open"), "{reason}");
            }
        }
        assert!(tap.opens().len() > 1, "it is looked for again");
    });
}

#[test]
fn an_assembly_that_is_refused_when_it_is_asked_for_is_listened_to_and_costs_no_other_one() {
    alone(async {
        let meter = meter(frozen()).await;
        let tap = Tap::changing(&meter, |exchange| match asks_for_data_of_101(exchange) {
            true => Answer::Instead(refused(exchange)),
            false => Answer::True,
        })
        .await;
        let settings = Settings { rpi: Some(RPI), waits: EAGER, ..settings() };
        let mut reading = Reading::new(listen(&tap, settings), Profile::built_in());
        for _ in 0..3 {
            reading.gather(&[Realtime, Alarm]).await;
            let failed: Vec<_> =
                reading.failures.iter().map(|(table, failure)| (*table, failure.kind)).collect();
            assert_eq!(failed, [(Realtime, FailureKind::Refused)]);
            sleep(EAGER.longest).await;
        }
        let _owner = owner(&meter, 1, owner_of(101, RPI)).await;
        gather_until(&mut reading, &[Realtime, Alarm], "heard", |reading| reading.source.heard().is_some())
            .await;
        reading.gather(&[Realtime, Alarm]).await;
        reading.assert_true(&meter, &[Realtime, Alarm]);
        reading.source.close().await;
    });
}
