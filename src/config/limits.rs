//! What a meter can bear, and why. A configuration beyond it is refused with the reason.

use std::time::Duration;

use super::duration::show;
use crate::meter::Table;

/// The shortest interval at which a table is read. 1420-UM001D p78: explicit reads were tested at 200 ms;
/// for Modbus no rate is documented, so the tested one is the limit there as well.
pub const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// The shortest interval of Modbus beside EtherNet/IP: each read may stop EtherNet/IP for a moment.
pub const MIN_MODBUS_TABLES_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How often a table is read when nothing is said about it; `beside` is Modbus beside EtherNet/IP.
pub(super) fn default_interval(table: Table, interval: Duration, beside: bool) -> Duration {
    let least = match table {
        Table::Settings => Duration::from_secs(60 * 60),
        _ if beside => Duration::from_secs(15 * 60),
        Table::Energy | Table::Demand | Table::Max | Table::Raw => Duration::from_secs(60),
        Table::Realtime | Table::Alarm | Table::Info => Duration::ZERO,
    };
    interval.max(least)
}

/// Refuses an interval that the meter was not tested at.
pub(super) fn check_interval(option: &str, interval: Duration) -> Result<(), String> {
    if interval >= MIN_INTERVAL {
        return Ok(());
    }
    Err(format!(
        "{option} = \"{}\" is shorter than {}, the shortest interval at which the meter's explicit reads were \
         tested (1420-UM001D p78); no shorter one is documented for Modbus either",
        show(interval),
        show(MIN_INTERVAL)
    ))
}

/// Refuses Modbus beside EtherNet/IP more often than once in five minutes.
pub(super) fn check_modbus_tables_interval(table: Table, interval: Duration) -> Result<(), String> {
    if interval >= MIN_MODBUS_TABLES_INTERVAL {
        return Ok(());
    }
    Err(format!(
        "the table {table} is in modbus_tables, which are read at most every {}, not every {}, because each read \
         may suspend EtherNet/IP, the PLC's own I/O included; set intervals = {{ {table} = \"15m\" }}",
        show(MIN_MODBUS_TABLES_INTERVAL),
        show(interval)
    ))
}

/// Refuses a precision that is no power of ten from 1 ns to 1 s.
pub(super) fn check_precision(precision: Duration) -> Result<(), String> {
    let nanos = precision.as_nanos();
    if (0..=9).any(|power| nanos == 10_u128.pow(power)) {
        return Ok(());
    }
    Err(format!(
        "precision = \"{}\" is not 1ns, 1us, 1ms, 1s or a power of ten between them",
        show(precision)
    ))
}

/// The three timeouts of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) request: Duration,
    pub(super) gather: Duration,
}

impl Timeouts {
    /// Completes what was written; a default never exceeds a shorter `gather_timeout`.
    pub(super) fn new(
        connect: Option<Duration>,
        request: Option<Duration>,
        gather: Option<Duration>,
    ) -> Result<Timeouts, String> {
        let gather = gather.unwrap_or(Duration::from_secs(5));
        let timeouts = Timeouts {
            connect: connect.unwrap_or(gather.min(Duration::from_secs(2))),
            request: request.unwrap_or(gather.min(Duration::from_secs(1))),
            gather,
        };
        let named = [
            ("gather_timeout", timeouts.gather),
            ("connect_timeout", timeouts.connect),
            ("timeout", timeouts.request),
        ];
        for (option, timeout) in named {
            if timeout.is_zero() {
                return Err(format!("{option} must be longer than zero"));
            }
            if timeout > gather {
                return Err(format!(
                    "{option} = \"{}\" is longer than gather_timeout = \"{}\", which ends the whole gather",
                    show(timeout),
                    show(gather)
                ));
            }
        }
        Ok(timeouts)
    }
}
