//! The simulator as its clients see it: through our own session, across stops, defects and many meters.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpStream;

use super::*;
use crate::enip::message::Read;
use crate::enip::{Session, SessionError};
use crate::meter::{Profile, Readings, decode};

const WAIT: Duration = Duration::from_secs(10);
/// Long enough for a reply on loopback, and the price of each proven silence.
const SHORT: Duration = Duration::from_millis(200);

async fn session(meter: &SimulatedMeter) -> Session {
    let stream = TcpStream::connect(meter.eip()).await.unwrap();
    Session::register(stream, WAIT).await.unwrap()
}

fn frozen() -> Options {
    Options { frozen: true, ..Options::default() }
}

#[tokio::test]
async fn a_session_reads_every_assembly_as_the_device_has_it_and_writes_nothing() {
    let simulator = Simulator::start(Options { info_size: 40, ..frozen() }).await.unwrap();
    let (meter, profile) = (&simulator.meters[0], Profile::built_in());
    let mut session = session(meter).await;
    let identity = session.read(Read::Identity, WAIT).await.unwrap().unwrap();
    let identity = crate::enip::identity::decode(&identity).unwrap();
    assert_eq!(identity.mismatch(&profile.identity), None);
    let mut readings = Readings::new(profile.elements.len());
    for assembly in &profile.assemblies {
        let data = session.read(Read::AssemblyData(assembly.instance), WAIT).await.unwrap().unwrap();
        let size = session.read(Read::AssemblySize(assembly.instance), WAIT).await.unwrap().unwrap();
        assert_eq!(size, (data.len() as u16).to_le_bytes());
        decode::assembly(&profile, assembly.instance, &data, &mut readings).unwrap();
    }
    for (index, element) in profile.elements.iter().enumerate().filter(|(_, e)| e.place.is_some()) {
        assert_eq!(readings.get(index), meter.expected(element.table, &element.name).as_ref());
    }
    session.close().await;
    assert!(meter.record().writes().is_empty());
    let asked = Asked::Cip { service: 0x0E, class: 4, instance: 101, attribute: Some(3) };
    assert_eq!((meter.record().count(asked), meter.record().sessions), (1, 1));
}

#[tokio::test]
async fn defects_come_and_go_while_it_runs() {
    let simulator = Simulator::start(frozen()).await.unwrap();
    let meter = &simulator.meters[0];
    let mut client = session(meter).await;
    meter.set_defects(Defects {
        refused_assemblies: BTreeMap::from([(101, 0x10)]),
        assembly_sizes: BTreeMap::from([(102, 76)]),
        split_replies: true,
        ..Defects::default()
    });
    let refusal = client.read(Read::AssemblyData(101), WAIT).await.unwrap().unwrap_err();
    assert_eq!(refusal.refusal.general, 0x10);
    assert_eq!(client.read(Read::AssemblyData(102), WAIT).await.unwrap().unwrap().len(), 76);
    meter.set_defects(Defects { session_handle: Some(0xBAD), ..Defects::default() });
    let wrong = client.read(Read::AssemblyData(101), WAIT).await;
    assert!(matches!(wrong, Err(SessionError::Malformed(..))), "{wrong:?}");

    meter.set_defects(Defects::default());
    let mut client = session(meter).await;
    meter.set_defects(Defects { delay_next_reply: Some(WAIT), ..Defects::default() });
    let late = client.read(Read::AssemblyData(101), SHORT).await;
    assert!(matches!(late, Err(SessionError::Timeout { .. })), "{late:?}");
    let mut client = session(meter).await;
    meter.set_defects(Defects { silent: true, ..Defects::default() });
    let silence = client.read(Read::AssemblyData(101), SHORT).await;
    assert!(matches!(silence, Err(SessionError::Timeout { .. })), "{silence:?}");
}

#[tokio::test]
async fn a_stopped_meter_breaks_its_connections_and_returns_at_the_same_place() {
    let mut simulator = Simulator::start(frozen()).await.unwrap();
    let meter = &mut simulator.meters[0];
    let mut client = session(meter).await;
    let (eip, modbus) = (meter.eip(), meter.modbus());
    meter.stop().await;
    assert!(client.read(Read::Identity, WAIT).await.is_err());
    assert!(TcpStream::connect(eip).await.is_err() && TcpStream::connect(modbus).await.is_err());
    meter.restart().await.unwrap();
    assert_eq!((meter.eip(), meter.modbus()), (eip, modbus));
    assert!(session(meter).await.read(Read::Identity, WAIT).await.unwrap().is_ok());
    meter.reset_counters();
    assert_eq!(meter.expected(Table::Energy, "active_import_wh"), Some(Value::Integer(0)));
}

#[tokio::test]
async fn modbus_suspends_ethernet_ip_only_where_the_option_says_so() {
    let suspending = Options { modbus_suspends_eip: true, ..frozen() };
    for (options, answers) in [(frozen(), true), (suspending, false)] {
        let simulator = Simulator::start(options).await.unwrap();
        let meter = &simulator.meters[0];
        let mut client = session(meter).await;
        let mut modbus = tokio_modbus::client::tcp::connect(meter.modbus()).await.unwrap();
        tokio_modbus::prelude::Reader::read_input_registers(&mut modbus, 0x0500, 4).await.unwrap().unwrap();
        let within = if answers { WAIT } else { SHORT };
        assert_eq!(client.read(Read::Identity, within).await.is_ok(), answers);
    }
}

#[tokio::test]
async fn many_meters_have_an_address_and_a_load_of_their_own() {
    let simulator = Simulator::start(Options { count: 3, ..frozen() }).await.unwrap();
    let [first, .., last] = &simulator.meters[..] else { panic!() };
    assert_eq!(last.eip().ip(), Ipv4Addr::new(127, 0, 0, 3));
    assert_ne!(first.identity().serial, last.identity().serial);
    let power = |meter: &SimulatedMeter| meter.expected(Table::Realtime, "active_power_total_w");
    assert_ne!(power(first), power(last));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let simulator = Simulator::start(frozen()).await.unwrap();
    let port = simulator.meters[0].eip().port();
    let error = Simulator::start(Options { eip_port: port, ..frozen() }).await.unwrap_err();
    let expected = format!("cannot serve EtherNet/IP on 127.0.0.1:{port}: the port is in use");
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::AddrInUse, expected));
}
