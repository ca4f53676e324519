//! One core for the program that is measured, the others for everything else.

use std::ffi::OsStr;
use std::process::Command;

use rustix::thread::{CpuSet, sched_setaffinity};

/// The core of the program that is measured.
const MEASURED: usize = 0;

/// Keeps this thread, and whatever it starts from now on, off the core of the program that is measured. Where
/// there is one core only, all share it.
pub(crate) fn leave_the_measured_one() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 {
        let mut others = CpuSet::new();
        (0..cores).filter(|core| *core != MEASURED).for_each(|core| others.set(core));
        sched_setaffinity(None, &others).expect("a process may choose among its cores");
    }
}

/// A program that will run on the core of the one that is measured, and nowhere else.
pub(crate) fn on_the_measured_one(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &MEASURED.to_string()]).arg(program);
    command
}
