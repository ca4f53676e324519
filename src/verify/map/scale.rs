//! Values in another unit than the map says: the product of voltage and current is not the apparent power, by
//! the same factor in every phase and reading.

use crate::meter::names::GROUPS;

use crate::verify::map::series::{Map, Series};

/// A factor that is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The names of the elements it is missing in.
    pub elements: Vec<&'static str>,
    /// What they are to be multiplied with.
    pub factor: u32,
    /// What is wrong, in words.
    pub found: String,
}

/// The groups of [`GROUPS`] by their place.
const STAR: usize = 0;
const DELTA: usize = 1;
const CURRENT: usize = 2;
const ACTIVE: usize = 3;
const APPARENT: usize = 4;
const REACTIVE: usize = 5;

/// Apparent power over voltage times current of each phase: the middle of all readings.
pub fn ratios(series: &Series, map: &Map) -> Option<[f64; 3]> {
    let mut all = [0.0; 3];
    for (phase, ratio) in all.iter_mut().enumerate() {
        let position = |group: usize| series.position(GROUPS[group].elements[phase]);
        let (v, i, s) = (position(STAR)?, position(CURRENT)?, position(APPARENT)?);
        let ratio_in = |reading: usize| {
            let value = |element| series.value(reading, element, map);
            let product = (value(v)? * value(i)?).abs();
            (product > 0.0).then_some(value(s)? / product)
        };
        let mut found: Vec<f64> = (0..series.readings.len()).filter_map(ratio_in).collect();
        found.sort_by(f64::total_cmp);
        *ratio = found.get(found.len() / 2).copied().filter(|ratio| ratio.is_finite() && *ratio > 0.0)?;
    }
    Some(all)
}

/// The factor that is missing, if one is. `ct_ratio` is the meter's setting, if it was read.
pub fn missing(series: &Series, map: &Map, ct_ratio: Option<f64>) -> Option<Scale> {
    let ratios = ratios(series, map)?;
    let ratio = ratios.iter().sum::<f64>() / 3.0;
    let alike = ratios.iter().all(|one| (one / ratio - 1.0).abs() < 0.02);
    let times = if ratio > 1.0 { ratio } else { 1.0 / ratio };
    let whole = times.round();
    if !alike || !(2.0..=1e9).contains(&whole) || (times / whole - 1.0).abs() > 0.02 {
        return None;
    }
    let factor = whole as u32;
    let decimal = whole.log10().fract() == 0.0;
    let volts = series.position(GROUPS[STAR].elements[0]).and_then(|v| series.value(0, v, map))?;
    let (groups, what): (&[usize], String) = if ratio < 1.0 {
        let unit = match (decimal, factor) {
            (true, 1000) => "in kW, kVA and kvar".to_owned(),
            (true, 1_000_000) => "in MW, MVA and Mvar".to_owned(),
            _ => format!("1/{factor} of voltage times current"),
        };
        (&[ACTIVE, APPARENT, REACTIVE], format!("active, apparent and reactive powers are {unit}"))
    } else if factor == 1000 && volts < 36.0 {
        (&[STAR, DELTA], "voltages are in kV".to_owned())
    } else {
        let why = match ct_ratio {
            Some(ct) if (ct / whole - 1.0).abs() < 0.02 => {
                format!(
                    "values of the transformers' secondary side: the CT ratio is {ct}, and the factor holds as long as it is"
                )
            }
            _ => "too small".to_owned(),
        };
        (&[CURRENT], format!("currents are 1/{factor} of what voltages and powers say, {why}"))
    };
    let elements = groups.iter().flat_map(|group| GROUPS[*group].elements).collect();
    let [a, b, c] = ratios;
    let found = format!("{what} (apparent power over voltage times current is {a:.4}, {b:.4}, {c:.4})");
    Some(Scale { elements, factor, found })
}
