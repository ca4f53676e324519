//! The device's state: what each element of the profile is worth at a time.
//!
//! A device computes when it is asked: counters are an integral in closed form, demand is the mean of the
//! last complete interval, maximum values catch up with the samples since the last question. Time is an
//! argument, in seconds of the device's own run; the calendar clock is the host's.

mod counters;
mod energy_layout;
mod history;
mod reading;
mod settings;

use std::sync::Arc;

use crate::meter::identity::Identity;
use crate::meter::{Table, Value, names};

use super::Options;
use super::installation::{Absent, Load, Sample};
use counters::{Counters, MEMORY};
pub use energy_layout::{EnergyForm, EnergyLayout, EnergyOrder, EnergyUnit};
pub use history::CounterHistory;
use history::Happening;
use reading::Reading;
use settings::{DEMAND_PERIOD, Settings};

/// A device has been running for this long when it starts, so that its first demand interval is complete.
pub(super) const UPTIME: f64 = 86_400.0;

/// Seconds between two samples of the device itself, for maximum and demand values.
const SAMPLING: f64 = 1.0;
/// Most samples taken to catch up; a device that was not asked for longer looks less closely.
const MOST_SAMPLES: f64 = 900.0;

/// The maximum values were reset this long before a device starts.
const MAXIMUM_AGE: f64 = 60.0;

/// The hours counter as it stood at [`UPTIME`], in minutes.
const RUN_MINUTES: f64 = 12_345.0 * 60.0 + 41.0;

/// Wh until counters roll over that are to be seen doing so.
const UNTIL_ROLL_OVER: f64 = 200.0;
/// A meter that takes another one's place has a number that is higher by this.
const SUCCESSOR: u32 = 100_000;
/// Wh that the counter of a meter with higher counters is ahead.
const HIGHER: i64 = 7_777_777;

/// One simulated device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    options: Arc<Options>,
    load: Load,
    number: u32,
    counters: Counters,
    happening: Happening,
    now: f64,
    sample: Sample,
    maximum: Sample,
    /// Number of the demand interval and its mean.
    demand: Option<(u64, Sample)>,
    /// The demand interval in which demand was reset: it shows 0 until that has ended.
    demand_reset: Option<u64>,
    settings: Settings,
}

impl Device {
    /// The device with this number among those of a simulator, at [`UPTIME`].
    pub(super) fn new(options: &Arc<Options>, number: u32) -> Device {
        let load = Load::new(options, number);
        let sample = load.at(UPTIME);
        let mut counters = Counters::in_service(UPTIME);
        if options.partials_reset {
            counters.reset_partials();
        }
        if options.no_export {
            counters.reset_export();
        }
        let mut device = Device {
            options: options.clone(),
            load,
            number,
            counters,
            happening: Happening::new(options.counters, options.counters_every),
            now: UPTIME - MAXIMUM_AGE,
            sample,
            maximum: sample,
            demand: None,
            demand_reset: None,
            settings: Settings::default(),
        };
        device.prepare();
        device.advance(UPTIME);
        device
    }

    /// What a history needs before it begins.
    fn prepare(&mut self) {
        let limit = match self.options.counters {
            CounterHistory::RollOver => 4_294_967_296.0,
            CounterHistory::RollOverDecimal => 1e9,
            CounterHistory::Noise => return self.counters.make_noise(),
            _ => return,
        };
        self.counters.roll_over_at(limit);
        self.counters.set(&self.load, self.now, names::ACTIVE_IMPORT, limit - UNTIL_ROLL_OVER);
    }

    /// Another device in the place of this one, wired alike, its counters at zero.
    pub(super) fn successor(&self, number: u32) -> Device {
        let mut next = Device::new(&self.options, number);
        next.happening = self.happening;
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
        self.counters.advance(&self.load, now);
        if let Some(time) = self.happening.take(now - UPTIME) {
            self.happen(time);
        }
    }

    /// What the history does to the counters, for the time of this number.
    fn happen(&mut self, time: u64) {
        match self.happening.what {
            CounterHistory::Glitch => self.counters.show(1, 0),
            CounterHistory::DoubleGlitch => self.counters.show(2, 0),
            CounterHistory::AllOnes => self.counters.show(1, -1),
            CounterHistory::Reset => self.reset_counters(),
            CounterHistory::Return if time.is_multiple_of(2) => self.counters.bring_back(),
            CounterHistory::Return => self.counters.hide(&self.load, self.now),
            CounterHistory::Exchange => {
                self.number += SUCCESSOR;
                self.reset_counters();
            }
            CounterHistory::ExchangeHigher => {
                self.number += SUCCESSOR;
                let value = self.counters.named(&self.load, self.now, names::ACTIVE_IMPORT).unwrap_or(0);
                self.set_counter(names::ACTIVE_IMPORT, value + HIGHER);
            }
            CounterHistory::Smooth
            | CounterHistory::RollOver
            | CounterHistory::RollOverDecimal
            | CounterHistory::Noise => {}
        }
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
        self.counters.reset(self.now);
    }

    /// Sets one energy counter, in Wh or varh.
    pub(super) fn set_counter(&mut self, name: &str, value: i64) {
        self.counters.set(&self.load, self.now, name, value as f64);
    }

    /// The next readings of the counters show this.
    pub(super) fn show_counters(&mut self, readings: u32, value: i64) {
        self.counters.show(readings, value);
    }

    /// Begins a reading of the counters, so that it may show something odd.
    pub(super) fn begin_reading(&mut self) {
        self.counters.begin_reading();
    }

    /// Ends a reading of the counters.
    pub(super) fn end_reading(&mut self) {
        self.counters.end_reading();
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
        self.settings.set(name, value);
    }

    /// What an element is worth now, as a client that decodes it must see it. `None` for what is not fitted.
    pub(super) fn value(&mut self, table: Table, name: &str) -> Option<Value> {
        let absent = self.options.absent;
        match table {
            Table::Realtime if name == names::PHASE_SEQUENCE => {
                Some(Value::Integer(self.options.wiring.sequence()))
            }
            Table::Realtime => self.sample.get(name).map(|value| shown(absent, value)),
            Table::Max => self.maximum.get(name).map(|value| shown(absent, value)),
            Table::Demand if self.demand_reset == Some((self.now / DEMAND_PERIOD) as u64) => {
                // What there is not stays so.
                self.sample.get(name).map(|value| shown(absent, value * 0.0))
            }
            Table::Demand => self.demand()?.get(name).map(|value| shown(absent, value)),
            Table::Energy if name == names::RUN_TIME => Some(Value::Integer(self.run_minutes() * 60)),
            Table::Energy if self.options.no_export && name.contains("export") => {
                Some(Value::Integer(absent.integer()))
            }
            Table::Energy => self.counters.named(&self.load, self.now, name).map(Value::Integer),
            Table::Alarm => Some(Value::Integer(self.alarm(name)?)),
            Table::Info => self.info(name),
            Table::Settings => self.settings.get(name, self.load.high_power()),
            Table::Raw => self.raw(name).map(|value| shown(absent, value)),
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

    fn run_minutes(&self) -> i64 {
        (RUN_MINUTES + (self.now - UPTIME) / 60.0) as i64
    }

    /// A REAL of assembly 107, as of its last update.
    fn raw(&self, name: &str) -> Option<f64> {
        let element: usize = name.strip_prefix('e')?.parse().ok()?;
        let layout = &self.options.energy_layout;
        let update = layout.update.as_secs_f64().min(MEMORY);
        let at = if update > 0.0 { (self.now / update).floor() * update } else { self.now };
        let counters = self.counters.at(&self.load, at);
        layout.real(element, &Reading { counters, run_minutes: self.run_minutes() })
    }

    /// Alarm 1 is on while the system's power is high, and drives output 1; output 2 counts pulses.
    fn alarm(&self, name: &str) -> Option<i64> {
        let high = self.sample.get(names::ACTIVE[3])? > self.load.high_power();
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
}

/// A value as the meter says it, what there is not as the option wants it.
fn shown(absent: Absent, value: f64) -> Value {
    Value::Real(if value.is_nan() { absent.real() } else { value as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Profile;
    use crate::simulator::State;
    use std::time::Duration;

    #[test]
    fn every_element_of_the_profile_has_a_value_within_its_range() {
        let mut device = Device::new(&Arc::default(), 0);
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
        let mut device = Device::new(&Arc::default(), 0);
        let count = |device: &mut Device| match device.value(Table::Energy, "active_import_wh") {
            Some(Value::Integer(value)) => value,
            other => panic!("{other:?}"),
        };
        let before = count(&mut device);
        device.advance(UPTIME + 3600.0);
        let wh = device.load.energy(UPTIME, UPTIME + 3600.0).active_import;
        assert_eq!(count(&mut device), before + wh as i64);
        assert_eq!(device.value(Table::Energy, "run_time_s"), Some(Value::Integer((12_346 * 60 + 41) * 60)));
        device.reset_counters();
        assert_eq!(count(&mut device), 0);
        device.advance(UPTIME + 7200.0);
        assert!(count(&mut device) > 10_000);
    }

    #[test]
    fn demand_is_the_mean_power_of_the_last_complete_interval_and_the_maximum_is_never_below_now() {
        let mut device = Device::new(&Arc::default(), 0);
        device.advance(UPTIME + DEMAND_PERIOD);
        let wh = device.load.energy(UPTIME, UPTIME + DEMAND_PERIOD).active_import;
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

    fn active_import(device: &mut Device) -> i64 {
        device.begin_reading();
        let value = device.value(Table::Energy, "active_import_wh");
        device.end_reading();
        match value {
            Some(Value::Integer(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    /// Readings 10 s apart around the first times that something happens.
    fn history(counters: CounterHistory) -> Vec<i64> {
        let options = Options { counters, counters_every: Duration::from_secs(60), ..Options::default() };
        let mut device = Device::new(&Arc::new(options), 0);
        let times = (0..20).map(f64::from);
        times
            .map(|n| {
                device.advance(UPTIME + 5.0 + 10.0 * n);
                active_import(&mut device)
            })
            .collect()
    }

    #[test]
    fn histories_of_counters_are_what_their_names_say() {
        let falls = |readings: &[i64]| -> Vec<usize> {
            (1..readings.len()).filter(|n| readings[*n] < readings[n - 1]).collect()
        };
        let smooth = history(CounterHistory::Smooth);
        assert!(falls(&smooth).is_empty());
        let glitch = history(CounterHistory::Glitch);
        assert_eq!((glitch[6], glitch[7], falls(&glitch)), (0, smooth[7], vec![6, 12, 18]));
        let double = history(CounterHistory::DoubleGlitch);
        assert_eq!((double[6], double[7], double[8]), (0, 0, smooth[8]));
        assert_eq!(history(CounterHistory::AllOnes)[6], -1);
        let reset = history(CounterHistory::Reset);
        assert!(reset[6] == 0 && reset[7] > 50 && reset[12] == 0, "{reset:?}");
        let returned = history(CounterHistory::Return);
        assert!(returned[6] == 0 && returned[11] > 200, "{returned:?}");
        assert_eq!(returned[12..18], smooth[12..18]);
        let rolled = history(CounterHistory::RollOver);
        assert!(rolled[0] > 4_294_967_000 && rolled[19] < 3000, "{rolled:?}");
        assert_eq!(falls(&rolled).len(), 1);
        assert!(history(CounterHistory::RollOverDecimal)[0] > 999_999_000);
        assert_eq!(history(CounterHistory::Noise)[2], smooth[2] - 1);
        assert_eq!(history(CounterHistory::Exchange)[6], 0);
        assert!(history(CounterHistory::ExchangeHigher)[6] > smooth[6] + 1_000_000);
    }

    #[test]
    fn the_energy_of_an_installation_that_imports_and_exports_by_turns_counts_in_both_directions() {
        let options = Options { state: State::Turns, power: Some(2_500.0), ..Options::default() };
        let mut device = Device::new(&Arc::new(options), 0);
        let mut count = |name: &str, now: f64| {
            device.advance(now);
            match device.value(Table::Energy, name) {
                Some(Value::Integer(value)) => value as f64,
                other => panic!("{other:?}"),
            }
        };
        let [import, export] = ["active_import_wh", "active_export_wh"];
        let before = [count(import, UPTIME), count(export, UPTIME)];
        // Nobody asked for ten minutes.
        let after = [count(import, UPTIME + 600.0), count(export, UPTIME + 600.0)];
        // Half an hour of 20 kW and of 15 kW each, in tenths.
        assert!((after[0] - before[0] - 1666.0).abs() < 60.0, "{before:?} {after:?}");
        assert!((after[1] - before[1] - 1250.0).abs() < 60.0, "{before:?} {after:?}");
    }

    #[test]
    fn assembly_107_stands_still_between_its_updates() {
        let energy_layout = EnergyLayout { update: Duration::from_secs(60), ..EnergyLayout::default() };
        let mut device = Device::new(&Arc::new(Options { energy_layout, ..Options::default() }), 0);
        let mut low = |now: f64| {
            device.advance(UPTIME + now);
            device.value(Table::Raw, "e01")
        };
        assert_eq!(low(1.0), low(59.0));
        assert_ne!(low(59.5), low(61.0));
    }
}
