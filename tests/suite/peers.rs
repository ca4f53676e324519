//! Third-party programs, because our own simulator shares our misunderstandings: a cpppo adapter and a pymodbus
//! server to read from, pycomm3, rust-ethernet-ip and mbpoll to read our simulator, Wireshark to judge the
//! frames and InfluxData's decoder to judge the lines. `tests/run.sh` sets them up and runs this.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use rust_ethernet_ip::EipClient;
use serde_json::{Value, json};
use telegraf_pm500::host::pty;
use tokio::runtime::Builder;

use crate::common::capture::Capture;
use crate::common::meter::{ALARM, ENERGY, Meter, POWER, VOLTAGE_CURRENT, WordOrder};
use crate::common::peer::{Server, Simulator, dump, port, python, scratch, telegraf_pm500};
use crate::common::points::{Point, of, only, points};
use crate::common::process::{Process, run};
use crate::common::program::config;

const REALTIME: &str = "powermonitor_500";
const MODBUS_TABLES: &str = "realtime,energy,alarm";

/// Compares what was printed with what a meter holds.
fn assert_realtime_and_alarm(points: &[Point], meter: &Meter) {
    let realtime = only(points, REALTIME);
    for (name, value) in VOLTAGE_CURRENT.iter().zip(meter.voltage_current) {
        realtime.assert_real(name, value);
    }
    for (name, value) in POWER.iter().zip(meter.power) {
        realtime.assert_real(name, value);
    }
    realtime.assert_integer("phase_sequence", meter.phase_sequence as i64);
    assert_eq!(realtime.fields.len(), VOLTAGE_CURRENT.len() + POWER.len() + 1);
    let alarm = only(points, "powermonitor_500_alarm");
    for (word, bit, name) in ALARM {
        alarm.assert_integer(name, i64::from(meter.alarm[word] >> bit & 1));
    }
}

fn assert_energy(points: &[Point], meter: &Meter) {
    let energy = only(points, "powermonitor_500_energy");
    for (name, value) in ENERGY.iter().zip(meter.energy) {
        energy.assert_integer(name, value as i64);
    }
    energy.assert_integer("run_time_s", (meter.hours / 100 * 3600 + meter.hours % 100 * 60) as i64);
}

#[test]
fn explicit_reads_equal_what_a_cpppo_adapter_serves_and_ask_for_nothing_else() {
    let scratch = scratch("explicit_cpppo");
    let meter = Meter::loaded();
    let adapter = Server::start("eip_server.py", &meter.adapter(), &scratch);

    let lines = dump(&[&format!("eip://{}", adapter.address), "--count", "1"]);

    assert_realtime_and_alarm(&points(&lines), &meter);
    let requests = adapter.requests();
    let commands: Vec<&Value> = requests.iter().map(|request| &request["command"]).collect();
    assert_eq!(commands.first(), Some(&&json!("RegisterSession")));
    assert_eq!(commands.last(), Some(&&json!("UnRegisterSession")));
    let cip = &requests[1..requests.len() - 1];
    assert!(cip.iter().all(|request| request["command"] == "SendRRData"), "{requests:#?}");
    let bare = json!([0x0000, 0x00B2]);
    assert!(cip.iter().all(|request| request["items"] == bare), "{requests:#?}");
    let reads = [json!(0x01), json!(0x0E)];
    assert!(cip.iter().all(|request| reads.contains(&request["service"])), "{requests:#?}");
    for instance in [101, 102, 108] {
        let data = |request: &&Value| {
            request["class"] == 4 && request["instance"] == instance && request["attribute"] == 3
        };
        assert_eq!(cip.iter().filter(data).count(), 1, "assembly {instance}: {requests:#?}");
    }
}

fn modbus_reads_equal_what_a_pymodbus_server_holds(order: WordOrder, word_order: &str) {
    let scratch = scratch(&format!("modbus_pymodbus_{word_order}"));
    let meter = Meter::loaded();
    let server = Server::start("modbus_server.py", &meter.registers(order), &scratch);

    let address = format!("modbus://{}", server.address);
    let options = ["--word-order", word_order, "--tables", MODBUS_TABLES, "--count", "1"];
    let lines = dump(&[&[address.as_str()], options.as_slice()].concat());

    let points = points(&lines);
    assert_realtime_and_alarm(&points, &meter);
    assert_energy(&points, &meter);
    let requests = server.requests();
    let reads = [json!(3), json!(4)];
    assert!(requests.iter().all(|request| reads.contains(&request["function"])), "{requests:#?}");
}

#[test]
fn modbus_reads_with_the_low_word_first_equal_what_a_pymodbus_server_holds() {
    modbus_reads_equal_what_a_pymodbus_server_holds(WordOrder::LowFirst, "low_first");
}

#[test]
fn modbus_reads_with_the_high_word_first_equal_what_a_pymodbus_server_holds() {
    modbus_reads_equal_what_a_pymodbus_server_holds(WordOrder::HighFirst, "high_first");
}

#[test]
fn frames_of_a_serial_line_over_tcp_equal_what_a_pymodbus_server_holds() {
    let scratch = scratch("rtu_pymodbus");
    let meter = Meter::loaded();
    let registers = meter.registers(WordOrder::LowFirst);
    let server = Server::start_with("modbus_server.py", &registers, &scratch, &["rtu"]);
    let address = format!("modbus://{}", server.address);
    assert_unit_17_is_read(&scratch, &address, "transmission_mode = \"RTUoverTCP\"", &server, &meter);
}

/// The meter that a server of frames holds is read as it is there, and no other unit is asked.
fn assert_unit_17_is_read(scratch: &Path, address: &str, option: &str, server: &Server, meter: &Meter) {
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\n[[inputs.powermonitor_500.meter]]\naddress = \"{address}\"\n\
         {option}\nunit_id = 17\ntables = [\"realtime\", \"energy\", \"alarm\"]\n"
    );
    let config = config(scratch, &text);

    let lines = run(&mut telegraf_pm500(&["--once", "--config", config.to_str().unwrap()]), "");

    let points = points(&lines);
    assert_realtime_and_alarm(&points, meter);
    assert_energy(&points, meter);
    let requests = server.requests();
    assert!(requests.iter().all(|request| request["unit"] == 17), "{requests:#?}");
}

#[test]
fn pymodbus_at_a_serial_line_is_read_as_the_meter_that_it_serves() {
    at_a_serial_line("modbus_server.py", &[]);
}

#[test]
fn libmodbus_at_a_serial_line_is_read_as_the_meter_that_it_serves() {
    at_a_serial_line("libmodbus_server.py", &["17"]);
}

fn at_a_serial_line(script: &str, more: &[&str]) {
    let scratch = scratch(&format!("serial_{}", script.trim_end_matches(".py")));
    let meter = Meter::loaded();
    // Two ports with a wire between them.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = runtime.enter();
    let ((mut one, its), (mut other, ours)) = (pty::open_pair(None).unwrap(), pty::open_pair(None).unwrap());
    runtime.spawn(async move { tokio::io::copy_bidirectional(&mut one, &mut other).await });
    drop(entered);
    let registers = meter.registers(WordOrder::LowFirst);
    let port = its.path().to_str().unwrap();
    let server = Server::start_with(script, &registers, &scratch, &[&[port], more].concat());
    let address = format!("file://{}", ours.path().display());
    assert_unit_17_is_read(&scratch, &address, "baud_rate = 19200", &server, &meter);
}

#[test]
fn a_full_modbus_gather_is_three_requests() {
    let scratch = scratch("modbus_three_requests");
    let server = Server::start("modbus_server.py", &Meter::loaded().registers(WordOrder::LowFirst), &scratch);

    let address = format!("modbus://{}", server.address);
    let lines = dump(&[&address, "--tables", MODBUS_TABLES, "--interval", "1s", "--count", "3"]);

    assert_eq!(of(&points(&lines), REALTIME).len(), 3);
    let number = |value: &Value| value.as_u64().unwrap();
    let asked: Vec<_> =
        server.requests().iter().map(|read| (number(&read["address"]), number(&read["count"]))).collect();
    assert_three_requests_a_gather(&asked, 3);
}

/// Realtime, energy and alarm once a gather; what does not change only at connect: firmware, serial number and,
/// in one request with the alarms, the modules fitted.
fn assert_three_requests_a_gather(asked: &[(u64, u64)], gathers: usize) {
    let mut expected = vec![(0x0000, 3), (0x0020, 7), (0x4000, 3)];
    expected.extend(vec![(0x4000, 2); gathers - 1]);
    expected.extend(vec![(0x0050, 64); gathers]);
    expected.extend(vec![(0x0500, 36); gathers]);
    let (mut expected, mut asked) = (expected, asked.to_vec());
    expected.sort_unstable();
    asked.sort_unstable();
    assert_eq!(asked, expected);
}

/// The values of assemblies 101, 102 and 108 from their bytes.
fn meter_from_assemblies(read: impl Fn(u16) -> Vec<u8>) -> Meter {
    let reals = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.chunks_exact(4).map(|real| f32::from_le_bytes(real.try_into().unwrap())).collect()
    };
    let (voltage_current, power, alarm) = (reals(read(101)), reals(read(102)), read(108));
    Meter {
        voltage_current: voltage_current.try_into().unwrap(),
        power: power[..17].try_into().unwrap(),
        phase_sequence: power[17],
        energy: [0; 8],
        hours: 0,
        alarm: [0, 2].map(|at| u16::from_le_bytes([alarm[at], alarm[at + 1]])),
    }
}

#[test]
fn pycomm3_reads_from_the_simulator_what_dump_prints() {
    let simulator = Simulator::start();
    let instances = ["100", "101", "102", "103", "104", "105", "106", "107", "108"];
    let read = run(python("eip_client.py").arg(&simulator.eip).args(instances), "");
    let read: Value = serde_json::from_str(&read).unwrap();

    assert_eq!(read["identity"]["product_name"], "PowerMonitor 500");
    let data = |instance: u16| -> Vec<u8> {
        let hex = read["assemblies"][instance.to_string()]["data"].as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    for instance in 100..=108 {
        assert_eq!(read["assemblies"][instance.to_string()]["size"], data(instance).len(), "{instance}");
    }
    let printed = points(&dump(&[&format!("eip://{}", simulator.eip)]));
    assert_realtime_and_alarm(&printed, &meter_from_assemblies(data));
}

#[test]
fn rust_ethernet_ip_reads_from_the_simulator_what_dump_prints() {
    let simulator = Simulator::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = runtime.block_on(EipClient::connect(&simulator.eip)).unwrap();
    let data = |instance: u16| {
        let request = [0x0E, 0x03, 0x20, 0x04, 0x24, instance as u8, 0x30, 0x03];
        let reply = runtime.block_on(client.send_cip_request(&request)).unwrap();
        // Interface handle, timeout and item count; then the null address item and the data item's head.
        let item = &reply[8 + 4 + 4..];
        assert_eq!(item[..4], [0x8E, 0, 0, 0], "assembly {instance}");
        item[4..].to_vec()
    };
    let read = meter_from_assemblies(data);
    runtime.block_on(client.unregister_session()).unwrap();

    assert_realtime_and_alarm(&points(&dump(&[&format!("eip://{}", simulator.eip)])), &read);
}

#[test]
fn mbpoll_reads_from_the_simulator_what_dump_prints() {
    let simulator = Simulator::start();
    let port = port(&simulator.modbus).to_string();
    let words = |address: u16, count: u16, kind: &str| -> Vec<u16> {
        let (address, count) = (address.to_string(), count.to_string());
        let mut mbpoll = Command::new("mbpoll");
        mbpoll.args(["-m", "tcp", "-p", &port, "-a", "1", "-0", "-1", "-q"]);
        mbpoll.args(["-r", &address, "-c", &count, "-t", kind, "127.0.0.1"]);
        let printed = run(&mut mbpoll, "");
        let values = printed.lines().filter_map(|line| line.trim().split_once("0x"));
        let words: Vec<u16> = values.map(|(_, hex)| u16::from_str_radix(hex.trim(), 16).unwrap()).collect();
        assert_eq!(words.len().to_string(), count, "{printed}");
        words
    };
    let number = |words: &[u16]| words.iter().rev().fold(0, |sum, &word| sum << 16 | u64::from(word));
    // Function 04 for the first block, function 03 for the others.
    let reals: Vec<f32> =
        words(0x0050, 64, "3:hex").chunks(2).map(|real| f32::from_bits(number(real) as u32)).collect();
    let counters: Vec<u64> = words(0x0500, 36, "4:hex").chunks(4).map(number).collect();
    let read = Meter {
        voltage_current: reals[..12].try_into().unwrap(),
        power: reals[12..29].try_into().unwrap(),
        phase_sequence: reals[31],
        energy: counters[..8].try_into().unwrap(),
        hours: counters[8],
        alarm: words(0x4000, 2, "4:hex").try_into().unwrap(),
    };

    let printed = points(&dump(&[&format!("modbus://{}", simulator.modbus), "--tables", MODBUS_TABLES]));
    assert_realtime_and_alarm(&printed, &read);
    assert_energy(&printed, &read);
}

#[test]
fn wireshark_finds_no_malformed_and_no_unexpected_frame_in_a_run() {
    let scratch = scratch("wireshark");
    let simulator = Simulator::start();
    let capture = Capture::start(&simulator.eip, &simulator.modbus);
    let gathers = 2;
    let options = ["--interval", "1s", "--count", "2"];
    let (eip, modbus) = (format!("eip://{}", simulator.eip), format!("modbus://{}", simulator.modbus));
    let explicit = dump(&[&[eip.as_str()], options.as_slice()].concat());
    let blocks = dump(&[&[modbus.as_str(), "--tables", MODBUS_TABLES], options.as_slice()].concat());
    let packets = capture.finish(&scratch);
    assert_eq!(of(&points(&explicit), REALTIME).len(), gathers);
    assert_eq!(of(&points(&blocks), REALTIME).len(), gathers);

    let none: [&str; 0] = [];
    // 0x600000 is "warning".
    let complaints = packets.frames(
        "_ws.malformed || _ws.expert.severity >= 0x600000",
        &["frame.number", "frame.protocols", "_ws.expert.message"],
    );
    assert_eq!(complaints, none);

    let eip = packets.eip_data();
    assert_eq!(packets.frames(&format!("{eip} && !enip"), &["frame.number"]), none);
    let commands = packets.frames(&eip, &["enip.command"]);
    assert_eq!(commands.first().map(String::as_str), Some("0x0065"));
    assert_eq!(commands.last().map(String::as_str), Some("0x0066"));
    let data = &commands[2..commands.len() - 1];
    assert!(data.iter().all(|command| command == "0x006f"), "{commands:?}");
    assert_eq!(packets.frames(&format!("{eip} && enip.status != 0"), &["frame.number"]), none);
    assert_eq!(packets.frames(&format!("{eip} && cip.rr == 1 && cip.genstat != 0"), &["frame.number"]), none);
    let requests = packets
        .frames(&format!("{eip} && cip.rr == 0"), &["cip.sc", "cip.class", "cip.instance", "cip.attribute"]);
    let times = |request: &str| requests.iter().filter(|found| *found == request).count();
    for instance in ["0x65", "0x66", "0x6c"] {
        assert_eq!(times(&format!("0x0e 0x04 {instance} 3")), gathers, "{requests:?}");
    }
    assert!(requests.iter().all(|request| ["0x01 ", "0x0e "].contains(&&request[..5])), "{requests:?}");

    let modbus = packets.modbus_data();
    assert_eq!(packets.frames(&format!("{modbus} && !modbus"), &["frame.number"]), none);
    let exceptions = format!("{modbus} && modbus.exception_code");
    assert_eq!(packets.frames(&exceptions, &["frame.number"]), none);
    let requests = packets.frames(
        &format!("{modbus} && modbus.word_cnt"),
        &["modbus.func_code", "modbus.reference_num", "modbus.word_cnt"],
    );
    let asked: Vec<_> = requests.iter().map(|request| read_request(request)).collect();
    assert_three_requests_a_gather(&asked, gathers);
    assert_eq!(packets.frames(&modbus, &["frame.number"]).len(), 2 * asked.len());
}

/// Address and count of "function address count", where only reads are expected.
fn read_request(request: &str) -> (u64, u64) {
    let numbers: Vec<u64> = request.split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(matches!(numbers[..], [3 | 4, _, _]), "{request}");
    (numbers[1], numbers[2])
}

/// Names that need every kind of escaping, every table, and a meter that is not there.
const NASTY: &str = r##"
[[inputs.powermonitor_500]]
  state_file = ""
  interval = "1s"
  tags = { "site, = \"1\"" = "Zürich, \"Halle\" = 北 ⚡", a = "=" }

  [[inputs.powermonitor_500.meter]]
    name = "feeder, \"main\" = 1 é"
    address = "EIP"
    evidence = "guessed"
    tables = ["realtime", "max", "demand", "alarm"]
    raw_energy = true

  [[inputs.powermonitor_500.meter]]
    name = "x ,= y"
    address = "MODBUS"
    connection = "modbus"
    tables = ["realtime", "energy", "alarm", "settings"]

  [[inputs.powermonitor_500.meter]]
    name = "nobody, \"there\" = 1"
    address = "127.0.0.1:1"
"##;

const MEASUREMENTS: [&str; 10] =
    ["", "_alarm", "_demand", "_energy", "_info", "_max", "_raw", "_settings", "_status", "_traffic"];

fn assert_lines_and_names(lines: &str, of_the_plugin: &[&str]) {
    let points = points(lines);
    for name in ["feeder, \"main\" = 1 é", "x ,= y", "nobody, \"there\" = 1"] {
        let named = |point: &&Point| point.tags.get("meter").is_some_and(|meter| meter == name);
        let own: Vec<&Point> = points.iter().filter(named).collect();
        assert!(own.iter().any(|point| point.measurement == "powermonitor_500_status"), "{points:#?}");
        for point in own {
            assert_eq!(point.tags["site, = \"1\""], "Zürich, \"Halle\" = 北 ⚡");
            assert_eq!(point.tags["a"], "=");
        }
    }
    let mut expected: Vec<String> =
        MEASUREMENTS.iter().chain(of_the_plugin).map(|suffix| format!("{REALTIME}{suffix}")).collect();
    expected.sort_unstable();
    let mut found: Vec<String> = points.iter().map(|point| point.measurement.clone()).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, expected);
    for point in &points {
        assert!(point.time > 1_600_000_000_000_000_000, "{point:?}");
        for (name, field) in &point.fields {
            assert!(["float", "int", "string"].contains(&field.kind.as_str()), "{name}: {field:?}");
        }
    }
}

#[test]
fn every_line_is_line_protocol_to_influxdata_and_names_arrive_as_written() {
    let scratch = scratch("lines");
    let simulator = Simulator::start();
    let config = scratch.join("config.toml");
    let text = NASTY.replace("EIP", &simulator.eip).replace("MODBUS", &simulator.modbus);
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();

    // One meter is not there: status 2 by hand, and life goes on under Telegraf.
    let once = Process::start(&mut telegraf_pm500(&["--config", config, "--once"])).end("", 2);
    assert_lines_and_names(&once, &[]);
    let dumped =
        Process::start(&mut telegraf_pm500(&["dump", "--config", config, "--count", "2"])).end("", 2);
    assert_lines_and_names(&dumped, &[]);
    let mut plugin = Process::start(&mut telegraf_pm500(&["--config", config]));
    plugin.wait_until(|lines| {
        let status = |line: &&str| line.starts_with("powermonitor_500_status");
        let meters: HashSet<&str> =
            lines.lines().filter(status).filter_map(|line| line.split(" up=").next()).collect();
        lines.contains("powermonitor_500_plugin") && meters.len() == 3
    });
    let gathered = plugin.end("", 0);
    assert_lines_and_names(&gathered, &["_event", "_plugin"]);
}
