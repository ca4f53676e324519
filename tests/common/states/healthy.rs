//! Healthy states: whatever they look like, their values leave the program.

use super::{ACTIVE, APPARENT, CURRENT, DELTA, FACTOR, HZ, Network, REACTIVE, SEQUENCE, STAR, Values, lag};

/// One state, with what three readings in a row show.
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) readings: [Values; 3],
    /// Whether a judge must see that the map is right: an ordinary load in an ordinary wiring.
    pub(crate) ordinary: bool,
}

fn ordinary() -> Network {
    Network::new([(230.0, 10.0, lag(0.90)), (230.0, 12.0, lag(0.95)), (230.0, 8.0, lag(0.85))], 50.0)
}

/// Three readings of a load that moves a little.
fn moving(network: Network) -> [Values; 3] {
    [1.0, 1.004, 0.997].map(|factor| network.times(factor).values())
}

fn state(name: &'static str, readings: [Values; 3]) -> State {
    State { name, readings, ordinary: false }
}

/// Three readings that differ from those of a network by a change of some values.
fn changed(name: &'static str, network: Network, change: impl Fn(&mut Values)) -> State {
    let mut readings = moving(network);
    readings.iter_mut().for_each(change);
    state(name, readings)
}

fn set(values: &mut Values, from: usize, to: &[Option<f64>]) {
    values[from..from + to.len()].copy_from_slice(to);
}

/// One phase on the first input: volts, amperes, angle; everything else nothing.
fn one_phase(v: f64, i: f64, angle: f64) -> Values {
    let (s, angle) = (v * i, angle.to_radians());
    let (p, q) = (s * angle.cos(), s * angle.sin());
    let mut values = [None; 30];
    for (group, value) in [(STAR, v), (ACTIVE, p), (APPARENT, s), (REACTIVE, q), (FACTOR, angle.cos())] {
        (values[group], values[group + 3]) = (Some(value), Some(value));
    }
    values[CURRENT] = Some(i);
    values[HZ] = Some(50.0);
    values
}

/// Two phases: volts, amperes and angle of each, and the volts between them.
fn two_phases(one: (f64, f64, f64), two: (f64, f64, f64), between: f64, hz: f64) -> Values {
    let mut values = [None; 30];
    let s = [one.0 * one.1, two.0 * two.1];
    let angle = [one.2.to_radians(), two.2.to_radians()];
    let p = [s[0] * angle[0].cos(), s[1] * angle[1].cos()];
    let q = [s[0] * angle[0].sin(), s[1] * angle[1].sin()];
    let total = (p[0] + p[1]).hypot(q[0] + q[1]);
    for n in 0..2 {
        values[STAR + n] = Some([one.0, two.0][n]);
        values[CURRENT + n] = Some([one.1, two.1][n]);
        values[ACTIVE + n] = Some(p[n]);
        values[APPARENT + n] = Some(s[n]);
        values[REACTIVE + n] = Some(q[n]);
        values[FACTOR + n] = Some(p[n].abs() / s[n].max(1e-9));
    }
    values[STAR + 3] = Some((one.0 + two.0) / 2.0);
    (values[DELTA], values[DELTA + 3]) = (Some(between), Some(between));
    values[CURRENT + 3] = Some((one.1 - two.1).abs());
    values[ACTIVE + 3] = Some(p[0] + p[1]);
    values[APPARENT + 3] = Some(total);
    values[REACTIVE + 3] = Some(q[0] + q[1]);
    values[FACTOR + 3] = Some((p[0] + p[1]) / total);
    values[HZ] = Some(hz);
    values
}

/// Three phases without a neutral: line voltages, currents and totals.
fn three_wires(delta: [f64; 3], current: [f64; 3], pf: f64) -> Values {
    let mut values = [None; 30];
    let mean = |x: [f64; 3]| x.iter().sum::<f64>() / 3.0;
    (0..3).for_each(|n| values[DELTA + n] = Some(delta[n]));
    (0..3).for_each(|n| values[CURRENT + n] = Some(current[n]));
    values[DELTA + 3] = Some(mean(delta));
    let s = 3f64.sqrt() * mean(delta) * mean(current);
    values[ACTIVE + 3] = Some(s * pf);
    values[APPARENT + 3] = Some(s);
    values[REACTIVE + 3] = Some(s * (1.0 - pf * pf).sqrt());
    values[FACTOR + 3] = Some(pf);
    values[HZ] = Some(50.0);
    values[SEQUENCE] = Some(0.0);
    values
}

fn same(name: &'static str, values: Values) -> State {
    let near = |factor: f64| {
        let mut values = values;
        // Voltages and frequency stand; everything that a load has moves.
        values[CURRENT..FACTOR].iter_mut().flatten().for_each(|value| *value *= factor);
        values
    };
    state(name, [1.0, 1.003, 0.998].map(near))
}

/// No load to speak of: tiny currents, and powers as they are named.
fn idle(volts: f64, amperes: f64, p: [f64; 3], s: [f64; 3], pf: f64) -> Values {
    let mut values = Network::new([(volts, 0.0, 0.0); 3], 50.0).values();
    let amperes = Some(amperes);
    set(&mut values, CURRENT, &[amperes, amperes, amperes, Some(0.02)]);
    set(&mut values, ACTIVE, &[Some(p[0]), Some(p[1]), Some(p[2]), Some(p.iter().sum())]);
    set(&mut values, APPARENT, &[Some(s[0]), Some(s[1]), Some(s[2]), Some(s.iter().sum())]);
    set(&mut values, REACTIVE, &[Some(-2.0), Some(1.0), Some(-3.0), Some(-4.0)]);
    set(&mut values, FACTOR, &[Some(pf); 4]);
    values
}

/// Everything rounded to steps, as meters for large plants show it.
fn rounded(values: &mut Values, step: f64) {
    values[ACTIVE..FACTOR].iter_mut().flatten().for_each(|value| *value = (*value / step).round() * step);
}

/// The states of the list that users reported.
#[rustfmt::skip]
pub(crate) fn reported() -> Vec<State> {
    let o = ordinary();
    let mut all = vec![
        State { ordinary: true, ..state("4-wire star, ordinary", moving(o)) },
        same("1-phase 2-wire", one_phase(230.0, 10.0, lag(0.9))),
        same("split phase", two_phases((120.0, 20.0, lag(0.9)), (120.0, 15.0, lag(0.97)), 240.0, 60.0)),
        same("split phase, equal power factors", two_phases((120.0, 20.0, lag(0.95)), (120.0, 15.0, lag(0.95)), 240.0, 60.0)),
        same("3-wire without neutral", three_wires([400.0, 401.0, 399.0], [10.0, 12.0, 8.0], 0.9)),
        changed("high-leg delta", Network { hz: 60.0, ..o }, |v| {
            set(v, STAR, &[Some(120.0), Some(120.0), Some(208.0), Some(149.3)]);
            set(v, DELTA, &[Some(240.0); 4]);
        }),
        changed("corner-grounded delta", Network { hz: 60.0, ..o }, |v| {
            set(v, STAR, &[Some(480.0), Some(480.0), Some(0.0), Some(320.0)]);
            set(v, DELTA, &[Some(480.0); 4]);
        }),
        changed("one fuse blown, back-fed", o, |v| {
            set(v, STAR, &[Some(230.0), Some(230.0), Some(60.0), Some(173.3)]);
            set(v, DELTA, &[Some(398.0), Some(250.0), Some(250.0), Some(299.3)]);
        }),
        changed("two transformers (Aron)", o, |v| {
            for group in [CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR] { v[group + 1] = None; }
            set(v, ACTIVE, &[Some(4000.0), None, Some(2600.0), Some(9100.0)]);
        }),
        changed("system voltage shown as 0", o, |v| { v[STAR + 3] = Some(0.0); v[DELTA + 3] = Some(0.0); }),
        changed("system voltage as line voltage over the square root of 3", o, |v| v[STAR + 3] = Some(398.4 / 3f64.sqrt())),
        state("dead bus, all 0", [[Some(0.0); 30]; 3]),
        same("generator run-up", { let mut v = Network::new([(61.0, 0.3, 20.0), (60.0, 0.3, 20.0), (62.0, 0.2, 20.0)], 27.0).values(); v[SEQUENCE] = Some(0.0); v }),
        state("generator run-up, voltage rising between readings", [(40.0, 20.0), (120.0, 31.0), (200.0, 44.0)].map(|(volts, hz)| Network::new([(volts, 0.1, 10.0); 3], hz).values())),
        same("night, power factor held at 1", idle(231.0, 0.05, [4.0, 0.0, 2.0], [5.0, 4.0, 6.0], 1.0)),
        same("night, power factor held at 0", idle(231.0, 0.05, [4.0, 0.0, 2.0], [5.0, 4.0, 6.0], 0.0)),
        same("night, steps of 10 W", idle(231.0, 0.05, [10.0, 0.0, 10.0], [10.0, 10.0, 0.0], 1.0)),
        same("night, S shown as 0", idle(231.0, 0.05, [4.0, 4.0, 4.0], [0.0; 3], 0.0)),
        same("night, S rounded from V x I", idle(231.0, 0.05, [3.0, 2.0, 4.0], [12.0; 3], 0.4)),
        state("distortion, PF is P/S", moving(Network { distortion: 1.6, ..o })),
        state("distortion, PF is cos φ", moving(Network { distortion: 1.6, cosine: true, ..o })),
        state("distortion, Q is all that is not P, PF is cos φ", {
            let mut readings = moving(o);
            for v in &mut readings {
                for n in 0..4 {
                    let s = v[APPARENT + n].unwrap();
                    v[ACTIVE + n] = Some(0.57 * s);
                    v[REACTIVE + n] = Some((1.0f64 - 0.57 * 0.57).sqrt() * s);
                    v[FACTOR + n] = Some(0.97);
                }
                v[ACTIVE + 3] = Some((0..3).map(|n| v[ACTIVE + n].unwrap()).sum());
            }
            readings
        }),
        changed("export", Network { phases: o.phases.map(|(v, i, a)| (v, i, 180.0 - a)), ..o }, |v| for n in 0..4 { v[FACTOR + n] = v[FACTOR + n].map(|f| -f.abs()); }),
        changed("export, power factor positive", Network { phases: o.phases.map(|(v, i, a)| (v, i, 180.0 - a)), ..o }, |v| for n in 0..4 { v[FACTOR + n] = v[FACTOR + n].map(f64::abs); }),
        state("one phase exporting, total near 0", moving(Network { phases: [(230.0, 10.0, 10.0), (230.0, 9.0, 12.0), (230.0, 18.7, 170.0)], ..o })),
        changed("leading, PF as minus", Network { phases: o.phases.map(|(v, i, a)| (v, i, -a)), ..o }, |_| {}),
        changed("leading, PF as 1.05 to 1.15", o, |v| set(v, FACTOR, &[Some(1.10), Some(1.05), Some(1.15), Some(1.09)])),
        changed("PF in percent", o, |v| set(v, FACTOR, &[Some(90.0), Some(95.0), Some(85.0), Some(90.6)])),
        changed("400 Hz supply", o, |v| v[HZ] = Some(400.0)),
        state("load steps between readings", [1.0, 30.0, 0.2].map(|factor| o.times(factor).values())),
        state("booting, then on", [[Some(0.0); 30], [Some(0.0); 30], o.values()]),
    ];
    all.extend([("0 Hz", 0.0), ("12 Hz", 12.0), ("23 Hz", 23.0), ("50 Hz held", 50.0), ("3 Hz", 3.0)].map(|(name, hz)| {
        let mut v = [Some(0.0); 30];
        set(&mut v, STAR, &[Some(0.4), Some(0.2), Some(0.7), Some(0.43)]);
        set(&mut v, DELTA, &[Some(0.3), Some(0.6), Some(0.5), Some(0.47)]);
        v[HZ] = Some(hz);
        same(match name { "0 Hz" => "dead bus, stray volts, 0 Hz", "12 Hz" => "dead bus, stray volts, 12 Hz", "23 Hz" => "dead bus, stray volts, 23 Hz", "3 Hz" => "dead bus, stray volts, 3 Hz", _ => "dead bus, stray volts, 50 Hz held" }, v)
    }));
    all
}

/// More of the same kinds: other loads, wirings, supplies and ways of showing them.
#[rustfmt::skip]
pub(crate) fn invented() -> Vec<State> {
    let o = ordinary();
    let at = |volts: f64, hz: f64, factor: f64| Network { phases: o.phases.map(|(_, i, a)| (volts, i * factor, a)), hz, ..o };
    let heater = Network::new([(230.0, 13.0, 0.0), (231.0, 13.1, 0.0), (229.0, 12.9, 0.0)], 50.0);
    vec![
        State { ordinary: true, ..state("120/208 V", moving(at(120.0, 60.0, 1.0))) },
        State { ordinary: true, ..state("277/480 V", moving(at(277.0, 60.0, 8.0))) },
        State { ordinary: true, ..state("347/600 V", moving(at(347.0, 60.0, 3.0))) },
        State { ordinary: true, ..state("400/690 V", moving(at(400.0, 50.0, 40.0))) },
        State { ordinary: true, ..state("6.35/11 kV through transformers", moving(at(6351.0, 50.0, 9.0))) },
        State { ordinary: true, ..state("20/35 kV, 3 MW", moving(at(20_207.0, 50.0, 5.0))) },
        State { ordinary: true, ..state("5,000 A busbar", moving(at(230.0, 50.0, 400.0))) },
        State { ordinary: true, ..state("unbalanced", moving(Network { phases: [(233.0, 40.0, lag(0.8)), (231.0, 6.0, lag(0.99)), (227.0, 15.0, lag(0.6))], ..o })) },
        state("currents of 5 mA", moving(at(230.0, 50.0, 0.0005))),
        state("currents of 100 mA", moving(at(230.0, 50.0, 0.01))),
        state("16.7 Hz railway supply", moving(at(15_000.0, 16.7, 4.0))),
        state("60 Hz, two legs of 120/208 V", {
            let v = two_phases((120.0, 8.0, lag(0.93)), (121.0, 11.0, lag(0.88)), 208.7, 60.0);
            [v, v, v]
        }),
        same("split phase, one leg dead", two_phases((121.0, 20.0, lag(0.9)), (0.0, 0.0, 0.0), 121.0, 60.0)),
        same("split phase, system voltage of 240", { let mut v = two_phases((120.0, 20.0, lag(0.9)), (120.0, 15.0, lag(0.97)), 240.0, 60.0); v[STAR + 3] = Some(240.0); v }),
        same("split phase, mean over three phases", { let mut v = two_phases((120.0, 20.0, lag(0.9)), (120.0, 15.0, lag(0.97)), 240.0, 60.0); v[STAR + 3] = Some(80.0); v[DELTA + 3] = Some(80.0); v }),
        same("1-phase, heater", one_phase(230.0, 13.0, 0.0)),
        same("1-phase, heater off", one_phase(230.0, 0.0, 0.0)),
        same("1-phase, system voltage as the mean over three", { let mut v = one_phase(230.0, 10.0, lag(0.9)); v[STAR + 3] = Some(76.67); v }),
        same("1-phase on L2", { let l1 = one_phase(230.0, 10.0, lag(0.9)); let mut v = l1; for group in [STAR, CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR] { (v[group], v[group + 1]) = (None, l1[group]); } v }),
        same("1-phase, exporting", one_phase(230.0, 10.0, 178.0)),
        same("two phases of 230/400 V", two_phases((230.0, 10.0, lag(0.9)), (231.0, 12.0, lag(0.8)), 399.0, 50.0)),
        same("balanced wiring, one current for all", {
            let mut v = one_phase(230.0, 10.0, lag(0.9));
            for group in [ACTIVE, APPARENT, REACTIVE] { v[group + 3] = v[group].map(|value| 3.0 * value); }
            v
        }),
        same("balanced wiring, the same in all phases", Network::new([(230.0, 10.0, 25.0); 3], 50.0).values()),
        same("3-wire, 480 V, heavily unbalanced", three_wires([478.0, 484.0, 471.0], [100.0, 12.0, 55.0], 0.7)),
        same("3-wire, star voltages of a phantom neutral", { let mut v = three_wires([400.0, 401.0, 399.0], [10.0, 12.0, 8.0], 0.9); set(&mut v, STAR, &[Some(190.0), Some(250.0), Some(262.0), Some(234.0)]); v }),
        same("3-wire, exporting", { let mut v = three_wires([400.0, 401.0, 399.0], [10.0, 12.0, 8.0], 0.9); v[ACTIVE + 3] = v[ACTIVE + 3].map(|p| -p); v }),
        same("3-wire, idle", three_wires([400.0, 401.0, 399.0], [0.0, 0.0, 0.0], 0.0)),
        same("Aron, L2 shown as 0, total of all", { let mut v = o.values(); for group in [CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR] { v[group + 1] = Some(0.0); } v }),
        changed("corner-grounded delta with stray volts", o, |v| { set(v, STAR, &[Some(478.0), Some(481.0), Some(2.0), Some(320.0)]); set(v, DELTA, &[Some(479.0), Some(480.0), Some(478.0), Some(479.0)]); }),
        changed("high-leg delta, open on the high leg", o, |v| { set(v, STAR, &[Some(120.0), Some(120.0), Some(31.0), Some(90.3)]); set(v, DELTA, &[Some(240.0), Some(127.0), Some(127.0), Some(164.7)]); }),
        changed("earth fault in an insulated network", o, |v| set(v, STAR, &[Some(3.0), Some(398.0), Some(396.0), Some(265.7)])),
        changed("one fuse blown, no back-feed", o, |v| { set(v, STAR, &[Some(230.0), Some(0.0), Some(231.0), Some(153.7)]); set(v, DELTA, &[Some(229.0), Some(231.0), Some(399.0), Some(286.3)]); for group in [CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR] { v[group + 1] = Some(0.0); } }),
        changed("open neutral, voltages drift apart", o, |v| { set(v, STAR, &[Some(310.0), Some(150.0), Some(260.0), Some(240.0)]); }),
        state("reactive load only", moving(Network::new([(230.0, 20.0, 89.8), (230.0, 20.5, 89.9), (230.0, 19.8, 89.7)], 50.0))),
        state("capacitors only", moving(Network::new([(236.0, 20.0, -89.8), (236.0, 20.5, -89.9), (237.0, 19.8, -89.7)], 50.0))),
        state("heaters only, all phases", moving(heater)),
        changed("heaters only, PF exactly 1 and no Q", heater, |v| { set(v, REACTIVE, &[Some(0.0); 4]); set(v, FACTOR, &[Some(1.0); 4]); for n in 0..4 { v[APPARENT + n] = v[ACTIVE + n]; } }),
        changed("heater on one phase of three", o, |v| for group in [CURRENT, ACTIVE, APPARENT, REACTIVE] { v[group + 1] = Some(0.0); v[group + 2] = Some(0.0); v[group + 3] = v[group]; }),
        state("idle transformer", moving(Network::new([(231.0, 2.2, 82.0), (230.0, 2.1, 83.0), (229.0, 2.4, 80.0)], 50.0))),
        state("PV inverter at night", moving(Network { phases: [(231.0, 0.9, 262.0), (230.0, 0.9, 261.0), (232.0, 0.9, 263.0)], ..o })),
        state("PV at noon", moving(Network { phases: [(238.0, 40.0, 179.0), (239.0, 40.0, 180.0), (237.0, 40.0, 178.0)], ..o })),
        state("wind, exporting P and importing Q", moving(Network { phases: [(231.0, 40.0, 150.0), (230.0, 41.0, 152.0), (232.0, 40.0, 149.0)], ..o })),
        state("frequency converter, PF is P/S", moving(Network { distortion: 1.25, phases: [(230.0, 30.0, 8.0), (230.0, 31.0, 9.0), (230.0, 29.0, 7.0)], ..o })),
        state("frequency converter, PF is cos φ", moving(Network { distortion: 1.25, cosine: true, phases: [(230.0, 30.0, 8.0), (230.0, 31.0, 9.0), (230.0, 29.0, 7.0)], ..o })),
        state("6-pulse rectifier, lightly loaded", moving(Network { distortion: 2.1, cosine: true, ..o })),
        changed("S of the fundamental only", Network { distortion: 1.0, ..o }, |v| (0..4).for_each(|n| { v[CURRENT + n] = v[CURRENT + n].map(|i| 1.3 * i); })),
        changed("PF in between P/S and cos φ", Network { distortion: 1.4, ..o }, |v| set(v, FACTOR, &[Some(0.80), Some(0.82), Some(0.75), Some(0.79)])),
        changed("PF filtered, lagging behind the load", o, |v| set(v, FACTOR, &[Some(0.80), Some(0.85), Some(0.75), Some(0.80)])),
        changed("PF unsigned, Q unsigned", Network { phases: o.phases.map(|(v, i, a)| (v, i, -a)), ..o }, |v| { v[REACTIVE..FACTOR + 4].iter_mut().for_each(|x| *x = x.map(f64::abs)) }),
        changed("PF as a number of thousandths", o, |v| set(v, FACTOR, &[Some(900.0), Some(950.0), Some(850.0), Some(906.0)])),
        changed("PF in percent, heaters only", heater, |v| { set(v, FACTOR, &[Some(100.0); 4]); set(v, REACTIVE, &[Some(0.0); 4]); }),
        changed("PF not measured", o, |v| set(v, FACTOR, &[None; 4])),
        changed("S summed up, not as vectors", Network { phases: [(230.0, 10.0, 60.0), (230.0, 12.0, -40.0), (230.0, 8.0, 0.0)], ..o }, |v| v[APPARENT + 3] = Some(230.0 * 30.0)),
        changed("Q of phases unsigned, total signed", Network { phases: [(230.0, 10.0, 60.0), (230.0, 12.0, -40.0), (230.0, 8.0, 30.0)], ..o }, |v| v[REACTIVE..REACTIVE + 3].iter_mut().for_each(|q| *q = q.map(f64::abs))),
        changed("P of phases unsigned, total signed", Network { phases: [(230.0, 10.0, 10.0), (230.0, 9.0, 12.0), (230.0, 18.7, 170.0)], ..o }, |v| v[ACTIVE..ACTIVE + 3].iter_mut().for_each(|p| *p = p.map(f64::abs))),
        changed("neutral not measured", o, |v| v[CURRENT + 3] = None),
        changed("frequency not measured", o, |v| v[HZ] = None),
        changed("phase sequence reversed", o, |v| v[SEQUENCE] = Some(-1.0)),
        changed("50.00 Hz as 5000", o, |v| v[HZ] = Some(5000.0)),
        state("motor start", [0.3, 6.5, 1.0].map(|factor| Network::new([(230.0 - 3.0 * factor, 20.0 * factor, 70.0 - 8.0 * factor); 3], 50.0).values())),
        changed("powers in steps of 10 W", o.times(0.2), |v| rounded(v, 10.0)),
        changed("powers in steps of 100 W", at(230.0, 50.0, 3.0), |v| rounded(v, 100.0)),
        changed("powers in steps of 1 kW, 10 kW of load", at(230.0, 50.0, 1.5), |v| rounded(v, 1000.0)),
        same("night of a large plant, 2 A of noise", idle(231.0, 2.0, [40.0, 12.0, 30.0], [0.0; 3], 1.0)),
        same("night of a large plant, S from V x I", idle(231.0, 2.0, [40.0, 12.0, 30.0], [462.0; 3], 1.0)),
        same("night of a large plant, S of noise, P larger", idle(231.0, 0.4, [40.0, 35.0, 30.0], [25.0, 31.0, 22.0], 1.0)),
        same("night, PF random", { let mut v = idle(231.0, 0.05, [4.0, 1.0, 2.0], [5.0, 4.0, 6.0], 0.0); set(&mut v, FACTOR, &[Some(0.31), Some(-0.77), Some(0.02), Some(0.5)]); v }),
        same("night, PF not available", { let mut v = idle(231.0, 0.05, [0.0; 3], [0.0; 3], 0.0); set(&mut v, FACTOR, &[None; 4]); v }),
        same("brown-out at half voltage", Network::new([(115.0, 10.0, 30.0), (121.0, 11.0, 25.0), (118.0, 9.0, 28.0)], 48.0).values()),
        state("generator running down", [(180.0, 41.0), (90.0, 26.0), (12.0, 8.0)].map(|(volts, hz)| Network::new([(volts, 0.1, 10.0); 3], hz).values())),
        state("welding machine", [0.1, 9.0, 0.4].map(|factor| Network::new([(229.0, 30.0 * factor, 55.0), (226.0, 31.0 * factor, 50.0), (230.0, 1.0 * factor, 5.0)], 50.0).values())),
        same("only voltages are wired", Network::new([(230.0, 0.0, 0.0), (231.0, 0.0, 0.0), (229.5, 0.0, 0.0)], 50.0).values()),
        same("only currents are wired", { let mut v = [Some(0.0); 30]; set(&mut v, CURRENT, &[Some(10.0), Some(12.0), Some(8.0), Some(3.0)]); v }),
    ]
}
