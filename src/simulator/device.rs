//! The device's state: what each element of the profile is worth at a time.
//!
//! A device computes when it is asked: counters are an integral in closed form, demand is the mean of the
//! last complete interval, maximum values catch up with the samples since the last question. Time is an
//! argument, in seconds of the device's own run; the calendar clock is the host's.

use std::collections::BTreeMap;

use crate::meter::identity::Identity;
use crate::meter::{Table, Value};

use super::load::{Load, Sample};
use super::wiring::Wiring;

/// A device has been running for this long when it starts, so that its first demand interval is complete.
pub(super) const UPTIME: f64 = 86_400.0;

/// Seconds between two samples of the device itself, for maximum and demand values.
const SAMPLING: f64 = 1.0;
/// Most samples taken to catch up; a device that was not asked for longer looks less closely.
const MOST_SAMPLES: f64 = 900.0;

/// The maximum values were reset this long before a device starts.
const MAXIMUM_AGE: f64 = 60.0;

/// The demand interval: 15 minutes, fixed, not synchronized to the clock (factory setting of the simulator;
/// the meter's own was not found).
const DEMAND_PERIOD: f64 = 900.0;

/// Counters as they stood at [`UPTIME`], in the order of the energy table: total and partial active import,
/// reactive import, active export, reactive export, in Wh and varh.
const COUNTERS: [f64; 8] =
    [1_234_567_890.0, 345_678_901.0, 56_789_012.0, 6_789_012.0, 4_567_890.0, 1_678_901.0, 89_012.0, 9_012.0];
const COUNTER_NAMES: [&str; 8] = [
    "active_import_wh",
    "reactive_import_varh",
    "active_export_wh",
    "reactive_export_varh",
    "partial_active_import_wh",
    "partial_reactive_import_varh",
    "partial_active_export_wh",
    "partial_reactive_export_varh",
];
/// The hours counter as it stood at [`UPTIME`], in minutes.
const RUN_MINUTES: f64 = 12_345.0 * 60.0 + 41.0;

/// One simulated device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    load: Load,
    number: u32,
    wiring: Wiring,
    single_reals: bool,
    /// Counters at `counted_from`.
    counters: [f64; 8],
    counted_from: f64,
    now: f64,
    sample: Sample,
    maximum: Sample,
    /// Number of the demand interval and its mean.
    demand: Option<(u64, Sample)>,
    /// The demand interval in which demand was reset: it shows 0 until that has ended.
    demand_reset: Option<u64>,
    /// Settings that differ from the factory's.
    settings: BTreeMap<String, Value>,
}

impl Device {
    /// The device with this number among those of a simulator, at [`UPTIME`]. `single_reals`: assembly 107
    /// has one REAL per counter.
    pub(super) fn new(seed: u64, number: u32, wiring: Wiring, single_reals: bool) -> Device {
        let load = Load::new(seed.wrapping_add(u64::from(number)), wiring);
        let sample = load.at(UPTIME);
        let mut device = Device {
            load,
            number,
            wiring,
            single_reals,
            counters: COUNTERS,
            counted_from: UPTIME,
            now: UPTIME - MAXIMUM_AGE,
            sample,
            maximum: sample,
            demand: None,
            demand_reset: None,
            settings: BTreeMap::new(),
        };
        device.advance(UPTIME);
        device
    }

    /// Another device in the place of this one, wired alike, its counters at zero.
    pub(super) fn successor(&self, seed: u64, number: u32) -> Device {
        let mut next = Device::new(seed, number, self.wiring, self.single_reals);
        next.advance(self.now());
        next.reset_counters();
        next
    }

    /// Lets the device's time go on; time that goes backwards stands still.
    pub(super) fn advance(&mut self, now: f64) {
        if now <= self.now {
            return;
        }
        let passed = now - self.now;
        let samples = (passed / SAMPLING).ceil().min(MOST_SAMPLES);
        for n in 1..=samples as u32 {
            self.sample = self.load.at(self.now + passed * f64::from(n) / samples);
            self.maximum = self.maximum.max(self.sample);
        }
        self.now = now;
    }

    /// How long it has run, in seconds.
    pub(super) fn now(&self) -> f64 {
        self.now
    }

    /// What the Identity object says.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            vendor: 1,
            device_type: 0x92,
            product_code: 8,
            revision: (4, 11),
            status: 0x0060,
            serial: 940_000_000 + self.number % 10_000_000,
            product_name: "PowerMonitor 500".to_owned(),
        }
    }

    /// Sets every energy counter to zero, as a person at the front panel can.
    pub(super) fn reset_counters(&mut self) {
        self.counters = [0.0; 8];
        self.counted_from = self.now;
    }

    /// Lets the maximum values begin with the present ones.
    pub(super) fn reset_maxima(&mut self) {
        self.maximum = self.sample;
    }

    /// Lets demand begin anew.
    pub(super) fn reset_demand(&mut self) {
        self.demand_reset = Some((self.now / DEMAND_PERIOD) as u64);
    }

    /// Changes a setting, as a person at the front panel can.
    pub(super) fn set_setting(&mut self, name: &str, value: Value) {
        self.settings.insert(name.to_owned(), value);
    }

    /// What an element is worth now, as a client that decodes it must see it. `None` for what is not fitted.
    pub(super) fn value(&mut self, table: Table, name: &str) -> Option<Value> {
        let real = |value: f64| Value::Real(value as f32);
        match table {
            Table::Realtime if name == "phase_sequence" => Some(Value::Integer(self.wiring.sequence())),
            Table::Realtime => self.sample.get(name).map(real),
            Table::Max => self.maximum.get(name).map(real),
            Table::Demand if self.demand_reset == Some((self.now / DEMAND_PERIOD) as u64) => Some(real(0.0)),
            Table::Demand => self.demand()?.get(name).map(real),
            Table::Energy if name == "run_time_s" => Some(Value::Integer(self.run_minutes() * 60)),
            Table::Energy => {
                let position = COUNTER_NAMES.iter().position(|known| *known == name)?;
                Some(Value::Integer(self.counter(position)))
            }
            Table::Alarm => Some(Value::Integer(self.alarm(name)?)),
            Table::Info => self.info(name),
            Table::Settings => self.setting(name),
            Table::Raw => self.raw(name).map(real),
        }
    }

    fn demand(&mut self) -> Option<Sample> {
        let interval = (self.now / DEMAND_PERIOD) as u64;
        if let Some((number, mean)) = self.demand
            && number == interval
        {
            return Some(mean);
        }
        let start = interval.checked_sub(1)? as f64 * DEMAND_PERIOD;
        let samples = (0..(DEMAND_PERIOD / SAMPLING) as u32).map(|n| start + f64::from(n) * SAMPLING);
        let mean = Sample::mean(samples.map(|at| self.load.at(at)))?;
        self.demand = Some((interval, mean));
        Some(mean)
    }

    fn counter(&self, position: usize) -> i64 {
        let (active, reactive) = self.load.energy(self.counted_from, self.now);
        let added = match position % 4 {
            0 => active.max(0.0),
            1 => reactive.max(0.0),
            2 => (-active).max(0.0),
            _ => (-reactive).max(0.0),
        };
        (self.counters[position] + added) as i64
    }

    fn run_minutes(&self) -> i64 {
        (RUN_MINUTES + (self.now - UPTIME) / 60.0) as i64
    }

    /// Assembly 107, two REALs per counter: millions, then the rest, so that no REAL has to hold more than
    /// it can; or one REAL per counter in kWh, kvarh and hours. The simulator's own invention: nobody has
    /// published what a meter has there.
    fn raw(&self, name: &str) -> Option<f64> {
        let element: usize = name.strip_prefix('e')?.parse().ok()?;
        if self.single_reals {
            return Some(match element {
                position @ 0..=7 => self.counter(position) as f64 / 1000.0,
                8 => self.run_minutes() as f64 / 60.0,
                _ => 0.0,
            });
        }
        let counter = match element / 2 {
            position @ 0..=7 => self.counter(position),
            8 => self.run_minutes() / 60 * 100 + self.run_minutes() % 60,
            _ => return None,
        };
        let part = if element.is_multiple_of(2) { counter / 1_000_000 } else { counter % 1_000_000 };
        Some(part as f64)
    }

    /// Alarm 1 is on while the system's power is high, and drives output 1; output 2 counts pulses.
    fn alarm(&self, name: &str) -> Option<i64> {
        let high = self.sample.get("active_power_total_w")? > self.load.high_power();
        match name {
            "alarm_1" | "output_1" => Some(i64::from(high)),
            "alarm_2" | "alarm_3" | "alarm_4" | "output_2" => Some(0),
            _ => None,
        }
    }

    fn info(&self, name: &str) -> Option<Value> {
        match name {
            "firmware" => Some(Value::Text("A.4".to_owned())),
            "module_firmware" => Some(Value::Text("A.11".to_owned())),
            // A 1420-V2P-ENT has relay outputs and no analog ones.
            "analog_firmware" => None,
            "serial_number" => Some(Value::Text(format!("SIM{:010}", self.number))),
            // Relay outputs, Modbus on Ethernet, EtherNet/IP.
            "hardware_code" => Some(Value::Integer(1 << 0 | 1 << 3 | 1 << 8)),
            _ => None,
        }
    }

    fn setting(&self, name: &str) -> Option<Value> {
        if let Some(changed) = self.settings.get(name) {
            return Some(changed.clone());
        }
        let code = match name {
            "clock_offset_s" => return Some(Value::Integer(host_clock())),
            "ct_ratio" => return Some(Value::Real(20.0)),
            "vt_ratio" => return Some(Value::Real(1.0)),
            "filter_span" => return Some(Value::Real(2.0)),
            "filter_coefficient" => return Some(Value::Real(2.0)),
            "alarm_1_set_point_1" => return Some(Value::Real(self.load.high_power() as f32)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Profile;

    #[test]
    fn every_element_of_the_profile_has_a_value_within_its_range() {
        let mut device = Device::new(1, 0, Wiring::Right, false);
        for element in &Profile::built_in().elements {
            let value = device.value(element.table, &element.name);
            let number = match value {
                Some(Value::Real(value)) => f64::from(value),
                Some(Value::Integer(value)) => value as f64,
                Some(Value::Text(_)) => continue,
                None => {
                    assert_eq!(element.name, "analog_firmware");
                    continue;
                }
            };
            let (low, high) = element.range;
            assert!((low..=high).contains(&number), "{}.{} is {number}", element.table, element.name);
        }
    }

    #[test]
    fn counters_go_on_by_the_energy_and_start_from_zero_after_a_reset() {
        let mut device = Device::new(1, 0, Wiring::Right, false);
        let count = |device: &mut Device| match device.value(Table::Energy, "active_import_wh") {
            Some(Value::Integer(value)) => value,
            other => panic!("{other:?}"),
        };
        let before = count(&mut device);
        device.advance(UPTIME + 3600.0);
        let (wh, _) = device.load.energy(UPTIME, UPTIME + 3600.0);
        assert_eq!(count(&mut device), before + wh as i64);
        assert_eq!(device.value(Table::Energy, "run_time_s"), Some(Value::Integer((12_346 * 60 + 41) * 60)));
        device.reset_counters();
        assert_eq!(count(&mut device), 0);
        device.advance(UPTIME + 7200.0);
        assert!(count(&mut device) > 10_000);
    }

    #[test]
    fn demand_is_the_mean_power_of_the_last_complete_interval_and_the_maximum_is_never_below_now() {
        let mut device = Device::new(1, 0, Wiring::Right, false);
        device.advance(UPTIME + DEMAND_PERIOD);
        let (wh, _) = device.load.energy(UPTIME, UPTIME + DEMAND_PERIOD);
        let watts = wh * 3600.0 / DEMAND_PERIOD;
        let Some(Value::Real(demand)) = device.value(Table::Demand, "active_power_total_w") else { panic!() };
        assert!((f64::from(demand) - watts).abs() < watts / 1000.0, "{demand} {watts}");
        for name in ["voltage_l1_n_v", "current_n_a", "frequency_hz"] {
            let (Some(Value::Real(most)), Some(Value::Real(now))) =
                (device.value(Table::Max, name), device.value(Table::Realtime, name))
            else {
                panic!()
            };
            assert!(most >= now, "{name}");
        }
    }
}
