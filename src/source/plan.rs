//! Which Modbus reads cover the wanted elements: as few as possible, never more than that.
//!
//! Pure. Neighbors are joined across small holes; a read never exceeds the register limit, never covers
//! the password register, and begins anew wherever a refusal has taught us to split.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::meter::profile::PASSWORD_REGISTER;
use crate::meter::{Profile, TableSet};

/// Unwanted registers that a read may include to join two neighbors: reading ten more registers is
/// cheaper than another request.
const LARGEST_HOLE: u32 = 10;

/// One read request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// First PDU address.
    pub start: u16,
    /// Number of registers.
    pub count: u16,
    /// Indexes of the wanted elements inside, in address order.
    pub elements: Vec<usize>,
    /// The tables of these elements.
    pub tables: TableSet,
}

impl Block {
    /// Where to split this block after a refusal: after its first hole if it has one (a hole is the likely
    /// reason), else in the middle. `None` when it holds a single register group.
    pub fn split_at(&self, profile: &Profile) -> Option<u16> {
        let mut end = u32::from(self.start);
        for (address, registers) in self.places(profile) {
            if registers.start > end {
                return Some(address);
            }
            end = end.max(registers.end);
        }
        self.middle(profile)
    }

    /// Where to split this block in two, to make it shorter. `None` when it holds a single register group.
    pub fn middle(&self, profile: &Profile) -> Option<u16> {
        let mut starts: Vec<u16> = self.places(profile).map(|(address, _)| address).collect();
        starts.dedup();
        let middle = starts.len() / 2;
        (middle > 0).then(|| starts[middle])
    }

    /// Address and registers of each element, in address order.
    fn places(&self, profile: &Profile) -> impl Iterator<Item = (u16, Range<u32>)> {
        let elements = self.elements.iter().filter_map(|&index| profile.elements.get(index));
        elements.filter_map(|element| Some((element.modbus?, element.registers()?)))
    }
}

/// Plans the reads for these elements. `splits` are addresses at which a read must begin.
pub fn plan(profile: &Profile, wanted: &[usize], max_registers: u16, splits: &BTreeSet<u16>) -> Vec<Block> {
    let mut placed: Vec<(u32, u32, usize)> = wanted
        .iter()
        .filter_map(|&index| {
            let registers = profile.elements.get(index)?.registers()?;
            Some((registers.start, registers.end, index))
        })
        .collect();
    placed.sort_unstable();
    let password = u32::from(PASSWORD_REGISTER);
    let mut blocks: Vec<(u32, u32, Vec<usize>)> = Vec::new();
    for (start, end, index) in placed {
        if let Some((first, last, elements)) = blocks.last_mut() {
            let joins = start <= *last + LARGEST_HOLE
                && end.max(*last) - *first <= u32::from(max_registers)
                && !(*first..end).contains(&password)
                && (start < *last || !splits.iter().any(|at| u32::from(*at) == start));
            if joins {
                *last = end.max(*last);
                elements.push(index);
                continue;
            }
        }
        blocks.push((start, end, vec![index]));
    }
    blocks
        .into_iter()
        .filter_map(|(start, end, elements)| {
            let tables = elements.iter().map(|index| profile.elements[*index].table).collect();
            let (start, count) = (start.try_into().ok()?, (end - start).try_into().ok()?);
            Some(Block { start, count, elements, tables })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Table, Use};

    fn wanted(profile: &Profile, tables: &[Table]) -> Vec<usize> {
        let rows = profile.elements.iter().enumerate();
        rows.filter(|(_, e)| tables.contains(&e.table) && e.usage != Use::None).map(|(i, _)| i).collect()
    }

    fn shape(blocks: &[Block]) -> Vec<(u16, u16)> {
        blocks.iter().map(|block| (block.start, block.count)).collect()
    }

    #[test]
    fn realtime_energy_and_alarm_are_three_requests() {
        let profile = Profile::built_in();
        let tables = [Table::Realtime, Table::Energy, Table::Alarm];
        let blocks = plan(&profile, &wanted(&profile, &tables), 125, &BTreeSet::new());
        assert_eq!(shape(&blocks), [(0x0050, 64), (0x0500, 36), (0x4000, 2)]);
    }

    #[test]
    fn no_read_ever_covers_the_password() {
        let profile = Profile::built_in();
        let everything: Vec<usize> = (0..profile.elements.len()).collect();
        for max in [4, 11, 64, 125] {
            let blocks = plan(&profile, &everything, max, &BTreeSet::new());
            for block in blocks {
                let registers = block.start..block.start + block.count;
                assert!(!registers.contains(&PASSWORD_REGISTER), "{block:?}");
                assert!(block.count <= max.max(7), "{block:?}");
            }
        }
    }

    #[test]
    fn a_refused_block_splits_at_its_hole_first_and_then_in_halves() {
        let profile = Profile::built_in();
        let elements = wanted(&profile, &[Table::Realtime]);
        let mut splits = BTreeSet::new();
        let whole = plan(&profile, &elements, 125, &splits);
        assert_eq!(whole[0].split_at(&profile), Some(0x008E));
        assert_eq!(whole[0].middle(&profile), Some(0x006E));
        splits.insert(0x008E);
        let two = plan(&profile, &elements, 125, &splits);
        assert_eq!(shape(&two), [(0x0050, 58), (0x008E, 2)]);
        assert_eq!(two[0].split_at(&profile), Some(0x006C));
        assert_eq!(two[1].split_at(&profile), None);
    }

    #[test]
    fn bits_of_one_register_stay_together() {
        let profile = Profile::built_in();
        let elements = wanted(&profile, &[Table::Alarm]);
        let blocks = plan(&profile, &elements, 125, &BTreeSet::from([0x4001]));
        assert_eq!(shape(&blocks), [(0x4000, 1), (0x4001, 1)]);
        assert_eq!(blocks[0].elements.len(), 4);
        assert_eq!(blocks[0].split_at(&profile), None);
    }
}
