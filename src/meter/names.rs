//! The elements that code knows by name: the quantities of three phases, and the energy counters.
//!
//! Everything else about them stands in the profile; these are the keys to it, and they stand here once.

/// Phase voltages: L1, L2, L3, average.
pub const STAR: [&str; 4] = ["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v", "voltage_ln_avg_v"];
/// Line voltages: L1-L2, L2-L3, L3-L1, average.
pub const DELTA: [&str; 4] = ["voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v", "voltage_ll_avg_v"];
/// Currents: L1, L2, L3, neutral.
pub const CURRENT: [&str; 4] = ["current_l1_a", "current_l2_a", "current_l3_a", "current_n_a"];
/// Active powers: L1, L2, L3, total.
pub const ACTIVE: [&str; 4] =
    ["active_power_l1_w", "active_power_l2_w", "active_power_l3_w", "active_power_total_w"];
/// Apparent powers: L1, L2, L3, total.
pub const APPARENT: [&str; 4] =
    ["apparent_power_l1_va", "apparent_power_l2_va", "apparent_power_l3_va", "apparent_power_total_va"];
/// Reactive powers: L1, L2, L3, total.
pub const REACTIVE: [&str; 4] =
    ["reactive_power_l1_var", "reactive_power_l2_var", "reactive_power_l3_var", "reactive_power_total_var"];
/// Power factors: L1, L2, L3, total.
pub const FACTOR: [&str; 4] = ["power_factor_l1", "power_factor_l2", "power_factor_l3", "power_factor_total"];

/// Elements of three phases and their total, average or neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// In words.
    pub name: &'static str,
    /// L1, L2, L3 (or L1-L2, L2-L3, L3-L1), then the fourth.
    pub elements: [&'static str; 4],
    /// Whether the three stand between two phases.
    pub between: bool,
}

/// Every group of the realtime table.
pub const GROUPS: [Group; 7] = [
    Group { name: "phase voltages", elements: STAR, between: false },
    Group { name: "line voltages", elements: DELTA, between: true },
    Group { name: "currents", elements: CURRENT, between: false },
    Group { name: "active powers", elements: ACTIVE, between: false },
    Group { name: "apparent powers", elements: APPARENT, between: false },
    Group { name: "reactive powers", elements: REACTIVE, between: false },
    Group { name: "power factors", elements: FACTOR, between: false },
];

/// The frequency.
pub const FREQUENCY: &str = "frequency_hz";
/// Which way the phases turn: 0 for L1-L2-L3, -1 for L1-L3-L2.
pub const PHASE_SEQUENCE: &str = "phase_sequence";

/// Energy taken from the network, in Wh.
pub const ACTIVE_IMPORT: &str = "active_import_wh";
/// Energy given to the network, in Wh.
pub const ACTIVE_EXPORT: &str = "active_export_wh";
/// Reactive energy taken from the network, in varh.
pub const REACTIVE_IMPORT: &str = "reactive_import_varh";
/// Reactive energy given to the network, in varh.
pub const REACTIVE_EXPORT: &str = "reactive_export_varh";
/// The four energies: the total counters of the energy table, and the fields of a load profile.
pub const ENERGIES: [&str; 4] = [ACTIVE_IMPORT, ACTIVE_EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT];
/// The same energies since a person last reset the partial counters.
pub const PARTIAL_ENERGIES: [&str; 4] = [
    "partial_active_import_wh",
    "partial_active_export_wh",
    "partial_reactive_import_varh",
    "partial_reactive_export_varh",
];
/// All of them in the order of the energy table.
pub const ENERGY_COUNTERS: [&str; 8] = [
    ACTIVE_IMPORT,
    REACTIVE_IMPORT,
    ACTIVE_EXPORT,
    REACTIVE_EXPORT,
    PARTIAL_ENERGIES[0],
    PARTIAL_ENERGIES[2],
    PARTIAL_ENERGIES[1],
    PARTIAL_ENERGIES[3],
];
/// Seconds under load.
pub const RUN_TIME: &str = "run_time_s";
