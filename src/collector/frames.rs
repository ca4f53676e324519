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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};
    use std::time::{Duration, UNIX_EPOCH};

    const STAR: [f32; 4] = [230.0, 231.0, 229.0, 230.0];
    const DELTA: [f32; 4] = [399.2, 398.4, 397.5, 398.4];
    const CURRENT: [f32; 4] = [10.0, 12.0, 8.0, 3.5];

    /// A sample of assembly 101 with these groups, after so many seconds.
    fn sample(groups: [[f32; 4]; 3], seconds: u64) -> Block {
        Block {
            span: Span::Assembly(101),
            bytes: groups.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect(),
            at: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// The seconds of the samples that leave, where line and phase voltages are exchanged in the second and the third
    /// of four.
    fn left(map_check: &str) -> Vec<u64> {
        let meter = format!("address = \"192.0.2.1\"\nmap_check = \"{map_check}\"");
        let text = format!("[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n{meter}\n");
        let config = Config::parse(&text, &Overrides::default()).unwrap().meters.remove(0);
        let judge = Judge::new(config.map_check, None, &config.profile, false);
        let (sound, odd) = ([STAR, DELTA, CURRENT], [DELTA, STAR, CURRENT]);
        let blocks = [sound, odd, odd, sound].into_iter().zip(1..).map(|(groups, n)| sample(groups, n));
        let samples = vec![Samples { assembly: 101, blocks: blocks.collect() }];
        let (sampled, samples) = decode(&config, &judge, samples, Table::Realtime.into());
        assert_eq!(sampled, [101]);
        let seconds = |sample: &Sample| sample.at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        samples.iter().map(seconds).collect()
    }

    #[test]
    fn each_sample_between_two_gathers_is_judged_and_one_that_contradicts_the_map_stays() {
        assert_eq!(left("refuse"), [1, 4]);
        assert_eq!(left("warn"), [1, 2, 3, 4], "all that was asked for is a warning");
    }
}
