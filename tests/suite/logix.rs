//! A meter's assemblies out of a controller's tags, judged by somebody else's controllers and clients: cm-ethernetip serves
//! the tags, and pylogix and pycomm3 read the same ones.

use serde_json::{Value, json};

use crate::common::meter::{Meter, POWER, VOLTAGE_CURRENT};
use crate::common::peer::{Server, python, scratch, telegraf_pm500};
use crate::common::points::{only, points};
use crate::common::process::run;

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
    let read = run(python("logix_reader.py").args([&server.address, "PM_VA", "12"]), "");
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
