//! What processes have taken: CPU time to the nanosecond, memory, and bytes on loopback.

use std::fs::read_to_string;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

/// CPU time of a process since its start, user and system, of all its threads, those that ended included.
pub(crate) fn cpu(process: u32) -> Duration {
    let id = Pid::from_raw(i32::try_from(process).expect("an id is positive"));
    let clock = ClockId::pid_cpu_clock_id(id).expect("the process runs");
    Duration::from(clock.now().expect("the process runs"))
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    Duration::from(ClockId::CLOCK_PROCESS_CPUTIME_ID.now().expect("every process has one"))
}

/// A process and all that it has started, such as Telegraf and its external plugin.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let all = std::fs::read_dir("/proc").expect("this is Linux");
    let all: Vec<u32> = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    let mut known = 0;
    while let Some(&parent) = family.get(known) {
        family.extend(all.iter().copied().filter(|&id| parent_of(id) == Some(parent)));
        known += 1;
    }
    family
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may contain anything; the state follows it.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Resident memory of a process in KiB: now, and the most it ever was.
pub(crate) fn memory(process: u32) -> (u64, u64) {
    let status = read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    (kib("VmRSS:"), kib("VmHWM:"))
}

/// Bytes and packets that have passed loopback, which is all the network that a benchmark has.
pub(crate) fn loopback() -> (u64, u64) {
    let table = read_to_string("/proc/net/dev").expect("this is Linux");
    let line = table.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("there is a loopback");
    let mut numbers = line.split_whitespace().map(|number| number.parse().expect("a number"));
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}
