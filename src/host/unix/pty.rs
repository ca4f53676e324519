//! A pseudo terminal: the master's end of a serial line, whose other end is a path that a program opens like a serial
//! port.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::{Join, join};
use tokio::net::unix::pipe::{Receiver, Sender};

/// The end of the line that the simulator has: the runtime reads and writes it as it does a pipe.
pub type Pty = Join<Receiver, Sender>;

/// The end that others open. While it is there, so is the line.
#[derive(Debug)]
pub struct Port {
    /// Held open: without anybody at the other end the line would be a broken one.
    port: File,
    path: PathBuf,
    link: Option<PathBuf>,
}

/// A new line; `link` is a path that leads to its other end.
///
/// # Errors
/// No pseudo terminals, or a link that cannot be made.
pub fn open_pair(link: Option<&Path>) -> io::Result<(Pty, Port)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let path = PathBuf::from(name.to_string_lossy().into_owned());
    let port = open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    // Bytes pass as they are: no echo, no lines.
    let mut settings = tcgetattr(&port)?;
    settings.make_raw();
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
    let writing = master.try_clone()?;
    // They are no pipes, and need not be: what is asked of them is to be read, written and waited for.
    let pty = join(Receiver::from_owned_fd_unchecked(master)?, Sender::from_owned_fd_unchecked(writing)?);
    if let Some(link) = link {
        std::os::unix::fs::symlink(&path, link).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make the link {}: {error}", link.display()))
        })?;
    }
    let port = Port { port: File::from(port), path, link: link.map(Path::to_owned) };
    Ok((pty, port))
}

impl Port {
    /// What a program opens: the link, if there is one.
    pub fn path(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.path)
    }

    /// The speed that the program at the other end has set, in baud.
    pub fn baud_rate(&self) -> Option<u32> {
        tcgetattr(self.port.as_fd()).ok().map(|settings| settings.output_speed())
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            let _ = std::fs::remove_file(link);
        }
    }
}
