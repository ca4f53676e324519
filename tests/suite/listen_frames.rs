//! Frames as no sound meter sends them, and which of them become data.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use socket2::SockRef;
use telegraf_pm500::enip::class1::Frame;
use telegraf_pm500::meter::Table::Realtime;
use telegraf_pm500::meter::Value;
use telegraf_pm500::simulator::{Defects, FrameDefects, Options, Owner, SimulatedMeter};
use telegraf_pm500::source::listen::Settings;
use tokio::time::Instant;

use crate::common::listening::{
    Agreed, DEADLINE, RPI, Tap, frozen, gather_until, listener, owner, owner_of, settings,
};
use crate::common::namespace::alone;
use crate::common::reading::{Reading, collector, gather, meter};

/// Long enough for a watchdog that no test outlasts.
const SLOW: Duration = Duration::from_secs(5);
/// Bytes of assembly 101.
const SIZE: usize = 48;

/// A listener whose meter is mute: the test sends its frames.
struct Stage {
    reading: Reading,
    agreed: Agreed,
    own: UdpSocket,
    meter: SimulatedMeter,
    _owner: Owner,
    _tap: Tap,
}

/// A socket that sends to groups from this address.
fn sender(address: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    SockRef::from(&socket).set_multicast_if_v4(&address).unwrap();
    socket
}

impl Stage {
    async fn set(settings: Settings) -> Stage {
        let meter = meter(frozen()).await;
        let _owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 1, 1), owner_of(101, SLOW)).unwrap();
        _owner.opened().await;
        let mut faults = Defects::default();
        faults.frames.drop_all = true;
        meter.set_defects(faults);
        let _tap = Tap::on(&meter).await;
        let settings = Settings { rpi: Some(SLOW), fallback: false, ..settings };
        let mut reading = listener(_tap.relay.address, settings, Duration::ZERO);
        reading.gather(&[Realtime]).await;
        Stage { agreed: _tap.agreed(), own: sender(*meter.io().ip()), reading, meter, _owner, _tap }
    }

    fn group(&self) -> SocketAddrV4 {
        self.agreed.group
    }

    /// Bytes of a frame whose every value is `volts`.
    fn frame(&self, sequence: u32, count: u16, volts: f32, length: usize) -> Vec<u8> {
        let data: Vec<u8> = volts.to_le_bytes().into_iter().cycle().take(length).collect();
        let mut bytes = Vec::new();
        Frame { connection: self.agreed.opened.t2o_id, sequence, count, data: &data }.encode(&mut bytes);
        bytes
    }

    fn send(&self, sequence: u32, count: u16, volts: f32) {
        self.own.send_to(&self.frame(sequence, count, volts, SIZE), self.group()).unwrap();
    }

    async fn received(&mut self, frames: u64) {
        let wanted = |reading: &Reading| reading.traffic.frames_received == frames;
        gather_until(&mut self.reading, &[Realtime], "received", wanted).await;
    }

    fn volts(&self) -> Option<&Value> {
        let profile = &self.reading.profile;
        let (index, _) = profile.elements_of(Realtime).find(|(_, e)| e.name == "voltage_l1_n_v").unwrap();
        self.reading.readings.get(index)
    }
}

#[test]
fn what_is_missing_is_counted_and_what_is_not_the_next_frame_of_our_meter_never_becomes_data() {
    alone(async {
        let mut stage = Stage::set(settings()).await;
        stage.send(100, 1, 230.0);
        stage.received(1).await;
        assert_eq!(stage.volts(), Some(&Value::Real(230.0)));

        stage.send(104, 2, 231.0);
        stage.received(2).await;
        assert_eq!(stage.volts(), Some(&Value::Real(231.0)), "a jump is decoded");
        assert_eq!(stage.reading.traffic.frames_lost, 3);

        // Twice, late, with a status header, cut, and from another address.
        stage.send(104, 3, 666.0);
        stage.send(103, 3, 666.0);
        for length in [SIZE + 4, SIZE - 4, 0] {
            stage.own.send_to(&stage.frame(105, 3, 666.0, length), stage.group()).unwrap();
        }
        let stranger = sender(Ipv4Addr::new(127, 0, 0, 99));
        stranger.send_to(&stage.frame(105, 3, 666.0, SIZE), stage.group()).unwrap();
        // For somebody else, and nothing at all: not ours to count.
        let mut foreign = stage.frame(105, 3, 666.0, SIZE);
        foreign[6] ^= 0x55;
        stage.own.send_to(&foreign, stage.group()).unwrap();
        stage.own.send_to(&foreign[..30], stage.group()).unwrap();
        stage.own.send_to(b"", stage.group()).unwrap();
        stage.reading.gather(&[Realtime]).await;
        assert_ne!(stage.volts(), Some(&Value::Real(666.0)));

        stage.send(105, 3, 232.0);
        stage.received(3).await;
        assert_eq!(stage.volts(), Some(&Value::Real(232.0)));
        let traffic = stage.reading.traffic;
        assert_eq!((traffic.frames_lost, traffic.frames_dropped), (3, 8));
        assert_eq!(stage.meter.record().io.open.len(), 2, "the connection lives on");
    });
}

#[test]
fn the_sequence_may_pass_its_end_without_a_loss() {
    alone(async {
        let mut stage = Stage::set(settings()).await;
        for (sequence, received) in [(u32::MAX - 1, 1), (u32::MAX, 2), (0, 3), (1, 4)] {
            stage.send(sequence, received as u16, 230.0);
            stage.received(received).await;
        }
        assert_eq!((stage.reading.traffic.frames_lost, stage.reading.traffic.frames_dropped), (0, 0));
        assert!(stage.reading.source.heard().is_some());
    });
}

#[test]
fn every_new_sample_is_kept_with_its_own_time_and_a_repeated_one_is_not() {
    alone(async {
        let mut stage = Stage::set(Settings { every_frame: true, ..settings() }).await;
        for (sequence, count, volts) in [(10, 7, 230.0), (11, 7, 230.0), (12, 8, 231.0), (14, 9, 232.0)] {
            stage.send(sequence, count, volts);
        }
        let mut samples = Vec::new();
        while stage.reading.traffic.frames_received < 4 {
            stage.reading.gather(&[Realtime]).await;
            samples.append(&mut stage.reading.samples);
            tokio::task::yield_now().await;
        }
        assert!(samples.iter().all(|samples| samples.assembly == 101));
        let blocks: Vec<_> = samples.into_iter().flat_map(|samples| samples.blocks).collect();
        let volts: Vec<_> = blocks.iter().map(|block| block.bytes[..4].to_vec()).collect();
        assert_eq!(volts, [230f32, 231.0, 232.0].map(|volts| volts.to_le_bytes().to_vec()));
        assert!(blocks.is_sorted_by_key(|block| block.at));
    });
}

#[test]
fn every_frame_writes_a_line_for_each_new_sample_and_loses_nothing_that_is_read_beside() {
    alone(async {
        // The second meter's values are new only once.
        for (sample_period, new) in [(2 * RPI, true), (Duration::from_secs(3600), false)] {
            let meter = meter(Options { sample_period, ..frozen() }).await;
            let owner = owner(&meter, 1, owner_of(101, RPI)).await;
            let mut collector = collector(&format!(
                "address = \"{}\"\nconnection = \"auto\"\nemit = \"every_frame\"",
                meter.eip()
            ));
            let first = gather(&mut collector, &[Realtime]).await;
            assert!(
                first.all("powermonitor_500").iter().any(|line| line.fields.contains_key("voltage_l1_n_v"))
            );
            tokio::time::timeout(DEADLINE, owner.received(owner.frames() + 10)).await.unwrap();
            let lines = gather(&mut collector, &[Realtime]).await;
            let (heard, read): (Vec<_>, Vec<_>) = lines
                .all("powermonitor_500")
                .into_iter()
                .partition(|line| line.fields.contains_key("voltage_l1_n_v"));
            assert_eq!(read.len(), 1, "{lines:?}");
            assert!(read[0].fields.contains_key("frequency_hz"), "{lines:?}");
            let times: BTreeSet<_> = heard.iter().map(|line| line.time).collect();
            assert_eq!(times.len(), heard.len(), "{lines:?}");
            // Ten frames with two of them to a sample.
            assert!(if new { heard.len() >= 3 } else { heard.is_empty() }, "{lines:?}");
            owner.stop().await;
        }
    });
}

#[test]
fn frames_of_another_length_are_kept_and_named_as_what_is_wrong() {
    alone(async {
        let meter = meter(frozen()).await;
        let _plc = owner(&meter, 1, owner_of(101, RPI)).await;
        let frames = FrameDefects { length: Some(52), ..FrameDefects::default() };
        meter.set_defects(Defects { frames, ..Defects::default() });
        let options = "connection = \"listen_only\"\ntimeout = \"200ms\"";
        let mut collector = collector(&format!("address = \"{}\"\n{options}", meter.eip()));
        let is_frame = |exhibit: &String| exhibit.starts_with("assembly 101: a frame of another length");
        let until = Instant::now() + DEADLINE;
        let kept = loop {
            let kept = {
                gather(&mut collector, &[Realtime]).await;
                collector.exhibits()
            };
            if kept.iter().any(is_frame) {
                break kept;
            }
            assert!(Instant::now() < until, "never: {kept:?}");
        };
        let frame = kept.iter().find(|exhibit| is_frame(exhibit)).unwrap();
        // Two items, a sequenced address, and 54 bytes of connected data where 50 were agreed.
        let (_, hex) = frame.rsplit_once(": ").unwrap();
        assert_eq!((&hex[..12], &hex[28..36], hex.len()), ("020002800800", "b1003600", 2 * 72), "{frame}");
        collector.close().await;
    });
}
