//! What the meter is: identity and product information, and whether it was exchanged for another.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::collector::event::{Event, Who};
use crate::collector::report::{Device, Map};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Readings, Table, Use, Value};

use super::record::Record;

/// How often it is said and the info table is read again.
const EVERY: Duration = Duration::from_secs(3600);
/// Nobody exchanges a meter in less: after a longer silence it is asked again who it is.
const EXCHANGED_IN: Duration = Duration::from_secs(120);

/// What is known of one meter's identity, and when it must be asked or said again.
#[derive(Debug)]
pub struct DeviceHistory {
    device: Arc<Device>,
    /// When the info table was read, or refused for good.
    read: Option<Instant>,
    /// When the meter last answered anything.
    heard: Option<Instant>,
    said: Option<(Instant, Map)>,
}

impl DeviceHistory {
    /// Nothing is known but where the meter is read.
    pub fn new(device: Device) -> DeviceHistory {
        DeviceHistory { device: Arc::new(device), read: None, heard: None, said: None }
    }

    /// What is known.
    pub fn device(&self) -> Arc<Device> {
        self.device.clone()
    }

    /// Whether the info table should be read in this gather.
    pub fn is_due(&self, now: Instant) -> bool {
        let older = |then: Option<Instant>, age| then.is_none_or(|then| now.duration_since(then) >= age);
        older(self.read, EVERY) || older(self.heard, EXCHANGED_IN)
    }

    /// Read it again at the next gather: another meter may answer after a lost connection.
    pub fn doubt(&mut self) {
        self.read = None;
    }

    /// Takes in what a gather brought, and who answered: the meter, or a controller that has its values. `settled` is that the info table was read, or refused for good. Returns
    /// whether anything is known now that was not known before.
    pub fn learn(
        &mut self,
        (identity, controller): (Option<&Identity>, Option<&Identity>),
        profile: &Profile,
        readings: &Readings,
        settled: bool,
        now: Instant,
    ) -> bool {
        self.heard = Some(now);
        if settled {
            self.read = Some(now);
        }
        let is_known =
            |said: Option<&Identity>, known: &Option<Identity>| said.is_none() || said == known.as_ref();
        if is_known(identity, &self.device.identity)
            && is_known(controller, &self.device.controller)
            && readings.taken(Table::Info).is_none()
        {
            return false;
        }
        let mut known = Device::clone(&self.device);
        if let Some(identity) = identity {
            known.identity = Some(identity.clone());
        }
        if let Some(controller) = controller {
            known.controller = Some(controller.clone());
        }
        if readings.taken(Table::Info).is_some() {
            known.texts.clear();
            for (index, element) in profile.elements_of(Table::Info) {
                match readings.get(index) {
                    Some(Value::Text(text)) => known.texts.push((element.name.clone(), text.clone())),
                    Some(Value::Integer(code)) if element.usage == Use::Info => known.hardware = Some(*code),
                    _ => {}
                }
            }
        }
        if *self.device == known {
            return false;
        }
        self.said = None;
        self.device = Arc::new(known);
        true
    }

    /// Compares with what is remembered and remembers the new; says so if the meter is another one.
    pub fn swapped(&self, record: &mut Record) -> Option<Event> {
        let (letters, number) = (
            self.device.text("serial_number"),
            self.device.identity.as_ref().map(|identity| identity.serial),
        );
        if letters.is_none_or(|letters| letters == record.serial_number)
            && number.is_none_or(|number| number == record.cip_serial_number)
        {
            return None;
        }
        let before =
            Who { serial_number: record.serial_number.clone(), cip_serial_number: record.cip_serial_number };
        if let Some(letters) = letters {
            letters.clone_into(&mut record.serial_number);
        }
        if let Some(number) = number {
            record.cip_serial_number = number;
        }
        let letters = !before.serial_number.is_empty() && before.serial_number != record.serial_number;
        let number = before.cip_serial_number != 0 && before.cip_serial_number != record.cip_serial_number;
        let after =
            Who { serial_number: record.serial_number.clone(), cip_serial_number: record.cip_serial_number };
        (letters || number).then_some(Event::MeterSwapped { before, after })
    }

    /// Whether it is to be said now: at connect, when something in it or the map's verdict changed, and hourly.
    pub fn is_due_to_say(&mut self, map: &Map, now: Instant) -> bool {
        let fresh = self
            .said
            .as_ref()
            .is_some_and(|(at, said)| said.check == map.check && now.duration_since(*at) < EVERY);
        if fresh || self.heard.is_none() {
            return false;
        }
        self.said = Some((now, map.clone()));
        true
    }
}
