//! Values → what stands on the wire: REALs in two assemblies, or registers.

use super::Values;

/// How a meter says that it has no such value.
pub(crate) const NOTHINGS: [(&str, u32); 9] = [
    ("0", 0),
    ("NaN", 0x7FC0_0000),
    ("all ones", 0xFFFF_FFFF),
    ("3.4e38", 0x7F7F_C99E),
    ("largest REAL", 0x7F7F_FFFF),
    ("infinity", 0x7F80_0000),
    ("-9999", 0xC61C_3C00),
    ("1e30", 0x7149_F2CA),
    ("-infinity", 0xFF80_0000),
];

/// The bits of every value.
pub(crate) fn bits(values: &Values, nothing: u32) -> [u32; 30] {
    values.map(|value| value.map_or(nothing, |value| (value as f32).to_bits()))
}

/// The two assemblies.
pub(crate) fn assemblies(bits: &[u32; 30]) -> (Vec<u8>, Vec<u8>) {
    let bytes = |part: &[u32]| part.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    (bytes(&bits[..12]), bytes(&bits[12..]))
}

/// Registers from 0x50 to 0x8F, low word first: the sibling has two asymmetries before the phase sequence.
pub(crate) fn registers(bits: &[u32; 30]) -> Vec<u16> {
    let asymmetries = [0.4f32.to_bits(), 0.3f32.to_bits(), 0];
    let all = bits[..29].iter().chain(&asymmetries[..2]).chain(&bits[29..]);
    all.flat_map(|bits| [*bits as u16, (*bits >> 16) as u16]).collect()
}
