//! The phasor picture: voltages and currents of three phases as arrows.
//!
//! The meter tells no angles between its voltages: they are drawn 120° apart, in the order of the phase sequence.
//! A current's angle against its own voltage follows from the active and reactive power of its phase.

use std::f64::consts::TAU;

use ratatui::style::Color;
use ratatui::widgets::canvas::{Canvas, Circle, Line};

use super::super::latest::Latest;
use crate::meter::Table;
use crate::meter::names::{ACTIVE, CURRENT, PHASE_SEQUENCE, REACTIVE, STAR};

/// An arrow from the middle: its phase, and where it ends, on a circle of radius 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrow {
    /// 0 to 2.
    pub phase: usize,
    /// Whether it is a current.
    pub current: bool,
    /// To the right.
    pub x: f64,
    /// Up.
    pub y: f64,
}

/// The colors of the three phases.
pub const PHASES: [Color; 3] = [Color::Red, Color::Yellow, Color::Cyan];
/// Currents are drawn shorter, so that one that lies on its voltage is seen.
const CURRENTS: f64 = 0.7;

/// The arrows of a meter's newest values; none of what is zero or not known.
pub fn arrows(meter: &Latest) -> Vec<Arrow> {
    let number = |name: &str| meter.number(Table::Realtime, name);
    let turns = if number(PHASE_SEQUENCE).unwrap_or(0.0) == 0.0 { -1.0 } else { 1.0 };
    let largest =
        |names: &[&str]| names.iter().filter_map(|name| number(name)).fold(0.0, |a: f64, b| a.max(b.abs()));
    let (volts, amperes) = (largest(&STAR[..3]), largest(&CURRENT[..3]));
    let mut arrows = Vec::new();
    for phase in 0..3 {
        // L1 points up.
        let angle = TAU / 4.0 + turns * phase as f64 * TAU / 3.0;
        let arrow = |current: bool, length: f64, angle: f64| Arrow {
            phase,
            current,
            x: length * angle.cos(),
            y: length * angle.sin(),
        };
        if let Some(voltage) = number(STAR[phase]).filter(|voltage| *voltage > 0.0) {
            arrows.push(arrow(false, voltage / volts, angle));
        }
        let power = number(ACTIVE[phase]).zip(number(REACTIVE[phase]));
        if let (Some(current), Some((active, reactive))) =
            (number(CURRENT[phase]).filter(|current| *current != 0.0), power)
        {
            // A lagging current, whose reactive power is positive, follows its voltage.
            let behind = reactive.atan2(active);
            arrows.push(arrow(true, CURRENTS * current.abs() / amperes, angle - behind));
        }
    }
    arrows
}

/// The arrows on a circle.
pub fn canvas(
    meter: &Latest,
    color: bool,
) -> Canvas<'static, impl Fn(&mut ratatui::widgets::canvas::Context<'_>)> {
    let arrows = arrows(meter);
    Canvas::default().x_bounds([-1.15, 1.15]).y_bounds([-1.15, 1.15]).paint(move |context| {
        let shade = |hue: Color| if color { hue } else { Color::Reset };
        context.draw(&Circle { x: 0.0, y: 0.0, radius: 1.0, color: shade(Color::DarkGray) });
        context.layer();
        for Arrow { phase, current, x, y } in arrows.iter().copied() {
            let hue = shade(PHASES[phase]);
            context.draw(&Line { x1: 0.0, y1: 0.0, x2: x, y2: y, color: hue });
            let name = format!("{}{}", if current { "I" } else { "V" }, phase + 1);
            let style = ratatui::style::Style::new().fg(hue);
            context.print(x * 1.05, y * 1.05, ratatui::text::Line::styled(name, style));
        }
    })
}
