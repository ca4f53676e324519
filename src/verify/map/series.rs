//! The realtime REALs of a meter over several readings, and which element each is taken for.
//!
//! A slot is one REAL as it stands on the wire. A map says in which slot each element stands; the profile's map
//! is one of many, and how well each fits is weighed elsewhere.

use crate::meter::element::{Form, Place, REAL_BYTES, WireType};
use crate::meter::{Element, Profile, Table, Use};
use crate::meter::{WordOrder, decode};

use crate::verify::reading::observation::Observation;

/// A slot's number for each element, in the order of [`Series::elements`]; none for an element that has no slot.
pub type Map = Vec<Option<usize>>;

/// Slots with their values, and the elements to be found in them.
#[derive(Debug, Clone)]
pub struct Series {
    /// Indexes of the elements in the profile.
    pub elements: Vec<usize>,
    /// Their names.
    pub names: Vec<String>,
    /// Smallest and largest plausible value of each.
    pub ranges: Vec<(f64, f64)>,
    /// What each element's value is multiplied with.
    pub factors: Vec<f64>,
    /// The assembly (0 for Modbus) and the byte offset (PDU address) of each slot. Elements never leave their
    /// assembly: the manual says what each contains.
    pub slots: Vec<(u16, u16)>,
    /// The values of all slots, reading by reading.
    pub readings: Vec<Vec<f64>>,
}

impl Series {
    /// The realtime assemblies as they were read, whatever their size, and the profile's map of them.
    pub fn of_assemblies(profile: &Profile, observation: &Observation) -> Option<(Series, Map)> {
        let instances: Vec<u16> =
            profile.assemblies_of(Table::Realtime).map(|found| found.instance).collect();
        let mut slots = Vec::new();
        for &instance in &instances {
            let reals = observation.newest(instance).map_or(0, |data| data.len() / usize::from(REAL_BYTES));
            slots.extend((0..reals as u16).map(|n| (instance, n * REAL_BYTES)));
        }
        let readings = observation.moments().filter_map(|moment| {
            let reals = instances.iter().filter_map(|instance| moment.reals(*instance));
            let values: Vec<f64> = reals.flatten().map(f64::from).collect();
            (values.len() == slots.len()).then_some(values)
        });
        let readings: Vec<Vec<f64>> = readings.collect();
        let rows =
            |(_, element): &(usize, &Element)| element.wire == WireType::Real && element.place.is_some();
        let series = Series::new(profile, slots, readings, rows)?;
        let map = series.elements.iter().map(|&index| series.slot(profile.elements[index].place?)).collect();
        Some((series, map))
    }

    /// The realtime registers as they were read, and the profile's map of them.
    pub fn of_registers(
        profile: &Profile,
        observation: &Observation,
        order: WordOrder,
    ) -> Option<(Series, Map)> {
        let rows = |(_, element): &(usize, &Element)| {
            let read = || observation.visits.first()?.words(element.registers()?);
            element.wire == WireType::Real && read().is_some()
        };
        let wanted = profile.elements_of(Table::Realtime).filter(rows);
        let slots: Vec<(u16, u16)> = wanted.filter_map(|(_, element)| Some((0, element.modbus?))).collect();
        let readings = observation.visits.iter().filter_map(|visit| {
            let real = |&(_, start): &(u16, u16)| {
                let words = visit.words(u32::from(start)..u32::from(start) + 2)?;
                Some(f64::from(order.real(words)))
            };
            slots.iter().map(real).collect::<Option<Vec<f64>>>()
        });
        let readings: Vec<Vec<f64>> = readings.collect();
        let series = Series::new(profile, slots, readings, rows)?;
        let map = (0..series.elements.len()).map(Some).collect();
        Some((series, map))
    }

    fn new(
        profile: &Profile,
        slots: Vec<(u16, u16)>,
        readings: Vec<Vec<f64>>,
        rows: impl Fn(&(usize, &Element)) -> bool,
    ) -> Option<Series> {
        let usable = |row: &(usize, &Element)| row.1.usage == Use::Field && rows(row);
        let elements: Vec<usize> =
            profile.elements_of(Table::Realtime).filter(usable).map(|(index, _)| index).collect();
        if elements.is_empty() || readings.is_empty() {
            return None;
        }
        let row = |&index: &usize| &profile.elements[index];
        // Assembly 0 is no assembly.
        let over_modbus = slots.first().is_some_and(|slot| slot.0 == 0);
        let factor = |element: &Element| match element.place.map(|place| place.form) {
            Some(Form::Scaled(factor)) if !over_modbus => f64::from(factor),
            _ => 1.0,
        };
        Some(Series {
            names: elements.iter().map(|index| row(index).name.clone()).collect(),
            ranges: elements.iter().map(|index| row(index).range).collect(),
            factors: elements.iter().map(|index| factor(row(index))).collect(),
            elements,
            slots,
            readings,
        })
    }

    /// Whether the slots are registers, read over Modbus.
    pub fn is_of_registers(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.0 == 0)
    }

    /// The slot at a place.
    pub fn slot(&self, place: Place) -> Option<usize> {
        self.slots.iter().position(|slot| *slot == (place.instance, place.offset))
    }

    /// An element's position by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// An element's value in a reading, under a map.
    pub fn value(&self, reading: usize, element: usize, map: &Map) -> Option<f64> {
        let slot = map[element]?;
        let value = *self.readings.get(reading)?.get(slot)?;
        // What the wiring does not have is 0, which no law takes for a measured value.
        Some(if decode::is_nothing(value) { 0.0 } else { value * self.factors[element] })
    }

    /// Whether an element's value changed between readings.
    pub fn moved(&self, element: usize, map: &Map) -> bool {
        let first = self.value(0, element, map);
        (1..self.readings.len()).any(|reading| self.value(reading, element, map) != first)
    }
}

/// Series made of numbers, for the tests of what is concluded from them.
#[cfg(test)]
pub(super) mod numbers {
    use super::*;

    /// Voltages, currents and angles of the phases in one reading, in V, A and degrees of lag.
    pub(in crate::verify) type Phases = [(f64, f64, f64); 3];

    /// What a meter shows of it, in the order of assemblies 101 and 102.
    fn shown(phases: &Phases) -> Vec<f64> {
        let v = phases.map(|phase| phase.0);
        let i = phases.map(|phase| phase.1);
        let angle = phases.map(|phase| phase.2.to_radians());
        let s = [0, 1, 2].map(|n| v[n] * i[n]);
        let p = [0, 1, 2].map(|n| s[n] * angle[n].cos());
        let q = [0, 1, 2].map(|n| s[n] * angle[n].sin());
        let line = |a: f64, b: f64| (a * a + b * b + a * b).sqrt();
        let ll = [line(v[0], v[1]), line(v[1], v[2]), line(v[2], v[0])];
        let sum = |three: [f64; 3]| three.iter().sum::<f64>();
        let turn = |n: usize| -std::f64::consts::TAU / 3.0 * n as f64 - angle[n];
        let re: f64 = (0..3).map(|n| i[n] * turn(n).cos()).sum();
        let im: f64 = (0..3).map(|n| i[n] * turn(n).sin()).sum();
        let total = sum(p).hypot(sum(q));
        [
            [v[0], v[1], v[2], sum(v) / 3.0],
            [ll[0], ll[1], ll[2], sum(ll) / 3.0],
            [i[0], i[1], i[2], re.hypot(im)],
            [p[0], p[1], p[2], sum(p)],
            [s[0], s[1], s[2], total],
            [q[0], q[1], q[2], sum(q)],
            [p[0] / s[0], p[1] / s[1], p[2] / s[2], sum(p) / total],
            [50.0, 0.0, 0.0, 0.0],
        ]
        .concat()[..30]
            .to_vec()
    }

    /// The readings of a meter with the built-in map.
    pub(in crate::verify) fn series(readings: &[Phases]) -> (Series, Map) {
        let profile = Profile::built_in();
        let slots =
            [(101, 12), (102, 18)].iter().flat_map(|(a, n)| (0..*n).map(move |k| (*a, 4 * k))).collect();
        let values = readings.iter().map(shown).collect();
        let series = Series::new(&profile, slots, values, |(_, element)| element.place.is_some()).unwrap();
        let map = (0..30).map(Some).collect();
        (series, map)
    }
}
