//! Every new sample of a listened assembly, where the configuration wants a line for each.
//!
//! Counters are not among them: what is odd about a counter is decided once a gather.

use crate::config::MeterConfig;
use crate::meter::{Block, Readings, Span, Table, TableSet, block};
use crate::source::Samples;

use super::judge::Judge;
use super::report::Sample;

/// The assemblies of these that have a line for each sample, and the new samples of these tables that may leave.
pub fn decode(
    config: &MeterConfig,
    judge: &Judge,
    samples: Vec<Samples>,
    tables: TableSet,
) -> (Vec<u16>, Vec<Sample>) {
    let counts = |samples: &Samples| {
        block::tables_of(&config.profile, Span::Assembly(samples.assembly), TableSet::from(Table::Energy))
            .contains(Table::Energy)
    };
    let gauges: Vec<Samples> = samples.into_iter().filter(|samples| !counts(samples)).collect();
    let sampled = gauges.iter().map(|samples| samples.assembly).collect();
    let blocks = gauges.into_iter().flat_map(|samples| samples.blocks);
    (sampled, blocks.filter_map(|block| decode_one(config, judge, &block, tables)).collect())
}

fn decode_one(config: &MeterConfig, judge: &Judge, block: &Block, tables: TableSet) -> Option<Sample> {
    let profile = &config.profile;
    let table = block::tables_of(profile, block.span, tables).iter().next()?;
    let mut one = Readings::new(profile.elements.len());
    block::read(profile, block, table.into(), config.word_order, &mut one).ok()?;
    if !judge.passes(&one) {
        return None;
    }
    let elements = profile.elements_of(table);
    let values = elements.filter_map(|(index, _)| Some((index, one.get(index)?.clone()))).collect();
    Some(Sample { table, at: block.at, values })
}
