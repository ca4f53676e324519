//! A straight line through measured points, and the picture of both.

use plotters::prelude::*;

use crate::page::results;

/// One measured point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) series: &'static str,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Least squares: what is there at x = 0, and what each x adds.
pub(crate) fn fit<'a>(points: impl Iterator<Item = &'a Point> + Clone) -> (f64, f64) {
    let count = points.clone().count() as f64;
    let mean = |value: fn(&Point) -> f64| points.clone().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.x), mean(|point| point.y));
    let both: f64 = points.clone().map(|point| (point.x - x) * (point.y - y)).sum();
    let square: f64 = points.clone().map(|point| (point.x - x).powi(2)).sum();
    let slope = both / square;
    (y - slope * x, slope)
}

/// Draws tests/results/scale.svg.
pub(crate) fn draw(points: &[Point], x_title: &str, y_title: &str) {
    let path = results("scale.svg");
    let most = |value: fn(&Point) -> f64| points.iter().map(value).fold(0.0, f64::max) * 1.05;
    let (x_most, y_most) = (most(|point| point.x), most(|point| point.y));
    let root = SVGBackend::new(&path, (760, 420)).into_drawing_area();
    root.fill(&WHITE).expect("an SVG file can be written");
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..x_most, 0.0..y_most)
        .expect("the ranges are not empty");
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x_title).y_desc(y_title).x_label_formatter(&|x| format!("{x:.0}")).draw().expect("as above");
    for (series, color) in [("explicit", BLUE), ("modbus", RED)] {
        let own = || points.iter().filter(move |point| point.series == series);
        let (base, slope) = fit(own());
        let line = LineSeries::new([(0.0, base), (x_most, base + slope * x_most)], color);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color);
        chart.draw_series(line).expect("as above").label(series).legend(legend);
        let dots = own().map(|point| Circle::new((point.x, point.y), 4, color.filled()));
        chart.draw_series(dots).expect("as above");
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft).background_style(WHITE).draw().expect("as above");
    root.present().expect("an SVG file can be written");
}
