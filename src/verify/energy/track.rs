//! One REAL of assembly 107 over time, beside the integrals of power.

use super::quantity::{Power, Quantity};
use super::unsettled::{Unsettled, minutes};

/// The assembly that carries energy.
pub const ASSEMBLY: u16 = 107;

/// The REALs of assembly 107 at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Seconds since any beginning.
    pub at: f64,
    /// The REALs.
    pub reals: Vec<f64>,
}

/// What was read over some time, both in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Assembly 107.
    pub samples: Vec<Sample>,
    /// Power, as often as it was read.
    pub power: Vec<Power>,
}

/// One way to read a REAL that moved.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    quantity: Quantity,
    unit: u32,
    /// How far the counter is from the integral, as a share of it.
    misfit: f64,
    /// How far it may be, as a share of it.
    slack: f64,
}

/// One REAL over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its slot.
    pub slot: usize,
    /// Whether it moved at all.
    pub moved: bool,
    /// By how many of its own steps.
    pub steps: f64,
    /// What a high half counts in, when it was seen to begin again at 0.
    pub modulus: Option<u32>,
    seconds: f64,
    fits: Vec<Fit>,
}

/// A counter must be told this well: other quantities and units then differ by more.
const TELLS: f64 = 0.05;
/// The share by which a counter and the integral of sampled power differ anyway.
const SAMPLED: f64 = 0.01;
/// Steps below this are too few to know a rate.
const STEPS: f64 = 10.0;

impl Track {
    /// What it counts and in which unit, when that is told well and nothing else fits.
    pub fn sole(&self) -> Option<(Quantity, u32)> {
        match &self.fits[..] {
            [fit] if fit.slack <= TELLS && self.steps >= STEPS => Some((fit.quantity, fit.unit)),
            _ => None,
        }
    }

    /// Whether it may be a counter of this.
    pub fn may_be(&self, quantity: Quantity) -> bool {
        self.fits.iter().any(|fit| fit.quantity == quantity)
    }

    /// Why it is not settled as a counter of this.
    pub fn why(&self, quantity: Quantity) -> Unsettled {
        let others = self.fits.iter().map(|fit| fit.quantity).filter(|other| *other != quantity);
        let others: Vec<Quantity> = others.collect();
        let worst = self.fits.iter().map(|fit| fit.slack).fold(0.0, f64::max);
        let times = (worst / TELLS).max(STEPS / self.steps.max(0.5)).max(1.0);
        let (slot, seconds) = (self.slot, self.seconds * times * 1.2);
        match &others[..] {
            [] if times > 1.0 => Unsettled::FewSteps { slot, steps: self.steps, seconds },
            [] => Unsettled::Units { slot, quantity },
            _ => Unsettled::Alike { slot, quantity, others, seconds },
        }
    }

    /// What proves it.
    pub fn proof(&self, quantity: Quantity) -> String {
        let fit = self.fits.iter().find(|fit| fit.quantity == quantity);
        let misfit = fit.map_or(0.0, |fit| fit.misfit * 100.0);
        format!(
            "it moved by {:.0} of its steps in {}, as {quantity} says within {misfit:.1} %, and as nothing else does",
            self.steps,
            minutes(self.seconds)
        )
    }
}

/// The distance between neighboring REALs of this size.
pub fn spacing(value: f64) -> f64 {
    let bits = (value.abs() as f32).to_bits();
    f64::from(f32::from_bits(bits + 1)) - f64::from(f32::from_bits(bits))
}

/// Every REAL over time.
pub fn all(recording: &Recording) -> Vec<Track> {
    let slots = recording.samples.first().map_or(0, |sample| sample.reals.len());
    let integrals = Quantity::ALL.map(|quantity| integral(recording, quantity));
    (0..slots).map(|slot| track(&recording.samples, slot, &integrals)).collect()
}

/// What a quantity came to over all samples, and the most it can have been behind for.
pub fn total(recording: &Recording, quantity: Quantity) -> (f64, f64) {
    let sums = integral(recording, quantity);
    let whole = sums.last().copied().unwrap_or(0.0) - sums.first().copied().unwrap_or(0.0);
    let peak = recording.power.iter().map(|power| quantity.rate(power)).fold(0.0, f64::max);
    (whole, peak * LATE / 3600.0)
}

/// The longest time after which a meter brings its assembly up to date, in seconds.
const LATE: f64 = 120.0;

/// What a quantity came to until each sample.
fn integral(recording: &Recording, quantity: Quantity) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums: Vec<(f64, f64)> =
        recording.power.first().map(|first| (first.at, 0.0)).into_iter().collect();
    for pair in recording.power.windows(2) {
        sum += (pair[1].at - pair[0].at) * (quantity.rate(&pair[0]) + quantity.rate(&pair[1])) / 2.0 / 3600.0;
        sums.push((pair[1].at, sum));
    }
    let until = |at: f64| {
        let next = sums.partition_point(|(known, _)| *known < at);
        match (next.checked_sub(1).and_then(|n| sums.get(n)), sums.get(next)) {
            (Some((from, low)), Some((to, high))) if to > from => {
                low + (high - low) * (at - from) / (to - from)
            }
            (Some((_, sum)), _) | (None, Some((_, sum))) => *sum,
            (None, None) => 0.0,
        }
    };
    recording.samples.iter().map(|sample| until(sample.at)).collect()
}

fn track(samples: &[Sample], slot: usize, integrals: &[Vec<f64>; 5]) -> Track {
    let values: Vec<f64> =
        samples.iter().map(|sample| sample.reals.get(slot).copied().unwrap_or(f64::NAN)).collect();
    // Only when it changes is it known when it was brought up to date.
    let edges: Vec<usize> = (1..values.len()).filter(|n| values[*n] != values[n - 1]).collect();
    let moved = !edges.is_empty();
    let (Some(&from), Some(&to)) = (edges.first(), edges.last()) else {
        return Track { slot, moved, steps: 0.0, modulus: None, seconds: 0.0, fits: Vec::new() };
    };
    let quantum = quantum(&values, &edges);
    let seconds = samples[samples.len() - 1].at - samples[0].at;
    // The low half of a pair begins again at 0 when the high half takes one more.
    let largest = values.iter().fold(0.0f64, |most, value| most.max(*value));
    let falls = edges.iter().filter(|n| values[**n] < values[**n - 1]).count();
    let modulus = (falls > 0).then(|| 10f64.powf((largest + quantum).log10().ceil()));
    let mut carried = 0.0;
    let mut unwrapped = vec![values[0]];
    for pair in values.windows(2) {
        if pair[1] < pair[0] {
            carried += modulus.unwrap_or(0.0);
        }
        unwrapped.push(pair[1] + carried);
    }
    let values = unwrapped;
    let steps = (values[to] - values[from]).abs() / quantum;
    let rises = edges.iter().all(|n| values[*n] >= values[n - 1]) && falls * 2 < edges.len().max(3);
    let mut fits = Vec::new();
    for (quantity, sums) in Quantity::ALL.into_iter().zip(integrals) {
        for (unit, worth) in quantity
            .units()
            .iter()
            .flat_map(|unit| quantity.worths().iter().map(move |worth| (*unit, *worth)))
        {
            let scale = f64::from(unit) * worth;
            let whole = sums[sums.len() - 1];
            if !rises || whole <= 0.0 {
                continue;
            }
            // At each edge the counter is what it was at some time since the reading before.
            let late = edges.iter().map(|n| sums[*n] - sums[n - 1]).fold(0.0, f64::max);
            let span = sums[to] - sums[from];
            let slack = late + 2.0 * quantum * scale + SAMPLED * whole;
            let far = |n: &usize| ((values[*n] - values[from]) * scale - (sums[*n] - sums[from])).abs();
            let worst = edges.iter().map(far).fold(0.0, f64::max);
            // A counter that did not reach its second step has a rate between none and this.
            if worst <= slack {
                let size = span.max(whole * 0.01);
                fits.push(Fit { quantity, unit, misfit: worst / size, slack: slack / size });
            }
        }
    }
    let modulus = modulus.filter(|_| !fits.is_empty()).map(|modulus| modulus as u32);
    Track { slot, moved, steps, modulus, seconds, fits }
}

/// The smallest step that the values can have: that of a REAL of their size, or a decimal one that all of them share.
fn quantum(values: &[f64], edges: &[usize]) -> f64 {
    let real =
        values.iter().filter(|value| value.is_finite()).map(|value| spacing(*value)).fold(0.0, f64::max);
    let decimal = (-3..=3).rev().map(|power| 10f64.powi(power)).find(|step| {
        edges.iter().all(|n| {
            let steps = (values[*n] - values[0]) / step;
            (steps - steps.round()).abs() * step <= 2.0 * real
        })
    });
    decimal.unwrap_or(real).max(real)
}
