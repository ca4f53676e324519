//! What a meter sent that could not be used is shown byte by byte, in `check` and once in the log, and takes no
//! more memory however long it goes on.

use std::collections::BTreeMap;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::Defects;

use crate::common::peer::scratch;
use crate::common::program::{Program, config, run};
use crate::common::reading::{collector, frozen, gather, meter};
use crate::common::relay::{Answer, Framing, Relay};
use crate::common::simulated::Simulated;

/// Gathers and returns what could not be used.
async fn exhibits(collector: &mut Collector, tables: &[Table]) -> Vec<String> {
    gather(collector, tables).await;
    collector.exhibits()
}

/// The one exhibit: what it says, and its bytes.
#[track_caller]
fn only(exhibits: &[String]) -> (&str, Vec<u8>) {
    let [exhibit] = exhibits else { panic!("{exhibits:#?}") };
    let (what, hex) = exhibit.rsplit_once(": ").unwrap();
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    (what, bytes.collect())
}

#[tokio::test]
async fn replies_over_ethernet_ip_that_are_refused_cut_or_no_answer_are_kept_as_they_came() {
    let meter = meter(frozen()).await;
    let options = format!("address = \"{}\"\ntables = [\"alarm\"]", meter.eip());
    let tables = [Table::Alarm];

    let mut refused = collector(&options);
    meter.set_defects(Defects { refused_assemblies: BTreeMap::from([(108, 0x10)]), ..Defects::default() });
    let kept = exhibits(&mut refused, &tables).await;
    let (what, bytes) = only(&kept);
    assert!(what.starts_with("the read of assembly 108 is refused: CIP status 0x10, "), "{what}");
    assert_eq!((&bytes[..2], &bytes[bytes.len() - 4..]), (&[0x6F, 0][..], &[0x8E, 0, 0x10, 0][..]));
    let kept = exhibits(&mut refused, &tables).await;
    assert!(only(&kept).0.ends_with("; 2 times, last 44 bytes"), "{kept:?}");

    let mut sized = collector(&options);
    meter.set_defects(Defects { assembly_sizes: BTreeMap::from([(108, 6)]), ..Defects::default() });
    let kept = exhibits(&mut sized, &tables).await;
    assert_eq!(only(&kept).1, [6, 0], "the size that the meter told: {kept:?}");

    let mut stranger = collector(&options);
    meter.set_defects(Defects::default());
    gather(&mut stranger, &tables).await;
    meter.set_defects(Defects { session_handle: Some(0x0BAD_CAFE), ..Defects::default() });
    let kept = exhibits(&mut stranger, &tables).await;
    let seen =
        kept.iter().find(|exhibit| exhibit.contains("another session")).unwrap_or_else(|| panic!("{kept:?}"));
    assert!(seen.contains("fecaad0b"), "{seen}");

    let mut cut = collector(&options);
    meter.set_defects(Defects::default());
    gather(&mut cut, &tables).await;
    meter.set_defects(Defects { truncate_next_reply: Some(30), ..Defects::default() });
    let kept = exhibits(&mut cut, &tables).await;
    assert_eq!(only(&kept).1.len(), 30, "{kept:?}");
}

#[tokio::test]
async fn modbus_exceptions_and_short_replies_are_kept_as_they_came() {
    let meter = meter(frozen()).await;
    let relay = Relay::start(meter.modbus(), Framing::Modbus).await;
    let options = format!("address = \"{}\"\nconnection = \"modbus\"\ntables = [\"energy\"]", relay.address);
    let mut refused = collector(&options);
    gather(&mut refused, &[Table::Energy]).await;
    meter.set_defects(Defects { modbus_exceptions: BTreeMap::from([(0x0500, 4)]), ..Defects::default() });
    let kept = exhibits(&mut refused, &[Table::Energy]).await;
    let last = kept.last().unwrap();
    assert!(last.starts_with("the read of 0x05") && last.contains("Modbus exception 0x04"), "{kept:?}");
    assert!(last.ends_with("00000003018304"), "{kept:?}");

    let mut short = collector(&options);
    meter.set_defects(Defects::default());
    gather(&mut short, &[Table::Energy]).await;
    relay.spoil(|exchange| {
        let mut reply = exchange.reply.clone();
        reply.truncate(9 + 70);
        (reply[5], reply[8]) = (73, 70);
        Answer::Instead(reply)
    });
    let kept = exhibits(&mut short, &[Table::Energy]).await;
    let (what, bytes) = only(&kept);
    assert!(what.starts_with("malformed reply: 35 registers at 0x0500 instead of 36"), "{what}");
    assert_eq!((bytes.len(), &bytes[4..9]), (79, &[0, 73, 1, 3, 70][..]));
}

#[test]
fn check_shows_the_bytes_and_the_log_shows_each_kind_once() {
    let meters = Simulated::start(1);
    meters.break_it(0, Defects { refused_assemblies: BTreeMap::from([(101, 0x05)]), ..Defects::default() });
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"200ms\"\n[[inputs.powermonitor_500.meter]]\n\
         name = \"a\"\naddress = \"{}\"\n",
        meters.eip(0)
    );
    let config = config(&scratch("exhibits"), &text);
    let checked = run(&["check", "--config", config.to_str().unwrap()]);
    let shown = checked.out.lines().find(|line| line.contains(": received: ")).unwrap_or_default();
    assert!(shown.contains("the read of assembly 101 is refused"), "{checked:#?}");
    assert!(shown.ends_with("8e000500"), "{checked:#?}");

    let mut program = Program::start(&["--config", config.to_str().unwrap(), "--debug"]);
    for _ in 0..4 {
        program.wait_for("a gather", |line| line.is("a", "_status"));
    }
    let ended = program.finish();
    let told: Vec<_> = ended.err.lines().filter(|line| line.contains("received: ")).collect();
    let [told] = told[..] else { panic!("{ended:#?}") };
    assert!(told.starts_with("D! Meter \"a\": received: the read of assembly 101 is refused"), "{told}");
}

#[tokio::test]
async fn what_is_kept_stays_small_however_many_kinds_there_are() {
    let meter = meter(frozen()).await;
    let relay = Relay::start(meter.modbus(), Framing::Modbus).await;
    let options =
        "connection = \"modbus\"\ntables = [\"realtime\", \"energy\", \"alarm\"]\nmax_registers = 4";
    let mut collector = collector(&format!("address = \"{}\"\n{options}", relay.address));
    // Every read is refused on its own.
    relay.spoil(|exchange| {
        let mut reply = exchange.request[..4].to_vec();
        reply.extend([0, 3, exchange.request[6], exchange.request[7] | 0x80, 2]);
        Answer::Instead(reply)
    });
    let tables = [Table::Realtime, Table::Energy, Table::Alarm];
    let kept = exhibits(&mut collector, &tables).await;
    assert_eq!(kept.len(), 8, "{kept:#?}");
    assert!(kept.iter().map(String::len).sum::<usize>() < 8 * 1024);
}
