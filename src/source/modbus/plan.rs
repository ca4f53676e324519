//! Which reads cover the wanted registers: as few as possible, never more than that.
//!
//! Pure. Neighbors are joined across small holes; a read never exceeds the register limit, never covers
//! the password register, and begins anew wherever a refusal has taught us to split.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::meter::profile::PASSWORD_REGISTER;
use crate::source::Span;

/// Unwanted registers that a read may include to join two neighbors: reading ten more registers is
/// cheaper than another request.
const LARGEST_HOLE: u32 = 10;

/// Registers that must be got in one piece: first PDU address and their number.
pub type Piece = (u16, u16);

/// One read request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// First PDU address.
    pub start: u16,
    /// Number of registers.
    pub count: u16,
    /// The wanted pieces inside, in address order.
    pub pieces: Vec<Piece>,
}

impl Read {
    /// What it covers.
    pub fn span(&self) -> Span {
        Span::Registers { start: self.start, count: self.count }
    }

    /// Where to split this read after a refusal: after its first hole if it has one (a hole is the likely
    /// reason), else in the middle. `None` when it holds a single piece.
    pub fn split_at(&self) -> Option<u16> {
        let mut end = u32::from(self.start);
        for piece in &self.pieces {
            let registers = registers(*piece);
            if registers.start > end {
                return Some(piece.0);
            }
            end = end.max(registers.end);
        }
        self.middle()
    }

    /// Its first piece alone.
    pub fn first(&self) -> Option<Read> {
        self.pieces.first().copied().map(Read::of)
    }

    /// A read of one piece.
    pub fn of((start, count): Piece) -> Read {
        Read { start, count, pieces: vec![(start, count)] }
    }

    /// Where to split this read in two, to make it shorter. `None` when it holds a single piece.
    pub fn middle(&self) -> Option<u16> {
        let mut starts: Vec<u16> = self.pieces.iter().map(|(start, _)| *start).collect();
        starts.dedup();
        let middle = starts.len() / 2;
        (middle > 0).then(|| starts[middle])
    }
}

/// Plans the reads for these pieces. `splits` are addresses at which a read must begin; what is in `avoid` is
/// covered by no read that does not want it.
pub fn plan(wanted: &[Piece], max_registers: u16, splits: &BTreeSet<u16>, avoid: &[Piece]) -> Vec<Read> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let password = u32::from(PASSWORD_REGISTER);
    let mut reads: Vec<(Range<u32>, Vec<Piece>)> = Vec::new();
    for piece in wanted {
        let Range { start, end } = registers(piece);
        if let Some((covered, pieces)) = reads.last_mut() {
            let joins = start <= covered.end + LARGEST_HOLE
                && end.max(covered.end) - covered.start <= u32::from(max_registers)
                && !(covered.start..end).contains(&password)
                && (start < covered.end || !splits.contains(&piece.0))
                && !avoid.iter().any(|avoided| {
                    let avoided = registers(*avoided);
                    avoided.start < start && avoided.end > covered.end
                });
            if joins {
                covered.end = end.max(covered.end);
                pieces.push(piece);
                continue;
            }
        }
        reads.push((start..end, vec![piece]));
    }
    let read = |(covered, pieces): (Range<u32>, Vec<Piece>)| {
        let count = u16::try_from(covered.len()).ok()?;
        Some(Read { start: covered.start.try_into().ok()?, count, pieces })
    };
    reads.into_iter().filter_map(read).collect()
}

fn registers((start, count): Piece) -> Range<u32> {
    u32::from(start)..u32::from(start) + u32::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Access, Profile, Table, TableSet, block};

    fn wanted(tables: &[Table]) -> Vec<Piece> {
        let tables = TableSet::from_iter(tables.iter().copied());
        let spans = block::spans(&Profile::built_in(), tables, Access::Registers);
        let piece = |span| match span {
            Span::Registers { start, count } => Some((start, count)),
            Span::Assembly(_) => None,
        };
        spans.into_iter().filter_map(piece).collect()
    }

    fn shape(reads: &[Read]) -> Vec<Piece> {
        reads.iter().map(|read| (read.start, read.count)).collect()
    }

    #[test]
    fn realtime_energy_and_alarm_are_three_requests() {
        let reads =
            plan(&wanted(&[Table::Realtime, Table::Energy, Table::Alarm]), 125, &BTreeSet::new(), &[]);
        assert_eq!(shape(&reads), [(0x0050, 64), (0x0500, 36), (0x4000, 2)]);
    }

    #[test]
    fn no_read_ever_covers_the_password() {
        let everything: Vec<Piece> = [(0x0FF0, 2), (0x0FFE, 2), (0x1001, 1), (0x1002, 2)]
            .into_iter()
            .chain(wanted(&Table::ALL))
            .collect();
        for max in [4, 11, 64, 125] {
            for read in plan(&everything, max, &BTreeSet::new(), &[]) {
                let registers = read.start..read.start + read.count;
                assert!(!registers.contains(&PASSWORD_REGISTER), "{read:?}");
                assert!(read.count <= max.max(7), "{read:?}");
            }
        }
    }

    #[test]
    fn a_refused_read_splits_at_its_hole_first_and_then_in_halves() {
        let pieces = wanted(&[Table::Realtime]);
        let mut splits = BTreeSet::new();
        let whole = plan(&pieces, 125, &splits, &[]);
        assert_eq!(whole[0].split_at(), Some(0x008E));
        assert_eq!(whole[0].middle(), Some(0x006E));
        splits.insert(0x008E);
        let two = plan(&pieces, 125, &splits, &[]);
        assert_eq!(shape(&two), [(0x0050, 58), (0x008E, 2)]);
        assert_eq!(two[0].split_at(), Some(0x006C));
        assert_eq!(two[1].split_at(), None);
    }

    #[test]
    fn no_read_covers_what_is_refused_unless_it_wants_it() {
        let apart = plan(&[(0x50, 2), (0x54, 2)], 125, &BTreeSet::new(), &[(0x52, 2)]);
        assert_eq!(shape(&apart), [(0x50, 2), (0x54, 2)]);
        let together = plan(&[(0x52, 2), (0x54, 2)], 125, &BTreeSet::new(), &[(0x52, 2), (0x54, 2)]);
        assert_eq!(shape(&together), [(0x52, 4)]);
    }

    #[test]
    fn pieces_that_share_a_register_stay_together() {
        let reads = plan(&[(0x4000, 1), (0x4000, 1), (0x4001, 1)], 125, &BTreeSet::from([0x4001]), &[]);
        assert_eq!(shape(&reads), [(0x4000, 1), (0x4001, 1)]);
        let overlapping = plan(&[(0x4000, 2), (0x4001, 1)], 125, &BTreeSet::from([0x4001]), &[]);
        assert_eq!(shape(&overlapping), [(0x4000, 2)]);
        assert_eq!(overlapping[0].pieces.len(), 2);
    }
}
