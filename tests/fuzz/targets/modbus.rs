//! What a Modbus server may answer, through the planner: refusals, splits, short and long replies, garbage, closing.
//! [`modbus_server`](super::modbus_server) says how an input is read.

use telegraf_pm500::source::Modbus;
use telegraf_pm500::source::memory::Memory;
use telegraf_pm500::source::modbus::TransmissionMode;

use super::modbus_gather::{SETTINGS, TIMEOUTS, gather_twice};
use super::modbus_server::serve;
use super::virtual_time::block_on;

/// Two gathers: what the first one has learned shapes the second.
pub(crate) fn run(data: &[u8]) {
    let (way, arrivals) = Memory::new();
    block_on(async {
        let source = Modbus::new(way, TIMEOUTS, SETTINGS);
        tokio::select! {
            () = serve(arrivals, TransmissionMode::Tcp, data) => {}
            () = gather_twice(source) => {}
        }
    });
}
