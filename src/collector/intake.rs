//! What an answer of a source means: blocks → readings, failures by span → failures by table.

use crate::meter::{Profile, Readings, Span, Table, TableSet, WordOrder, block};
use crate::source::{Answer, Exhibit, Failure, FailureKind};

/// What could not be taken in.
#[derive(Debug, Default)]
pub struct Taken {
    /// What failed, by table.
    pub failures: Vec<(Table, Failure)>,
    /// What came and cannot be decoded.
    pub unusable: Vec<Exhibit>,
}

/// Puts what an answer brought for these tables into `readings`.
pub fn take_in(
    answer: &Answer,
    tables: TableSet,
    (profile, order): (&Profile, WordOrder),
    readings: &mut Readings,
) -> Taken {
    let mut taken = Taken::default();
    for came in &answer.blocks {
        if let Err(wrong) = block::read(profile, came, tables, order, readings) {
            let failure = FailureKind::WrongSize.because(wrong.to_string());
            taken.unusable.push(Exhibit { what: failure.sentence.clone(), bytes: came.bytes.clone() });
            let failed = block::tables_of(profile, came.span, tables);
            taken.failures.extend(failed.iter().map(|table| (table, failure.clone())));
        }
    }
    for (span, failure) in &answer.failures {
        // Over Modbus nothing of who the meter is has to be there.
        let refused = matches!(span, Span::Registers { .. }) && failure.kind == FailureKind::Refused;
        let failed = block::tables_of(profile, *span, tables);
        let failed = failed.iter().filter(|table| !(refused && *table == Table::Info));
        taken.failures.extend(failed.map(|table| (table, failure.clone())));
    }
    taken
}
