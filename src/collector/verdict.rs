//! Whether what was read may leave: plausible, not contradicted by physics, and in our own time.

use crate::config::Connection;
use crate::meter::decode::WordOrder;
use crate::meter::element::WireType;
use crate::meter::{Table, TableSet, Value};
use crate::source::Failure;

use super::Collector;
use super::events::Event;
use super::judge::Ruling;

impl Collector {
    /// A table that arrived without one plausible value was not read.
    pub(super) fn miss_empty(&self, tables: TableSet, failures: &mut Vec<(Table, Failure)>) {
        for table in tables.iter().filter(|table| self.readings.taken(*table).is_some()) {
            if !self.has_values(table) && !failures.iter().any(|(failed, _)| *failed == table) {
                let text = "no value is plausible; over Modbus this is usually the word order".to_owned();
                failures.push((table, Failure::BadData(text)));
            }
        }
    }

    /// Whether at least one plausible value of the table arrived.
    pub(super) fn has_values(&self, table: Table) -> bool {
        let mut elements = self.config.profile.elements_of(table);
        self.readings.taken(table).is_some() && elements.any(|(index, _)| self.readings.get(index).is_some())
    }

    /// Holds realtime values back that contradict the map.
    pub(super) fn judge(
        &mut self,
        failures: &mut Vec<(Table, Failure)>,
        events: &mut Vec<Event>,
    ) -> TableSet {
        let mut held = TableSet::EMPTY;
        if self.readings.taken(Table::Realtime).is_none() {
            return held;
        }
        if self.connections_judged != self.health.traffic.reconnects {
            self.connections_judged = self.health.traffic.reconnects;
            self.judge.reset();
        }
        let complete = !failures.iter().any(|(table, _)| *table == Table::Realtime);
        if let Ruling::Hold(reason) = self.judge.rule(&self.config.profile, &self.readings, complete) {
            // A wrong word order spoils every number that is longer than a word.
            let alike = TableSet::from_iter([Table::Realtime, Table::Energy, Table::Settings]);
            held = match self.config.connection {
                Connection::Modbus => alike.intersection(self.config.tables),
                _ => TableSet::from_iter([Table::Realtime]),
            };
            let text = format!(
                "the numbers contradict the register map: {}; nothing of it is emitted (map_check = \"warn\" \
                 would)",
                self.hinted(&reason)
            );
            let tables = held.iter().filter(|table| self.readings.taken(*table).is_some());
            failures.extend(tables.map(|table| (table, Failure::BadData(text.clone()))));
        }
        if let Some(reason) = self.judge.verdict() {
            let reason = self.hinted(&reason);
            if held.is_empty() {
                log::warn!("{}: the numbers contradict the register map: {reason}", self.faults.prefix());
            }
            events.push(Event {
                kind: "map_contradicted",
                message: "The numbers contradict the register map".to_owned(),
                reason: Some(reason),
                table: Some(Table::Realtime.name().to_owned()),
                ..Event::default()
            });
        }
        held
    }

    /// What contradicts the map, with the usual reason where there is one.
    pub(super) fn hinted(&self, reason: &str) -> String {
        let other = match self.config.modbus.word_order {
            WordOrder::LowFirst => WordOrder::HighFirst,
            WordOrder::HighFirst => WordOrder::LowFirst,
        };
        match self.config.connection {
            Connection::Modbus => format!("{reason}; the usual reason is the other word_order = \"{other}\""),
            _ => reason.to_owned(),
        }
    }

    /// The meter's clock, read as local date and time → its offset from ours, if we know its time zone.
    pub(super) fn clock_offset(&mut self) {
        let Some(taken) = self.readings.taken(Table::Settings) else { return };
        for (index, element) in self.config.profile.elements_of(Table::Settings) {
            let (WireType::Clock, Some(Value::Integer(civil))) = (element.wire, self.readings.get(index))
            else {
                continue;
            };
            let offset = self.config.timezone.as_ref().and_then(|zone| {
                let now = jiff::Timestamp::try_from(taken).ok()?;
                let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
                Some(Value::Integer(civil - local))
            });
            self.readings.set(index, offset);
        }
    }
}
