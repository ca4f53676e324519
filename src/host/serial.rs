//! A path and a line's settings → an open serial port that no other program has, with every failure in words a user can
//! act on. What is done to have it alone differs between systems and stands in `exclusive`.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serial2_tokio as serial;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::exclusive::Hold;
use super::own_ports::OwnPort;
use crate::words;

/// The bit behind the eight of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// It makes the number of ones even.
    Even,
    /// It makes the number of ones odd.
    Odd,
}

// Telegraf's words.
words!(Parity, "parity": None = "N", Even = "E", Odd = "O"; "none" => "N", "even" => "E", "odd" => "O");

/// How characters look on a line: one start bit, eight data bits, and these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Bits per second.
    pub baud_rate: u32,
    /// Parity.
    pub parity: Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
}

impl Settings {
    /// Bits of one character on the wire.
    fn bits(self) -> u32 {
        9 + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits)
    }

    /// How long a wire takes for so many characters.
    pub fn characters(self, count: u32) -> Duration {
        Duration::from_secs(1) * self.bits().saturating_mul(count) / self.baud_rate.max(1)
    }

    /// The silence between two frames: 3.5 characters, and 1.75 ms above 19,200 baud (Modbus over Serial Line V1.02,
    /// 2.5.1.1).
    pub fn silence(self) -> Duration {
        match self.baud_rate {
            0..=19_200 => self.characters(35) / 10,
            _ => Duration::from_micros(1_750),
        }
    }
}

/// Why a serial port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// Nothing is there.
    #[error(
        "there is no serial port {}; is the adapter plugged in? A path under /dev/serial/by-id stays the same \
         wherever it is plugged in",
        .0.display()
    )]
    NotThere(PathBuf),
    /// The user may not.
    #[error(
        "the serial port {} may not be opened by this user; add the one that Telegraf runs as to the port's group \
         (sudo usermod -aG dialout telegraf) and restart Telegraf",
        .0.display()
    )]
    Forbidden(PathBuf),
    /// Somebody has it.
    #[error(
        "the serial port {} is in use by another program; a line has one master only, end the other one",
        .0.display()
    )]
    InUse(PathBuf),
    /// We have it ourselves, by another name.
    #[error(
        "the serial port {} is {}, which this program has open by that name; write the same path for all meters on one \
         line",
        path.display(),
        other.display()
    )]
    OtherName {
        /// The port.
        path: PathBuf,
        /// Its other name.
        other: PathBuf,
    },
    /// It is something else.
    #[error("{} is no serial port", .0.display())]
    NotAPort(PathBuf),
    /// The driver does not have them.
    #[error("the serial port {} does not take {baud_rate} baud with this parity and these stop bits ({error})", path.display())]
    Settings {
        /// The port.
        path: PathBuf,
        /// The speed.
        baud_rate: u32,
        /// What the operating system said.
        error: io::Error,
    },
    /// The driver does not come back.
    #[error("the serial port {} did not open within {}", path.display(), humantime::format_duration(*after))]
    Silent {
        /// The port.
        path: PathBuf,
        /// How long we waited.
        after: Duration,
    },
    /// The operating system said something else.
    #[error("cannot open the serial port {}: {error}", path.display())]
    Io {
        /// The port.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

/// An open port. It is ours alone as long as it lives.
#[derive(Debug)]
pub struct SerialPort {
    port: serial::SerialPort,
    path: PathBuf,
    _hold: Hold,
    _own: OwnPort,
}

/// Opens a port. A driver may take its time for that, which is not the runtime's.
///
/// # Errors
/// [`SerialError`].
pub async fn open(path: &Path, settings: Settings, within: Duration) -> Result<SerialPort, SerialError> {
    let there = path.to_owned();
    let opening = tokio::task::spawn_blocking(move || open_now(there, settings));
    match timeout(within, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => Err(SerialError::Io { path: path.to_owned(), error: error.into() }),
        Err(_) => Err(SerialError::Silent { path: path.to_owned(), after: within }),
    }
}

/// What a port's name leads to: links are followed where there is something at their end.
pub fn device(name: &Path) -> PathBuf {
    if cfg!(windows) {
        return PathBuf::from(name.to_string_lossy().to_uppercase());
    }
    name.canonicalize().unwrap_or_else(|_| name.to_owned())
}

fn open_now(path: PathBuf, settings: Settings) -> Result<SerialPort, SerialError> {
    let own = OwnPort::enter(device(&path), &path)
        .map_err(|other| SerialError::OtherName { path: path.clone(), other })?;
    let hold = Hold::on(&path)?;
    let ours = |mut given: serial::Settings| {
        given.set_raw();
        given.set_baud_rate(settings.baud_rate)?;
        given.set_char_size(serial::CharSize::Bits8);
        given.set_parity(match settings.parity {
            Parity::None => serial::Parity::None,
            Parity::Even => serial::Parity::Even,
            Parity::Odd => serial::Parity::Odd,
        });
        given.set_stop_bits(match settings.stop_bits {
            2 => serial::StopBits::Two,
            _ => serial::StopBits::One,
        });
        Ok(given)
    };
    // As it is, so that a driver that does not take the settings is told from a port that does not open.
    let mut port = serial::SerialPort::open(&path, serial::KeepSettings)
        .map_err(|error| refused(path.clone(), error))?;
    let set = port.get_configuration().and_then(ours).and_then(|settings| port.set_configuration(&settings));
    set.map_err(|error| SerialError::Settings { path: path.clone(), baud_rate: settings.baud_rate, error })?;
    hold.exclude();
    Ok(SerialPort { port, path, _hold: hold, _own: own })
}

/// What the operating system said of opening a port, in words.
pub(super) fn refused(path: PathBuf, error: io::Error) -> SerialError {
    match error.kind() {
        io::ErrorKind::NotFound => SerialError::NotThere(path),
        io::ErrorKind::PermissionDenied if cfg!(windows) => SerialError::InUse(path),
        io::ErrorKind::PermissionDenied => SerialError::Forbidden(path),
        io::ErrorKind::ResourceBusy => SerialError::InUse(path),
        _ if path.exists() && is_no_terminal(&error) => SerialError::NotAPort(path),
        _ => SerialError::Io { path, error },
    }
}

/// ENOTTY.
fn is_no_terminal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(25) || error.kind() == io::ErrorKind::IsADirectory
}

impl SerialPort {
    /// An adapter that is pulled out is the end of its port, which no system calls by that name.
    fn gone(&self, error: Option<&io::Error>) -> io::Error {
        let said = error.map_or_else(String::new, |error| format!(" ({error})"));
        let path = self.path.display();
        io::Error::new(
            io::ErrorKind::NotConnected,
            format!("the serial port {path} is gone{said}; is its adapter still plugged in?"),
        )
    }
}

impl AsyncRead for SerialPort {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.port).poll_read(cx, buf));
        Poll::Ready(match read {
            Ok(()) if buf.filled().len() == before && buf.remaining() > 0 => Err(self.gone(None)),
            Ok(()) => Ok(()),
            Err(error) => Err(self.gone(Some(&error))),
        })
    }
}

impl AsyncWrite for SerialPort {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.port).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.gone(Some(&error))))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_takes_as_long_as_its_characters_have_bits() {
        let at = |baud_rate, parity| Settings { baud_rate, parity, stop_bits: 1 };
        assert_eq!(at(9600, Parity::None).characters(960), Duration::from_secs(1));
        assert_eq!(at(9600, Parity::Even).characters(960), Duration::from_millis(1100));
        assert_eq!(at(1000, Parity::None).silence(), Duration::from_millis(35));
        assert_eq!(at(38_400, Parity::Odd).silence(), Duration::from_micros(1_750));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_port_that_cannot_be_had_is_told_in_words() {
        let settings = Settings { baud_rate: 9600, parity: Parity::None, stop_bits: 1 };
        let within = Duration::from_secs(5);
        let missing = open(Path::new("/dev/ttyNOTHERE0"), settings, within).await.unwrap_err();
        assert!(missing.to_string().contains("is the adapter plugged in?"), "{missing}");
        let other = open(Path::new("/dev/null"), settings, within).await.unwrap_err();
        assert_eq!(other.to_string(), "/dev/null is no serial port");

        let (_line, port) = super::super::pty::open_pair(None).unwrap();
        let held = open(port.path(), settings, within).await.unwrap();
        let second = open(port.path(), settings, within).await.unwrap_err();
        assert!(matches!(second, SerialError::InUse(_)), "{second}");
        drop(held);
        open(port.path(), settings, within).await.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_port_with_two_names_is_opened_by_one_of_them_at_a_time_and_both_are_told() {
        let settings = Settings { baud_rate: 9600, parity: Parity::None, stop_bits: 1 };
        let within = Duration::from_secs(5);
        let (_line, port) = super::super::pty::open_pair(None).unwrap();
        let around = Path::new("/dev/../").join(port.path().strip_prefix("/").unwrap());
        let held = open(port.path(), settings, within).await.unwrap();
        let second = open(&around, settings, within).await.unwrap_err();
        assert!(matches!(&second, SerialError::OtherName { other, .. } if other == port.path()), "{second}");
        assert!(second.to_string().contains("write the same path for all meters on one line"), "{second}");
        drop(held);
        let held = open(&around, settings, within).await.unwrap();
        assert!(matches!(open(port.path(), settings, within).await, Err(SerialError::OtherName { .. })));
        drop(held);
        open(port.path(), settings, within).await.unwrap();
    }
}
