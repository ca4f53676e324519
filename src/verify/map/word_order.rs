//! Which word of a number comes first over Modbus: what is plausible in one order only decides.
//!
//! The ratios of the transformers are REALs of 1 to 9999, and a REAL read backwards almost never is. The other
//! settings, the frequency and the counters are heard as well.

use crate::meter::WordOrder;
use crate::meter::element::WireType;
use crate::meter::{Element, Profile, Table, names};

use crate::verify::reading::observation::Observation;

/// What the registers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// These elements make sense in this order only, and none in the other only.
    Proven(WordOrder, Vec<String>),
    /// Nothing makes sense in one order only.
    Open,
    /// Some make sense in one order, some in the other.
    Torn(Vec<String>, Vec<String>),
}

/// Hears every number that was read.
pub fn decide(profile: &Profile, observation: &Observation) -> Option<Order> {
    let visit = observation.visits.first()?;
    let (mut low, mut high) = (Vec::new(), Vec::new());
    let mut heard = false;
    for element in &profile.elements {
        let Some(words) = element.registers().and_then(|registers| visit.words(registers)) else { continue };
        let (Some(first), Some(second)) =
            (plausible(element, words, WordOrder::LowFirst), plausible(element, words, WordOrder::HighFirst))
        else {
            continue;
        };
        heard = true;
        match (first, second) {
            (true, false) => low.push(element.name.clone()),
            (false, true) => high.push(element.name.clone()),
            _ => {}
        }
    }
    if !heard {
        return None;
    }
    Some(match (low.is_empty(), high.is_empty()) {
        (true, true) => Order::Open,
        (false, true) => Order::Proven(WordOrder::LowFirst, low),
        (true, false) => Order::Proven(WordOrder::HighFirst, high),
        (false, false) => Order::Torn(low, high),
    })
}

/// Whether the registers make sense in an order; `None` for what has no order, or says nothing about it.
fn plausible(element: &Element, words: &[u16], order: WordOrder) -> Option<bool> {
    let (low, high) = element.range;
    match (element.wire, element.table) {
        (WireType::Real, Table::Settings) => {
            let value = f64::from(order.real(words));
            Some((value >= low && value <= high) && (value == 0.0 || value.abs() >= 1e-6))
        }
        (WireType::Real, _) if element.name == names::FREQUENCY => {
            let value = order.real(words);
            // Nothing is connected: zero is zero in either order.
            (words != [0, 0]).then(|| (40.0..=70.0).contains(&value))
        }
        (WireType::Ulint, _) => Some(order.number(words) as f64 <= high),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::reading::observation::Visit;
    use std::time::SystemTime;

    fn decided(blocks: Vec<(u16, Vec<u16>)>) -> Option<Order> {
        let visits = vec![Visit { at: SystemTime::UNIX_EPOCH, blocks }];
        decide(&Profile::built_in(), &Observation { visits, ..Observation::default() })
    }

    #[test]
    fn transformer_ratios_make_sense_in_one_order_only() {
        // 20.0 and 1.0.
        let low = vec![(0x1018, vec![0x0000, 0x41A0, 0x0000, 0x3F80])];
        let named = vec!["ct_ratio".to_owned(), "vt_ratio".to_owned()];
        assert_eq!(decided(low), Some(Order::Proven(WordOrder::LowFirst, named.clone())));
        let high = vec![(0x1018, vec![0x41A0, 0x0000, 0x3F80, 0x0000])];
        assert_eq!(decided(high), Some(Order::Proven(WordOrder::HighFirst, named)));
    }

    #[test]
    fn zeros_decide_nothing_and_contradictory_registers_are_said_to_be() {
        assert_eq!(decided(vec![(0x0500, vec![0; 36])]), Some(Order::Open));
        assert_eq!(decided(vec![(0x4000, vec![0, 0])]), None);
        let torn = vec![(0x1018, vec![0x0000, 0x41A0, 0x3F80, 0x0000])];
        assert!(matches!(decided(torn), Some(Order::Torn(..))));
    }
}
