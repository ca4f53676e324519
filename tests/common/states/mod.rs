//! Healthy installations and wrong maps, as numbers: what a meter reports in `realtime`, and what stands where
//! when the map is wrong.

pub(crate) mod healthy;
pub(crate) mod wire;
pub(crate) mod wrong;

use std::f64::consts::TAU;

/// Elements of realtime, in the order of the built-in map: four by four star and line voltages, currents, active,
/// apparent and reactive powers, power factors; then frequency and phase sequence. `None` is what the wiring does
/// not have.
pub(crate) type Values = [Option<f64>; 30];

/// Places of the groups.
pub(crate) const STAR: usize = 0;
pub(crate) const DELTA: usize = 4;
pub(crate) const CURRENT: usize = 8;
pub(crate) const ACTIVE: usize = 12;
pub(crate) const APPARENT: usize = 16;
pub(crate) const REACTIVE: usize = 20;
pub(crate) const FACTOR: usize = 24;
pub(crate) const HZ: usize = 28;
pub(crate) const SEQUENCE: usize = 29;

/// A network of three phases: volts, amperes and the angle by which current lags, in degrees, of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    pub(crate) phases: [(f64, f64, f64); 3],
    pub(crate) hz: f64,
    /// Distortion: how much larger S is than P and Q make it.
    pub(crate) distortion: f64,
    /// Whether power factors are cos φ and not P/S.
    pub(crate) cosine: bool,
}

impl Network {
    pub(crate) fn new(phases: [(f64, f64, f64); 3], hz: f64) -> Network {
        Network { phases, hz, distortion: 1.0, cosine: false }
    }

    /// The same with all currents this many times as large.
    pub(crate) fn times(self, factor: f64) -> Network {
        Network { phases: self.phases.map(|(v, i, angle)| (v, i * factor, angle)), ..self }
    }

    /// Every value, by physics.
    pub(crate) fn values(self) -> Values {
        let v = self.phases.map(|(v, ..)| v);
        let line = |a: f64, b: f64| (a * a + b * b + a * b).sqrt();
        let ll = [line(v[0], v[1]), line(v[1], v[2]), line(v[2], v[0])];
        let i = self.phases.map(|(_, i, _)| i);
        let s = self.phases.map(|(v, i, _)| v * i);
        let angle = self.phases.map(|(.., angle)| angle.to_radians());
        let p = [0, 1, 2].map(|n| s[n] * angle[n].cos() / self.distortion);
        let q = [0, 1, 2].map(|n| s[n] * angle[n].sin() / self.distortion);
        let turn = |n: usize| -TAU / 3.0 * n as f64 - angle[n];
        let re: f64 = (0..3).map(|n| i[n] * turn(n).cos()).sum();
        let im: f64 = (0..3).map(|n| i[n] * turn(n).sin()).sum();
        let mean = |x: [f64; 3]| x.iter().sum::<f64>() / 3.0;
        let sum = |x: [f64; 3]| x.iter().sum::<f64>();
        let total = sum(p).hypot(sum(q)) * self.distortion;
        let factor = |p: f64, q: f64, s: f64| {
            let of = if self.cosine { p.hypot(q) } else { s };
            if of == 0.0 { 1.0 } else { (p / of).abs().copysign(q) }
        };
        let pf = [0, 1, 2].map(|n| factor(p[n], q[n], s[n]));
        let groups = [
            [v[0], v[1], v[2], mean(v)],
            [ll[0], ll[1], ll[2], mean(ll)],
            [i[0], i[1], i[2], re.hypot(im)],
            [p[0], p[1], p[2], sum(p)],
            [s[0], s[1], s[2], total],
            [q[0], q[1], q[2], sum(q)],
            [pf[0], pf[1], pf[2], factor(sum(p), sum(q), total)],
        ];
        let mut values = [Some(0.0); 30];
        values.iter_mut().zip(groups.into_iter().flatten()).for_each(|(slot, value)| *slot = Some(value));
        values[HZ] = Some(self.hz);
        values
    }
}

/// The angle whose cosine this is, in degrees.
pub(crate) fn lag(power_factor: f64) -> f64 {
    power_factor.acos().to_degrees()
}
