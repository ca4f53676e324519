//! How long after the meter, or the link to it, is back the next sample comes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::process::run as run_to_its_end;
use crate::effort::Effort;
use crate::page::{Table, median};
use crate::plant::Plant;
use crate::plugin::{self, Reading};
use crate::subject::Subject;

/// The meter behind a cable of its own, and our end of it.
const METER: &str = "10.99.0.2";
const HERE: &str = "10.99.0.1";
/// A process that is started gets this long to begin.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let mut table =
        Table::new("recovery", &["what was away", "for s", "next sample after, median s", "slowest s"]);
    for outage in effort.outages.iter().copied().map(Duration::from_secs) {
        // A long outage is followed by a long pause between two tries: once is enough to see it.
        let rounds = if outage > Duration::from_secs(10) { 1 } else { effort.rounds };
        for (what, measure) in [
            ("the meter: its connections reset, its port closed", meter as fn(Duration) -> f64),
            ("the link: nothing is answered", link as fn(Duration) -> f64),
        ] {
            let times: Vec<f64> = (0..rounds).map(|_| measure(outage)).collect();
            let slowest = times.iter().copied().fold(0.0, f64::max);
            table.row([
                what.to_owned(),
                format!("{:.0}", outage.as_secs_f64()),
                format!("{:.2}", median(times)),
                format!("{slowest:.2}"),
            ]);
        }
    }
    vec![table]
}

/// The plugin, reading.
fn start(meters: impl Iterator<Item = std::net::Ipv4Addr>) -> Subject {
    let configuration = Reading::default().configuration(meters);
    let subject = Subject::start(&mut plugin::command(&configuration), true);
    subject.wait_until("a first line", |heard| heard.first.is_some());
    subject
}

/// Seconds from now until the next sample.
fn until_next_sample(subject: Subject) -> f64 {
    let began = Instant::now();
    subject.wait_until("a sample again", |heard| heard.newest.is_some_and(|newest| newest > began));
    let newest = subject.heard().newest;
    subject.end();
    newest.map_or(f64::NAN, |newest| (newest - began).as_secs_f64())
}

fn meter(outage: Duration) -> f64 {
    let plant = Plant::start(1);
    let subject = start(plant.addresses());
    plant.end();
    sleep(outage);
    let plant = Plant::start(1);
    let after = until_next_sample(subject);
    plant.end();
    after
}

fn link(outage: Duration) -> f64 {
    // The meter in a network namespace of its own, which waits for its end of the cable.
    let script = format!(
        "read go && ip link set lo up && ip address add {METER}/24 dev eth0 && ip link set eth0 up && exec \
         \"$0\" simulate --bind {METER}"
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script, env!("CARGO_BIN_EXE_telegraf-pm500")]);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut meter = spawned.expect("unshare is there: install util-linux");
    wait_for_a_network_of_its_own(meter.id());
    ip(&format!("link add to-meter type veth peer name eth0 netns {}", meter.id()));
    ip(&format!("address add {HERE}/24 dev to-meter"));
    ip("link set to-meter up");
    let mut stdin = meter.stdin.take().expect("stdin is a pipe");
    stdin.write_all(b"go\n").expect("the meter waits");
    let subject = start([METER.parse().expect("an address")].into_iter());
    ip("link set to-meter down");
    sleep(outage);
    ip("link set to-meter up");
    let after = until_next_sample(subject);
    meter.kill().expect("the meter runs");
    meter.wait().expect("the meter can be awaited");
    // The cable goes with the meter's namespace, which the kernel ends in its own time.
    let _ = Command::new("ip").args(["link", "delete", "to-meter"]).stderr(Stdio::null()).status();
    after
}

/// A cable that is laid before would end in our own network.
fn wait_for_a_network_of_its_own(process: u32) {
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let until = Instant::now() + DEADLINE;
    while network(&process.to_string()) == network("self") {
        assert!(Instant::now() < until, "unshare does not begin");
        sleep(Duration::from_millis(1));
    }
}

fn ip(arguments: &str) {
    run_to_its_end(Command::new("ip").args(arguments.split(' ')), "");
}
