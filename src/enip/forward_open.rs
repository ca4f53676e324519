//! Forward Open and Forward Close: the two requests of class 1 listening.
//!
//! What can be opened is an [`Application`]: listen-only or input-only. Both send nothing but a heartbeat;
//! an exclusive owner, which could send output data, cannot be expressed.
//!
//! Forward Open (service 0x54 to the Connection Manager), little-endian, CIP Vol. 1 table 3-5.17:
//!
//! ```text
//!  0 priority/tick USINT, 1 ticks USINT, 2 O→T connection ID UDINT, 6 T→O connection ID UDINT,
//! 10 connection serial UINT, 12 originator vendor UINT, 14 originator serial UDINT,
//! 18 timeout multiplier USINT, 19 reserved × 3, 22 O→T RPI UDINT µs, 26 O→T parameters WORD,
//! 28 T→O RPI UDINT µs, 32 T→O parameters WORD, 34 transport USINT, 35 path size in words USINT, 36 path
//! ```
//!
//! Parameters: bits 14-13 type (1 multicast, 2 point-to-point), 11-10 priority (2 scheduled), 9 variable,
//! 8-0 connection size in bytes, the 16-bit sequence count included.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use rust_ethernet_ip_protocol::Decode;
use rust_ethernet_ip_protocol::cip::{CipRequest, SendDataRequest};
use serde::{Deserialize, Serialize};

use super::message::Malformed;

/// Forward Open.
pub const FORWARD_OPEN: u8 = 0x54;
/// Forward Close.
pub const FORWARD_CLOSE: u8 = 0x4E;
/// CPF item: socket address, originator to target.
pub const SOCKADDR_O2T_ITEM: u16 = 0x8000;
/// CPF item: socket address, target to originator.
pub const SOCKADDR_T2O_ITEM: u16 = 0x8001;
/// Bytes of the sequence count before the data of a class 1 frame.
pub const SEQUENCE_COUNT_LEN: u16 = 2;

/// Connection Manager, class 6, instance 1.
const CONNECTION_MANAGER: [u8; 4] = [0x20, 0x06, 0x24, 0x01];
/// Tick of 1024 ms …
const PRIORITY_TICK: u8 = 0x0A;
/// … times five: how long the meter may take to open.
const TIMEOUT_TICKS: u8 = 5;
/// Class 1, cyclic.
const TRANSPORT: u8 = 0x01;
/// Class 1, change of state.
const TRANSPORT_ON_CHANGE: u8 = 0x11;
const OPEN_HEAD: usize = 36;

/// What kind of connection, by its heartbeat connection point. Source: 1420-UM001D p78.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Application {
    /// Receives what an owner's connection produces, and ends with it.
    ListenOnly,
    /// Makes the meter produce; the first one fixes RPI and type for everybody.
    InputOnly,
}

impl Application {
    /// The heartbeat instance: a virtual output that carries no data.
    pub fn heartbeat_instance(self) -> u8 {
        match self {
            Application::ListenOnly => 99,
            Application::InputOnly => 98,
        }
    }
}

impl Application {
    /// Configuration and heartbeat instances of the widespread open adapter stack, 151 with 153 or 152: the manual's
    /// 99 and 98 may be meant as hexadecimal. Nobody has tried it on a meter.
    pub fn other_path(self) -> (u8, u8) {
        match self {
            Application::ListenOnly => (151, 0x99),
            Application::InputOnly => (151, 0x98),
        }
    }
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Application::ListenOnly => "listen-only",
            Application::InputOnly => "input-only",
        })
    }
}

/// Who opened a connection; unique among all connections of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Triad {
    /// Connection serial number: new with every open.
    pub connection: u16,
    /// Originator vendor ID.
    pub vendor: u16,
    /// Originator serial number.
    pub serial: u32,
}

impl Triad {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.connection.to_le_bytes());
        out.extend(self.vendor.to_le_bytes());
        out.extend(self.serial.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Triad> {
        Some(Triad { connection: word(bytes, 0)?, vendor: word(bytes, 2)?, serial: long(bytes, 4)? })
    }
}

/// How the target sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No connection in this direction.
    Null,
    /// To a group, for everybody who listens.
    Multicast,
    /// To the originator only.
    PointToPoint,
}

/// How urgent frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Nothing hurries.
    Low = 0,
    /// In between.
    High = 1,
    /// What class 1 uses.
    Scheduled = 2,
    /// Motion.
    Urgent = 3,
}

impl Priority {
    /// All of them, the usual one first.
    pub const ALL: [Priority; 4] = [Priority::Scheduled, Priority::High, Priority::Low, Priority::Urgent];
}

/// Network connection parameters of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters(pub u16);

impl Parameters {
    const MULTICAST: u16 = 1 << 13;
    const POINT_TO_POINT: u16 = 2 << 13;
    const SCHEDULED: u16 = 2 << 10;
    const VARIABLE: u16 = 1 << 9;
    const SIZE: u16 = 0x01FF;

    /// Our heartbeat: point-to-point, scheduled, fixed, the sequence count alone.
    pub fn heartbeat() -> Parameters {
        Parameters(Self::POINT_TO_POINT | Self::SCHEDULED | SEQUENCE_COUNT_LEN)
    }

    /// What we receive: multicast, scheduled, fixed, sequence count and data.
    pub fn multicast(data: u16) -> Parameters {
        Parameters(Self::MULTICAST | Self::SCHEDULED | (SEQUENCE_COUNT_LEN + data) & Self::SIZE)
    }

    /// The same with variable instead of fixed size.
    pub fn variable(self) -> Parameters {
        Parameters(self.0 | Self::VARIABLE)
    }

    /// The same with this priority.
    pub fn with(self, priority: Priority) -> Parameters {
        Parameters(self.0 & !(3 << 10) | (priority as u16) << 10)
    }

    /// How this direction is sent; `None` for a reserved value.
    pub fn kind(self) -> Option<Kind> {
        match self.0 >> 13 & 3 {
            0 => Some(Kind::Null),
            1 => Some(Kind::Multicast),
            2 => Some(Kind::PointToPoint),
            _ => None,
        }
    }

    /// Connection size in bytes, sequence count included.
    pub fn size(self) -> u16 {
        self.0 & Self::SIZE
    }

    /// Whether the size may vary.
    pub fn is_variable(self) -> bool {
        self.0 & Self::VARIABLE != 0
    }

    /// Priority: 0 low, 1 high, 2 scheduled, 3 urgent.
    pub fn priority(self) -> u16 {
        self.0 >> 10 & 3
    }
}

/// A Forward Open as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardOpen {
    /// T→O connection ID we would like; a target that sends multicast chooses its own.
    pub t2o_id: u32,
    /// Who opens.
    pub triad: Triad,
    /// Timeout multiplier code: watchdog = RPI × 4 << code.
    pub multiplier: u8,
    /// Our heartbeat's interval.
    pub o2t_rpi: Duration,
    /// Our heartbeat's parameters.
    pub o2t: Parameters,
    /// The requested packet interval.
    pub t2o_rpi: Duration,
    /// The parameters of what we receive.
    pub t2o: Parameters,
    /// Transport class and trigger.
    pub transport: u8,
    /// Configuration instance, heartbeat instance, assembly instance.
    pub path: ConnectionPath,
}

/// The application path: `20 04 24 <configuration> 2C <consumed> 2C <produced>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectionPath {
    /// Configuration assembly instance; not documented for this meter.
    pub configuration: u8,
    /// Connection point the originator's data goes to: a heartbeat instance.
    pub consumed: u8,
    /// Connection point that is produced: the assembly.
    pub produced: u8,
}

impl ConnectionPath {
    /// The path as padded EPATH.
    pub fn encode(self) -> [u8; 8] {
        [0x20, 0x04, 0x24, self.configuration, 0x2C, self.consumed, 0x2C, self.produced]
    }

    /// Reads a path of this shape; other legal shapes are `None`.
    pub fn decode(path: &[u8]) -> Option<ConnectionPath> {
        match *path {
            [0x20, 0x04, 0x24, configuration, 0x2C, consumed, 0x2C, produced] => {
                Some(ConnectionPath { configuration, consumed, produced })
            }
            _ => None,
        }
    }
}

impl ForwardOpen {
    /// A connection of ours: timeout multiplier 16, heartbeat as [`Parameters::heartbeat`], data of `size`
    /// bytes by multicast.
    pub fn new(
        application: Application,
        assembly: u8,
        configuration: u8,
        triad: Triad,
        (o2t_rpi, t2o_rpi): (Duration, Duration),
        size: u16,
    ) -> ForwardOpen {
        ForwardOpen {
            t2o_id: rand::random(),
            triad,
            multiplier: 2,
            o2t_rpi,
            o2t: Parameters::heartbeat(),
            t2o_rpi,
            t2o: Parameters::multicast(size),
            transport: TRANSPORT,
            path: ConnectionPath {
                configuration,
                consumed: application.heartbeat_instance(),
                produced: assembly,
            },
        }
    }

    /// The same, produced on change of state instead of cyclically.
    pub fn on_change(self) -> ForwardOpen {
        ForwardOpen { transport: TRANSPORT_ON_CHANGE, ..self }
    }

    /// The CIP request.
    pub fn request(&self) -> CipRequest {
        let mut data = vec![PRIORITY_TICK, TIMEOUT_TICKS];
        data.extend(0u32.to_le_bytes());
        data.extend(self.t2o_id.to_le_bytes());
        self.triad.encode(&mut data);
        data.extend([self.multiplier, 0, 0, 0]);
        data.extend(micros(self.o2t_rpi).to_le_bytes());
        data.extend(self.o2t.0.to_le_bytes());
        data.extend(micros(self.t2o_rpi).to_le_bytes());
        data.extend(self.t2o.0.to_le_bytes());
        let path = self.path.encode();
        data.extend([self.transport, (path.len() / 2) as u8]);
        data.extend(path);
        CipRequest::new(FORWARD_OPEN, CONNECTION_MANAGER.to_vec(), data)
    }

    /// Reads the data of a request, for the simulator. The path is returned as bytes when it has another
    /// shape than ours.
    ///
    /// # Errors
    /// [`Malformed`] when the data ends early or lengths do not fit.
    pub fn decode(data: &[u8]) -> Result<(ForwardOpen, Option<Vec<u8>>), Malformed> {
        let short = || Malformed("the Forward Open ends early".to_owned());
        let field = |at| long(data, at).ok_or_else(short);
        let words = usize::from(*data.get(OPEN_HEAD - 1).ok_or_else(short)?);
        let path = data.get(OPEN_HEAD..OPEN_HEAD + words * 2).ok_or_else(short)?;
        let parsed = ConnectionPath::decode(path);
        let other = parsed.is_none().then(|| path.to_vec());
        let open = ForwardOpen {
            t2o_id: field(6)?,
            triad: data.get(10..).and_then(Triad::decode).ok_or_else(short)?,
            multiplier: data[18],
            o2t_rpi: Duration::from_micros(field(22)?.into()),
            o2t: Parameters(word(data, 26).ok_or_else(short)?),
            t2o_rpi: Duration::from_micros(field(28)?.into()),
            t2o: Parameters(word(data, 32).ok_or_else(short)?),
            transport: data[34],
            path: parsed.unwrap_or(ConnectionPath { configuration: 0, consumed: 0, produced: 0 }),
        };
        Ok((open, other))
    }
}

/// What the meter agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Goes into our heartbeats.
    pub o2t_id: u32,
    /// Comes in the meter's frames.
    pub t2o_id: u32,
    /// Who opened.
    pub triad: Triad,
    /// Actual packet interval of our heartbeats.
    pub o2t_api: Duration,
    /// Actual packet interval of the meter's frames.
    pub t2o_api: Duration,
}

impl Opened {
    /// Reads the data of a successful reply: O→T ID UDINT, T→O ID UDINT, triad, O→T API UDINT µs, T→O API
    /// UDINT µs, application reply size USINT, reserved USINT.
    ///
    /// # Errors
    /// [`Malformed`] when it ends early.
    pub fn decode(data: &[u8]) -> Result<Opened, Malformed> {
        let decode = || {
            Some(Opened {
                o2t_id: long(data, 0)?,
                t2o_id: long(data, 4)?,
                triad: Triad::decode(data.get(8..16)?)?,
                o2t_api: Duration::from_micros(long(data, 16)?.into()),
                t2o_api: Duration::from_micros(long(data, 20)?.into()),
            })
        };
        decode().ok_or_else(|| Malformed("the Forward Open reply ends early".to_owned()))
    }

    /// The data of a successful reply, for the simulator.
    pub fn encode(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(26);
        data.extend(self.o2t_id.to_le_bytes());
        data.extend(self.t2o_id.to_le_bytes());
        self.triad.encode(&mut data);
        data.extend(micros(self.o2t_api).to_le_bytes());
        data.extend(micros(self.t2o_api).to_le_bytes());
        data.extend([0, 0]);
        data
    }
}

/// A Forward Close: timing as in an open, triad, path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardClose {
    /// Whose connection.
    pub triad: Triad,
    /// Its path.
    pub path: ConnectionPath,
}

impl ForwardClose {
    /// The CIP request.
    pub fn request(&self) -> CipRequest {
        let mut data = vec![PRIORITY_TICK, TIMEOUT_TICKS];
        self.triad.encode(&mut data);
        let path = self.path.encode();
        data.extend([(path.len() / 2) as u8, 0]);
        data.extend(path);
        CipRequest::new(FORWARD_CLOSE, CONNECTION_MANAGER.to_vec(), data)
    }

    /// Reads whose connection a request closes, for the simulator.
    ///
    /// # Errors
    /// [`Malformed`] when the data ends early.
    pub fn triad(data: &[u8]) -> Result<Triad, Malformed> {
        let triad = data.get(2..).and_then(Triad::decode);
        triad.ok_or_else(|| Malformed("the Forward Close ends early".to_owned()))
    }
}

/// The socket address in the items of a reply: big-endian family INT, port UINT, address UDINT, eight zeros.
pub fn sockaddr(items: &[u8], wanted: u16) -> Option<SocketAddrV4> {
    let packet = SendDataRequest::decode(&mut &items[..]).ok()?;
    let item = packet.items.into_iter().find(|item| item.type_id == wanted)?;
    let &[0, 2, p1, p0, a, b, c, d, ..] = item.data.as_slice() else { return None };
    Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p1, p0])))
}

/// The bytes of a socket address item, for the simulator.
pub fn encode_sockaddr(address: SocketAddrV4) -> Vec<u8> {
    let mut data = vec![0, 2];
    data.extend(address.port().to_be_bytes());
    data.extend(address.ip().octets());
    data.extend([0; 8]);
    data
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(word(bytes, at)?) | u32::from(word(bytes, at + 2)?) << 16)
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAD: Triad = Triad { connection: 0x1234, vendor: 0xFFF5, serial: 0x89AB_CDEF };

    fn listen_only() -> ForwardOpen {
        let rpis = (Duration::from_secs(1), Duration::from_millis(100));
        ForwardOpen {
            t2o_id: 0x0102_0304,
            ..ForwardOpen::new(Application::ListenOnly, 101, 1, TRIAD, rpis, 48)
        }
    }

    #[test]
    fn a_listen_only_open_is_the_bytes_of_the_specification() {
        let golden = [
            0x0A, 5, 0, 0, 0, 0, 4, 3, 2, 1, 0x34, 0x12, 0xF5, 0xFF, 0xEF, 0xCD, 0xAB, 0x89, 2, 0, 0, 0,
            0x40, 0x42, 0x0F, 0, // 1,000,000 µs
            0x02, 0x48, // point-to-point, scheduled, fixed, 2 bytes
            0xA0, 0x86, 0x01, 0, // 100,000 µs
            0x32, 0x28, // multicast, scheduled, fixed, 50 bytes
            0x01, 4, 0x20, 0x04, 0x24, 1, 0x2C, 99, 0x2C, 101,
        ];
        let request = listen_only().request();
        assert_eq!((request.service, request.path.as_slice()), (0x54, &[0x20, 6, 0x24, 1][..]));
        assert_eq!(request.data, golden);
        assert_eq!(ForwardOpen::decode(&golden).unwrap(), (listen_only(), None));
        assert!((0..golden.len()).all(|length| ForwardOpen::decode(&golden[..length]).is_err()));
    }

    #[test]
    fn a_close_names_the_connection_it_ends() {
        let close = ForwardClose { triad: TRIAD, path: listen_only().path };
        let request = close.request();
        let golden = [
            0x0A, 5, 0x34, 0x12, 0xF5, 0xFF, 0xEF, 0xCD, 0xAB, 0x89, 4, 0, 0x20, 4, 0x24, 1, 0x2C, 99, 0x2C,
            101,
        ];
        assert_eq!((request.service, request.data.as_slice()), (0x4E, &golden[..]));
        assert_eq!(ForwardClose::triad(&golden).unwrap(), TRIAD);
    }

    #[test]
    fn a_reply_round_trips_and_a_truncated_one_is_malformed() {
        let opened = Opened {
            o2t_id: 7,
            t2o_id: 9,
            triad: TRIAD,
            o2t_api: Duration::from_secs(1),
            t2o_api: Duration::from_millis(100),
        };
        let bytes = opened.encode();
        assert_eq!(bytes.len(), 26);
        assert_eq!(Opened::decode(&bytes).unwrap(), opened);
        assert!((0..24).all(|length| Opened::decode(&bytes[..length]).is_err()));
    }

    #[test]
    fn the_group_stands_big_endian_in_its_item() {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 192, 1, 32), 2222);
        let mut items = vec![0, 0, 0, 0, 0, 0, 1, 0, 0x01, 0x80, 16, 0];
        items.extend(encode_sockaddr(group));
        assert_eq!(items[12..20], [0, 2, 0x08, 0xAE, 239, 192, 1, 32]);
        assert_eq!(sockaddr(&items, SOCKADDR_T2O_ITEM), Some(group));
        assert_eq!(sockaddr(&items, SOCKADDR_O2T_ITEM), None);
    }
}
