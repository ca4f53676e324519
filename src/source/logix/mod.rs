//! Out of the PLC that already has it: assemblies of a meter that a Logix controller holds in its tags.
//!
//! ```text
//! spans → tags, fault tags ──→ controller (line: one session for all meters behind it) ──→ data
//!                                shape   does the tag hold the assembly?    ┐
//!                                alive   or is it what a faulted module left? ┴→ blocks, or failures
//! ```
//!
//! A tag's type is learned when a session begins, by reading one element, and its length by reading one more than the
//! assembly has; then each gather reads the tags that are due, with their fault tags, in one request where they fit.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::enip::tag::{Reply, Route, TagData, TagName, TagRead, TagRefusal, TagType, explain};
use crate::meter::identity::Identity;

use super::eip::Miss;
use super::line::Line;
use super::log::Log;
use super::transport::{Connect, Tcp};
use super::{Access, Answer, Block, Deadline, Failure, FailureKind, Link, Notice, Source, Span};

mod alive;
mod controller;
mod shape;

pub use alive::{Alive, Dead};
pub use controller::Controller;

use alive::Pulse;
use controller::{Got, Wanted};
use shape::{Misshapen, Shape, wrong_length};

/// Values that have not moved yet are looked at again after this long: no table is read more often.
const NEXT_LOOK: Duration = Duration::from_millis(200);
/// Looks at values that have not moved yet, within one gather.
const LOOKS: usize = 5;
/// A tag that does not hold its assembly is looked at again after this long, doubling to the second; at once in a new
/// session, for a controller that restarted may have others.
const AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Longest tag, in bytes, whose length is found out to be told.
const LONGEST: usize = 512;
/// Bytes of the largest element a tag may have.
const LARGEST_ELEMENT: usize = 8;

/// Where an assembly is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The tag.
    pub tag: TagName,
    /// Lengths in bytes that the assembly may have.
    pub sizes: Vec<u16>,
    /// How the tag's values are known to be alive.
    pub alive: Alive,
}

/// Reads one meter's assemblies out of a controller.
#[derive(Debug)]
pub struct Logix<C: Connect = Tcp> {
    line: Line<Controller<C>>,
    route: Route,
    tags: BTreeMap<u16, Tag>,
    /// The session in which the shapes were learned.
    session: u64,
    identity: Option<Identity>,
}

#[derive(Debug)]
struct Tag {
    held: Held,
    pulse: Pulse,
    shape: Known,
    /// It was said that it holds its assembly.
    said: bool,
}

/// What is known of a tag's shape.
#[derive(Debug, Clone)]
enum Known {
    Nothing,
    Fits(Shape),
    /// It does not hold the assembly, or is not there: why, when it is looked at again, and the pause after that.
    Unfit(Failure, Instant, Duration),
}

impl<C: Connect> Logix<C> {
    /// A source that has not connected yet.
    pub fn new(line: Line<Controller<C>>, route: Route, held: BTreeMap<u16, Held>) -> Self {
        let tag = |held: Held| Tag {
            pulse: Pulse::new(held.alive.clone()),
            held,
            shape: Known::Nothing,
            said: false,
        };
        let tags = held.into_iter().map(|(assembly, held)| (assembly, tag(held))).collect();
        Logix { line, route, tags, session: 0, identity: None }
    }

    /// Reads these assemblies once.
    async fn look(&mut self, wanted: &[u16], deadline: Deadline) -> Looked {
        let failed = |failure: Failure| Looked {
            failures: wanted.iter().map(|assembly| (Span::Assembly(*assembly), failure.clone())).collect(),
            ..Looked::default()
        };
        let Ok(mut controller) = timeout_at(deadline.at(), self.line.turn()).await else {
            return failed(deadline.without_a_turn());
        };
        // Its own time begins with its turn: who waits for others is not late itself.
        let deadline = deadline.renewed();
        controller.eip().begin();
        let looked = timeout_at(deadline.at(), async {
            controller.eip().open().await?;
            let session = controller.eip().sessions();
            if std::mem::replace(&mut self.session, session) != session {
                self.tags.values_mut().for_each(|tag| tag.shape = Known::Nothing);
            }
            self.identity = controller.eip().identity().cloned();
            let looked = read_once(&mut controller, &mut self.tags, wanted, &self.route).await?;
            // A tag that has changed is looked at anew at once: what it is now tells what to do, or nothing is lost.
            if looked.is_changed(&self.tags) {
                return read_once(&mut controller, &mut self.tags, wanted, &self.route).await;
            }
            Ok(looked)
        })
        .await;
        let log = controller.eip().log.take();
        let looked = match looked {
            Ok(Ok(looked)) => looked,
            Ok(Err(miss)) => failed(Miss::into(miss)),
            Err(_) => failed(deadline.passed()),
        };
        Looked { log, ..looked }
    }
}

/// What came of one look.
#[derive(Debug, Default)]
struct Looked {
    blocks: Vec<Block>,
    failures: Vec<(Span, Failure)>,
    /// What is to be said of the tags.
    notices: Vec<Notice>,
    /// Some values have not moved yet, and may have at the next look.
    unmoved: bool,
    log: Log,
}

impl Looked {
    /// Whether a tag is not what it was, for another reason than that the controller cannot be asked now.
    fn is_changed(&self, tags: &BTreeMap<u16, Tag>) -> bool {
        self.failures.iter().any(|(span, failure)| {
            let tag = span.instance().and_then(|assembly| tags.get(&assembly));
            !failure.is_of_the_link() && tag.is_some_and(|tag| matches!(tag.shape, Known::Nothing))
        })
    }
}

/// Finds out what is not known of the tags, and reads them.
async fn read_once<C: Connect>(
    controller: &mut Controller<C>,
    tags: &mut BTreeMap<u16, Tag>,
    wanted: &[u16],
    route: &Route,
) -> Result<Looked, Miss> {
    for (assembly, shape) in learn(controller, tags, wanted, route).await? {
        if let Some(tag) = tags.get_mut(&assembly) {
            (tag.shape, tag.said) = (shape, false);
        }
    }
    let reads = Reads::of(tags, wanted);
    let got = controller.read(&reads.wanted).await?;
    Ok(reads.judge(got, tags, route))
}

/// The reads of one look: the tags, and behind them their fault tags, each once.
struct Reads {
    tags: Vec<(u16, Shape)>,
    faults: Vec<TagName>,
    wanted: Vec<Wanted>,
    /// Assemblies whose tag does not hold them.
    missing: Vec<(u16, Failure)>,
}

impl Reads {
    fn of(tags: &BTreeMap<u16, Tag>, wanted: &[u16]) -> Reads {
        let mut reads =
            Reads { tags: Vec::new(), faults: Vec::new(), wanted: Vec::new(), missing: Vec::new() };
        for assembly in wanted {
            match tags.get(assembly).map(|tag| (tag, &tag.shape)) {
                Some((tag, Known::Fits(shape))) => {
                    reads.tags.push((*assembly, *shape));
                    reads.wanted.push(elements(&tag.held.tag, shape.kind, shape.elements));
                    if let Alive::FaultTag(fault) = tag.pulse.rule()
                        && !reads.faults.contains(fault)
                    {
                        reads.faults.push(fault.clone());
                    }
                }
                Some((_, Known::Unfit(failure, ..))) => reads.missing.push((*assembly, failure.clone())),
                // Nobody said that the controller has it, or it is not known yet whether it does.
                Some((_, Known::Nothing)) | None => {}
            }
        }
        let one = |fault: &TagName| Wanted {
            read: TagRead { name: fault.clone(), elements: 1 },
            bytes: LARGEST_ELEMENT,
        };
        reads.wanted.extend(reads.faults.iter().map(one));
        reads
    }

    /// Which of what was got is an assembly, whole and alive.
    fn judge(self, got: Vec<Got>, tags: &mut BTreeMap<u16, Tag>, route: &Route) -> Looked {
        let (now, at) = (Instant::now().into_std(), SystemTime::now());
        let mut got = got.into_iter();
        let data: Vec<Got> = got.by_ref().take(self.tags.len()).collect();
        let faults: Vec<(TagName, Reply)> = self.faults.into_iter().zip(got.map(|got| got.reply)).collect();
        let mut looked = Looked::default();
        looked
            .failures
            .extend(self.missing.into_iter().map(|(assembly, why)| (Span::Assembly(assembly), why)));
        for ((assembly, shape), got) in self.tags.into_iter().zip(data) {
            let Some(tag) = tags.get_mut(&assembly) else { continue };
            let span = Span::Assembly(assembly);
            if got.torn {
                looked.notices.push(Notice::Torn { tag: tag.held.tag.to_string() });
            }
            match tag.judge(shape, got.reply, &faults, now, route) {
                Ok(bytes) => {
                    if !std::mem::replace(&mut tag.said, true) {
                        looked.notices.push(tag.notice(assembly, shape, now));
                    }
                    looked.blocks.push(Block { span, bytes, at });
                }
                Err((failure, unmoved)) => {
                    looked.unmoved |= unmoved;
                    looked.failures.push((span, failure));
                }
            }
        }
        looked
    }
}

impl Tag {
    /// That it holds its assembly.
    fn notice(&self, assembly: u16, Shape { kind, elements, .. }: Shape, now: std::time::Instant) -> Notice {
        let shape = if elements == 1 { kind.to_string() } else { format!("{kind}[{elements}]") };
        let moved = self.pulse.unmoved_for(now);
        Notice::Tag { assembly, tag: self.held.tag.to_string(), shape, moved }
    }

    /// The bytes, if they are an assembly's and alive; else why not, and whether that is because nothing has moved yet.
    fn judge(
        &mut self,
        shape: Shape,
        reply: Reply,
        faults: &[(TagName, Reply)],
        now: std::time::Instant,
        route: &Route,
    ) -> Result<Vec<u8>, (Failure, bool)> {
        let name = &self.held.tag;
        let data = reply.map_err(|refusal| {
            self.shape = Known::Nothing;
            (refused(explain(&refusal, name, route)), false)
        })?;
        if data.kind != shape.kind || data.bytes.len() != shape.bytes() {
            self.shape = Known::Nothing;
            let sentence = format!(
                "tag {name} was {} and is {} of {} bytes now; it is looked at anew",
                shape.kind,
                data.kind,
                data.bytes.len()
            );
            return Err((FailureKind::BadData.because(sentence), false));
        }
        let fault = match self.pulse.rule() {
            Alive::Moves(_) => None,
            Alive::FaultTag(fault) => match faults.iter().find(|(name, _)| name == fault) {
                Some((_, Ok(data))) => Some(data),
                Some((name, Err(refusal))) => return Err((refused(explain(refusal, name, route)), false)),
                None => None,
            },
        };
        match self.pulse.judge(&data.bytes, fault, now) {
            Ok(()) => Ok(data.bytes),
            Err(dead) => {
                let sentence = format!("tag {name}: {dead}");
                Err((FailureKind::Stale.because(sentence), dead == Dead::NotMovedYet))
            }
        }
    }
}

/// Finds out, of tags that are wanted and not known, whether they hold their assemblies.
async fn learn<C: Connect>(
    controller: &mut Controller<C>,
    tags: &BTreeMap<u16, Tag>,
    wanted: &[u16],
    route: &Route,
) -> Result<Vec<(u16, Known)>, Miss> {
    let due = |known: &Known| match known {
        Known::Nothing => true,
        Known::Fits(_) => false,
        Known::Unfit(_, again, _) => Instant::now() >= *again,
    };
    let unknown: Vec<(u16, &Tag)> = wanted
        .iter()
        .filter_map(|assembly| Some((*assembly, tags.get(assembly)?)))
        .filter(|(_, tag)| due(&tag.shape))
        .collect();
    let first = |(_, tag): &(u16, &Tag)| Wanted {
        read: TagRead { name: tag.held.tag.clone(), elements: 1 },
        bytes: LARGEST_ELEMENT,
    };
    let firsts = controller.read(&unknown.iter().map(first).collect::<Vec<_>>()).await?;
    let mut learned = Vec::with_capacity(unknown.len());
    for ((assembly, tag), got) in unknown.into_iter().zip(firsts) {
        let known = match got.reply {
            Err(refusal) => Err(refused(explain(&refusal, &tag.held.tag, route))),
            Ok(TagData { kind, .. }) => fit(controller, tag, assembly, kind).await?,
        };
        let pause = match &tag.shape {
            Known::Unfit(_, _, pause) => (*pause * 2).min(AGAIN.1),
            _ => AGAIN.0,
        };
        let known = match known {
            Ok(shape) => Known::Fits(shape),
            // No way to the controller, or it has no time: that is no word about the tag.
            Err(failure) if failure.kind == FailureKind::Connection => {
                Known::Unfit(failure, Instant::now(), AGAIN.0)
            }
            Err(failure) => Known::Unfit(failure, Instant::now() + pause, pause),
        };
        learned.push((assembly, known));
    }
    Ok(learned)
}

/// Which of its legal lengths a tag has: it can be read to that one's end, and not beyond.
async fn fit<C: Connect>(
    controller: &mut Controller<C>,
    tag: &Tag,
    assembly: u16,
    kind: TagType,
) -> Result<Result<Shape, Failure>, Miss> {
    let name = &tag.held.tag;
    let shapes: Result<Vec<Shape>, Misshapen> =
        tag.held.sizes.iter().map(|size| Shape::of(kind, name, assembly, *size)).collect();
    let mut shapes = match shapes {
        Ok(shapes) => shapes,
        Err(wrong) => return Ok(Err(FailureKind::WrongSize.because(wrong.to_string()))),
    };
    shapes.sort_by_key(|shape| shape.elements);
    let Some(longest) = shapes.last().map(|shape| shape.elements) else {
        return Ok(Err(FailureKind::Refused.because(format!("assembly {assembly} is not described"))));
    };
    let mut reads: Vec<Wanted> = shapes.iter().map(|shape| elements(name, kind, shape.elements)).collect();
    reads.push(elements(name, kind, longest + 1));
    let mut readable: Vec<bool> =
        controller.read(&reads).await?.iter().map(|got| got.reply.is_ok()).collect();
    let beyond = readable.pop().unwrap_or_default();
    let fits = shapes.iter().zip(&readable).rev().find(|(_, readable)| **readable).map(|(shape, _)| *shape);
    if let (Some(shape), true) = (fits, !beyond || name.is_indexed()) {
        return Ok(Ok(shape));
    }
    let found = length(controller, name, kind).await?;
    let wrong = wrong_length(name, kind, found, assembly, &tag.held.sizes);
    Ok(Err(FailureKind::WrongSize.because(wrong.to_string())))
}

/// How many bytes a tag has, up to [`LONGEST`]; halving, for no reply tells.
async fn length<C: Connect>(
    controller: &mut Controller<C>,
    name: &TagName,
    kind: TagType,
) -> Result<usize, Miss> {
    let size = kind.element_size().unwrap_or(1);
    let (mut readable, mut not) = (1, LONGEST / size + 1);
    while not - readable > 1 {
        let middle = (readable + not) / 2;
        let wanted = elements(name, kind, u16::try_from(middle).unwrap_or(u16::MAX));
        match controller.read(&[wanted]).await?.first().is_some_and(|got| got.reply.is_ok()) {
            true => readable = middle,
            false => not = middle,
        }
    }
    Ok(readable * size)
}

fn elements(name: &TagName, kind: TagType, elements: u16) -> Wanted {
    let bytes = usize::from(elements) * kind.element_size().unwrap_or(LARGEST_ELEMENT);
    Wanted { read: TagRead { name: name.clone(), elements }, bytes }
}

fn refused((why, sentence): (TagRefusal, String)) -> Failure {
    FailureKind::from(why).because(sentence)
}

#[async_trait]
impl<C: Connect> Source for Logix<C> {
    fn access(&self) -> Access {
        Access::Assemblies
    }

    async fn read(&mut self, wanted: &[Span], deadline: Deadline) -> Answer {
        let assemblies: Vec<u16> = wanted.iter().filter_map(|span| span.instance()).collect();
        let mut log = Log::default();
        let mut looks = 0;
        let before = self.session;
        loop {
            let looked = self.look(&assemblies, deadline).await;
            log += looked.log;
            looks += 1;
            let next = Instant::now() + NEXT_LOOK;
            // Only when a session began: what stood still then stands still for a reason.
            if looked.unmoved && self.session != before && looks < LOOKS && next < deadline.at() {
                sleep_until(next).await;
                continue;
            }
            let link = if looked.blocks.is_empty() { Link::None } else { Link::Logix };
            return Answer {
                blocks: looked.blocks,
                failures: looked.failures,
                link,
                notices: looked.notices,
                ..Answer::with(log)
            };
        }
    }

    async fn shows_life(&mut self) -> bool {
        self.line.turn().await.eip().shows_life()
    }

    async fn close(&mut self) {
        if let Some(mut controller) = self.line.leave().await {
            controller.eip().close().await;
        }
    }

    fn controller(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}
