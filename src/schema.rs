//! The measurements that are about the reading rather than from the meter: names, types and meanings.
//!
//! The meter's own tables are described by the profile. This list and the profile together are all that
//! can leave the program: `fields`, the README's Metrics section and the names a user tag may not have
//! come from them, and a test holds every emitted line against them.

use crate::meter::{Table, names};

/// Tag on every line of a meter: its name.
pub const METER_TAG: &str = "meter";
/// Tag on event lines: what happened.
pub const EVENT_TAG: &str = "event";

/// Result, connection, ages: every interval, also when the meter is down.
pub const STATUS: &str = "powermonitor_500_status";
/// Counters since start: seldom, for what moves slowly need not be stored at every interval.
pub const TRAFFIC: &str = "powermonitor_500_traffic";
/// What the meter is: at connect, then hourly.
pub const INFO: &str = Table::Info.measurement();
/// The energy counters: the meter's own, and one field about them.
pub const ENERGY: &str = Table::Energy.measurement();
/// The field about them.
pub const COUNTING_SINCE: &str = "counting_since_ms";
/// The load profile: energy from boundary to boundary.
pub const INTERVAL: &str = "powermonitor_500_interval";
/// What happened.
pub const EVENT: &str = "powermonitor_500_event";
/// The plugin itself; no `meter` tag.
pub const PLUGIN: &str = "powermonitor_500_plugin";

/// Type of a field, fixed forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Float.
    Float,
    /// Integer.
    Integer,
    /// String.
    Text,
}

impl Type {
    /// The word used in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Type::Float => "float",
            Type::Integer => "integer",
            Type::Text => "string",
        }
    }
}

/// One field of a fixed measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Measurement.
    pub measurement: &'static str,
    /// Field.
    pub field: &'static str,
    /// Type.
    pub kind: Type,
    /// Meaning.
    pub meaning: &'static str,
}

const fn entry(measurement: &'static str, field: &'static str, kind: Type, meaning: &'static str) -> Entry {
    Entry { measurement, field, kind, meaning }
}

use Type::{Float, Integer, Text};

/// Every field of the fixed measurements, in the order in which it is written.
pub const FIELDS: &[Entry] = &[
    entry(STATUS, "up", Integer, "1 when at least one table was read in this gather, else 0"),
    entry(
        STATUS,
        "result_code",
        Integer,
        "0 success, 1 partial, 2 timeout, 3 connection_failed, 4 refused, 5 no_owner, 6 wrong_device, \
         7 wrong_size, 8 bad_data, 9 suspended, 10 stale, 11 starting",
    ),
    entry(
        STATUS,
        "connection_code",
        Integer,
        "0 none, 1 listen_only, 2 input_only, 3 explicit, 4 modbus, 5 logix",
    ),
    entry(STATUS, "tables_ok", Integer, "tables read completely in this gather"),
    entry(STATUS, "tables_failed", Integer, "tables due in this gather that failed wholly or in part"),
    entry(
        STATUS,
        Table::Realtime.age_field(),
        Integer,
        "age of the newest realtime values; absent until first read",
    ),
    entry(STATUS, Table::Max.age_field(), Integer, "the same for max"),
    entry(STATUS, Table::Demand.age_field(), Integer, "the same for demand"),
    entry(STATUS, Table::Energy.age_field(), Integer, "the same for energy"),
    entry(STATUS, Table::Alarm.age_field(), Integer, "the same for alarm"),
    entry(STATUS, Table::Settings.age_field(), Integer, "the same for settings"),
    entry(STATUS, Table::Raw.age_field(), Integer, "the same for the undecoded assembly 107"),
    entry(STATUS, "result", Text, "result_code in words"),
    entry(STATUS, "connection", Text, "connection_code in words"),
    entry(STATUS, "response_time_ms", Float, "slowest reply of this gather"),
    entry(STATUS, "rpi_ms", Float, "agreed requested packet interval of a listened connection"),
    entry(TRAFFIC, "requests", Integer, "requests sent since start"),
    entry(TRAFFIC, "responses", Integer, "replies received since start, refusals included"),
    entry(TRAFFIC, "timeouts", Integer, "requests and connects that got no answer in time, since start"),
    entry(TRAFFIC, "errors", Integer, "other failures since start"),
    entry(TRAFFIC, "reconnects", Integer, "connections made after the first, since start"),
    entry(TRAFFIC, "frames_received", Integer, "class 1 frames received since start"),
    entry(TRAFFIC, "frames_lost", Integer, "class 1 frames missing from the sequence since start"),
    entry(TRAFFIC, "frames_dropped", Integer, "class 1 frames not used since start"),
    entry(
        TRAFFIC,
        "values_dropped",
        Integer,
        "values that were implausible, glitches of counters included, since start",
    ),
    entry(
        TRAFFIC,
        "values_absent",
        Integer,
        "values that the meter said it does not have (NaN, infinite, all ones), since start",
    ),
    entry(TRAFFIC, "gathers_missed", Integer, "gathers that were due while another still ran, since start"),
    entry(TRAFFIC, "gaps", Integer, "gaps in the data since start"),
    entry(TRAFFIC, "counter_resets", Integer, "times that counters were reset or began anew, since start"),
    entry(INFO, "product_name", Text, "identity object"),
    entry(INFO, "catalog_number", Text, "catalog number that belongs to the product code"),
    entry(INFO, "serial_number", Text, "thirteen letters of the product information"),
    entry(INFO, "firmware", Text, "base unit: model letter (A = V2, B = V1) and revision"),
    entry(INFO, "module_firmware", Text, "EtherNet/IP module: model letter and revision"),
    entry(INFO, "analog_firmware", Text, "analog output module, if fitted"),
    entry(INFO, "revision", Text, "identity object, major.minor"),
    entry(
        INFO,
        "controller",
        Text,
        "product, revision and serial number of the controller that has the meter's values, with connection = \"logix\"; \
         what only the meter knows is absent then: its product, serial number and firmware, and whether it was exchanged",
    ),
    entry(INFO, "address", Text, "host and port the meter is read from"),
    entry(INFO, "profile", Text, "profile in use"),
    entry(INFO, "map_basis", Text, "weakest evidence among the emitted elements"),
    entry(INFO, "map_check", Text, "map_check_code in words"),
    entry(INFO, "product_code", Integer, "identity object"),
    entry(INFO, "cip_serial_number", Integer, "identity object"),
    entry(INFO, "hardware_code", Integer, "modules fitted (Modbus only), bits as in the manual"),
    entry(
        INFO,
        "map_check_code",
        Integer,
        "do the numbers contradict the map: 0 not checked, 1 consistent, 2 not provable under this load, \
         3 contradicted",
    ),
    entry(
        ENERGY,
        COUNTING_SINCE,
        Integer,
        "added by the plugin: since when differences of the total counters are energy, milliseconds since the epoch. It \
         changes when one of them was reset, rolled over, jumped or returned, and when another meter came: take no \
         difference of a counter across a change. 0 when that never happened, as far as is known",
    ),
    entry(
        INTERVAL,
        names::ACTIVE_IMPORT,
        Integer,
        "energy of the interval that ends at the line's time, with interval_energy: what the counter rose from the \
         reading nearest to the interval's first boundary to the one nearest to its last; absent when nothing is \
         known",
    ),
    entry(INTERVAL, names::ACTIVE_EXPORT, Integer, "the same for export"),
    entry(INTERVAL, names::REACTIVE_IMPORT, Integer, "the same for reactive import"),
    entry(INTERVAL, names::REACTIVE_EXPORT, Integer, "the same for reactive export"),
    entry(INTERVAL, "interval_s", Integer, "length of the interval"),
    entry(INTERVAL, "start_offset_ms", Integer, "first reading minus first boundary"),
    entry(INTERVAL, "end_offset_ms", Integer, "last reading minus last boundary"),
    entry(
        INTERVAL,
        "quality_code",
        Integer,
        "0 complete: both readings within 1 % of the interval, or 1 s, of their boundaries; 1 partial: they are not, \
         or a counter was missing, or the time is not sure; 2 reset inside: a counter began anew, jumped or returned, \
         what was counted around that is not known and not in the energy; 3 none: no reading belongs to the interval, energy absent",
    ),
    entry(
        INTERVAL,
        "active_power_avg_w",
        Float,
        "mean power, import minus export, over the time between the two readings, so that what was counted during \
         a gap is no peak",
    ),
    entry(
        INTERVAL,
        "coverage_pct",
        Float,
        "time that the interval and the span between its readings have in common, over the time from the first \
         to the last of their ends: less than 100 when a part is missing and when other time is mixed in",
    ),
    entry(EVENT, "message", Text, "what happened, in one sentence"),
    entry(EVENT, "reason", Text, "why, as far as known"),
    entry(EVENT, "table", Text, "table or tables concerned"),
    entry(EVENT, "field", Text, "field concerned"),
    entry(EVENT, "before_text", Text, "before, when it is no number"),
    entry(EVENT, "after_text", Text, "after, when it is no number"),
    entry(EVENT, "before", Float, "value before"),
    entry(EVENT, "after", Float, "value after"),
    entry(EVENT, "duration_s", Float, "length of a gap"),
    entry(EVENT, "from_ms", Integer, "start of a gap, milliseconds since the epoch"),
    entry(EVENT, "to_ms", Integer, "end of a gap, milliseconds since the epoch"),
    entry(PLUGIN, "version", Text, "program version"),
    entry(PLUGIN, "uptime_s", Integer, "seconds since start"),
    entry(PLUGIN, "meters", Integer, "meters configured"),
    entry(PLUGIN, "meters_up", Integer, "meters whose last gather read at least one table"),
    entry(PLUGIN, "lines_dropped", Integer, "lines dropped because nobody read them, since start"),
    entry(
        PLUGIN,
        "gathers_late",
        Integer,
        "gathers that began more than a second after they were due, since start",
    ),
];
