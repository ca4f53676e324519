//! What a running program takes, as the kernel tells it.

use std::path::Path;

/// CPU time, memory and descriptors at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// Seconds since its start, user and system.
    pub(crate) cpu: f64,
    pub(crate) rss_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Usage {
    /// Of the process with this id.
    #[track_caller]
    pub(crate) fn of(process: u32) -> Usage {
        let path = Path::new("/proc").join(process.to_string());
        let read = |file: &str| std::fs::read_to_string(path.join(file)).expect("the program runs");
        // utime and stime are the 14th and 15th; the 2nd, a name in parentheses, may contain anything.
        let stat = read("stat");
        let (_, stat) = stat.rsplit_once(") ").expect("the name is in parentheses");
        let ticks = stat.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        let count =
            |directory: &str| std::fs::read_dir(path.join(directory)).expect("the program runs").count();
        Usage {
            cpu: ticks.sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64,
            rss_kib: kib(&read("status"), "VmRSS:"),
            descriptors: count("fd"),
            threads: count("task"),
        }
    }
}

/// The number of descriptors that is open most of the time: connections of Modbus come and go, and on a busy machine a
/// session may be away for a moment.
pub(crate) fn usual_descriptors(seen: &[usize]) -> usize {
    let count = |wanted: usize| seen.iter().filter(|descriptors| **descriptors == wanted).count();
    seen.iter().copied().max_by_key(|descriptors| count(*descriptors)).unwrap_or_default()
}

/// What a process has open, as the kernel names it.
pub(crate) fn open_files(process: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the program runs");
    let names = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    names.map(|name| name.display().to_string()).collect()
}

/// The machine and the build in a few words, for results that are kept.
pub(crate) fn machine() -> String {
    // All of them: a process may have been kept off some.
    let cpus = std::fs::read_to_string("/proc/cpuinfo").expect("this is Linux");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = kib(&std::fs::read_to_string("/proc/meminfo").expect("this is Linux"), "MemTotal:");
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{cores} cores, {:.0} GiB; {build} build", memory as f64 / f64::from(1 << 20))
}

/// A line of /proc that is a number of KiB.
fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
