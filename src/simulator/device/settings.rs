//! The meter's settings: those of the factory, and what a person changed at the front panel.

use std::collections::BTreeMap;

use crate::meter::Value;

/// The demand interval: 15 minutes, fixed, not synchronized to the clock (factory setting of the simulator;
/// the meter's own was not found).
pub(super) const DEMAND_PERIOD: f64 = 900.0;

/// Settings of one meter.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    changed: BTreeMap<String, Value>,
}

impl Settings {
    /// Changes a setting.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.changed.insert(name.to_owned(), value);
    }

    /// A setting by its name; `high_power` is the set point of alarm 1 in W.
    pub(super) fn get(&self, name: &str, high_power: f64) -> Option<Value> {
        if let Some(changed) = self.changed.get(name) {
            return Some(changed.clone());
        }
        let code = match name {
            "clock_offset_s" => return Some(Value::Integer(host_clock())),
            "ct_ratio" => return Some(Value::Real(20.0)),
            "vt_ratio" => return Some(Value::Real(1.0)),
            "filter_span" => return Some(Value::Real(2.0)),
            "filter_coefficient" => return Some(Value::Real(2.0)),
            "alarm_1_set_point_1" => return Some(Value::Real(high_power as f32)),
            "alarm_1_set_point_2" | "alarm_2_set_point_1" | "alarm_2_set_point_2" => {
                return Some(Value::Real(0.0));
            }
            "output_1_pulse_weight" | "output_2_pulse_weight" => return Some(Value::Real(1.0)),
            "demand_period_s" => DEMAND_PERIOD as i64,
            "wiring_code" => 5,
            "backlight_min" => 2,
            "alarm_1_enable" => 1,
            "output_1_function_code" => 1,
            "output_2_function_code" => 2,
            "dst_start_month" => 3,
            "dst_start_hour" => 2,
            "dst_end_month" => 10,
            "dst_end_hour" => 3,
            _ => 0,
        };
        Some(Value::Integer(code))
    }
}

/// The host's local date and time, in seconds since 1970-01-01 as if it were UTC.
fn host_clock() -> i64 {
    let local = jiff::Zoned::now();
    local.timestamp().as_second() + i64::from(local.offset().seconds())
}
