//! Which 16-bit word of a wide number comes first over Modbus.

use crate::words;

/// Which 16-bit word of a 32- or 64-bit value comes first over Modbus.
///
/// The manual's page on it was not found; siblings send the low word first (evidence: inferred).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordOrder {
    /// Least significant word first.
    #[default]
    LowFirst,
    /// Most significant word first.
    HighFirst,
}

words!(WordOrder, "word order": LowFirst = "low_first", HighFirst = "high_first";
    "abcd" => "high_first", "cdab" => "low_first");

impl WordOrder {
    /// The number in words that came in this order.
    pub fn number(self, words: &[u16]) -> u64 {
        let fold = |wide: u64, word: &u16| wide << 16 | u64::from(*word);
        match self {
            WordOrder::LowFirst => words.iter().rev().fold(0, fold),
            WordOrder::HighFirst => words.iter().fold(0, fold),
        }
    }

    /// The REAL in two registers.
    pub fn real(self, words: &[u16]) -> f32 {
        f32::from_bits(self.number(words) as u32)
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> WordOrder {
        match self {
            WordOrder::LowFirst => WordOrder::HighFirst,
            WordOrder::HighFirst => WordOrder::LowFirst,
        }
    }
}
