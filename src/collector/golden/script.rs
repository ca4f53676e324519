//! Recorded gathers: what each way to read a meter brought, block by block, with fixed times.
//!
//! Knows nothing of collectors: the same steps were played to the program before it was rebuilt, and the lines
//! that it wrote then are the files beside this one.

use crate::meter::Table::{self, Alarm, Demand, Energy, Max, Raw, Realtime, Settings};

/// What is got in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// An assembly's instance.
    Assembly(u16),
    /// First register and how many.
    Registers(u16, u16),
}

/// Kinds of failures, as codes of the status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Timeout,
    Connection,
    Refused,
    WrongDevice,
    WrongSize,
    BadData,
    NoOwner,
    Stale,
    Suspended,
}

/// What a listener has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Heard { assembly: u16, again: bool },
    Lost { assembly: u16, reason: &'static str },
    Unheard { assembly: u16, reason: &'static str },
}

/// One gather.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    /// Seconds since the first step.
    pub(super) at: f64,
    pub(super) tables: &'static [Table],
    /// Asked although the meter was silent before.
    pub(super) boundary: bool,
    pub(super) missed: u64,
    /// Bytes of a piece, and how many ms before the gather's time they came.
    pub(super) blocks: Vec<(Piece, Vec<u8>, u64)>,
    pub(super) failures: Vec<(Piece, Kind, &'static str)>,
    /// New samples of a listened assembly, ms before the gather's time.
    pub(super) samples: Vec<(u16, Vec<u8>, u64)>,
    /// Serial number and product code.
    pub(super) identity: Option<(u32, u16)>,
    /// Packet interval in ms, of a listen-only connection.
    pub(super) heard: Option<u64>,
    pub(super) said: Vec<Said>,
    /// Requests, responses, timeouts, errors, reconnects, frames received, lost, dropped.
    pub(super) traffic: [u64; 8],
    pub(super) slowest_us: Option<u64>,
}

/// One meter's configuration and what happened to it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) config: &'static str,
    /// Milliseconds since the epoch of the first step.
    pub(super) start: u64,
    pub(super) steps: Vec<Step>,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![explicit(), modbus(), listened(), down(), partial(), swapped(), intervals()]
}

fn reals(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Big-endian registers of numbers whose low word comes first.
fn registers(values: &[f32]) -> Vec<u8> {
    let words = values.iter().flat_map(|value| {
        let bits = value.to_bits();
        [bits as u16, (bits >> 16) as u16]
    });
    words.flat_map(u16::to_be_bytes).collect()
}

fn counters(values: &[u64]) -> Vec<u8> {
    let words = values.iter().flat_map(|value| [0, 16, 32, 48].map(|by| (value >> by) as u16));
    words.flat_map(u16::to_be_bytes).collect()
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// Voltages and currents of an ordinary system; `x` moves the last digits.
fn volts(x: f32) -> [f32; 12] {
    let v = [230.1 + x, 229.7 + x, 231.3 + x];
    let mean = (v[0] + v[1] + v[2]) / 3.0;
    let u = [398.3 + x, 398.9 + x, 399.4 + x];
    let between = (u[0] + u[1] + u[2]) / 3.0;
    [v[0], v[1], v[2], mean, u[0], u[1], u[2], between, 10.0 + x, 12.0 + x, 8.0 + x, 3.1]
}

/// Powers that go with them.
fn powers(x: f32) -> [f32; 18] {
    let one = volts(x);
    let factor = [0.9f32, 0.95, 0.85];
    let s = [0, 1, 2].map(|i| one[i] * one[8 + i]);
    let p = [0, 1, 2].map(|i| s[i] * factor[i]);
    let q = [0, 1, 2].map(|i: usize| (s[i] * s[i] - p[i] * p[i]).sqrt());
    let (total_p, total_q) = (p[0] + p[1] + p[2], q[0] + q[1] + q[2]);
    let total_s = total_p.hypot(total_q);
    [
        p[0],
        p[1],
        p[2],
        total_p,
        s[0],
        s[1],
        s[2],
        total_s,
        q[0],
        q[1],
        q[2],
        total_q,
        factor[0],
        factor[1],
        factor[2],
        total_p / total_s,
        50.02,
        0.0,
    ]
}

fn info() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x4103u16, 0x4205, 0x0000] {
        bytes.extend(word.to_le_bytes());
    }
    for word in [0x4157u16, 0x3032, 0x3334, 0x3536, 0x3738, 0x3930, 0x5800] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

fn realtime(x: f32) -> Vec<(Piece, Vec<u8>, u64)> {
    vec![(Piece::Assembly(101), reals(&volts(x)), 7), (Piece::Assembly(102), reals(&powers(x)), 3)]
}

fn explicit() -> Scenario {
    let all: &[Table] = &[Realtime, Max, Demand, Alarm, Raw];
    let step = |at: f64, x: f32| {
        let mut blocks = realtime(x);
        blocks.extend([
            (Piece::Assembly(103), reals(&volts(20.0 + x)), 2),
            (Piece::Assembly(104), reals(&powers(20.0 + x)[..17]), 2),
            (Piece::Assembly(105), reals(&volts(1.0)), 2),
            (Piece::Assembly(106), reals(&powers(1.0)[..17]), 2),
            (Piece::Assembly(107), reals(&[1.5; 18]), 1),
            (Piece::Assembly(108), vec![5, 0, 1, 0], 1),
        ]);
        Step {
            at,
            tables: all,
            blocks,
            identity: Some((940_000_123, 4)),
            traffic: [9, 9, 0, 0, 0, 0, 0, 0],
            slowest_us: Some(12_345),
            ..Step::default()
        }
    };
    let mut first = step(0.0, 0.0);
    first.blocks.push((Piece::Assembly(100), info(), 1));
    // Maximum values that fall, demand values that begin anew.
    let mut reset = step(40.0, 0.3);
    reset.blocks[2].1 = reals(&volts(1.0));
    reset.blocks[3].1 = reals(&powers(1.0)[..17]);
    reset.blocks[4].1 = reals(&[0.0; 12]);
    reset.blocks[5].1 = reals(&[0.0; 17]);
    let steps = vec![
        first,
        step(10.0, 0.1),
        Step { missed: 2, slowest_us: None, ..step(30.0, 0.2) },
        reset,
        Step { tables: &[Realtime], blocks: realtime(0.4), ..step(50.0, 0.4) },
        Step { tables: &[], blocks: Vec::new(), traffic: [0; 8], ..step(60.0, 0.0) },
    ];
    Scenario {
        name: "explicit",
        config: "address = \"192.0.2.10\"\nname = \"Line 4\"\ntags = { area = \"hall 2\", zone = \"b,c\" }\n\
                 tables = [\"realtime\", \"max\", \"demand\", \"alarm\"]\nraw_energy = true\nevidence = \"guessed\"\n",
        start: 1_800_000_000_123,
        steps,
    }
}

fn modbus() -> Scenario {
    let all: &[Table] = &[Realtime, Energy, Alarm, Settings];
    let step = |at: f64, x: f32, energy: u64| {
        let mut two = powers(x).to_vec();
        let sequence = two.pop().unwrap_or_default();
        let block = [volts(x).to_vec(), two, vec![0.5, 0.6, sequence]].concat();
        let counts = [energy, 5000, 0, 12, energy, 100, 0, 12, 12345];
        let clock = [1u16, 2027, 1, 15, 8, 0, 3];
        Step {
            at,
            tables: all,
            blocks: vec![
                (Piece::Registers(0x0050, 64), registers(&block), 9),
                (Piece::Registers(0x0500, 36), counters(&counts), 6),
                (Piece::Registers(0x4000, 3), words(&[0b1010, 0, 3]), 4),
                (Piece::Registers(0x1001, 1), words(&[5]), 3),
                (Piece::Registers(0x1018, 4), registers(&[40.0, 1.0]), 3),
                (Piece::Registers(0x101E, 4), registers(&[2.0, 16.0]), 3),
                (Piece::Registers(0x100A, 4), words(&[0, 3, 0, 1]), 3),
                (Piece::Registers(0x1104, 7), words(&clock), 3),
            ],
            traffic: [7, 7, 0, 0, 0, 0, 0, 0],
            slowest_us: Some(4_001),
            ..Step::default()
        }
    };
    let mut first = step(0.0, 0.0, 1_234_567);
    first.blocks.push((Piece::Registers(0x0000, 3), words(&[0x4103, 0x4205, 0]), 8));
    first.blocks.push((
        Piece::Registers(0x0020, 7),
        words(&[0x4157, 0x3032, 0x3334, 0x3536, 0x3738, 0x3930, 0x5800]),
        8,
    ));
    let mut changed = step(20.0, 0.2, 1_234_600);
    changed.blocks[3].1 = words(&[2]);
    changed.blocks[4].1 = registers(&[60.0, 1.0]);
    let mut over = step(40.0, 0.2, 9_999_999_999_000);
    over.blocks[1].1 = counters(&[9_999_999_999_000, 5000, 0, 12, 5, 100, 0, 12, 12345]);
    let steps = vec![
        first,
        step(10.0, 0.1, 1_234_570),
        changed,
        step(30.0, 0.2, 1_234_700),
        over,
        step(50.0, 0.2, 12),
    ];
    Scenario {
        name: "modbus",
        config: "address = \"192.0.2.11\"\nconnection = \"modbus\"\nname = \"modbus\"\n\
                 tables = [\"realtime\", \"energy\", \"alarm\", \"settings\"]\ntimezone = \"Europe/Berlin\"\n",
        start: 1_800_000_000_000,
        steps,
    }
}

fn listened() -> Scenario {
    let step = |at: f64, x: f32| Step {
        at,
        tables: &[Realtime],
        blocks: realtime(x),
        identity: Some((940_000_124, 5)),
        heard: Some(100),
        traffic: [0, 0, 0, 0, 0, 20, 0, 0],
        samples: vec![
            (101, reals(&volts(x - 0.1)), 107),
            (101, reals(&volts(x)), 7),
            (102, reals(&powers(x - 0.1)), 103),
            (102, reals(&powers(x)), 3),
        ],
        ..Step::default()
    };
    let heard = |again| vec![Said::Heard { assembly: 101, again }, Said::Heard { assembly: 102, again }];
    let explicit = |at: f64, x: f32| Step {
        heard: None,
        samples: Vec::new(),
        traffic: [2, 2, 0, 0, 0, 0, 0, 0],
        slowest_us: Some(2000),
        ..step(at, x)
    };
    let mut one = step(60.0, 0.4);
    one.samples.truncate(2);
    one.said = vec![Said::Heard { assembly: 101, again: true }];
    one.blocks[1].2 = 1;
    let steps = vec![
        Step { said: heard(false), ..step(0.0, 0.0) },
        Step { traffic: [0, 0, 0, 0, 0, 18, 2, 1], ..step(10.0, 0.2) },
        Step { samples: Vec::new(), ..step(20.0, 0.2) },
        Step {
            said: vec![
                Said::Lost { assembly: 101, reason: "no frame for 10s" },
                Said::Lost { assembly: 102, reason: "no frame for 10s" },
            ],
            ..explicit(30.0, 0.3)
        },
        Step {
            said: vec![Said::Unheard { assembly: 101, reason: "no multicast owner (0x0119)" }],
            ..explicit(40.0, 0.3)
        },
        Step { said: heard(true), ..step(50.0, 0.3) },
        one,
    ];
    Scenario {
        name: "listened",
        config: "address = \"192.0.2.12\"\nname = \"listened\"\nconnection = \"auto\"\ntables = [\"realtime\"]\n\
                 emit = \"every_frame\"\n",
        start: 1_800_000_000_000,
        steps,
    }
}

fn down() -> Scenario {
    let dead = |at: f64| Step {
        at,
        tables: &[Realtime, Alarm],
        failures: vec![
            (Piece::Assembly(101), Kind::Timeout, "no answer to a connect within 5s"),
            (Piece::Assembly(102), Kind::Timeout, "no answer to a connect within 5s"),
            (Piece::Assembly(108), Kind::Timeout, "no answer to a connect within 5s"),
        ],
        traffic: [0, 0, 1, 0, 0, 0, 0, 0],
        ..Step::default()
    };
    let mut blocks = realtime(0.0);
    blocks.push((Piece::Assembly(108), vec![0, 0, 0, 0], 1));
    let alive = |at: f64| Step {
        at,
        tables: &[Realtime, Alarm],
        blocks: blocks.clone(),
        identity: Some((940_000_125, 6)),
        traffic: [5, 5, 0, 0, 0, 0, 0, 0],
        boundary: true,
        ..Step::default()
    };
    let other = |at: f64, kind: Kind| {
        let mut step = Step { boundary: true, traffic: [0, 0, 0, 1, 0, 0, 0, 0], ..dead(at) };
        step.failures.iter_mut().for_each(|(_, failed, text)| {
            (*failed, *text) = (kind, "it is said \"why\" here");
        });
        step
    };
    let kinds =
        [Kind::Connection, Kind::WrongDevice, Kind::NoOwner, Kind::Stale, Kind::BadData, Kind::Refused];
    let others = kinds.into_iter().enumerate().map(|(n, kind)| other(80.0 + 10.0 * n as f64, kind));
    let mut steps =
        vec![dead(0.0), dead(10.0), dead(20.0), alive(30.0), alive(40.0), dead(50.0), alive(60.0)];
    steps.push(alive(70.0));
    steps.extend(others);
    steps.push(alive(150.0));
    Scenario {
        name: "down",
        config: "address = \"192.0.2.13\"\nname = \"down\"\ntables = [\"realtime\", \"alarm\"]\nprecision = \"1s\"\n",
        start: 1_800_000_000_700,
        steps,
    }
}

fn partial() -> Scenario {
    let alarm = (Piece::Assembly(108), vec![0, 0, 1, 0], 1);
    let whole = |at: f64| {
        let mut blocks = realtime(0.0);
        blocks.push(alarm.clone());
        Step {
            at,
            tables: &[Realtime, Alarm],
            blocks,
            identity: Some((940_000_126, 7)),
            traffic: [4, 4, 0, 0, 0, 0, 0, 0],
            slowest_us: Some(1_000),
            ..Step::default()
        }
    };
    let without = |at: f64, block: usize, kind: Kind, why: &'static str| {
        let mut step = whole(at);
        let (piece, ..) = step.blocks.remove(block);
        step.failures.push((piece, kind, why));
        step
    };
    let mut odd = whole(70.0);
    odd.blocks[0].1[0..4].copy_from_slice(&1.0e9f32.to_le_bytes());
    let mut empty = whole(80.0);
    empty.blocks[2].1 = vec![9; 3];
    let size = "assembly 108 has 6 bytes, the profile expects 4";
    let steps = vec![
        whole(0.0),
        without(10.0, 1, Kind::Refused, "assembly 102 is refused: object does not exist"),
        without(20.0, 1, Kind::Refused, "assembly 102 is refused: object does not exist"),
        whole(30.0),
        without(40.0, 1, Kind::Timeout, "no reply within 5s"),
        without(50.0, 2, Kind::WrongSize, size),
        without(60.0, 2, Kind::WrongSize, size),
        odd,
        without(75.0, 0, Kind::Suspended, "EtherNet/IP pauses"),
        whole(85.0),
    ];
    Scenario {
        name: "partial",
        config: "address = \"[2001:db8::14]:44819\"\nname = \"partial\"\ntables = [\"realtime\", \"alarm\"]\n\
                 fieldexclude = [\"reactive_power_*\"]\nmap_check = \"off\"\n",
        start: 1_800_000_000_000,
        steps,
    }
}

fn swapped() -> Scenario {
    let step = |at: f64, serial: u32| Step {
        at,
        tables: &[Realtime],
        blocks: realtime(0.0),
        identity: Some((serial, 8)),
        traffic: [4, 4, 0, 0, 0, 0, 0, 0],
        ..Step::default()
    };
    let gone = |at: f64| Step {
        at,
        tables: &[Realtime],
        failures: vec![
            (Piece::Assembly(101), Kind::Connection, "the meter closed the connection"),
            (Piece::Assembly(102), Kind::Connection, "the meter closed the connection"),
        ],
        traffic: [1, 0, 0, 1, 0, 0, 0, 0],
        identity: Some((1, 8)),
        ..Step::default()
    };
    let mut exchanged = step(20.0, 2);
    exchanged.traffic[4] = 1;
    let mut letters = step(40.0, 2);
    let mut other = info();
    other[6] = b'Z';
    letters.blocks.push((Piece::Assembly(100), other, 2));
    let mut first = step(0.0, 1);
    first.blocks.push((Piece::Assembly(100), info(), 1));
    let steps = vec![first, gone(10.0), exchanged, step(30.0, 2), letters, step(50.0, 77)];
    Scenario {
        name: "swapped",
        config: "address = \"192.0.2.15\"\nname = \"swapped\"\ntables = [\"realtime\"]\n",
        start: 1_800_000_000_000,
        steps,
    }
}

fn intervals() -> Scenario {
    let step = |at: f64, import: u64, export: u64| Step {
        at,
        tables: &[Energy],
        blocks: vec![(
            Piece::Registers(0x0500, 36),
            counters(&[import, 7, export, 9, import, 7, export, 9, 12345]),
            20,
        )],
        traffic: [1, 1, 0, 0, 0, 0, 0, 0],
        ..Step::default()
    };
    let silent = |at: f64| Step {
        at,
        tables: &[Energy],
        boundary: true,
        failures: vec![(Piece::Registers(0x0500, 36), Kind::Timeout, "no reply within 5s")],
        traffic: [1, 0, 1, 0, 0, 0, 0, 0],
        ..Step::default()
    };
    let again = |at: f64, import: u64| Step { boundary: true, ..step(at, import, 0) };
    let mut first = step(0.5, 1000, 0);
    first.blocks.push((
        Piece::Registers(0x0020, 7),
        words(&[0x4157, 0x3032, 0x3334, 0x3536, 0x3738, 0x3930, 0x5800]),
        8,
    ));
    let steps = vec![
        first,
        step(300.1, 1100, 0),
        step(600.1, 1200, 3),
        step(900.1, 1300, 3),
        step(1200.1, 1400, 3),
        silent(1500.1),
        silent(1800.1),
        again(1950.0, 1700),
        again(2700.2, 1900),
        again(3600.2, 1950),
        // Down for hours.
        silent(4500.1),
        again(9000.3, 4000),
        again(9900.3, 4100),
        // A reset of the counters.
        again(10_200.2, 10),
        again(10_800.2, 60),
        again(11_700.2, 70),
    ];
    Scenario {
        name: "intervals",
        config: "address = \"192.0.2.16\"\nconnection = \"modbus\"\nname = \"intervals\"\ntables = [\"energy\"]\n\
                 intervals = { energy = \"5m\" }\ninterval_energy = \"15m\"\n",
        start: 1_799_999_100_000,
        steps,
    }
}
