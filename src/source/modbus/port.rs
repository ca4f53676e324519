//! Where Modbus units are asked: one address with one connection at a time, which all of its units share, as they do
//! behind a gateway.

use std::time::Duration;

use super::reader::RegisterReader;
use crate::source::Failure;
use crate::source::late::Late;
use crate::source::transport::{Connect, Tcp, Wire};

/// An address, and the connection to it while there is one.
#[derive(Debug)]
pub struct Port<C: Connect = Tcp> {
    way: C,
    connection: Option<RegisterReader>,
    /// The connection, or the last one on which no answer came in time.
    late: Option<Late<C::Stream>>,
    /// The unit that gave none.
    silent: Option<u8>,
    /// Something has come from there after that.
    alive: bool,
    connected_before: bool,
}

impl<C: Connect> Port<C> {
    /// Not connected yet.
    pub fn new(way: C) -> Port<C> {
        Port { way, connection: None, late: None, silent: None, alive: false, connected_before: false }
    }

    /// Whether there is a connection.
    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, if there is one; whoever uses it gives it [back](Self::keep) as long as it is sound.
    pub(super) fn take(&mut self) -> Option<RegisterReader> {
        self.connection.take()
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&mut self, connection: RegisterReader) {
        self.connection = Some(connection);
    }

    /// Connects, and says whether there was a connection before.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn open(&mut self, within: Duration) -> Result<(RegisterReader, bool), Failure> {
        (self.late, self.silent, self.alive) = (None, None, false);
        let Wire { stream, .. } = self.way.connect(within).await?;
        let (stream, late) = Late::on(stream);
        self.late = Some(late);
        Ok((RegisterReader::new(stream), std::mem::replace(&mut self.connected_before, true)))
    }

    /// A connection was given up because this unit did not answer: it is watched for a late answer.
    pub(super) fn watch(&mut self, unit: u8) {
        self.silent = Some(unit);
    }

    /// A connection was given up for another reason.
    pub(super) fn forget(&mut self) {
        (self.late, self.silent) = (None, None);
    }

    /// Whether a unit that did not answer has shown life since.
    pub(super) fn shows_life(&mut self, unit: u8) -> bool {
        let watched = self.connection.is_none() && self.silent == Some(unit);
        self.alive |= watched && self.late.as_ref().is_some_and(Late::has_come);
        self.alive && watched
    }

    /// Closes the connection.
    pub(super) async fn close(&mut self) {
        self.forget();
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}
