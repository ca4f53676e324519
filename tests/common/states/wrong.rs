//! Wrong maps: what stands where, when the program takes it for something else.

use super::{ACTIVE, APPARENT, CURRENT, DELTA, FACTOR, HZ, Network, REACTIVE, STAR, Values, lag};

/// A wrong map, as a change of what stands on the wire.
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    /// What the explanation must say, in any of these ways.
    pub(crate) says: &'static [&'static str],
    pub(crate) change: fn(&mut [u32; 30]),
}

/// Ordinary loads: the five of the list, and three more.
pub(crate) fn loads() -> [(&'static str, Network); 8] {
    let day =
        Network::new([(230.4, 40.0, lag(0.90)), (229.1, 46.0, lag(0.93)), (231.0, 37.0, lag(0.86))], 50.0);
    [
        ("day", day),
        ("full", day.times(6.0)),
        ("low", day.times(0.06)),
        ("export", Network { phases: day.phases.map(|(v, i, angle)| (v, i, 180.0 - angle)), ..day }),
        (
            "unbalanced",
            Network::new([(233.0, 60.0, lag(0.80)), (231.0, 9.0, lag(0.97)), (226.0, 25.0, lag(0.60))], 50.0),
        ),
        ("balanced", Network::new([(230.0, 40.0, lag(0.9)); 3], 50.0)),
        (
            "medium voltage",
            Network::new(
                [(6351.0, 90.0, lag(0.88)), (6340.0, 97.0, lag(0.92)), (6366.0, 84.0, lag(0.85))],
                50.0,
            ),
        ),
        (
            "distorted",
            Network {
                distortion: 1.15,
                ..Network::new([(277.4, 81.0, 12.0), (276.1, 86.0, 14.0), (278.0, 77.0, 10.0)], 60.0)
            },
        ),
    ]
}

fn exchange(bits: &mut [u32; 30], one: usize, other: usize) {
    (0..4).for_each(|n| bits.swap(one + n, other + n));
}

fn order(bits: &mut [u32; 30], order: &[usize]) {
    let old = *bits;
    for (n, group) in order.iter().enumerate() {
        let first = order.iter().min().copied().unwrap_or(0) + 4 * n;
        bits[first..first + 4].copy_from_slice(&old[*group..group + 4]);
    }
}

fn totals(bits: &mut [u32; 30], groups: &[usize], places: [usize; 4]) {
    let old = *bits;
    for group in groups {
        (0..4).for_each(|n| bits[group + n] = old[group + places[n]]);
    }
}

fn factor(bits: &mut [u32; 30], groups: &[usize], factor: f32) {
    for group in groups {
        bits[*group..group + 4]
            .iter_mut()
            .for_each(|bits| *bits = (f32::from_bits(*bits) * factor).to_bits());
    }
}

fn shift(bits: &mut [u32], by: i32) {
    let junk = [0.37f32.to_bits(), 12.5f32.to_bits()];
    let old = bits.to_vec();
    for (n, slot) in bits.iter_mut().enumerate() {
        *slot = usize::try_from(n as i32 + by).ok().and_then(|n| old.get(n).copied()).unwrap_or(junk[n % 2]);
    }
}

const EVERY: [usize; 7] = [STAR, DELTA, CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR];
const POWERS: [usize; 3] = [ACTIVE, APPARENT, REACTIVE];

/// Every wrong map that both protocols can have.
#[rustfmt::skip]
pub(crate) fn maps() -> Vec<Wrong> {
    let wrong = |name, says, change| Wrong { name, says, change };
    vec![
        wrong("word order", &["the word order is high_first", "words of each REAL"], |b| b.iter_mut().for_each(|b| *b = b.rotate_left(16))),
        wrong("shifted by one", &["one element later", "one element earlier"], |b| shift(b, 1)),
        wrong("shifted by minus one", &["one element"], |b| shift(b, -1)),
        wrong("shifted by two", &["2 elements"], |b| shift(b, 2)),
        wrong("shifted by minus two", &["2 elements"], |b| shift(b, -2)),
        wrong("powers shifted by one", &["one element"], |b| shift(&mut b[12..], 1)),
        wrong("powers shifted by minus one", &["one element"], |b| shift(&mut b[12..], -1)),
        wrong("voltages shifted by one", &["one element"], |b| shift(&mut b[..12], 1)),
        wrong("voltages shifted by minus one", &["one element"], |b| shift(&mut b[..12], -1)),
        wrong("star and delta", &["phase voltages and line voltages"], |b| exchange(b, STAR, DELTA)),
        wrong("one phase voltage and one line voltage", &["voltage_l1_n_v and voltage_l1_l2_v are"], |b| b.swap(STAR, DELTA)),
        wrong("star voltages and currents", &["phase voltages and currents"], |b| exchange(b, STAR, CURRENT)),
        wrong("line voltages and currents", &["line voltages and currents"], |b| exchange(b, DELTA, CURRENT)),
        wrong("currents first", &["the order is"], |b| order(b, &[CURRENT, STAR, DELTA])),
        wrong("currents, line, phase", &["exchanged"], |b| order(b, &[CURRENT, DELTA, STAR])),
        wrong("line, currents, phase", &["the order is"], |b| order(b, &[DELTA, CURRENT, STAR])),
        wrong("W and VA", &["active powers and apparent powers"], |b| exchange(b, ACTIVE, APPARENT)),
        wrong("VA and var", &["apparent powers and reactive powers"], |b| exchange(b, APPARENT, REACTIVE)),
        wrong("W and var", &["active powers and reactive powers"], |b| exchange(b, ACTIVE, REACTIVE)),
        wrong("W, var, VA, PF rotated", &["the order is", "exchanged"], |b| order(b, &[REACTIVE, ACTIVE, APPARENT, FACTOR])),
        wrong("PF first", &["the order is"], |b| order(b, &[FACTOR, ACTIVE, APPARENT, REACTIVE])),
        wrong("PF and frequency", &["power factor and frequency"], |b| b.swap(FACTOR + 3, HZ)),
        wrong("frequency before PF", &["the frequency stands before"], |b| b[FACTOR..HZ + 1].rotate_right(1)),
        wrong("total first, everywhere", &["the total stands before its phases"], |b| totals(b, &EVERY, [3, 0, 1, 2])),
        wrong("total first, powers and PF", &["the total stands before its phases"], |b| totals(b, &[ACTIVE, APPARENT, REACTIVE, FACTOR], [3, 0, 1, 2])),
        wrong("total first, W only", &["the total stands before its phases"], |b| totals(b, &[ACTIVE], [3, 0, 1, 2])),
        wrong("total and L1 exchanged, powers", &["the total and L1"], |b| totals(b, &[ACTIVE, APPARENT, REACTIVE, FACTOR], [3, 1, 2, 0])),
        wrong("total and L3 exchanged, powers", &["the total and L3"], |b| totals(b, &[ACTIVE, APPARENT, REACTIVE, FACTOR], [0, 1, 3, 2])),
        wrong("kW, kVA, kvar", &["powers are in kW"], |b| factor(b, &POWERS, 1e-3)),
        wrong("kW only", &["active powers are in kW"], |b| factor(b, &[ACTIVE], 1e-3)),
        wrong("kVA only", &["apparent powers are in kVA"], |b| factor(b, &[APPARENT], 1e-3)),
        wrong("kV", &["voltages are in kV"], |b| factor(b, &[STAR, DELTA], 1e-3)),
        wrong("mA", &["currents are in mA"], |b| factor(b, &[CURRENT], 1e3)),
        wrong("phase by phase", &["phase by phase"], |b| { let old = *b; (0..16).for_each(|n| b[ACTIVE + n % 4 * 4 + n / 4] = old[ACTIVE + n]); let by = *b; (0..16).for_each(|n| b[ACTIVE + n] = by[ACTIVE + n]); }),
        wrong("another make: integers", &["another meter"], |b| b.iter_mut().for_each(|b| *b = (f32::from_bits(*b) * 10.0) as i32 as u32)),
        wrong("another make: whole and thousandths", &["another meter"], |b| b.iter_mut().enumerate().for_each(|(n, b)| *b = 0x4479_C000 ^ (n as u32).wrapping_mul(0x9E37_79B9))),
    ]
}

/// Three readings of a load that moves a little.
pub(crate) fn readings(network: Network) -> [Values; 3] {
    [1.0, 1.004, 0.997].map(|factor| network.times(factor).values())
}
