//! A meter that is read out of a controller: what a person sees of each thing that can befall the controller, its tags,
//! its modules and the way to it, and how it ends. The matrix of faults judges the values; this one the words.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use telegraf_pm500::enip::Session;
use telegraf_pm500::simulator::{Controller, ControllerDefects, ControllerOptions, Options};

use crate::common::controlled::{self, OPTIONS};
use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::{DEADLINE, Simulated};

const RPI: Duration = Duration::from_millis(100);
const REALTIME: &str = "powermonitor_500";
const STATUS: &str = "powermonitor_500_status";
const EVENT: &str = "powermonitor_500_event";
/// Fields of a complete line, and of one without the tag of assembly 102.
const COMPLETE: usize = 30;
const WITHOUT_POWERS: usize = 12;
/// The tag of assembly 102.
const POWERS: &str = "PM1_102:I";
/// Nothing but movement tells that the values of a message's destination are alive.
const MESSAGE: &str =
    "connection = \"logix\"\nroute = \"1,0\"\nfrozen_after = \"2s\"\nlogix_tags = { 101 = \"PM1_101\" }\n";
/// The same of a module's tag.
const MODULE: &str = "connection = \"logix\"\nroute = \"1,0\"\nfrozen_after = \"1s\"\nlogix_tags = { 101 = \"PM1_101:I.Data\" }\n";

/// A meter, its controller, and the plugin that reads it.
struct Rig {
    simulated: Simulated,
    controller: Controller,
    program: Program,
}

impl Rig {
    /// The plugin has just started; `options` are the meter's.
    fn start(test: &str, controller: ControllerOptions, options: &str) -> Rig {
        let (simulated, controller) = plant(controller);
        Rig::of(test, simulated, controller, options)
    }

    fn of(test: &str, simulated: Simulated, controller: Controller, options: &str) -> Rig {
        let text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"500ms\"\ntimeout = \"300ms\"\n\
             [[inputs.powermonitor_500.meter]]\nname = \"line-4\"\naddress = \"{}\"\n{options}",
            controller.address()
        );
        let path = config(&scratch(test), &text);
        let program = Program::start(&["--config", path.to_str().unwrap()]);
        Rig { simulated, controller, program }
    }

    /// The plugin has read all there is.
    fn well(test: &str, options: &str) -> Rig {
        let mut rig = Rig::start(test, ControllerOptions::default(), options);
        rig.until("success");
        rig
    }

    /// Waits for the next status line with this result.
    #[track_caller]
    fn until(&mut self, result: &str) -> Line {
        let what = format!("the status {result}");
        self.program.wait_for(&what, |line| line.measurement == STATUS && line.text("result") == result)
    }

    /// Waits for an event of this kind whose reason has these words.
    #[track_caller]
    fn until_event(&mut self, kind: &str, words: &str) {
        let what = format!("the event {kind}, {words}");
        self.program.wait_for(&what, |line| {
            line.measurement == EVENT && line.tags["event"] == kind && line.text("reason").contains(words)
        });
    }

    /// Waits for the next realtime line, which has this many fields.
    #[track_caller]
    fn until_line_of(&mut self, fields: usize) {
        let line = self.program.wait_for("a realtime line", |line| line.measurement == REALTIME);
        assert_eq!(line.fields.len(), fields);
    }

    /// No realtime line is written for a while from now, which is after this status.
    #[track_caller]
    fn nothing_leaves(&mut self, status: &Line) {
        let result = status.text("result").to_owned();
        let last = (0..3).map(|_| self.until(&result)).last().unwrap();
        let leaves =
            |line: &&Line| line.measurement == REALTIME && (status.time..=last.time).contains(&line.time);
        assert_eq!(self.program.lines().iter().find(leaves), None);
    }

    fn set(&self, defects: ControllerDefects) {
        self.controller.set_defects(defects);
    }

    fn heal(&self) {
        self.set(ControllerDefects::default());
    }

    /// It begins anew, as after a download.
    fn restart(&mut self) {
        self.simulated.block_on(self.controller.restart()).unwrap();
    }

    /// Ends the plugin. It has written to nothing.
    fn end(self) {
        let record = self.controller.record();
        assert_eq!(record.writes(), []);
        assert_eq!(self.program.finish().code, Some(0));
    }
}

/// A meter, and a controller that has connections to it.
fn plant(options: ControllerOptions) -> (Simulated, Controller) {
    let simulated = Simulated::with(Options::default());
    let meter = simulated.meter(0).eip();
    let SocketAddr::V4(address) = meter else { unreachable!("simulated meters have IPv4 addresses") };
    let [a, b, c, _] = address.ip().octets();
    let bind = Ipv4Addr::new(a, b, c, 200);
    let controller = controlled::controller(&simulated, meter, RPI, ControllerOptions { bind, ..options });
    (simulated, controller)
}

fn powers() -> std::collections::BTreeSet<String> {
    [POWERS.to_owned()].into()
}

#[test]
fn a_tag_that_was_deleted_changed_or_hidden_is_named_and_the_others_are_read_until_it_is_back() {
    let mut rig = Rig::well("controller_tags", OPTIONS);
    let healthy = ControllerDefects::default;
    for (defects, words) in [
        (
            ControllerDefects { deleted: powers(), ..healthy() },
            "the controller has no tag PM1_102:I.Data now; look the module's name up in the controller's I/O tree",
        ),
        (
            ControllerDefects { retyped: powers(), ..healthy() },
            "tag PM1_102:I.Data holds DINT, and assembly 102 needs REAL, SINT or USINT elements",
        ),
        (
            ControllerDefects { shortened: powers(), ..healthy() },
            "tag PM1_102:I.Data has 68 bytes (REAL[17]), and assembly 102 has 72; correct the tag's or the module's input size",
        ),
        (
            ControllerDefects { hidden: powers(), ..healthy() },
            "tag PM1_102:I.Data may not be read: set its External Access to Read Only or Read/Write",
        ),
    ] {
        rig.set(defects);
        rig.until_event("block_refused", words);
        rig.until_line_of(WITHOUT_POWERS);
        rig.until("partial");
        assert!(rig.program.wait_for_log(words).starts_with("W! Meter \"line-4\": table realtime: "));
        rig.heal();
        // A new session looks at every tag anew; otherwise a minute passes first.
        rig.restart();
        rig.until("success");
        rig.until_line_of(COMPLETE);
    }
    rig.end();
}

#[test]
fn a_controller_that_restarts_downloads_or_hangs_is_said_and_read_again_by_itself() {
    let mut rig = Rig::well("controller_away", OPTIONS);
    rig.simulated.block_on(rig.controller.stop());
    let status = rig.until("connection_failed");
    assert_eq!((status.integer("up"), status.text("connection")), (0, "none"));
    rig.nothing_leaves(&status);
    rig.restart();
    rig.until_event("gap", "refuses the connection");
    rig.until("success");

    rig.set(ControllerDefects { downloading: true, ..ControllerDefects::default() });
    let status = rig.until("connection_failed");
    rig.nothing_leaves(&status);
    rig.heal();
    rig.until_event("gap", "a download or a restart may be under way");
    rig.until("success");

    rig.set(ControllerDefects { silent: true, ..ControllerDefects::default() });
    let status = rig.until("timeout");
    rig.nothing_leaves(&status);
    rig.heal();
    rig.until_event("gap", "no reply");
    rig.until("success");
    rig.end();
}

#[test]
fn a_slow_controller_is_read_and_how_slow_it_is_stands_in_the_status() {
    let mut rig = Rig::well("controller_slow", OPTIONS);
    rig.set(ControllerDefects { delay: Duration::from_millis(150), ..ControllerDefects::default() });
    let slow = |line: &Line| line.measurement == STATUS && line.float("response_time_ms") >= 150.0;
    let status = rig.program.wait_for("a slow answer", slow);
    assert_eq!(status.text("result"), "success");
    rig.until_line_of(COMPLETE);
    rig.end();
}

#[test]
fn values_that_a_faulted_module_left_behind_are_held_back_by_its_fault_tag() {
    let mut rig = Rig::well("controller_faulted", OPTIONS);
    rig.set(ControllerDefects { modules_faulted: true, ..ControllerDefects::default() });
    let status = rig.until("stale");
    rig.nothing_leaves(&status);
    rig.program.wait_for_log("PM1_Fault is 515: the controller's connection to the meter is faulted");
    rig.heal();
    rig.until_event("gap", "its tag keeps old values");
    rig.until("success");
    rig.until_line_of(COMPLETE);
    // The meter itself is gone, and nobody has told the controller to let go of it.
    rig.simulated.stop(0);
    let status = rig.until("stale");
    rig.nothing_leaves(&status);
    rig.simulated.restart(0);
    rig.until("success");
    rig.end();
}

#[test]
fn values_that_stand_still_are_held_back_where_no_fault_tag_is_named() {
    for (test, options, defects) in [
        (
            "controller_frozen_module",
            MODULE,
            ControllerDefects { modules_faulted: true, ..ControllerDefects::default() },
        ),
        // Messages rest while the key is at program; nothing is faulted.
        (
            "controller_frozen_message",
            MESSAGE,
            ControllerDefects { program_mode: true, ..ControllerDefects::default() },
        ),
    ] {
        let mut rig = Rig::well(test, options);
        rig.set(defects);
        let status = rig.until("stale");
        rig.nothing_leaves(&status);
        rig.program.wait_for_log("no bit has moved for");
        rig.heal();
        rig.until_event("gap", "no bit has moved for");
        rig.until("success");
        rig.end();
    }
}

#[test]
fn a_route_that_leads_nowhere_and_one_that_is_missing_are_said_with_what_to_enter() {
    let slot_3 = ControllerOptions { slot: 3, ..ControllerOptions::default() };
    let mut rig = Rig::start("controller_route", slot_3, OPTIONS);
    let status = rig.until("connection_failed");
    rig.nothing_leaves(&status);
    let said =
        rig.program.wait_for_log("route = \"1,0\" leads nowhere: the last number is the controller's slot");
    assert!(said.starts_with("E! Meter \"line-4\": "), "{said}");
    rig.end();

    let bridge = ControllerOptions { bridge: true, ..ControllerOptions::default() };
    let direct = OPTIONS.replace("route = \"1,0\"", "route = \"\"");
    let mut rig = Rig::start("controller_no_route", bridge, &direct);
    let status = rig.until("wrong_device");
    rig.nothing_leaves(&status);
    rig.program
        .wait_for_log("no route is set: a controller in a chassis needs its slot, such as route = \"1,0\"");
    rig.end();
}

#[test]
fn a_controller_without_a_free_session_is_said_and_read_as_soon_as_one_is_free() {
    let (simulated, controller) = plant(ControllerOptions { sessions: 1, ..ControllerOptions::default() });
    let taken = simulated.block_on(async {
        let stream = tokio::net::TcpStream::connect(controller.address()).await.unwrap();
        Session::register(stream, DEADLINE).await.unwrap()
    });
    let mut rig = Rig::of("controller_sessions", simulated, controller, OPTIONS);
    let status = rig.until("refused");
    rig.nothing_leaves(&status);
    rig.program.wait_for_log("no memory left for the request; it may serve too many clients");
    rig.simulated.block_on(taken.close());
    rig.until("success");
    rig.end();
}
