//! What may come on a serial line that two meters share: what Modbus TCP may bring, and echoes, noise, halves of frames,
//! frames of other units, wrong CRCs and late answers. [`modbus_server`](super::modbus_server) says how an input is read.

use telegraf_pm500::source::Modbus;
use telegraf_pm500::source::line::{Line, Lines};
use telegraf_pm500::source::memory::Memory;
use telegraf_pm500::source::modbus::{Port, Settings, TransmissionMode};

use super::modbus_gather::{SETTINGS, TIMEOUTS, gather_twice};
use super::modbus_server::serve;
use super::virtual_time::block_on;

/// Two gathers of each of the two meters, at the same time.
pub(crate) fn run(data: &[u8]) {
    let (way, arrivals) = Memory::new();
    let lines = Lines::<(), Port<Memory>>::default();
    let meter = |unit_id| {
        let line: Line<Port<Memory>> = lines.to((), || Port::new(way.clone(), TransmissionMode::Rtu));
        gather_twice(Modbus::on(line, TIMEOUTS, Settings { unit_id, ..SETTINGS }))
    };
    block_on(async {
        tokio::select! {
            () = serve(arrivals, TransmissionMode::Rtu, data) => {}
            _ = async { tokio::join!(meter(1), meter(2)) } => {}
        }
    });
}
