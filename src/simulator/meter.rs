//! One meter as its two protocols see it: the device at its present time, the faults in force and the record.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::Options;
use super::class1::{Connections, Rules};
use super::device::{Device, UPTIME};
use super::fault::{Faults, FrameFaults};
use super::image::{self, Values};
use super::record::{Asked, Record};
use crate::enip::status::Refusal;
use crate::meter::decode::WordOrder;
use crate::meter::identity::Identity;
use crate::meter::profile::PASSWORD_REGISTER;
use crate::meter::{Element, Profile, Table, Value};

/// What the password register holds; a number that no other register holds, so that a leak is seen.
const PASSWORD: u16 = 7345;
/// The sibling's two asymmetries, between frequency and phase sequence; the profile has no rows for them.
const HOLE: std::ops::Range<u32> = 0x008A..0x008E;
/// How long EtherNet/IP stays silent after a Modbus client has left.
const SUSPENSION: Duration = Duration::from_secs(2);

/// A meter without its sockets.
#[derive(Debug)]
pub(super) struct Meter {
    profile: Arc<Profile>,
    seed: u64,
    started: Instant,
    frozen: bool,
    hole: bool,
    info_size: u16,
    word_order: WordOrder,
    modbus_suspends_eip: bool,
    /// Never locked while `state` is held.
    connections: Mutex<Connections>,
    /// A connection was opened or closed.
    io_changed: Notify,
    /// Originators whose sessions are to be closed.
    expelled: broadcast::Sender<Ipv4Addr>,
    state: Mutex<State>,
}

/// Originators that are remembered until their sessions have noticed.
const EXPELLED: usize = 16;

#[derive(Debug)]
struct State {
    device: Device,
    faults: Faults,
    record: Record,
    modbus_clients: usize,
    modbus_left: Option<Instant>,
}

impl Values for State {
    fn value(&mut self, element: &Element) -> Option<Value> {
        self.device.value(element.table, &element.name)
    }
}

impl Meter {
    pub(super) fn new(options: &Options, number: u32) -> Meter {
        Meter {
            profile: options.profile.clone(),
            seed: options.seed,
            started: Instant::now(),
            frozen: options.frozen,
            hole: options.hole,
            info_size: options.info_size,
            word_order: options.word_order,
            modbus_suspends_eip: options.modbus_suspends_eip,
            connections: Mutex::new(Connections::new(Rules::new(options))),
            io_changed: Notify::new(),
            expelled: broadcast::channel(EXPELLED).0,
            state: Mutex::new(State {
                device: Device::new(options.seed, number, options.wiring, options.single_reals),
                faults: Faults::default(),
                record: Record::default(),
                modbus_clients: 0,
                modbus_left: None,
            }),
        }
    }

    /// The state as it was left; nothing that holds the lock can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state with the device at the present time.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if !self.frozen {
            state.device.advance(UPTIME + self.started.elapsed().as_secs_f64());
        }
        state
    }

    pub(super) fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Takes the faults that concern the next reply only.
    pub(super) fn take_next_faults(&self) -> (Option<Duration>, Option<usize>) {
        let faults = &mut self.state().faults;
        (faults.delay_next_reply.take(), faults.truncate_next_reply.take())
    }

    pub(super) fn take_delay(&self) -> Option<Duration> {
        self.state().faults.delay_next_reply.take()
    }

    pub(super) fn take_forced_refusal(&self) -> Option<Refusal> {
        self.state().faults.refused_opens.pop_front()
    }

    /// The class 1 connections. Not to be asked for while anything else of the meter is locked.
    pub(super) fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the task that sends frames.
    pub(super) fn io_changed(&self) {
        self.io_changed.notify_one();
    }

    pub(super) async fn wait_for_io_change(&self) {
        self.io_changed.notified().await;
    }

    /// Ends the connections whose heartbeats have stopped.
    pub(super) fn expire_connections(&self, now: Instant) {
        let expelled = self.connections().expire(now);
        for originator in expelled {
            // Nobody has a session: nobody to expel.
            let _ = self.expelled.send(originator);
        }
    }

    /// Tells which originators' sessions are to be closed.
    pub(super) fn expelled(&self) -> broadcast::Receiver<Ipv4Addr> {
        self.expelled.subscribe()
    }

    /// Whether nothing at all is answered or sent on EtherNet/IP.
    pub(super) fn is_silent(&self) -> bool {
        let silent = self.state().faults.silent;
        silent || self.is_suspended()
    }

    /// Lends the faults of class 1 frames, and takes back what is left of them.
    pub(super) fn with_frame_faults(&self, make: impl FnOnce(&mut FrameFaults)) {
        let before = self.state().faults.frames.clone();
        let mut after = before.clone();
        make(&mut after);
        let faults = &mut self.state().faults.frames;
        // Who set other faults meanwhile means those.
        if *faults == before {
            *faults = after;
        }
    }

    pub(super) fn note(&self, asked: Asked) {
        self.state().record.note(asked);
    }

    pub(super) fn change_record(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.state().record);
    }

    pub(super) fn record(&self) -> Record {
        let io = self.connections().record();
        let mut record = self.state().record.clone();
        record.io = io;
        record
    }

    pub(super) fn reset_counters(&self) {
        self.now().device.reset_counters();
    }

    /// Changes the device at its present time.
    pub(super) fn change(&self, change: impl FnOnce(&mut Device)) {
        change(&mut self.now().device);
    }

    /// Puts a new device in the place of the old one, its counters at zero.
    pub(super) fn exchange(&self, number: u32) {
        let mut state = self.now();
        state.device = state.device.successor(self.seed, number);
    }

    pub(super) fn value(&self, table: Table, name: &str) -> Option<Value> {
        self.now().device.value(table, name)
    }

    pub(super) fn identity(&self) -> Identity {
        let state = self.state();
        state.faults.identity.clone().unwrap_or_else(|| state.device.identity())
    }

    /// An assembly's size in bytes, if there is such an assembly.
    ///
    /// # Errors
    /// The CIP status of a fault.
    pub(super) fn assembly_size(&self, instance: u16) -> Result<Option<u16>, u8> {
        let state = self.state();
        if let Some(status) = state.faults.refused_assemblies.get(&instance) {
            return Err(*status);
        }
        let Some(assembly) = self.profile.assembly(instance) else { return Ok(None) };
        let size = match assembly.table {
            Table::Info => self.info_size,
            _ => assembly.min_size(),
        };
        Ok(Some(state.faults.assembly_sizes.get(&instance).copied().unwrap_or(size)))
    }

    /// An assembly's data.
    pub(super) fn assembly(&self, instance: u16, size: u16) -> Vec<u8> {
        image::assembly(&self.profile, instance, usize::from(size), &mut *self.now())
    }

    /// A block of registers, all of one instant.
    ///
    /// # Errors
    /// The Modbus exception code: 02 for an address that is not there, or that of a fault.
    pub(super) fn registers(&self, start: u16, count: u16) -> Result<Vec<u16>, u8> {
        let wanted = u32::from(start)..u32::from(start) + u32::from(count);
        let mut state = self.now();
        let fault = state.faults.modbus_exceptions.iter().find(|(at, _)| wanted.contains(&u32::from(**at)));
        if let Some((_, code)) = fault {
            return Err(*code);
        }
        if !wanted.clone().all(|address| self.is_defined(address)) {
            return Err(0x02);
        }
        let mut block = image::registers(&self.profile, start, count, self.word_order, &mut *state);
        let password = PASSWORD_REGISTER.checked_sub(start).and_then(|at| block.get_mut(usize::from(at)));
        password.into_iter().for_each(|word| *word = PASSWORD);
        Ok(block)
    }

    fn is_defined(&self, address: u32) -> bool {
        let in_row = |element: &Element| element.registers().is_some_and(|row| row.contains(&address));
        address == u32::from(PASSWORD_REGISTER)
            || (!self.hole && HOLE.contains(&address))
            || self.profile.elements.iter().any(in_row)
    }

    /// Whether EtherNet/IP keeps silent because of Modbus. Reported of the real meter, not proven.
    pub(super) fn is_suspended(&self) -> bool {
        let state = self.state();
        let recent = || state.modbus_left.is_some_and(|left| left.elapsed() < SUSPENSION);
        self.modbus_suspends_eip && (state.modbus_clients > 0 || recent())
    }

    pub(super) fn modbus_client_came(&self) {
        let mut state = self.state();
        state.modbus_clients += 1;
        state.record.modbus_clients += 1;
    }

    pub(super) fn modbus_client_left(&self) {
        let mut state = self.state();
        state.modbus_clients = state.modbus_clients.saturating_sub(1);
        state.modbus_left = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_registers_answer_and_the_hole_is_an_option() {
        let options = Options { frozen: true, ..Options::default() };
        let meter = Meter::new(&options, 0);
        assert_eq!(meter.registers(0x0050, 64).unwrap().len(), 64);
        assert_eq!(meter.registers(0x008A, 4), Ok(vec![0; 4]));
        assert_eq!(meter.registers(0x0500, 36).unwrap().len(), 36);
        assert_eq!(meter.registers(0x0500, 37), Err(0x02));
        assert_eq!(meter.registers(0x2000, 1), Err(0x02));
        assert_eq!(meter.registers(0xFFFF, 2), Err(0x02));
        assert_eq!(meter.registers(0x1000, 2), Ok(vec![PASSWORD, 5]));
        let holed = Meter::new(&Options { hole: true, ..options }, 0);
        assert_eq!(holed.registers(0x0050, 64), Err(0x02));
        assert_eq!(holed.registers(0x0050, 58).unwrap().len(), 58);
    }
}
