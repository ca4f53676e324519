//! The program: tags and their values. Module connections bring data in; when one of them defects, its tag keeps the
//! last values, as a controller's does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::defect::ControllerDefects;
use super::path::Step;
use super::tag::{Atom, Part, Shape, Tag, Value};
use crate::meter::Profile;
use crate::simulator::{Owner, OwnerOptions};

/// Between two messages to a meter.
const MESSAGE_EVERY: Duration = Duration::from_secs(1);
/// Elements of the tag that does not fit into one packet.
const LONG: usize = 500;
/// Entry fault of a module that was lost: connection request timed out.
const ENTRY_FAULT: i32 = 0x0203;

/// Why a tag cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// No such tag.
    Tag,
    /// No such member or element.
    Part,
    /// No external access.
    Access,
}

/// Tags and what feeds them.
#[derive(Debug)]
pub(super) struct Program {
    tags: Vec<Tag>,
    modules: Vec<Module>,
}

/// One module connection and its tags' data.
#[derive(Debug)]
struct Module {
    owner: Owner,
    state: Mutex<Kept>,
}

/// What a module's tags hold.
#[derive(Debug, Default)]
struct Kept {
    input: Vec<u8>,
    message: Vec<u8>,
    asked: Option<Instant>,
}

impl Program {
    /// Connects to each assembly of each meter, and names the tags.
    ///
    /// # Errors
    /// The controller's address is not this host's.
    pub(super) fn start(
        meters: &[SocketAddr],
        local: Ipv4Addr,
        assemblies: &[u8],
        fitting: &OwnerOptions,
    ) -> io::Result<Program> {
        let (mut tags, mut modules) = (Vec::new(), Vec::new());
        for (meter, number) in meters.iter().zip(1..) {
            let first = modules.len();
            for &assembly in assemblies {
                let options =
                    OwnerOptions { assembly, io_port: 0, serial: rand::random(), ..fitting.clone() };
                let owner = Owner::start(*meter, local, options)?;
                tags.extend(module_tags(number, assembly, modules.len()));
                modules.push(Module { owner, state: Mutex::default() });
            }
            let value = Value::Faulted(first, modules.len());
            tags.push(Tag { name: format!("PM{number}_Fault"), shape: Shape::Single(Atom::Dint), value });
            tags.push(Tag { name: format!("PM{number}_Faulted"), shape: Shape::Single(Atom::Bool), value });
        }
        Ok(Program { tags, modules })
    }

    /// The tags, healthy.
    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Waits until every module connection has brought data.
    pub(super) async fn connected(&self) {
        for module in &self.modules {
            module.owner.received(1).await;
        }
    }

    /// Ends the module connections.
    pub(super) async fn stop(self) {
        for module in self.modules {
            module.owner.stop().await;
        }
    }

    /// The part of a tag that a path points at, and the bytes of the whole tag.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn find(
        &self,
        steps: &[Step],
        defects: &ControllerDefects,
    ) -> Result<(Part, Vec<u8>), Missing> {
        let there = self.tags.iter().filter(|tag| !defects.deleted.contains(&tag.name));
        let found = there.filter_map(|tag| Some((tag, tag.rest(steps)?)));
        let (tag, rest) = found.max_by_key(|(tag, _)| tag.name.len()).ok_or(Missing::Tag)?;
        if defects.hidden.contains(&tag.name) {
            return Err(Missing::Access);
        }
        let shape = shape(tag, defects);
        let part = shape.part(rest).ok_or(Missing::Part)?;
        let mut bytes = self.bytes(tag, shape.size(), defects);
        bytes.resize(shape.size(), 0);
        Ok((part, bytes))
    }

    fn bytes(&self, tag: &Tag, size: usize, defects: &ControllerDefects) -> Vec<u8> {
        let of = |module: usize| self.modules.get(module).map(|module| module.keep(defects));
        match tag.value {
            Value::Input(module) => of(module).map(|(input, _)| input).unwrap_or_default(),
            Value::Message(module) => of(module).map(|(_, message)| message).unwrap_or_default(),
            Value::Repeated(module) => {
                let (_, message) = of(module).unwrap_or_default();
                if message.is_empty() { message } else { message.into_iter().cycle().take(size).collect() }
            }
            Value::Faulted(first, end) => {
                let modules = self.modules.get(first..end).unwrap_or_default();
                let faulted = modules.iter().any(|module| module.is_faulted(defects));
                let code = if faulted && !defects.fault_tags_lie { ENTRY_FAULT } else { 0 };
                match tag.shape {
                    Shape::Single(Atom::Bool) => vec![if code == 0 { 0 } else { 0xFF }],
                    _ => code.to_le_bytes().to_vec(),
                }
            }
        }
    }
}

/// A tag's shape as its defects have it.
fn shape(tag: &Tag, defects: &ControllerDefects) -> Shape {
    let fewer = usize::from(defects.shortened.contains(&tag.name));
    let atom = |atom| if defects.retyped.contains(&tag.name) { Atom::Dint } else { atom };
    match tag.shape {
        Shape::Single(kind) => Shape::Single(atom(kind)),
        Shape::Array(kind, length) => Shape::Array(atom(kind), length.saturating_sub(fewer)),
        Shape::Module(kind, length) => Shape::Module(atom(kind), length.saturating_sub(fewer)),
    }
}

/// The tags of one module: as a generic module brings them in as REAL and as SINT, as a message's destination, in a
/// program, and in an array that is longer than one packet.
fn module_tags(meter: u32, assembly: u8, module: usize) -> impl Iterator<Item = Tag> {
    let profile = Profile::built_in();
    let size = profile.assembly(u16::from(assembly)).map_or(0, |row| usize::from(row.min_size()));
    let reals = size / Atom::Real.size();
    let all = [
        (format!("PM{meter}_{assembly}:I"), Shape::Module(Atom::Real, reals), Value::Input(module)),
        (format!("PM{meter}_{assembly}S:I"), Shape::Module(Atom::Sint, size), Value::Input(module)),
        (format!("PM{meter}_{assembly}"), Shape::Array(Atom::Real, reals), Value::Message(module)),
        (
            format!("Program:Main.PM{meter}_{assembly}"),
            Shape::Array(Atom::Real, reals),
            Value::Message(module),
        ),
        (format!("PM{meter}_{assembly}_Long"), Shape::Array(Atom::Real, LONG), Value::Repeated(module)),
    ];
    all.into_iter().map(|(name, shape, value)| Tag { name, shape, value })
}

impl Module {
    fn is_faulted(&self, defects: &ControllerDefects) -> bool {
        defects.modules_faulted || !self.owner.is_fed()
    }

    /// What the module's tags hold now: the input, and what the last message brought.
    fn keep(&self, defects: &ControllerDefects) -> (Vec<u8>, Vec<u8>) {
        let mut kept = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection that is gone leaves its last data behind, and so does an inhibited one.
        if !defects.modules_faulted || kept.input.is_empty() {
            kept.input = self.owner.data();
        }
        let due = kept.asked.is_none_or(|asked| asked.elapsed() >= MESSAGE_EVERY);
        let answers = !defects.program_mode && !self.is_faulted(defects);
        if kept.message.is_empty() || (due && answers) {
            kept.message = kept.input.clone();
            kept.asked = Some(Instant::now());
        }
        (kept.input.clone(), kept.message.clone())
    }
}
