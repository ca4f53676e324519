//! What the meter is: identity and product information, the `powermonitor_500_info` line, and whether the
//! meter was swapped for another.

use std::time::{Duration, Instant, SystemTime};

use crate::meter::identity::Identity;
use crate::meter::physics::MapCheck;
use crate::meter::{Evidence, Profile, Readings, Table, Use, Value};
use crate::metric::{Batch, Field, schema, timestamp};

use super::events::Event;
use super::state::Record;

/// How often the line is written and the info table is read again.
const EVERY: Duration = Duration::from_secs(3600);
/// Nobody exchanges a meter in less: after a longer silence it is asked again who it is.
const EXCHANGED_IN: Duration = Duration::from_secs(120);

/// What is known of one meter's identity.
#[derive(Debug, Default)]
pub struct About {
    identity: Option<Identity>,
    texts: Vec<(String, String)>,
    hardware: Option<i64>,
    /// When the info table was read, or refused for good.
    read: Option<Instant>,
    /// When the meter last answered anything.
    heard: Option<Instant>,
    written: Option<(Instant, MapCheck)>,
}

/// What the line says that is not read from the meter.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The profile in use.
    pub profile: &'a Profile,
    /// Its name for people: built in, or the file.
    pub profile_name: &'a str,
    /// Host and port.
    pub address: &'a str,
    /// Weakest evidence among the emitted elements.
    pub basis: Option<Evidence>,
    /// Outcome of the physics checks.
    pub map_check: MapCheck,
}

impl About {
    /// Whether the info table should be read in this gather.
    pub fn is_due(&self, now: Instant) -> bool {
        let older = |then: Option<Instant>, age| then.is_none_or(|then| now.duration_since(then) >= age);
        older(self.read, EVERY) || older(self.heard, EXCHANGED_IN)
    }

    /// Read it again at the next gather: another meter may answer after a lost connection.
    pub fn doubt(&mut self) {
        self.read = None;
    }

    /// Takes in what a gather brought; `settled` is that the info table was read, or refused for good. Returns
    /// whether anything is known now that was not known before.
    pub fn learn(
        &mut self,
        identity: Option<&Identity>,
        profile: &Profile,
        readings: &Readings,
        settled: bool,
        now: Instant,
    ) -> bool {
        let mut news = false;
        if let Some(identity) = identity
            && self.identity.as_ref() != Some(identity)
        {
            self.identity = Some(identity.clone());
            news = true;
        }
        if readings.taken(Table::Info).is_some() {
            let mut texts = Vec::new();
            for (index, element) in profile.elements_of(Table::Info) {
                match readings.get(index) {
                    Some(Value::Text(text)) => texts.push((element.name.clone(), text.clone())),
                    Some(Value::Integer(code)) if element.usage == Use::Info => self.hardware = Some(*code),
                    _ => {}
                }
            }
            news |= self.texts != texts;
            self.texts = texts;
        }
        self.heard = Some(now);
        if settled {
            self.read = Some(now);
        }
        if news {
            self.written = None;
        }
        news
    }

    /// The meter's serial letters.
    fn serial(&self) -> Option<&str> {
        self.texts.iter().find(|(name, _)| name == "serial_number").map(|(_, text)| text.as_str())
    }

    /// The device in a few words: catalog number, serial number, firmware.
    pub fn device(&self, profile: &Profile) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(identity) = &self.identity {
            let catalog = profile.catalog(identity.product_code);
            parts.push(catalog.unwrap_or(&identity.product_name).to_owned());
            parts.push(format!("revision {}.{}", identity.revision.0, identity.revision.1));
        }
        for (name, text) in &self.texts {
            match name.as_str() {
                "serial_number" => parts.push(format!("serial {text}")),
                "firmware" => parts.push(format!("firmware {text}")),
                _ => {}
            }
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Compares with what is remembered and remembers the new; says so if the meter is another one.
    pub fn swapped(&self, record: &mut Record) -> Option<Event> {
        let before = (record.serial_number.clone(), record.cip_serial_number);
        if let Some(serial) = self.serial() {
            serial.clone_into(&mut record.serial_number);
        }
        if let Some(identity) = &self.identity {
            record.cip_serial_number = identity.serial;
        }
        let letters = !before.0.is_empty() && before.0 != record.serial_number;
        let number = before.1 != 0 && before.1 != record.cip_serial_number;
        if !letters && !number {
            return None;
        }
        let name = |serial: &str, cip: u32| match (serial, cip) {
            ("", cip) => format!("CIP serial number {cip}"),
            (serial, 0) => serial.to_owned(),
            (serial, cip) => format!("{serial} (CIP serial number {cip})"),
        };
        Some(Event {
            kind: "meter_swapped",
            message: "Another meter answers at this address; its counters are not the old one's".to_owned(),
            before_text: Some(name(&before.0, before.1)),
            after_text: Some(name(&record.serial_number, record.cip_serial_number)),
            ..Event::default()
        })
    }

    /// Appends the line when it is due: at connect, when something in it changed, and hourly.
    pub fn write(
        &mut self,
        batch: &mut Batch,
        tags: &[(String, String)],
        context: Context<'_>,
        precision: Duration,
    ) {
        let fresh =
            self.written.is_some_and(|(at, check)| check == context.map_check && at.elapsed() < EVERY);
        if fresh || self.heard.is_none() {
            return;
        }
        self.written = Some((Instant::now(), context.map_check));
        let identity = self.identity.as_ref();
        let revision = identity.map(|id| format!("{}.{}", id.revision.0, id.revision.1));
        let check = context.map_check.to_string();
        let text =
            |name: &str| self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
        let texts = [
            ("product_name", identity.map(|id| id.product_name.as_str())),
            ("catalog_number", identity.and_then(|id| context.profile.catalog(id.product_code))),
            ("serial_number", text("serial_number")),
            ("firmware", text("firmware")),
            ("module_firmware", text("module_firmware")),
            ("analog_firmware", text("analog_firmware")),
            ("revision", revision.as_deref()),
            ("address", Some(context.address)),
            ("profile", Some(context.profile_name)),
            ("map_basis", context.basis.map(Evidence::name)),
            ("map_check", Some(check.as_str())),
        ];
        let numbers = [
            ("product_code", identity.map(|id| i64::from(id.product_code))),
            ("cip_serial_number", identity.map(|id| i64::from(id.serial))),
            ("hardware_code", self.hardware),
            ("map_check_code", Some(context.map_check.code())),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Field::Text(text?))));
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, Field::Integer(number?))));
        batch.line(schema::INFO, tags, None, texts.chain(numbers), timestamp(SystemTime::now(), precision));
    }
}
