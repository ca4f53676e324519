//! Simulated meters in a process of their own, on a core of their own where there are two.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::clock;
use crate::common::process::Process;

/// The first meter; the plugin is 127.0.0.1.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// Where the simulated meters serve Modbus TCP.
pub(crate) const MODBUS_PORT: u16 = 1502;
/// Where they serve EtherNet/IP.
pub(crate) const EIP_PORT: u16 = 44818;

/// Running simulated meters.
pub(crate) struct Plant {
    process: Process,
    meters: u32,
}

/// What the meters say at their end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    pub(crate) writes: u64,
}

impl Plant {
    /// Starts meters, and waits until all are there.
    pub(crate) fn start(meters: u32) -> Plant {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
        command.args(["simulate", "--bind", &FIRST.to_string(), "--count", &meters.to_string()]);
        let mut process = Process::start(&mut command);
        process.wait_until(|printed| printed.lines().count() >= meters as usize);
        Plant { process, meters }
    }

    /// Where the meters are.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        (u32::from(FIRST)..).take(self.meters as usize).map(Ipv4Addr::from)
    }

    pub(crate) fn cpu(&self) -> Duration {
        clock::cpu(self.process.id())
    }

    /// Ends the meters, which then say what they were asked.
    pub(crate) fn end(self) -> Asked {
        self.process.signal(Signal::TERM);
        let said = self.process.end("", 0);
        let last = said.lines().find(|line| line.starts_with("simulated meters: ")).expect("the last line");
        let number = |name: &str| {
            let rest = last.split(name).nth(1).unwrap_or_else(|| panic!("no {name}in {last:?}"));
            rest.split(',').next().and_then(|number| number.trim().parse().ok()).expect("a number")
        };
        Asked { requests: number("requests "), writes: number("writes ") }
    }
}
