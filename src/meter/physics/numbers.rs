//! The realtime numbers of one gather, by what they are: eight voltages, four currents, powers, power factors,
//! frequency and phase sequence, each with the block it came in.

use crate::meter::decode::other_order;
use crate::meter::element::WireType;
use crate::meter::names::{self, GROUPS};
use crate::meter::profile::Profile;
use crate::meter::reading::{Raw, Readings};
use crate::meter::table::Table;

/// Elements of the realtime table that physics knows.
pub const COUNT: usize = 30;
/// Position of the frequency; before it stand [`GROUPS`], four by four.
pub(super) const FREQUENCY: usize = 28;
/// Position of the phase sequence.
pub(super) const SEQUENCE: usize = 29;

/// Places of the groups in [`GROUPS`].
pub(super) const STAR: usize = 0;
/// Line voltages.
pub(super) const DELTA: usize = 1;
/// Currents; the fourth is the neutral's.
pub(super) const CURRENT: usize = 2;
/// Active powers.
pub(super) const ACTIVE: usize = 3;
/// Apparent powers.
pub(super) const APPARENT: usize = 4;
/// Reactive powers.
pub(super) const REACTIVE: usize = 5;
/// Power factors.
pub(super) const FACTOR: usize = 6;

/// The field's name of a position.
pub const fn name(position: usize) -> &'static str {
    match position {
        FREQUENCY => names::FREQUENCY,
        SEQUENCE => names::PHASE_SEQUENCE,
        _ => GROUPS[position / 4].elements[position % 4],
    }
}

/// One element of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    index: usize,
    /// Assembly and byte offset.
    place: Option<(u16, u16)>,
    modbus: Option<u16>,
    range: (f64, f64),
}

/// Where a profile has the elements that physics knows; made once for a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    cells: [Option<Cell>; COUNT],
}

impl Map {
    /// The map of a profile.
    pub fn new(profile: &Profile) -> Map {
        let cells = std::array::from_fn(|position| {
            let index = profile.index_of(Table::Realtime, name(position))?;
            let element = &profile.elements[index];
            let place = element.place.map(|place| (place.instance, place.offset));
            Some(Cell { index, place, modbus: element.modbus, range: element.range })
        });
        Map { cells }
    }

    /// The position of the element that stands this many bytes after that of another one: in its assembly, or
    /// over Modbus, where a register has two.
    pub(super) fn beside(&self, position: usize, bytes: i32, over_modbus: bool) -> Option<usize> {
        let from = self.cells[position]?;
        let same = |cell: &Cell| {
            if over_modbus {
                let registers = |address: Option<u16>| address.map(|address| i32::from(address) * 2);
                Some(registers(cell.modbus)? == registers(from.modbus)? + bytes)
            } else {
                let ((instance, offset), (assembly, start)) = (cell.place?, from.place?);
                Some(instance == assembly && i32::from(offset) == i32::from(start) + bytes)
            }
        };
        self.cells.iter().position(|cell| cell.as_ref().is_some_and(|cell| same(cell) == Some(true)))
    }

    /// The smallest and largest plausible value of a position.
    pub(super) fn range(&self, position: usize) -> (f64, f64) {
        self.cells[position].map_or((f64::MIN, f64::MAX), |cell| cell.range)
    }
}

/// What stood in the places of one gather, undecided whether the map is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    raw: [Option<Raw>; COUNT],
}

/// Numbers as one explanation reads them: the value and its block; `None` where nothing was read. An absent value
/// is 0, which no law takes for a measured one.
pub(super) type View = [Option<(f64, u16)>; COUNT];

/// Equal bits out of range in this many places are a meter's own way of saying that it has no such value.
const MARKS: usize = 3;

impl Numbers {
    /// The numbers of a gather.
    pub fn of(map: &Map, readings: &Readings) -> Numbers {
        Numbers { raw: std::array::from_fn(|position| readings.raw(map.cells[position]?.index)) }
    }

    /// Whether anything was read.
    pub fn is_empty(&self) -> bool {
        self.raw.iter().all(Option::is_none)
    }

    /// The numbers as the map reads them.
    pub(super) fn view(&self, map: &Map) -> View {
        std::array::from_fn(|position| self.shown(map, position))
    }

    /// The number of one position as the map reads it.
    pub(super) fn shown(&self, map: &Map, position: usize) -> Option<(f64, u16)> {
        self.value(map, position, position, |raw| raw.real())
    }

    /// The numbers where each position takes what another one has, each read in its own way.
    pub(super) fn value(
        &self,
        map: &Map,
        position: usize,
        from: usize,
        read: impl Fn(Raw) -> f32,
    ) -> Option<(f64, u16)> {
        let raw = self.raw[from]?;
        let value = f64::from(read(raw));
        let nothing = !value.is_finite() || value.abs() > 3.3e38 || self.marks(map, position, raw, value);
        Some((if nothing { 0.0 } else { value }, raw.block))
    }

    /// The numbers with the words of each in the other order.
    pub(super) fn other_order(&self, map: &Map) -> View {
        let turned = |raw: Raw| f32::from_bits(other_order(raw.bits & 0xFFFF_FFFF, WireType::Real) as u32);
        std::array::from_fn(|position| self.value(map, position, position, turned))
    }

    /// The numbers read from one register later or earlier: each takes a word of its neighbor.
    pub(super) fn next_register(&self, map: &Map, later: bool, low_first: bool) -> View {
        std::array::from_fn(|position| {
            let other = map.beside(position, if later { 4 } else { -4 }, true)?;
            let (own, raw) = (self.raw[position]?.bits as u32, self.raw[other]?);
            let beside = raw.bits as u32;
            let (first, second) = if later { (own, beside) } else { (beside, own) };
            // Of the first number its last word, of the second its first.
            let bits = if low_first { second << 16 | first >> 16 } else { first << 16 | second >> 16 };
            let value = f64::from(f32::from_bits(bits));
            Some((if value.is_finite() { value } else { 0.0 }, raw.block))
        })
    }

    /// Whether the same bits stand out of range in several places.
    fn marks(&self, map: &Map, position: usize, raw: Raw, value: f64) -> bool {
        let out = |(low, high): (f64, f64)| value < low || value > high;
        out(map.range(position))
            && self.raw.iter().flatten().filter(|other| other.bits == raw.bits).count() >= MARKS
    }

    /// Whether the load stood still since an earlier gather: no current, power or power factor moved.
    pub(super) fn stood_still_since(&self, earlier: &Numbers) -> bool {
        let pairs =
            (CURRENT * 4..FREQUENCY).filter_map(|p| Some((self.raw[p]?.real(), earlier.raw[p]?.real())));
        let mut known = 0;
        let mut largest = 0.0f32;
        let still = pairs.clone().all(|(now, then)| {
            known += 1;
            largest = largest.max(now.abs());
            (now.is_nan() && then.is_nan()) || (now - then).abs() <= STILL * now.abs().max(then.abs())
        });
        still && known >= 2
    }
}

/// A load whose values changed by less than this stood still.
const STILL: f32 = 0.01;
