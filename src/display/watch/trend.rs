//! The trend: total active power over the last readings.

use std::collections::VecDeque;

use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use super::super::figures::figure;

/// The stretches of the trend without a hole, as points of reading and watts.
pub fn stretches(trend: &VecDeque<Option<f64>>) -> Vec<Vec<(f64, f64)>> {
    let mut stretches: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (at, watts) in trend.iter().enumerate() {
        match (watts, stretches.last_mut()) {
            (Some(watts), Some(stretch)) => stretch.push((at as f64, *watts)),
            (None, Some(stretch)) if !stretch.is_empty() => stretches.push(Vec::new()),
            _ => {}
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

/// What the trend's axis reaches from and to: a little more than the values do.
pub fn reach(trend: &VecDeque<Option<f64>>) -> Option<[f64; 2]> {
    let values = || trend.iter().flatten().copied();
    let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    // A load that hardly moves is a flat line, and not a mountain of noise.
    let room = ((high - low) * 0.1).max(high.abs().max(low.abs()) * 0.02).max(1.0);
    Some([low - room, high + room])
}

/// The chart; `stretches` are those of the trend.
pub fn chart<'a>(
    stretches: &'a [Vec<(f64, f64)>],
    reach: [f64; 2],
    readings: usize,
    color: bool,
) -> Chart<'a> {
    let style = Style::new().fg(if color { Color::Green } else { Color::Reset });
    let line = |points: &'a Vec<(f64, f64)>| {
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(style).data(points)
    };
    let labels = reach.map(|watts| Line::from(figure(watts, "W")));
    Chart::new(stretches.iter().map(line).collect())
        .x_axis(Axis::default().bounds([0.0, (readings.max(2) - 1) as f64]))
        .y_axis(Axis::default().bounds(reach).labels(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gather_without_a_value_is_a_hole_and_a_quiet_load_a_flat_line() {
        let trend = VecDeque::from([Some(1000.0), Some(1001.0), None, None, Some(1000.0)]);
        let lengths: Vec<usize> = stretches(&trend).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1]);
        let [low, high] = reach(&trend).unwrap();
        assert!(low < 985.0 && high > 1015.0, "{low} {high}");
        assert_eq!(reach(&VecDeque::from([None])), None);
    }
}
