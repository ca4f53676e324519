//! What a valid configuration should still be told once, at start.

use std::collections::BTreeMap;

use super::resolve::Resolved;
use crate::logging::OfMeter;
use crate::meter::{Evidence, Table, Use};

/// Everything worth a `W!` line, one sentence each, the same sentence once for all meters it is true of.
pub(super) fn of(resolved: &[Resolved]) -> Vec<String> {
    let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Resolved { meter, notes } in resolved {
        for note in notes {
            grouped.entry(note).or_default().push(&meter.name);
        }
    }
    let warnings = grouped.into_iter().map(|(warning, names)| match names[..] {
        [name] => format!("{}{warning}", OfMeter(name)),
        [first, .., last] => format!("{} meters (\"{first}\" to \"{last}\"): {warning}", names.len()),
        [] => warning.to_owned(),
    });
    warnings.collect()
}

/// The one sentence about maps that no page of the manual confirms.
pub(super) fn basis(resolved: &[Resolved]) -> Option<String> {
    let mut tables: BTreeMap<Table, Evidence> = BTreeMap::new();
    for Resolved { meter, .. } in resolved {
        let emitted = meter.profile.elements.iter().zip(&meter.selected).filter(|(_, selected)| **selected);
        for (element, _) in emitted.filter(|(element, _)| element.usage == Use::Field) {
            let weakest = tables.entry(element.table).or_insert(Evidence::Verified);
            *weakest = element.evidence.min(*weakest);
        }
    }
    let named = |grade: Evidence| {
        let names: Vec<_> =
            tables.iter().filter(|(_, basis)| **basis == grade).map(|(table, _)| table.name()).collect();
        (!names.is_empty()).then(|| format!("{grade} for {}", names.join(", ")))
    };
    let weak: Vec<_> = [Evidence::Inferred, Evidence::Guessed].into_iter().filter_map(named).collect();
    (!weak.is_empty()).then(|| {
        format!(
            "The map is {}, not documented by the manual: compare the values with the meter's display once; \
             \"telegraf-pm500 fields\" lists the evidence of every field",
            weak.join(" and ")
        )
    })
}
