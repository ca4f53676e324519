//! A plant network of namespaces: hosts with addresses of their own on one switch.
//!
//! A test that needs one runs again inside namespaces of its own (network, mounts, processes), in which it is
//! root. All that it makes there, every process included, ends with it, however it ends.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use super::namespace::name_of;
use super::process::run;
use super::steady::steady;

/// Set for the copy of the test that runs inside.
const INSIDE: &str = "PM500_TEST_INSIDE_NAMESPACES";

/// Runs a test in a network of its own.
///
/// # Panics
/// The test failed, or this user may not make namespaces.
#[track_caller]
pub(crate) fn isolated(test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let name = name_of(&test);
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let itself = std::env::current_exe().expect("a test knows its program");
    command.arg(itself).args(["--exact", &name, "--nocapture"]).env(INSIDE, "1").stdin(Stdio::null());
    steady(|| {
        let ended = command.output().expect("unshare is there: install util-linux");
        // Through print!, so that it shows when a test's output does.
        print!("{}", String::from_utf8_lossy(&ended.stdout));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(
            !said.starts_with("unshare: "),
            "these tests need root or unprivileged user namespaces: {}",
            said.trim()
        );
        eprint!("{said}");
        assert!(ended.status.success(), "{name} failed in its namespaces, {}", ended.status);
        assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "there is no test {name}");
    });
}

/// The network; one in each [`isolated`] test.
pub(crate) struct Network;

/// One host of the network.
#[derive(Clone, Copy)]
pub(crate) struct Host(&'static str);

impl Network {
    /// The interface on which every frame of the network passes.
    pub(crate) const SWITCH: &'static str = "switch";
    /// The address of the test itself on the network.
    pub(crate) const HERE: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 254);
    /// Every host of the network.
    pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 255);

    /// An empty network. Its switch floods multicast, as one without IGMP snooping does.
    pub(crate) fn start() -> Network {
        Network::on("mcast_snooping 0")
    }

    /// An empty network whose switch sends multicast only to who has joined the group, and asks who still listens.
    pub(crate) fn snooping() -> Network {
        // Asks at once, and often; answers are due within a second.
        Network::on(
            "mcast_snooping 1 mcast_querier 1 mcast_startup_query_interval 100 mcast_query_interval 1000 \
             mcast_query_response_interval 100",
        )
    }

    fn on(switch: &str) -> Network {
        command("mount", "-t tmpfs tmpfs /run");
        ip("link set lo up");
        ip(&format!("link add switch type bridge {switch}"));
        ip(&format!("address add {}/24 dev switch", Network::HERE));
        // So that a capture sees also what passes between two hosts.
        ip("link set switch promisc on up");
        Network
    }

    /// A host with these addresses on the switch.
    pub(crate) fn host(&self, name: &'static str, addresses: &[Ipv4Addr]) -> Host {
        let host = Host(name);
        ip(&format!("netns add {name}"));
        ip(&format!("link add to-{name} type veth peer name eth0 netns {name}"));
        ip(&format!("link set to-{name} master switch up"));
        for address in addresses {
            ip(&format!("-n {name} address add {address}/24 dev eth0"));
        }
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set eth0 up"));
        host
    }
}

impl Host {
    /// A program on this host.
    pub(crate) fn command(self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.0)).arg(program);
        command
    }

    /// The program under test on this host.
    pub(crate) fn telegraf_pm500(self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_telegraf-pm500"));
        command.args(arguments);
        command
    }
}

fn ip(arguments: &str) {
    command("ip", arguments);
}

fn command(program: &str, arguments: &str) {
    run(Command::new(program).args(arguments.split(' ')), "");
}
