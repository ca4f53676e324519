//! Energy counters over Modbus: no law of physics knows their size, but words in the wrong order make numbers that
//! no counter reaches.

use crate::meter::decode::other_order;
use crate::meter::element::{Convert, WireType};
use crate::meter::profile::Profile;
use crate::meter::reading::Readings;
use crate::meter::table::Table;
use crate::meter::word_order::WordOrder;

use super::explanations::{Explanation, Kind};
use super::judge::{Contradiction, Verdict};

/// Judges the energy table of one reading that was made in a word order; it may be wrong in energy only.
pub fn judge_counters(profile: &Profile, readings: &Readings, order: WordOrder) -> Verdict {
    let (mut read, mut out, mut fits, mut example) = (0, 0, 0, None);
    for (index, element) in profile.elements_of(Table::Energy) {
        let Some(raw) = readings.raw(index).filter(|raw| !raw.absent) else { continue };
        // Zero reads the same in both orders.
        if element.wire != WireType::Ulint || raw.bits == 0 {
            continue;
        }
        read += 1;
        let plausible = |bits: u64| {
            let most = if element.convert == Convert::HoursMinutes { 36.0 } else { 1.0 };
            bits as f64 * most <= element.range.1
        };
        if !plausible(raw.bits) {
            out += 1;
            fits += usize::from(plausible(other_order(raw.bits, element.wire)));
            example.get_or_insert((element.name.as_str(), raw.bits));
        }
    }
    match example {
        Some((name, bits)) if out == fits && out * 2 > read => Verdict::Contradicted(Contradiction {
            law: "counters are plausible",
            found: format!("{name} is {bits:.3e}", bits = bits as f64),
            explanation: Explanation {
                kind: Kind::WordOrder(order.other()),
                words: format!("the word order of energy is {}", order.other()),
            },
        }),
        None if read > 0 => Verdict::Consistent,
        _ => Verdict::NotProvable,
    }
}
