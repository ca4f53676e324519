//! A meter's assemblies out of a controller's tags, judged by somebody else's controllers and clients: cm-ethernetip and
//! cpppo serve the tags, pylogix, pycomm3 and rust-ethernet-ip read the same ones, Wireshark judges the frames.

use std::time::Duration;

use rust_ethernet_ip::{EipClient, PlcValue, RoutePath};
use serde_json::{Value, json};
use telegraf_pm500::simulator::{Controller, ControllerOptions};

use crate::common::capture::Capture;
use crate::common::controlled;
use crate::common::meter::{Meter, POWER, VOLTAGE_CURRENT};
use crate::common::peer::{Server, python, scratch, telegraf_pm500};
use crate::common::points::{only, points};
use crate::common::process::run;
use crate::common::simulated::{Simulated, own_network};

/// Read Tag, and what carries it or stands before it.
const READING: [u64; 4] = [0x01, 0x0A, 0x4C, 0x52];
const UNCONNECTED_SEND: u64 = 0x52;
const READ_TAG: u64 = 0x4C;

fn hex(reals: &[f32]) -> String {
    reals.iter().flat_map(|real| real.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect()
}

/// A tag that holds REALs, whose last digits move or stand still.
fn reals(reals: &[f32], moves: bool) -> Value {
    json!({"type": "REAL", "data": hex(reals), "moves": moves})
}

/// The realtime values as a module's tag and as bytes in a program's tag.
fn tags(meter: &Meter, moves: bool) -> Value {
    let powers = hex(&[&meter.power[..], &[meter.phase_sequence]].concat());
    let powers = json!({"type": "SINT", "data": powers, "moves": false});
    let mut voltages = meter.voltage_current;
    // Room for the digits that move: the first byte is the lowest of the first REAL.
    voltages[0] = f32::from_bits(voltages[0].to_bits() & !0xFF);
    json!({
        "PM_Line4:I.Data": reals(&voltages, moves),
        "Program:Energy.PM_W": powers,
        "PM_VA": reals(&voltages, false),
        "PM_Long": reals(&[0.0; 13], false),
        "PM_DINT": {"type": "DINT", "data": hex(&[0.0; 12])},
        "PM_Fault": {"type": "BOOL", "data": "00"},
        "PM_Faulted": {"type": "BOOL", "data": "01"},
    })
}

/// One gather of a meter with these options: lines and log.
fn gather(server: &Server, directory: &std::path::Path, options: &str) -> (String, String) {
    let config = directory.join("config.toml");
    let text = format!(
        "[[inputs.powermonitor_500]]\nmap_check = \"off\"\n[[inputs.powermonitor_500.meter]]\nname = \"line-4\"\n\
         address = \"{}\"\nconnection = \"logix\"\n{options}\n",
        server.address
    );
    std::fs::write(&config, text).unwrap();
    let path = config.to_string_lossy().into_owned();
    let output = telegraf_pm500(&["--once", "--config", &path]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

const BOTH: &str = "logix_tags = { 101 = \"PM_Line4:I.Data\", 102 = \"Program:Energy.PM_W\" }\n";

#[test]
fn values_equal_what_a_controller_of_others_holds_and_two_clients_of_others_read() {
    let (directory, meter) = (scratch("logix_values"), Meter::loaded());
    let server = Server::start("logix_server.py", &json!({"tags": tags(&meter, false)}), &directory);
    for route in ["\"1,0\"", "\"\""] {
        let options = format!("{BOTH}route = {route}\nfault_tag = \"PM_Fault\"");
        let (lines, log) = gather(&server, &directory, &options);
        let all = points(&lines);
        let realtime = only(&all, "powermonitor_500");
        for (name, value) in VOLTAGE_CURRENT.iter().zip(meter.voltage_current).skip(1) {
            realtime.assert_real(name, value);
        }
        for (name, value) in POWER.iter().zip(meter.power) {
            realtime.assert_real(name, value);
        }
        realtime.assert_integer("phase_sequence", meter.phase_sequence as i64);
        only(&all, "powermonitor_500_status").assert_integer("connection_code", 5);
        assert!(!log.contains("E! "), "{log}");
    }
    let read =
        run(python("logix_reader.py").args([&server.address, "PM_VA", "12", "pylogix", "pycomm3"]), "");
    let read: Value = serde_json::from_str(&read).unwrap();
    let (lines, _) =
        gather(&server, &directory, "logix_tags = { 101 = \"PM_VA\" }\nfault_tag = \"PM_Fault\"");
    let all = points(&lines);
    for client in ["pylogix", "pycomm3"] {
        let values = read[client].as_array().unwrap_or_else(|| panic!("{client}: {read}"));
        assert_eq!(values.len(), VOLTAGE_CURRENT.len());
        for (name, value) in VOLTAGE_CURRENT.iter().zip(values) {
            only(&all, "powermonitor_500").assert_real(name, value.as_f64().unwrap() as f32);
        }
    }
}

#[test]
fn a_gather_is_one_request_and_none_of_them_writes_or_lists_tags() {
    let (directory, meter) = (scratch("logix_requests"), Meter::loaded());
    let server = Server::start("logix_server.py", &json!({"tags": tags(&meter, true)}), &directory);
    gather(&server, &directory, &format!("{BOTH}route = \"1,0\"\nfault_tag = \"PM_Fault\""));
    let requests = server.requests();
    let service = |request: &Value| request["service"].as_u64().unwrap();
    assert!(requests.iter().all(|request| READING.contains(&service(request))), "{requests:#?}");
    assert!(
        requests.iter().all(|request| request["class"] != json!(0x6B)),
        "the list of tags: {requests:#?}"
    );
    // Identity, types, lengths (in two for their sizes), and then the gather itself, with its fault tag.
    let sends: Vec<usize> =
        (0..requests.len()).filter(|at| service(&requests[*at]) == UNCONNECTED_SEND).collect();
    let last = &requests[*sends.last().unwrap()..];
    let read: Vec<&Value> = last.iter().filter(|request| service(request) == READ_TAG).collect();
    let names: Vec<&str> = read.iter().filter_map(|request| request["tag"].as_str()).collect();
    assert_eq!(names, ["PM_Line4:I.Data", "Program:Energy.PM_W", "PM_Fault"]);
    assert!(sends.len() <= 5, "{requests:#?}");
}

#[test]
fn values_leave_only_when_something_tells_that_they_are_alive() {
    let (directory, meter) = (scratch("logix_alive"), Meter::loaded());
    let server = Server::start("logix_server.py", &json!({"tags": tags(&meter, true)}), &directory);
    let realtime = |options: &str| {
        let (lines, log) = gather(&server, &directory, options);
        (points(&lines).iter().any(|point| point.measurement == "powermonitor_500"), lines + &log)
    };
    let (alive, said) = realtime("logix_tags = { 101 = \"PM_Line4:I.Data\" }");
    assert!(alive, "its digits move: {said}");
    let (alive, said) = realtime("logix_tags = { 101 = \"PM_VA\" }");
    assert!(!alive && said.contains("result=\"stale\"") && said.contains("no bit has moved"), "{said}");
    let (alive, said) = realtime("logix_tags = { 101 = \"PM_VA\" }\nfault_tag = \"PM_Faulted\"");
    assert!(!alive && said.contains("result=\"stale\"") && said.contains("PM_Faulted is"), "{said}");
}

#[test]
fn each_tag_that_cannot_be_read_is_said_with_what_to_do() {
    let (directory, meter) = (scratch("logix_refused"), Meter::loaded());
    let server = Server::start("logix_server.py", &json!({"tags": tags(&meter, true)}), &directory);
    for (tag, words) in [
        ("PM_Nothing", "Program:NAME.PM_Nothing"),
        ("PM_Long", "has 52 bytes (REAL[13]), and assembly 101 has 48"),
        ("PM_DINT", "holds DINT, and assembly 101 needs REAL, SINT or USINT"),
    ] {
        let (_, log) = gather(&server, &directory, &format!("logix_tags = {{ 101 = \"{tag}\" }}"));
        assert!(log.contains(tag) && log.contains(words), "{tag}: {log}");
    }
    // Who names the first element says that the rest is not the meter's.
    let options = "logix_tags = { 101 = \"PM_Long[0]\" }\nfault_tag = \"PM_Fault\"";
    let (lines, log) = gather(&server, &directory, options);
    assert!(lines.contains("powermonitor_500,"), "{lines}{log}");
}

#[test]
fn a_controller_is_read_by_hand_and_a_check_tells_each_tags_type_and_length() {
    let (directory, meter) = (scratch("logix_by_hand"), Meter::loaded());
    let server = Server::start("logix_server.py", &json!({"tags": tags(&meter, false)}), &directory);
    let address = format!("line-4=logix://{}", server.address);
    let by_hand = |command: &str, more: &[&str]| {
        let mut arguments = vec![command, &address, "--route", "1,0", "--map-check", "off"];
        arguments.extend(["--tag", "101=PM_Line4:I.Data", "--fault-tag", "PM_Fault"]);
        arguments.extend(more);
        let output = telegraf_pm500(&arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = points(&by_hand("dump", &[]));
    only(&all, "powermonitor_500").assert_real(VOLTAGE_CURRENT[1], meter.voltage_current[1]);
    let checked = by_hand("check", &["--tag", "102=PM_DINT"]);
    assert!(checked.contains("line-4: assembly 101: tag PM_Line4:I.Data, REAL[12]\n"), "{checked}");
    assert!(!checked.contains("A configuration to begin with"), "a controller is no meter: {checked}");
    assert!(checked.contains("PM_DINT"), "{checked}");
}

#[test]
fn values_equal_what_another_controller_of_others_holds() {
    let (directory, meter) = (scratch("logix_cpppo"), Meter::loaded());
    let powers: Vec<f32> = [&meter.power[..], &[meter.phase_sequence]].concat();
    let tags = json!({
        "PM_VA": {"type": "REAL", "values": meter.voltage_current},
        "PM_W": {"type": "REAL", "values": powers},
        "PM_Fault": {"type": "DINT", "values": [0]},
    });
    let server = Server::start("logix_cpppo.py", &json!({"tags": tags}), &directory);
    let options =
        "logix_tags = { 101 = \"PM_VA\", 102 = \"PM_W\" }\nroute = \"1,0\"\nfault_tag = \"PM_Fault\"";
    let (lines, log) = gather(&server, &directory, options);
    assert!(!log.contains("E! "), "{log}");
    let all = points(&lines);
    let realtime = only(&all, "powermonitor_500");
    for (name, value) in VOLTAGE_CURRENT.iter().zip(meter.voltage_current) {
        realtime.assert_real(name, value);
    }
    for (name, value) in POWER.iter().zip(meter.power) {
        realtime.assert_real(name, value);
    }
}

/// Our own controller, connected to a meter whose values stand still.
fn own_controller() -> (Simulated, Controller) {
    let simulated = Simulated::start(1);
    let options = ControllerOptions { bind: own_network(), ..ControllerOptions::default() };
    let meter = simulated.meter(0).eip();
    let controller = controlled::controller(&simulated, meter, Duration::from_millis(100), options);
    (simulated, controller)
}

/// What we read of it, so often.
fn own_reading(controller: &Controller, count: &str) -> String {
    let address = format!("line-4=logix://{}", controller.address());
    let mut arguments = vec!["dump", &address, "--route", "1,0", "--fault-tag", "PM1_Fault"];
    for tag in ["101=PM1_101:I.Data", "102=PM1_102:I.Data", "108=PM1_108S:I.Data"] {
        arguments.extend(["--tag", tag]);
    }
    arguments.extend(["--interval", "500ms", "--count", count]);
    run(&mut telegraf_pm500(&arguments), "")
}

#[test]
fn two_clients_of_others_read_from_our_controller_what_we_print() {
    let (simulated, controller) = own_controller();
    let all = points(&own_reading(&controller, "1"));
    let realtime = only(&all, "powermonitor_500");
    let address = controller.address().to_string();
    let assert_all = |who: &str, tag: &str, read: Vec<f64>| {
        assert_eq!(read.len(), VOLTAGE_CURRENT.len(), "{who} {tag}");
        for (name, value) in VOLTAGE_CURRENT.iter().zip(read) {
            realtime.assert_real(name, value as f32);
        }
    };
    // It does not take a module's tag for one: see the documentation of enip::tag.
    for tag in ["PM1_101", "Program:Main.PM1_101"] {
        let read = simulated.block_on(async {
            let route = RoutePath::new().add_slot(0);
            let mut client = EipClient::with_route_path(&address, route).await.unwrap();
            let values = client.read_array_range(tag, 0, 12).await.unwrap();
            client.unregister_session().await.unwrap();
            values
        });
        let reals = read.into_iter().map(|value| match value {
            PlcValue::Real(real) => f64::from(real),
            other => panic!("{tag}: {other:?}"),
        });
        assert_all("rust-ethernet-ip", tag, reals.collect());
    }
    for tag in ["PM1_101:I.Data", "PM1_101", "Program:Main.PM1_101"] {
        let read = run(python("logix_reader.py").args([&address, tag, "12", "pylogix"]), "");
        let read: Value = serde_json::from_str(&read).unwrap();
        let values = read["pylogix"].as_array().unwrap_or_else(|| panic!("{read}"));
        assert_all("pylogix", tag, values.iter().filter_map(Value::as_f64).collect());
    }
    assert_eq!(controller.record().writes(), []);
}

#[test]
fn wireshark_finds_no_malformed_frame_only_services_that_read_and_one_request_a_gather() {
    let scratch = scratch("logix_wireshark");
    let (simulated, controller) = own_controller();
    let capture = Capture::start(&controller.address().to_string(), &simulated.modbus(0));
    let gathers = 4;
    let lines = own_reading(&controller, "4");
    let packets = capture.finish(&scratch);
    let complete = points(&lines).iter().filter(|point| point.measurement == "powermonitor_500").count();
    assert_eq!(complete, gathers);

    let none: [&str; 0] = [];
    let wrong = "_ws.malformed || _ws.expert.severity >= 0x600000";
    assert_eq!(packets.frames(wrong, &["frame.number", "frame.protocols", "_ws.expert.message"]), none);
    let eip = packets.eip_data();
    assert_eq!(packets.frames(&format!("{eip} && !enip"), &["frame.number"]), none);
    assert_eq!(packets.frames(&format!("{eip} && enip.status != 0"), &["frame.number"]), none);
    // Register, one after the other, unregister.
    let commands = packets.frames(&eip, &["enip.command"]);
    assert_eq!(commands.iter().filter(|command| *command != "0x006f").count(), 3, "{commands:?}");

    let requests = packets.frames(&format!("{eip} && cip.rr == 0"), &["cip.sc"]);
    for service in requests.iter().flat_map(|services| services.split(',')) {
        let number = u64::from_str_radix(service.trim_start_matches("0x"), 16).unwrap();
        assert!(READING.contains(&number), "{requests:?}");
    }
    // Three tags and their fault tag, in one message along the route: one request and one reply.
    let gather = "0x52,0x0a,0x4c,0x4c,0x4c,0x4c";
    assert_eq!(requests.iter().filter(|services| *services == gather).count(), gathers, "{requests:?}");
    // Before them: who is it, of which type are the tags, and how long is each.
    assert_eq!(requests.len() - gathers, 1 + 1 + 3, "{requests:?}");
    assert_eq!(controller.record().writes(), []);
}
