//! What tells one map from any other, so that it is known again after a restart.

use crate::meter::{Profile, WordOrder};

/// A number that tells where this map says that things stand.
pub fn fingerprint(profile: &Profile, order: Option<WordOrder>) -> u64 {
    // FNV-1a: the same in every build of the program, for it is remembered.
    let mut print = 0xCBF2_9CE4_8422_2325_u64;
    let mut take = |part: u64| print = (print ^ part).wrapping_mul(0x0100_0000_01B3);
    for element in &profile.elements {
        element.name.bytes().for_each(|byte| take(byte.into()));
        let place = element.place.map(|place| u64::from(place.instance) << 16 | u64::from(place.offset));
        take(place.map_or(u64::MAX, |place| place));
        take(element.modbus.map_or(u64::MAX, u64::from));
    }
    take(order.map_or(2, |order| u64::from(order == WordOrder::HighFirst)));
    print
}
