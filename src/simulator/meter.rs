//! One meter as its two protocols see it: the device at its present time, the defects in force and the record.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::Options;
use super::class1::{Connections, Rules};
use super::defect::{Defects, FrameDefects};
use super::device::{Device, UPTIME};
use super::encapsulation::Damage;
use super::image::{self, Values};
use super::installation::Boot;
use super::record::{Asked, Record};
use crate::enip::status::Refusal;
use crate::meter::identity::Identity;
use crate::meter::profile::PASSWORD_REGISTER;
use crate::meter::{Element, Table, Value};

/// What the password register holds; a number that no other register holds, so that a leak is seen.
const PASSWORD: u16 = 7345;
/// The sibling's two asymmetries, between frequency and phase sequence; the profile has no rows for them.
const HOLE: std::ops::Range<u32> = 0x008A..0x008E;
/// How long EtherNet/IP stays silent after a Modbus client has left.
const SUSPENSION: Duration = Duration::from_secs(2);

/// How long a meter boots that does so.
const BOOT: Duration = Duration::from_secs(10);
/// CIP general status of a meter that boots.
const DEVICE_STATE_CONFLICT: u8 = 0x10;
/// Modbus exceptions of a meter that boots.
const DEVICE_FAILURE: u8 = 0x04;
const DEVICE_BUSY: u8 = 0x06;

/// A meter without its sockets.
#[derive(Debug)]
pub(super) struct Meter {
    options: Arc<Options>,
    started: Instant,
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
    defects: Defects,
    record: Record,
    modbus_clients: usize,
    modbus_left: Option<Instant>,
    /// Until then it boots.
    boots_until: Instant,
}

impl Values for State {
    fn value(&mut self, element: &Element) -> Option<Value> {
        self.device.value(element.table, &element.name)
    }
}

impl State {
    /// Makes an image; it is one reading of the counters if it has them.
    fn reading<T>(&mut self, counters: bool, make: impl FnOnce(&mut State) -> T) -> T {
        if counters {
            self.device.begin_reading();
        }
        let made = make(self);
        self.device.end_reading();
        made
    }
}

impl Meter {
    pub(super) fn new(options: &Arc<Options>, number: u32) -> Meter {
        Meter {
            options: options.clone(),
            started: Instant::now(),
            connections: Mutex::new(Connections::new(Rules::new(options))),
            io_changed: Notify::new(),
            expelled: broadcast::channel(EXPELLED).0,
            state: Mutex::new(State {
                device: Device::new(options, number),
                defects: Defects::default(),
                record: Record::default(),
                modbus_clients: 0,
                modbus_left: None,
                boots_until: Instant::now() + BOOT,
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
        if !self.options.frozen {
            state.device.advance(UPTIME + self.started.elapsed().as_secs_f64());
        }
        state
    }

    pub(super) fn defects(&self) -> Defects {
        self.state().defects.clone()
    }

    pub(super) fn set_defects(&self, defects: Defects) {
        self.state().defects = defects;
    }

    /// Takes the defects that concern the next reply only, with those that concern all.
    pub(super) fn take_damage(&self) -> Damage {
        let defects = &mut self.state().defects;
        Damage {
            delay: defects.delay_next_reply.take(),
            truncated: defects.truncate_next_reply.take(),
            split: defects.split_replies,
            session: defects.session_handle,
        }
    }

    /// Tells which originators' sessions are to be closed.
    pub(super) fn expelled(&self) -> broadcast::Receiver<Ipv4Addr> {
        self.expelled.subscribe()
    }

    pub(super) fn take_delay(&self) -> Option<Duration> {
        self.state().defects.delay_next_reply.take()
    }

    pub(super) fn take_forced_refusal(&self) -> Option<Refusal> {
        self.state().defects.refused_opens.pop_front()
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

    /// Whether nothing at all is answered or sent on EtherNet/IP.
    pub(super) fn is_silent(&self) -> bool {
        let silent = self.state().defects.silent;
        silent || self.is_suspended()
    }

    /// Lends the defects of class 1 frames, and takes back what is left of them.
    pub(super) fn with_frame_defects(&self, make: impl FnOnce(&mut FrameDefects)) {
        let before = self.state().defects.frames.clone();
        let mut after = before.clone();
        make(&mut after);
        let defects = &mut self.state().defects.frames;
        // Who set other defects meanwhile means those.
        if *defects == before {
            *defects = after;
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
        state.device = state.device.successor(number);
    }

    /// It has started, and boots if that takes it a while.
    pub(super) fn boot(&self) {
        self.state().boots_until = Instant::now() + BOOT;
    }

    /// How it answers while it boots; `None` when it does not.
    fn booting(&self) -> Option<Boot> {
        self.options.state.boot().filter(|_| Instant::now() < self.state().boots_until)
    }

    /// A value as a client must decode it; `None` for what there is not, however the meter says that.
    pub(super) fn value(&self, table: Table, name: &str) -> Option<Value> {
        let value = self.now().device.value(table, name)?;
        let absent = match value {
            Value::Real(real) => !real.is_finite() || real == f32::MAX,
            Value::Integer(all_ones) => table == Table::Energy && all_ones == -1,
            Value::Text(_) => false,
        };
        (!absent).then_some(value)
    }

    pub(super) fn identity(&self) -> Identity {
        let state = self.state();
        state.defects.identity.clone().unwrap_or_else(|| state.device.identity())
    }

    /// An assembly's size in bytes, if there is such an assembly.
    ///
    /// # Errors
    /// The CIP status of a fault.
    pub(super) fn assembly_size(&self, instance: u16) -> Result<Option<u16>, u8> {
        let state = self.state();
        if let Some(status) = state.defects.refused_assemblies.get(&instance) {
            return Err(*status);
        }
        let Some(assembly) = self.options.profile.assembly(instance) else { return Ok(None) };
        let size = match assembly.table {
            Table::Info => self.options.info_size,
            _ => assembly.min_size(),
        };
        drop(state);
        match self.booting() {
            Some(Boot::Empty) => return Ok(Some(0)),
            Some(Boot::Refused) => return Err(DEVICE_STATE_CONFLICT),
            Some(Boot::Zero) | None => {}
        }
        let state = self.state();
        Ok(Some(state.defects.assembly_sizes.get(&instance).copied().unwrap_or(size)))
    }

    /// An assembly's data.
    pub(super) fn assembly(&self, instance: u16, size: u16) -> Vec<u8> {
        if self.booting() == Some(Boot::Zero) {
            return vec![0; usize::from(size)];
        }
        let tables = |table| self.options.profile.assembly(instance).is_some_and(|row| row.table == table);
        let counters = tables(Table::Energy) || tables(Table::Raw);
        let mut state = self.now();
        state.reading(counters, |state| {
            image::assembly(&self.options.profile, instance, usize::from(size), state)
        })
    }

    /// A block of registers, all of one instant.
    ///
    /// # Errors
    /// The Modbus exception code: 02 for an address that is not there, or that of a fault.
    pub(super) fn registers(&self, start: u16, count: u16) -> Result<Vec<u16>, u8> {
        let wanted = u32::from(start)..u32::from(start) + u32::from(count);
        let booting = self.booting();
        let mut state = self.now();
        let fault = state.defects.modbus_exceptions.iter().find(|(at, _)| wanted.contains(&u32::from(**at)));
        if let Some((_, code)) = fault {
            return Err(*code);
        }
        if !wanted.clone().all(|address| self.is_defined(address)) {
            return Err(0x02);
        }
        match booting {
            Some(Boot::Empty) => return Err(DEVICE_BUSY),
            Some(Boot::Refused) => return Err(DEVICE_FAILURE),
            Some(Boot::Zero) => return Ok(vec![0; usize::from(count)]),
            None => {}
        }
        let Options { profile, word_order, .. } = &*self.options;
        let counters =
            profile.elements.iter().filter(|element| element.table == Table::Energy).any(|element| {
                element.registers().is_some_and(|row| row.start < wanted.end && wanted.start < row.end)
            });
        let mut block =
            state.reading(counters, |state| image::registers(profile, start, count, *word_order, state));
        let password = PASSWORD_REGISTER.checked_sub(start).and_then(|at| block.get_mut(usize::from(at)));
        password.into_iter().for_each(|word| *word = PASSWORD);
        Ok(block)
    }

    fn is_defined(&self, address: u32) -> bool {
        let in_row = |element: &Element| element.registers().is_some_and(|row| row.contains(&address));
        address == u32::from(PASSWORD_REGISTER)
            || (!self.options.hole && HOLE.contains(&address))
            || self.options.profile.elements.iter().any(in_row)
    }

    /// Whether EtherNet/IP keeps silent because of Modbus. Reported of the real meter, not proven.
    pub(super) fn is_suspended(&self) -> bool {
        let state = self.state();
        let recent = || state.modbus_left.is_some_and(|left| left.elapsed() < SUSPENSION);
        self.options.modbus_suspends_eip && (state.modbus_clients > 0 || recent())
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
    use crate::simulator::{Absent, State, Wiring};

    #[test]
    fn only_documented_registers_answer_and_the_hole_is_an_option() {
        let meter = |hole| Meter::new(&Arc::new(Options { frozen: true, hole, ..Options::default() }), 0);
        let (meter, holed) = (meter(false), meter(true));
        assert_eq!(meter.registers(0x0050, 64).unwrap().len(), 64);
        assert_eq!(meter.registers(0x008A, 4), Ok(vec![0; 4]));
        assert_eq!(meter.registers(0x0500, 36).unwrap().len(), 36);
        assert_eq!(meter.registers(0x0500, 37), Err(0x02));
        assert_eq!(meter.registers(0x2000, 1), Err(0x02));
        assert_eq!(meter.registers(0xFFFF, 2), Err(0x02));
        assert_eq!(meter.registers(0x1000, 2), Ok(vec![PASSWORD, 5]));
        assert_eq!(holed.registers(0x0050, 64), Err(0x02));
        assert_eq!(holed.registers(0x0050, 58).unwrap().len(), 58);
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_boots_as_its_state_says_and_is_itself_afterwards() {
        let meter = |state| Meter::new(&Arc::new(Options { state, frozen: true, ..Options::default() }), 0);
        let [empty, refused, zero] = [State::BootEmpty, State::BootRefused, State::BootZero].map(meter);
        assert_eq!((empty.assembly_size(101), empty.registers(0x50, 2)), (Ok(Some(0)), Err(0x06)));
        assert_eq!((refused.assembly_size(101), refused.registers(0x50, 2)), (Err(0x10), Err(0x04)));
        assert_eq!((zero.assembly(101, 48), zero.registers(0x50, 2)), (vec![0; 48], Ok(vec![0, 0])));
        tokio::time::advance(BOOT).await;
        for meter in [empty, refused, zero] {
            assert_eq!(meter.assembly_size(101), Ok(Some(48)));
            assert_ne!(meter.assembly(101, 48), vec![0; 48]);
            assert_ne!(meter.registers(0x50, 2), Ok(vec![0, 0]));
        }
    }

    #[test]
    fn what_the_wiring_lacks_is_said_in_each_way_on_both_protocols_and_is_no_value() {
        for (absent, bits, expected) in [
            (Absent::Zero, 0, Some(Value::Real(0.0))),
            (Absent::Nan, 0x7FC0_0000, None),
            (Absent::Inf, 0x7F80_0000, None),
            (Absent::Ones, u32::MAX, None),
            (Absent::Max, 0x7F7F_FFFF, None),
        ] {
            let wiring = Wiring::SplitPhase;
            let meter = Meter::new(&Arc::new(Options { absent, wiring, ..Options::default() }), 0);
            assert_eq!(meter.value(Table::Realtime, "voltage_l3_n_v"), expected);
            let bits: u32 = bits;
            let profile = &meter.options.profile;
            let index = profile.index_of(Table::Realtime, "voltage_l3_n_v").unwrap();
            let element = &profile.elements[index];
            let place = element.place.unwrap();
            let data = meter.assembly(place.instance, 48);
            assert_eq!(data[usize::from(place.offset)..][..4], bits.to_le_bytes());
            let words = meter.registers(element.modbus.unwrap(), 2).unwrap();
            assert_eq!(words, [bits as u16, (bits >> 16) as u16]);
        }
    }
}
