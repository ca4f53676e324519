//! A value that is never quite still: sums of sine waves and a square wave, which have a closed integral.

use std::f64::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

/// A mean value with a slow swing, a medium one and a ripple, and perhaps steps.
#[derive(Debug, Clone)]
pub(super) struct Wave {
    pub(super) mean: f64,
    /// Amplitude, angular frequency in rad/s, phase in rad.
    pub(super) swings: [(f64, f64, f64); 3],
    /// Amplitude around the mean, and seconds up or down.
    pub(super) steps: (f64, f64),
}

impl Wave {
    /// `lively` is the largest relative departure from the mean by swings.
    pub(super) fn new(mean: f64, lively: f64, random: &mut StdRng) -> Wave {
        let mut swing = |share: f64, seconds: std::ops::Range<f64>| {
            let period = random.random_range(seconds);
            (mean * lively * share, TAU / period, random.random_range(0.0..TAU))
        };
        let swings = [swing(0.6, 1200.0..2400.0), swing(0.3, 90.0..240.0), swing(0.1, 7.0..17.0)];
        Wave { mean, swings, steps: (0.0, 1.0) }
    }

    /// The same with steps, `share` of the mean up and down, every so many seconds.
    pub(super) fn stepping(self, share: f64, seconds: f64) -> Wave {
        Wave { steps: (self.mean * share, seconds), ..self }
    }

    pub(super) fn at(&self, seconds: f64) -> f64 {
        let (amplitude, half) = self.steps;
        let up = (seconds / half).floor() % 2.0 == 0.0;
        let step = if up { amplitude } else { -amplitude };
        self.mean
            + step
            + self.swings.iter().map(|(a, w, phase)| a * (w * seconds + phase).sin()).sum::<f64>()
    }

    /// An antiderivative of [`Wave::at`].
    pub(super) fn integral(&self, seconds: f64) -> f64 {
        let (amplitude, half) = self.steps;
        // Up for one half, down for the other: a triangle.
        let into = seconds.rem_euclid(2.0 * half);
        let steps = amplitude * if into < half { into } else { 2.0 * half - into };
        let swings = self.swings.iter().map(|(a, w, phase)| a / w * (w * seconds + phase).cos());
        self.mean * seconds + steps - swings.sum::<f64>()
    }

    /// The largest departure from the mean.
    pub(super) fn departure(&self) -> f64 {
        self.steps.0.abs() + self.swings.iter().map(|(amplitude, ..)| amplitude.abs()).sum::<f64>()
    }
}
