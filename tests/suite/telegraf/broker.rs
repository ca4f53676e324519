//! Mosquitto: a broker of the test's own, and a subscriber.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::certificates::Certificates;
use super::plant::loopback;
use crate::common::peer::peer;
use crate::common::process::{Process, run};

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

    /// A broker for these users, with the password "secret", on port 1883: each may do what his rule says.
    pub(crate) fn with_users(directory: &Path, users: &[(&str, &str)]) -> Broker {
        let (address, passwords, access) =
            (loopback(), directory.join("passwords"), directory.join("access"));
        let mut rules = String::new();
        std::fs::write(&passwords, "").unwrap();
        for (user, rule) in users {
            rules.push_str(&format!("user {user}\ntopic {rule}\n"));
            run(Command::new(peer("mosquitto_passwd")).arg("-b").arg(&passwords).args([user, "secret"]), "");
        }
        std::fs::write(&access, rules).unwrap();
        let settings = format!(
            "listener 1883 {address}\nallow_anonymous false\npassword_file {}\nacl_file {}\n",
            passwords.display(),
            access.display()
        );
        Broker::start(directory, address, &settings)
    }

    /// A broker for those who have a certificate, on port 8883.
    pub(crate) fn mutual_tls(directory: &Path) -> (Broker, Certificates) {
        let address = loopback();
        let (listener, certificates) = mutual_tls(directory, address);
        (Broker::start(directory, address, &listener), certificates)
    }

    /// The same, and they may do only what the rules say.
    pub(crate) fn mutual_tls_with_rules(directory: &Path, rules: &str) -> (Broker, Certificates) {
        let address = loopback();
        let (listener, certificates) = mutual_tls(directory, address);
        let settings = format!("{listener}{}", write_rules(directory, rules));
        (Broker::start(directory, address, &settings), certificates)
    }

    /// A broker that on port 8883 is for one client id with a certificate, and lets it do what an access list allows,
    /// and on port 1883 for everybody.
    pub(crate) fn like_aws(directory: &Path, client: &str, rules: &str) -> (Broker, Certificates) {
        let address = loopback();
        let (listener, certificates) = mutual_tls(directory, address);
        let list = directory.join("access");
        std::fs::write(&list, format!("user {client}\n{rules}")).unwrap();
        let settings = format!(
            "per_listener_settings true\n{listener}acl_file {}\nclientid_prefixes {client}\n\
             listener 1883 {address}\nallow_anonymous true\n",
            list.display()
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
        let mut process =
            Process::start(Command::new(peer("mosquitto")).args(["-v", "-c"]).arg(&self.settings));
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

    /// Waits until it has answered something that this client asked after a message to a topic with this in it: then the
    /// client knows that the message has arrived.
    pub(crate) fn wait_for_answer(&mut self, client: &str, topic: &str) {
        let (message, answer) =
            (format!("Received PUBLISH from {client} "), format!("Sending PINGRESP to {client}\n"));
        let answered = |log: &str| {
            let mut lines = log.split_inclusive('\n');
            lines.any(|line| line.contains(&message) && line.contains(topic))
                && lines.any(|line| line.ends_with(&answer))
        };
        self.process.as_mut().unwrap().wait_until_log(answered);
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

/// The settings of a listener that wants a certificate, whose name is the user's.
fn mutual_tls(directory: &Path, address: Ipv4Addr) -> (String, Certificates) {
    let certificates = Certificates::make(&directory.join("certificates"), address);
    let ((certificate, key), ca) = (certificates.server(), certificates.ca());
    let settings = format!(
        "listener 8883 {address}\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\nuse_identity_as_username true\n",
        ca.display(),
        certificate.display(),
        key.display()
    );
    (settings, certificates)
}

/// The setting that names a file with these rules.
fn write_rules(directory: &Path, rules: &str) -> String {
    let file = directory.join("rules");
    std::fs::write(&file, rules).unwrap();
    format!("acl_file {}\n", file.display())
}

/// The newest message of a topic that a subscriber has printed.
pub(crate) fn newest(subscriber: &mut Process, topic: &str) -> String {
    let start = format!("{topic} ");
    let printed = subscriber.wait_until(|printed| printed.lines().any(|line| line.starts_with(&start)));
    let line = printed.lines().rfind(|line| line.starts_with(&start)).unwrap();
    line[start.len()..].to_owned()
}
