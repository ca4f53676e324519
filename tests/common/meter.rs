//! What a meter holds, written down a second time from the manual, so that the program's own table is not its
//! own judge: names, order and addresses here come from no file of the program.

use serde_json::{Value, json};

/// The twelve REALs of assembly 101, Modbus 0x0050.
pub(crate) const VOLTAGE_CURRENT: [&str; 12] = [
    "voltage_l1_n_v",
    "voltage_l2_n_v",
    "voltage_l3_n_v",
    "voltage_ln_avg_v",
    "voltage_l1_l2_v",
    "voltage_l2_l3_v",
    "voltage_l3_l1_v",
    "voltage_ll_avg_v",
    "current_l1_a",
    "current_l2_a",
    "current_l3_a",
    "current_n_a",
];

/// The first seventeen REALs of assembly 102, Modbus 0x0068; the phase sequence follows (Modbus 0x008E).
pub(crate) const POWER: [&str; 17] = [
    "active_power_l1_w",
    "active_power_l2_w",
    "active_power_l3_w",
    "active_power_total_w",
    "apparent_power_l1_va",
    "apparent_power_l2_va",
    "apparent_power_l3_va",
    "apparent_power_total_va",
    "reactive_power_l1_var",
    "reactive_power_l2_var",
    "reactive_power_l3_var",
    "reactive_power_total_var",
    "power_factor_l1",
    "power_factor_l2",
    "power_factor_l3",
    "power_factor_total",
    "frequency_hz",
];

/// The first eight of nine 64-bit counters at Modbus 0x0500; the hours counter follows.
pub(crate) const ENERGY: [&str; 8] = [
    "active_import_wh",
    "reactive_import_varh",
    "active_export_wh",
    "reactive_export_varh",
    "partial_active_import_wh",
    "partial_reactive_import_varh",
    "partial_active_export_wh",
    "partial_reactive_export_varh",
];

/// Bits of the two words of assembly 108, Modbus 0x4000.
pub(crate) const ALARM: [(usize, u16, &str); 6] = [
    (0, 0, "alarm_1"),
    (0, 1, "alarm_2"),
    (0, 2, "alarm_3"),
    (0, 3, "alarm_4"),
    (1, 0, "output_1"),
    (1, 1, "output_2"),
];

/// Which word of a 32 or 64 bit number comes first over Modbus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WordOrder {
    LowFirst,
    HighFirst,
}

/// The values of one meter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meter {
    pub(crate) voltage_current: [f32; 12],
    pub(crate) power: [f32; 17],
    pub(crate) phase_sequence: f32,
    pub(crate) energy: [u64; 8],
    /// Hours x 100 + minutes.
    pub(crate) hours: u64,
    pub(crate) alarm: [u16; 2],
}

impl Meter {
    /// An unbalanced load whose numbers obey physics, all of them different from each other.
    pub(crate) fn loaded() -> Meter {
        let (volts, amperes) = ([231.2, 229.5, 230.7], [101.3, 98.6, 104.9]);
        let (line, factors) = ([398.9, 399.3, 400.2], [0.91, 0.93, 0.95]);
        let apparent: [f64; 3] = std::array::from_fn(|phase| volts[phase] * amperes[phase]);
        let active: [f64; 3] = std::array::from_fn(|phase| apparent[phase] * factors[phase]);
        let reactive: [f64; 3] =
            std::array::from_fn(|phase| (apparent[phase].powi(2) - active[phase].powi(2)).sqrt());
        let sum = |parts: [f64; 3]| parts.iter().sum::<f64>();
        let total = sum(active).hypot(sum(reactive));
        let with = |parts: [f64; 3], fourth: f64| [parts[0], parts[1], parts[2], fourth];
        let voltage_current =
            [with(volts, sum(volts) / 3.0), with(line, sum(line) / 3.0), with(amperes, 5.5)];
        let power = [
            with(active, sum(active)),
            with(apparent, total),
            with(reactive, sum(reactive)),
            with(factors, sum(active) / total),
        ];
        let mut reals = voltage_current.concat().into_iter().map(|value| value as f32);
        let voltage_current = std::array::from_fn(|_| reals.next().unwrap_or_default());
        let mut reals = power.concat().into_iter().chain([49.98]).map(|value| value as f32);
        Meter {
            voltage_current,
            power: std::array::from_fn(|_| reals.next().unwrap_or_default()),
            phase_sequence: -1.0,
            // Beyond 32 bits, and beyond what a float could hold to the last digit.
            energy: std::array::from_fn(|index| 9_007_199_254_741 - 1_000_003 * index as u64),
            hours: 1_234_559,
            alarm: [0b0101, 0b10],
        }
    }

    /// For tests/peers/eip_server.py: the assemblies 100 to 108 and an identity.
    pub(crate) fn adapter(&self) -> Value {
        let reals = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        let words = |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        let power: Vec<f32> = self.power.iter().copied().chain([self.phase_sequence]).collect();
        let assemblies = [
            (100, words(&[FIRMWARE.as_slice(), SERIAL.as_slice()].concat())),
            (101, reals(&self.voltage_current)),
            (102, reals(&power)),
            (103, reals(&self.voltage_current)),
            (104, reals(&self.power)),
            (105, reals(&self.voltage_current)),
            (106, reals(&self.power)),
            (107, reals(&[0.5; 18])),
            (108, words(&self.alarm)),
        ];
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let assemblies: serde_json::Map<String, Value> =
            assemblies.iter().map(|(instance, bytes)| (instance.to_string(), hex(bytes).into())).collect();
        json!({
            "identity": {
                "vendor": 1, "device_type": 0x92, "product_code": 7, "revision": [2, 11], "status": 0x60,
                "serial": 940_000_123, "name": "PowerMonitor 500",
            },
            "assemblies": assemblies,
        })
    }

    /// For tests/peers/modbus_server.py: the registers by PDU address. The password register is not there.
    pub(crate) fn registers(&self, order: WordOrder) -> Value {
        let number = |value: u64, words: usize| -> Vec<u16> {
            let mut words: Vec<u16> = (0..words).map(|word| (value >> (16 * word)) as u16).collect();
            if order == WordOrder::HighFirst {
                words.reverse();
            }
            words
        };
        let real = |value: &f32| number(u64::from(value.to_bits()), 2);
        // The sibling has two asymmetries between frequency and phase sequence.
        let asymmetries = [0.25, 0.75];
        let realtime = self.voltage_current.iter().chain(&self.power).chain(&asymmetries);
        let realtime: Vec<u16> = realtime.chain([&self.phase_sequence]).flat_map(real).collect();
        let energy: Vec<u16> =
            self.energy.iter().chain([&self.hours]).flat_map(|&counter| number(counter, 4)).collect();
        json!({
            "0": FIRMWARE, // 0x0000
            "32": SERIAL, // 0x0020
            "80": realtime, // 0x0050
            "1280": energy, // 0x0500
            "16384": [self.alarm[0], self.alarm[1], 0x0109], // 0x4000, the last one: modules fitted
        })
    }
}

/// Model letter and revision of base unit, EtherNet/IP module and analog module.
const FIRMWARE: [u16; 3] = [0x4102, 0x4103, 0x4101];

/// "AB1234567890Z", two letters in a word, the first in the high byte.
const SERIAL: [u16; 7] = [0x4142, 0x3132, 0x3334, 0x3536, 0x3738, 0x3930, 0x5A00];
