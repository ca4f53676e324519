//! How well a map fits the readings: the misfit of every law of physics, of every range, and of every value
//! that a person read from the meter's display or measured.
//!
//! A map is compared with others, not with a limit alone: another map is excluded when it breaks a law at least
//! ten times as much as this one does. So nothing is concluded where noise is as large as the difference.

use crate::meter::physics::{LAWS, Law, Premise, Says};

use crate::verify::map::series::{Map, Series};

/// Misfits below this are rounding, and tell no map from another.
const GRAIN: f64 = 2e-4;
/// A value that a person gives is compared as if it were not less than this.
const SMALLEST: f64 = 1e-3;
/// A display shows few digits.
const EXPECTED_GRAIN: f64 = 5e-3;
/// How many times worse a law must be broken to exclude a map.
const TIMES: f64 = 10.0;
/// A value that moved by so much between the readings may have been off by this many times as much when a person read it.
const DRIFTS: f64 = 5.0;

/// One thing that a map may break.
#[derive(Debug, Clone, Copy)]
enum Test {
    /// A law, with the positions of its elements.
    Law(&'static Law, usize),
    /// An element lies in its range.
    Range(usize),
    /// An element had this value elsewhere: on the meter's display, or on a clamp meter.
    Expected(usize, f64),
}

/// Everything that maps of one series are weighed by.
#[derive(Debug)]
pub struct Scales<'a> {
    series: &'a Series,
    tests: Vec<Test>,
    positions: Vec<Vec<usize>>,
    /// The tests that each element is part of.
    touching: Vec<Vec<usize>>,
}

/// A value from elsewhere that is not what was read.
#[derive(Debug)]
pub struct Unexpected {
    /// The element.
    pub element: usize,
    /// What was read and what was expected.
    pub found: String,
    /// The load moves so much that it may have been so when a person read it.
    pub moves: bool,
}

/// The misfit of each test under one map; `None` where it cannot tell.
pub type Misfits = Vec<Option<f64>>;

impl<'a> Scales<'a> {
    /// Scales for a series; `expected` has elements' names with the values that were shown elsewhere.
    pub fn new(series: &'a Series, expected: &[(String, f64)]) -> Scales<'a> {
        let mut tests = Vec::new();
        let mut positions = Vec::new();
        for law in LAWS.iter().filter(|law| !law.one_way) {
            let found: Option<Vec<usize>> = law.elements().map(|name| series.position(name)).collect();
            if let Some(found) = found {
                tests.push(Test::Law(law, positions.len()));
                positions.push(found);
            }
        }
        tests.extend((0..series.elements.len()).map(Test::Range));
        let shown = expected.iter().filter_map(|(name, value)| Some((series.position(name)?, *value)));
        tests.extend(shown.map(|(element, value)| Test::Expected(element, value)));
        let mut touching = vec![Vec::new(); series.elements.len()];
        for (number, test) in tests.iter().enumerate() {
            match test {
                Test::Law(_, at) => positions[*at].iter().for_each(|element| touching[*element].push(number)),
                Test::Range(element) | Test::Expected(element, _) => touching[*element].push(number),
            }
        }
        Scales { series, tests, positions, touching }
    }

    /// The misfit of everything under a map.
    pub fn weigh(&self, map: &Map) -> Misfits {
        self.tests.iter().map(|test| self.misfit(*test, map)).collect()
    }

    /// The same for a map that differs from `from`, whose misfits are known: only what is touched is weighed again.
    pub fn weigh_again(&self, map: &Map, from: &Map, known: &Misfits) -> Misfits {
        let mut misfits = known.clone();
        for number in self.touched(map, from) {
            misfits[number] = self.misfit(self.tests[number], map);
        }
        misfits
    }

    /// The same for a map that costs no more than `most`; `costs` are those of the misfits that are known.
    pub fn weigh_within(
        &self,
        map: &Map,
        (from, known, costs): (&Map, &Misfits, &[f64]),
        most: f64,
    ) -> Option<Misfits> {
        let touched = self.touched(map, from);
        let mut cost: f64 = costs.iter().sum();
        cost -= touched.iter().map(|number| costs[*number]).sum::<f64>();
        let mut again = Vec::with_capacity(touched.len());
        for number in touched {
            // No test costs less than nothing.
            if cost > most {
                return None;
            }
            let misfit = self.misfit(self.tests[number], map);
            cost += cost_of(self.tests[number], misfit);
            again.push((number, misfit));
        }
        (cost <= most).then(|| {
            let mut misfits = known.clone();
            again.into_iter().for_each(|(number, misfit)| misfits[number] = misfit);
            misfits
        })
    }

    /// The tests that tell one map from another, each once.
    fn touched(&self, map: &Map, from: &Map) -> Vec<usize> {
        let mut touched = vec![false; self.tests.len()];
        let mut numbers = Vec::new();
        for element in (0..map.len()).filter(|element| map[*element] != from[*element]) {
            for &number in &self.touching[element] {
                if !std::mem::replace(&mut touched[number], true) {
                    numbers.push(number);
                }
            }
        }
        numbers
    }

    fn misfit(&self, test: Test, map: &Map) -> Option<f64> {
        let readings = 0..self.series.readings.len();
        match test {
            Test::Law(law, at) => {
                let misfits = readings.filter_map(|reading| {
                    let values = self.values(reading, at, map)?;
                    (law.test)(&values, &Premise::IN_ONE_MOMENT).map(|found| found.misfit)
                });
                median(misfits.map(f64::abs).collect(), self.series.readings.len())
            }
            Test::Range(element) => {
                let (low, high) = self.series.ranges[element];
                let values = readings.filter_map(|reading| self.series.value(reading, element, map));
                // NaN is in no range.
                let out = values.map(|value| if value >= low && value <= high { 0.0 } else { 1.0 });
                median(out.collect(), self.series.readings.len())
            }
            Test::Expected(element, shown) => {
                let values = readings.filter_map(|reading| self.series.value(reading, element, map));
                let size = shown.abs().max(SMALLEST);
                values.map(|value| (value - shown).abs() / size).min_by(f64::total_cmp)
            }
        }
    }

    fn values(&self, reading: usize, at: usize, map: &Map) -> Option<Vec<f64>> {
        let positions = &self.positions[at];
        let mut values = Vec::with_capacity(positions.len());
        for element in positions {
            values.push(self.series.value(reading, *element, map)?);
        }
        Some(values)
    }

    /// One number for a search: the less, the better. What cannot tell is neither good nor bad.
    pub fn cost(&self, misfits: &Misfits) -> f64 {
        self.costs(misfits).iter().sum()
    }

    /// What each test adds to it.
    pub fn costs(&self, misfits: &Misfits) -> Vec<f64> {
        self.tests.iter().zip(misfits).map(|(test, misfit)| cost_of(*test, *misfit)).collect()
    }

    /// Whether everything that can tell holds.
    pub fn fits(&self, misfits: &Misfits) -> bool {
        let holds = |(test, misfit): (&Test, &Option<f64>)| match (test, misfit) {
            (_, None) => true,
            (Test::Law(law, _), Some(misfit)) => *misfit <= law.holds,
            (Test::Range(_), Some(misfit)) => *misfit < 0.5,
            (Test::Expected(..), Some(misfit)) => *misfit <= 2.0 * EXPECTED_GRAIN,
        };
        self.tests.iter().zip(misfits).all(holds)
    }

    /// Whether `other` is excluded by what `best` fits.
    pub fn excludes(&self, best: &Misfits, other: &Misfits) -> bool {
        let excludes = |((test, best), other): ((&Test, &Option<f64>), &Option<f64>)| {
            let sound = |best: f64| match test {
                Test::Law(law, _) => best <= law.holds,
                Test::Range(_) => best < 0.5,
                Test::Expected(..) => best <= 2.0 * EXPECTED_GRAIN,
            };
            matches!((best, other), (Some(best), Some(other))
                if sound(*best) && *other > grain(*test).max(TIMES * best))
        };
        self.tests.iter().zip(best).zip(other).any(excludes)
    }

    /// The laws that hold and touch an element, each once, in words.
    pub fn support(&self, element: usize, misfits: &Misfits) -> Vec<(&'static str, f64)> {
        let mut found: Vec<(&'static str, f64)> = Vec::new();
        for (test, misfit) in self.tests.iter().zip(misfits) {
            let (name, misfit) = match (test, misfit) {
                (Test::Law(law, at), Some(misfit))
                    if *misfit <= law.holds && self.positions[*at].contains(&element) =>
                {
                    (law.name, *misfit)
                }
                (Test::Expected(shown, _), Some(misfit))
                    if *shown == element && *misfit <= 2.0 * EXPECTED_GRAIN =>
                {
                    ("it is what was expected", *misfit)
                }
                _ => continue,
            };
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, worst)) => *worst = worst.max(misfit),
                None => found.push((name, misfit)),
            }
        }
        found
    }

    /// The laws that a map makes odd or breaks in most readings: the elements concerned, and the law with what was
    /// found. A healthy meter under an odd load may break one; alone it contradicts nothing.
    pub fn trouble(&self, map: &Map) -> Vec<(Vec<usize>, String)> {
        let readings = self.series.readings.len();
        let of_law = |test: &Test| {
            let Test::Law(law, at) = *test else { return None };
            let values = (0..readings).filter_map(|reading| self.values(reading, at, map));
            let found: Vec<String> = values
                .filter_map(|values| {
                    let found = (law.test)(&values, &Premise::IN_ONE_MOMENT)?;
                    matches!(found.says, Says::Broken | Says::Odd).then(|| (law.found)(&values))
                })
                .collect();
            (2 * found.len() > readings)
                .then(|| (self.positions[at].clone(), format!("{} ({})", law.name, found[0])))
        };
        self.tests.iter().filter_map(of_law).collect()
    }

    /// The values from elsewhere that are not what a map reads.
    pub fn unexpected(&self, map: &Map) -> Vec<Unexpected> {
        let of_value = |test: &Test| {
            let Test::Expected(element, shown) = *test else { return None };
            let misfit = self.misfit(*test, map).filter(|misfit| *misfit > 2.0 * EXPECTED_GRAIN)?;
            let values = |pick: fn(f64, f64) -> f64| {
                let readings = 0..self.series.readings.len();
                readings.filter_map(|reading| self.series.value(reading, element, map)).reduce(pick)
            };
            let (low, high) = (values(f64::min)?, values(f64::max)?);
            let moves = misfit <= DRIFTS * (high - low) / shown.abs().max(SMALLEST);
            let name = &self.series.names[element];
            let found = match moves {
                true => format!(
                    "{name} reads {low:.4} to {high:.4}, expected was {shown}: it moves too much to tell anything by this value, \
                     give it again under a steadier load"
                ),
                false => contrast(name, self.series.value(0, element, map)?, shown),
            };
            Some(Unexpected { element, found, moves })
        };
        self.tests.iter().filter_map(of_value).collect()
    }

    /// Whether a law that is no mere product holds and touches an element: a product names none of its operands.
    pub fn is_named(&self, element: usize, misfits: &Misfits) -> bool {
        self.tests.iter().zip(misfits).any(|(test, misfit)| match (test, misfit) {
            (Test::Law(law, at), Some(misfit)) => {
                !law.symmetric && *misfit <= law.holds && self.positions[*at].contains(&element)
            }
            (Test::Expected(shown, _), Some(misfit)) => *shown == element && *misfit <= 2.0 * EXPECTED_GRAIN,
            _ => false,
        })
    }
}

/// What was read beside what was expected, and by which factor it is off, if by a whole one.
fn contrast(name: &str, value: f64, expected: f64) -> String {
    let times = (value / expected).abs();
    let (times, what) = if times >= 1.0 { (times, "times") } else { (1.0 / times, "times less than") };
    let factor = times.round();
    let by = if factor >= 2.0 && (times / factor - 1.0).abs() < 0.02 {
        format!(", {factor} {what} that: a ratio set in the meter may be wrong")
    } else {
        String::new()
    };
    format!("{name} reads {value:.4}, expected was {expected}{by}")
}

/// What a test adds to the cost of a map: nothing where it holds.
fn cost_of(test: Test, misfit: Option<f64>) -> f64 {
    match (test, misfit) {
        (Test::Law(..), None) => (0.05 / GRAIN).ln(),
        (Test::Range(_) | Test::Expected(..), None) => (1.0 / GRAIN).ln(),
        (test, Some(misfit)) => (misfit.max(grain(test)) / grain(test)).ln(),
    }
}

fn grain(test: Test) -> f64 {
    if matches!(test, Test::Expected(..)) { EXPECTED_GRAIN } else { GRAIN }
}

/// The middle of the misfits, so that a load step between two blocks spoils nothing; `None` when fewer than
/// half of the readings can tell.
fn median(mut misfits: Vec<f64>, readings: usize) -> Option<f64> {
    if misfits.is_empty() || 2 * misfits.len() < readings {
        return None;
    }
    misfits.sort_by(f64::total_cmp);
    Some(misfits[misfits.len() / 2])
}
