//! What stays open, and what would settle it.

use crate::meter::{Profile, Table, names};

use crate::verify::reading::observation::Observation;
use crate::verify::verdict::{Gap, Judged, Verdict};

/// Sentences for everything that these readings could not prove. `expected`: whether a value from elsewhere was
/// given.
pub fn of(profile: &Profile, observation: &Observation, judged: &[Judged], expected: bool) -> Vec<String> {
    let mut limits = Vec::new();
    let count = |gap: Gap| judged.iter().filter(|one| one.gap == Some(gap)).count();
    let phases = count(Gap::PhaseNames);
    if phases > 0 {
        limits.push(format!(
            "{phases} elements belong to one phase each, and which phase is called L1 no number can tell: exchanging \
             two phases everywhere obeys every law. Read two currents or voltages from the meter's display and run \
             it again with --expect current_l1_a=… --expect current_l2_a=…"
        ));
    }
    let still = count(Gap::Still);
    if still > 0 {
        limits.push(format!(
            "{still} values did not change between the readings: run it again under a load that moves, or with a \
             longer --interval"
        ));
    }
    let element = |one: &Judged| &profile.elements[one.index];
    if judged.iter().any(|one| element(one).name == names::PHASE_SEQUENCE && one.verdict != Verdict::Proven) {
        let name = names::PHASE_SEQUENCE;
        limits.push(format!(
            "{name} is a constant, and no law touches a constant: compare it with the display"
        ));
    }
    if judged.iter().any(|one| matches!(element(one).table, Table::Max | Table::Demand)) {
        limits.push(
            "maximum and demand values stand still for minutes and obey few laws: sums and means at most; no Modbus \
             address of theirs is known"
                .to_owned(),
        );
    }
    limits.extend(unread(observation).map(str::to_owned));
    if !expected {
        limits.push(
            "a transformer ratio that is set wrongly scales current, powers and energy alike, so no number of the \
             meter shows it: measure one current with a clamp and give it with --expect"
                .to_owned(),
        );
    }
    limits
}

/// What follows from the protocol that was not read, or from both.
fn unread(observation: &Observation) -> Option<&'static str> {
    match (observation.before.is_empty(), observation.visits.is_empty()) {
        (false, true) if observation.modbus_tried => Some(
            "Modbus did not answer, so its addresses, the word order, the ratios and assembly 107 stay unproven by it",
        ),
        (false, true) => Some(
            "Modbus was not touched, so its addresses, the word order, the ratios and assembly 107 stay unproven: \
             --may-interrupt-plc reads it once, in a maintenance window",
        ),
        (true, false) => Some("EtherNet/IP was not read, so no place in an assembly is proven"),
        (false, false) => Some("that EtherNet/IP and Modbus agree proves their maps alike, not right"),
        (true, true) => None,
    }
}
