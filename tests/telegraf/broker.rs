//! Mosquitto: a broker of the test's own, and a subscriber.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::common::peer::peer;
use crate::common::process::Process;
use crate::plant::loopback;

/// A broker that can go and come back.
pub(crate) struct Broker {
    pub(crate) address: Ipv4Addr,
    settings: PathBuf,
    process: Option<Process>,
}

impl Broker {
    /// A broker for everybody, on port 1883.
    pub(crate) fn plain(directory: &Path) -> Broker {
        let address = loopback();
        let settings = format!(
            "listener 1883 {address}\nallow_anonymous true\n\
             persistence true\npersistence_location {}/\n",
            directory.display()
        );
        Broker::start(directory, address, &settings)
    }

    /// A broker for those who have a certificate, on port 8883.
    pub(crate) fn mutual_tls(directory: &Path) -> (Broker, Certificates) {
        let address = loopback();
        let certificates = Certificates::make(&directory.join("certificates"), address);
        let ((certificate, key), ca) = (certificates.server(), certificates.ca());
        let settings = format!(
            "listener 8883 {address}\ncafile {}\ncertfile {}\nkeyfile {}\n\
             require_certificate true\nuse_identity_as_username true\n",
            ca.display(),
            certificate.display(),
            key.display()
        );
        (Broker::start(directory, address, &settings), certificates)
    }

    fn start(directory: &Path, address: Ipv4Addr, settings: &str) -> Broker {
        let file = directory.join("mosquitto.conf");
        // Started by root it would become a user who cannot read the test's files.
        std::fs::write(&file, format!("user root\n{settings}")).unwrap();
        let mut broker = Broker { address, settings: file, process: None };
        broker.come();
        broker
    }

    /// Starts it, again.
    pub(crate) fn come(&mut self) {
        let mut process = Process::start(Command::new(peer("mosquitto")).arg("-c").arg(&self.settings));
        process.wait_for_log(" running");
        self.process = Some(process);
    }

    /// Ends it. It remembers who subscribed, and what it owes them.
    pub(crate) fn go(&mut self) {
        let process = self.process.take().unwrap();
        process.signal(Signal::TERM);
        process.end("", 0);
    }

    /// Waits until it has logged this.
    pub(crate) fn wait_for_log(&mut self, wanted: &str) -> String {
        self.process.as_mut().unwrap().wait_for_log(wanted)
    }

    /// A subscriber to everything, which prints "topic payload".
    pub(crate) fn subscriber(&self) -> Command {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", &self.address.to_string(), "-v", "-q", "1", "-t", "#"]);
        command
    }

    /// The same, to whom the broker delivers later what came while he was not connected.
    pub(crate) fn remembered_subscriber(&self) -> Command {
        let mut command = self.subscriber();
        command.args(["--id", "historian", "--disable-clean-session"]);
        command
    }
}

/// The newest message of a topic that a subscriber has printed.
pub(crate) fn newest(subscriber: &mut Process, topic: &str) -> String {
    let start = format!("{topic} ");
    let printed = subscriber.wait_until(|printed| printed.lines().any(|line| line.starts_with(&start)));
    let line = printed.lines().rfind(|line| line.starts_with(&start)).unwrap();
    line[start.len()..].to_owned()
}
