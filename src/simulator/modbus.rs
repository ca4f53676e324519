//! The Modbus TCP server: functions 03 and 04 with the same values, one client at a time.
//!
//! Any unit id is answered. Addresses that are not there get exception 02, counts other than 1 to 125
//! exception 03, every other function exception 01; what would have written is in the record.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::meter::Meter;
use super::record::Asked;

/// Most registers of one read (Modbus Application Protocol 1.1b3, section 6.3).
const MOST_REGISTERS: u16 = 125;

/// A client that leaves and comes straight back must not meet its own shadow: a new client may wait this
/// long for the one socket.
const HANDOVER: Duration = Duration::from_millis(100);

/// Serves clients until dropped.
pub(super) async fn serve(listener: TcpListener, meter: Arc<Meter>) {
    let socket = Arc::new(Semaphore::new(1));
    let on_connected = |stream: TcpStream, _: SocketAddr| {
        let (meter, socket) = (meter.clone(), socket.clone());
        async move {
            let Ok(Ok(permit)) = timeout(HANDOVER, socket.acquire_owned()).await else {
                meter.change_record(|record| record.modbus_rejected += 1);
                return Ok(None);
            };
            stream.set_nodelay(true)?;
            meter.modbus_client_came();
            Ok(Some((Client { meter, _permit: permit }, stream)))
        }
    };
    let server = Server::new(listener);
    loop {
        // A failed accept ends `serve`; the listener is still good.
        let _: io::Result<()> = server.serve(&on_connected, |_| {}).await;
        sleep(HANDOVER).await;
    }
}

/// The client that has the socket.
struct Client {
    meter: Arc<Meter>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.meter.modbus_client_left();
    }
}

impl Service for Client {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Option<Response>, ExceptionCode>> + Send>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        let outcome = answer(&self.meter, &request.request);
        let (silent, delay) = (self.meter.defects().silent, self.meter.take_delay());
        Box::pin(async move {
            if let Some(delay) = delay {
                sleep(delay).await;
            }
            if silent { Ok(None) } else { outcome.map(Some) }
        })
    }
}

fn answer(meter: &Meter, request: &Request<'_>) -> Result<Response, ExceptionCode> {
    let (address, count) = extent(request);
    meter.note(Asked::Modbus { function: request.function_code().value(), address, count });
    let read = || {
        if !(1..=MOST_REGISTERS).contains(&count) {
            return Err(ExceptionCode::IllegalDataValue);
        }
        meter.registers(address, count).map_err(ExceptionCode::new)
    };
    match request {
        Request::ReadHoldingRegisters(..) => read().map(Response::ReadHoldingRegisters),
        Request::ReadInputRegisters(..) => read().map(Response::ReadInputRegisters),
        _ => Err(ExceptionCode::IllegalFunction),
    }
}

/// First address and count of a request; zeros where it has none.
fn extent(request: &Request<'_>) -> (u16, u16) {
    let many = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    match request {
        Request::ReadCoils(address, count)
        | Request::ReadDiscreteInputs(address, count)
        | Request::ReadInputRegisters(address, count)
        | Request::ReadHoldingRegisters(address, count) => (*address, *count),
        Request::WriteSingleCoil(address, _)
        | Request::WriteSingleRegister(address, _)
        | Request::MaskWriteRegister(address, ..) => (*address, 1),
        Request::WriteMultipleCoils(address, coils) => (*address, many(coils.len())),
        Request::WriteMultipleRegisters(address, words)
        | Request::ReadWriteMultipleRegisters(_, _, address, words) => (*address, many(words.len())),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Defects, Options, Simulator};
    use std::collections::BTreeMap;
    use tokio::io::AsyncReadExt;
    use tokio_modbus::prelude::{Reader as _, Writer as _};
    use tokio_modbus::{Slave, client};

    #[tokio::test]
    async fn both_read_functions_give_the_same_and_every_write_is_refused_and_recorded() {
        let simulator = Simulator::start(Options { frozen: true, ..Options::default() }).await.unwrap();
        let meter = &simulator.meters[0];
        let mut client = client::tcp::connect_slave(meter.modbus(), Slave(17)).await.unwrap();
        let holding = client.read_holding_registers(0x0050, 64).await.unwrap().unwrap();
        assert_eq!(client.read_input_registers(0x0050, 64).await.unwrap().unwrap(), holding);
        let refused = client.read_input_registers(0x0090, 1).await.unwrap();
        assert_eq!(refused, Err(ExceptionCode::IllegalDataAddress));
        let refused = client.read_input_registers(0x0050, 126).await.unwrap();
        assert_eq!(refused, Err(ExceptionCode::IllegalDataValue));
        assert!(meter.record().writes().is_empty());
        let refused = client.write_single_register(0x1018, 1).await.unwrap();
        assert_eq!(refused, Err(ExceptionCode::IllegalFunction));
        let refused = client.write_multiple_registers(0x1105, &[0; 6]).await.unwrap();
        assert_eq!(refused, Err(ExceptionCode::IllegalFunction));
        assert_eq!(meter.record().writes().len(), 2);
        meter.set_defects(Defects { modbus_exceptions: BTreeMap::from([(0x0060, 4)]), ..Defects::default() });
        let refused = client.read_input_registers(0x0050, 64).await.unwrap();
        assert_eq!(refused, Err(ExceptionCode::ServerDeviceFailure));
    }

    #[tokio::test]
    async fn a_second_client_is_turned_away_until_the_first_has_left() {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let meter = &simulator.meters[0];
        let mut first = client::tcp::connect_slave(meter.modbus(), Slave(1)).await.unwrap();
        first.read_input_registers(0x0500, 36).await.unwrap().unwrap();
        let mut second = TcpStream::connect(meter.modbus()).await.unwrap();
        assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(meter.record().modbus_rejected, 1);
        drop(first);
        let mut third = client::tcp::connect_slave(meter.modbus(), Slave(1)).await.unwrap();
        third.read_input_registers(0x0500, 36).await.unwrap().unwrap();
    }
}
