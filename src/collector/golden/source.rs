//! A source in memory: each read brings what the script says, whatever is asked for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::script::{Kind, Piece, Said, Step};
use crate::enip::forward_open::Application;
use crate::meter::identity::Identity;
use crate::meter::{Access, Block, Span};
use crate::source::{
    Answer, Deadline, Exchanges, Failure, FailureKind, Hindrance, Link, Notice, Samples, Source, Traffic,
};

/// Plays the current step, again when somebody asks twice in a gather.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) access: Access,
    pub(super) current: Arc<Mutex<Option<(SystemTime, Step)>>>,
    pub(super) identity: Option<Identity>,
}

impl Script {
    fn step(&self) -> (SystemTime, Step) {
        self.current.lock().unwrap().clone().unwrap()
    }
}

#[async_trait]
impl Source for Script {
    fn access(&self) -> Access {
        self.access
    }

    async fn read(&mut self, wanted: &[Span], _: Deadline) -> Answer {
        let (now, step) = &self.step();
        let ago = |ms: u64| *now - Duration::from_millis(ms);
        let asked = |piece: &Piece| wanted.iter().any(|span| touches(*piece, *span));
        let blocks = step.blocks.iter().filter(|(piece, ..)| asked(piece));
        let blocks: Vec<Block> =
            blocks.map(|(piece, bytes, before)| block(*piece, bytes, ago(*before))).collect();
        let failures = step.failures.iter().filter(|(piece, ..)| asked(piece));
        let [requests, responses, timeouts, errors, reconnects, received, lost, dropped] = step.traffic;
        if let Some((serial, product_code)) = step.identity {
            self.identity = Some(Identity {
                vendor: 1,
                device_type: 0x92,
                product_code,
                revision: (1, 5),
                status: 0,
                serial,
                product_name: "1420-V2-ENT \"PM500\"".to_owned(),
            });
        }
        Answer {
            link: match (blocks.is_empty(), step.heard, self.access) {
                (true, ..) => Link::None,
                (_, Some(_), _) => Link::ListenOnly,
                (_, None, Access::Assemblies) => Link::Explicit,
                (_, None, Access::Registers) => Link::Modbus,
            },
            samples: step.heard.map_or_else(Vec::new, |_| {
                let of = |block: &Block| samples(block.span, step, ago);
                blocks.iter().filter_map(of).collect()
            }),
            blocks,
            failures: failures.map(|(piece, kind, why)| (span(*piece), failure(*kind, why))).collect(),
            traffic: Traffic {
                requests,
                responses,
                timeouts,
                errors,
                reconnects,
                frames_received: received,
                frames_lost: lost,
                frames_dropped: dropped,
            },
            line_time: None,
            slowest: step.slowest_us.map(Duration::from_micros),
            notices: step.said.iter().map(notice).collect(),
            exhibits: Vec::new(),
            exchanges: Exchanges::default(),
        }
    }

    async fn close(&mut self) {}

    fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    fn listens(&self) -> bool {
        self.step().1.heard.is_some()
    }

    fn heard(&self) -> Option<(Application, Duration)> {
        let rpi = self.step().1.heard?;
        Some((Application::ListenOnly, Duration::from_millis(rpi)))
    }
}

fn span(piece: Piece) -> Span {
    match piece {
        Piece::Assembly(instance) => Span::Assembly(instance),
        Piece::Registers(start, count) => Span::Registers { start, count },
    }
}

fn touches(piece: Piece, wanted: Span) -> bool {
    match (piece, wanted) {
        (Piece::Assembly(instance), Span::Assembly(asked)) => instance == asked,
        (Piece::Registers(first, length), Span::Registers { start, count }) => {
            first < start + count && start < first + length
        }
        _ => false,
    }
}

fn block(piece: Piece, bytes: &[u8], at: SystemTime) -> Block {
    Block { span: span(piece), bytes: bytes.to_vec(), at }
}

fn samples(of: Span, step: &Step, ago: impl Fn(u64) -> SystemTime) -> Option<Samples> {
    let Span::Assembly(assembly) = of else { return None };
    let own = step.samples.iter().filter(|(instance, ..)| *instance == assembly);
    let blocks = own.map(|(instance, bytes, before)| block(Piece::Assembly(*instance), bytes, ago(*before)));
    Some(Samples { assembly, blocks: blocks.collect() })
}

fn failure(kind: Kind, why: &str) -> Failure {
    let kind = match kind {
        Kind::Timeout => FailureKind::Timeout,
        Kind::Connection => FailureKind::Connection,
        Kind::Refused => FailureKind::Refused,
        Kind::WrongDevice => FailureKind::WrongDevice,
        Kind::WrongSize => FailureKind::WrongSize,
        Kind::BadData => FailureKind::BadData,
        Kind::NoOwner => FailureKind::NoOwner,
        Kind::Stale => FailureKind::Stale,
        Kind::Suspended => FailureKind::Suspended,
    };
    kind.because(why)
}

fn notice(said: &Said) -> Notice {
    match *said {
        Said::Heard { assembly, again } => Notice::Heard {
            assembly,
            application: Application::ListenOnly,
            rpi: Duration::from_millis(100),
            origin: "configured",
            again,
        },
        Said::Lost { assembly, reason } => {
            Notice::Lost { assembly, kind: Hindrance::Silent, reason: reason.to_owned() }
        }
        Said::Unheard { assembly, reason } => {
            let (kind, retry) = (Hindrance::Refused(0x01, Some(0x0119)), Some(Duration::from_secs(60)));
            Notice::Unheard { assembly, kind, reason: reason.to_owned(), retry }
        }
    }
}
