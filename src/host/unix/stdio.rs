//! stdout and stderr, as whoever started us gave them.

use std::fs::OpenOptions;
use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::pipe::{PIPE_BUF, fcntl_getpipe_size};

use crate::host::outlet::{Sink, TAKEN};

/// What a process has open from its start.
pub type Stream = BorrowedFd<'static>;

/// The way out for lines.
pub fn stdout() -> Stream {
    rustix::stdio::stdout()
}

/// The way out for what is logged.
pub fn stderr() -> Stream {
    rustix::stdio::stderr()
}

/// Ends the pipes behind stdout and stderr, by putting /dev/null in their places.
pub fn let_go() {
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

impl Sink for BorrowedFd<'static> {
    fn room(&self, waiting: usize) -> usize {
        if waiting <= PIPE_BUF {
            return PIPE_BUF;
        }
        let Ok(size) = fcntl_getpipe_size(self) else { return TAKEN };
        // A pipe takes up to PIPE_BUF whole; more than that for certain only when it is empty.
        match rustix::io::ioctl_fionread(self) {
            Ok(0) => size.max(PIPE_BUF),
            _ => PIPE_BUF,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, bytes)?)
    }

    fn wait(&mut self) -> io::Result<()> {
        // Whoever else has this pipe may have made it non-blocking.
        poll(&mut [PollFd::new(self, PollFlags::OUT)], None)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::outlet::{Failing, Outlet};
    use std::io::Read;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_pipe_that_is_full_and_non_blocking_is_waited_for_and_never_gets_a_part_of_a_line() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        // The process keeps it to its end, as it does stdout.
        let writer: &'static io::PipeWriter = Box::leak(Box::new(writer));
        let sink = std::os::fd::AsFd::as_fd(writer);
        let outlet =
            Outlet::start("test", sink, 8 << 20, Failing::Ends, |event| panic!("{event:?}")).unwrap();
        let line = |number: usize| format!("{number:0>999}\n");
        for number in 0..500 {
            outlet.push(line(number).as_bytes(), 1);
            outlet.wake();
        }
        // Full: what a death would leave now ends with a line.
        let deadline = Instant::now() + LONG;
        while rustix::io::ioctl_fionread(&reader).unwrap() < 60_000 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let mut all = String::new();
        let mut chunk = vec![0; 64 << 10];
        let first = reader.read(&mut chunk).unwrap();
        assert_eq!(first % 1000, 0, "a part of a line is in the pipe");
        all.push_str(std::str::from_utf8(&chunk[..first]).unwrap());
        while all.len() < 500_000 {
            let count = reader.read(&mut chunk).unwrap();
            all.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        }
        assert_eq!(all, (0..500).map(line).collect::<String>());
        outlet.flush(LONG);
    }
}
