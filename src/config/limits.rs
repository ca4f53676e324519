//! What a meter can bear, and why. A configuration beyond it is refused with the reason.

use std::time::Duration;

use super::duration::show;
use crate::meter::Table;
use crate::source::Timeouts;

/// The shortest interval at which a table is read. 1420-UM001D p78: explicit reads were tested at 200 ms;
/// for Modbus no rate is documented, so the tested one is the limit there as well.
pub const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// The shortest interval of Modbus beside EtherNet/IP: each read may stop EtherNet/IP for a moment.
pub const MIN_MODBUS_TABLES_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How often a meter is gathered when nothing is said, as in Telegraf's agent.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// `traffic_interval` when none is given.
pub const DEFAULT_TRAFFIC_INTERVAL: Duration = Duration::from_secs(60);

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

/// Something that the meter, or sense, does not bear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Faster than the meter was tested.
    #[error(
        "{option} = \"{}\" is shorter than {}, the shortest interval at which the meter's explicit reads were tested \
         (1420-UM001D p78); no shorter one is documented for Modbus either",
        show(*interval),
        show(MIN_INTERVAL)
    )]
    Interval {
        /// The option.
        option: String,
        /// What it says.
        interval: Duration,
    },
    /// Modbus beside EtherNet/IP too often.
    #[error(
        "the table {table} is in modbus_tables, which are read at most every {}, not every {}, because each read \
         may suspend EtherNet/IP, the PLC's own I/O included; set intervals = {{ {table} = \"15m\" }}",
        show(MIN_MODBUS_TABLES_INTERVAL),
        show(*interval)
    )]
    Beside {
        /// The table.
        table: Table,
        /// How often it would be read.
        interval: Duration,
    },
    /// No precision that times can be rounded to.
    #[error("precision = \"{}\" is not 1ns, 1us, 1ms, 1s or a power of ten between them", show(*.0))]
    Precision(Duration),
    /// A delay that would miss gathers.
    #[error("{0} must be shorter than the interval, or gathers would be missed")]
    Delay(&'static str),
    /// A timeout of no time.
    #[error("{0} must be longer than zero")]
    NoTime(&'static str),
    /// A timeout that never ends anything.
    #[error(
        "{option} = \"{}\" is longer than gather_timeout = \"{}\", which ends the whole gather",
        show(*timeout),
        show(*gather)
    )]
    Timeout {
        /// The option.
        option: &'static str,
        /// What it says.
        timeout: Duration,
        /// What ends the gather.
        gather: Duration,
    },
}

/// Refuses an interval that the meter was not tested at.
pub(super) fn check_interval(option: &str, interval: Duration) -> Result<(), LimitError> {
    if interval >= MIN_INTERVAL {
        return Ok(());
    }
    Err(LimitError::Interval { option: option.to_owned(), interval })
}

/// Refuses Modbus beside EtherNet/IP more often than once in five minutes.
pub(super) fn check_modbus_tables_interval(table: Table, interval: Duration) -> Result<(), LimitError> {
    if interval >= MIN_MODBUS_TABLES_INTERVAL {
        return Ok(());
    }
    Err(LimitError::Beside { table, interval })
}

/// Refuses a precision that is no power of ten from 1 ns to 1 s.
pub(super) fn check_precision(precision: Duration) -> Result<(), LimitError> {
    let nanos = precision.as_nanos();
    if (0..=9).any(|power| nanos == 10_u128.pow(power)) {
        return Ok(());
    }
    Err(LimitError::Precision(precision))
}

/// Completes what was written; a default never exceeds a shorter `gather_timeout`.
pub(super) fn timeouts(
    connect: Option<Duration>,
    request: Option<Duration>,
    gather: Duration,
) -> Result<Timeouts, LimitError> {
    let timeouts = Timeouts {
        connect: connect.unwrap_or(gather.min(Duration::from_secs(2))),
        request: request.unwrap_or(gather.min(Duration::from_secs(1))),
    };
    let named =
        [("gather_timeout", gather), ("connect_timeout", timeouts.connect), ("timeout", timeouts.request)];
    for (option, timeout) in named {
        if timeout.is_zero() {
            return Err(LimitError::NoTime(option));
        }
        if timeout > gather {
            return Err(LimitError::Timeout { option, timeout, gather });
        }
    }
    Ok(timeouts)
}
