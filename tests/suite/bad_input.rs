//! What a person or a network does wrong is answered with one sentence and an exit code, never with a panic.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use telegraf_pm500::simulator::{Defects, Options};

use crate::common::fake;
use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Ended, config, run};
use crate::common::relay::{Answer, Framing, Relay};
use crate::common::simulated::Simulated;

const METER: &str =
    "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"127.0.0.1\"\n";

/// Refused before anything happens: exit code 1, one sentence, nothing else anywhere.
#[track_caller]
fn refused(arguments: &[&str], says: &str) {
    let ended = run(arguments);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}: {ended:#?}");
    let error = ended.error();
    assert_eq!(ended.err.lines().count(), 1, "{arguments:?}: {ended:#?}");
    assert!(error.contains(says), "{arguments:?}: {says:?} is not in: {error}");
}

/// Every way in which a configuration is taken refuses it alike.
#[track_caller]
fn refused_config(path: &Path, says: &str) {
    let path = path.to_str().unwrap();
    for arguments in [
        &["--config", path][..],
        &["--config", path, "--once"],
        &["--config", path, "--check-config"],
        &["check", "--config", path],
        &["dump", "--config", path],
    ] {
        refused(arguments, says);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named_in_one_sentence() {
    let directory = scratch("bad_input_unreadable");
    refused_config(&directory.join("missing.toml"), "--sample-config");
    refused_config(&directory, "cannot be read");
    let latin = directory.join("latin-1.toml");
    std::fs::write(&latin, b"# caf\xE9\n").unwrap();
    refused_config(&latin, "not UTF-8");
    let binary = directory.join("binary.toml");
    std::fs::write(&binary, [0u8; 4096]).unwrap();
    refused_config(&binary, "line 1");
    let endless = directory.join("endless.toml");
    std::fs::write(&endless, "x".repeat(1 << 20)).unwrap();
    refused_config(&endless, "line 1");
    let nested = directory.join("nested.toml");
    std::fs::write(&nested, format!("x = {}", "[".repeat(100_000))).unwrap();
    refused_config(&nested, "line 1");
}

#[test]
fn a_slip_in_the_configuration_is_named_with_its_line_and_what_was_probably_meant() {
    let directory = scratch("bad_input_slips");
    for (options, says) in [
        ("this is not TOML", "line 4"),
        ("intervall = \"5s\"", "line 4: unknown option \"intervall\", did you mean \"interval\"?"),
        ("interval = \"100ms\"", "shorter than 200ms"),
        ("interval = \"ten seconds\"", "is no duration"),
        ("interval = \"10\"", "needs a unit"),
        ("tables = [\"realtme\"]", "did you mean \"realtime\"?"),
        ("tables = [\"max\"]", "evidence = \"guessed\""),
        ("tables = [\"demand\"]", "evidence = \"guessed\""),
        ("tables = [\"energy\"]", "over Modbus only"),
        ("tags = { frequency_hz = \"50\" }", "a field of the plugin"),
        ("tags = { meter = \"x\" }", "the plugin's own tag"),
        ("tags = { site = \"a\\nb\" }", "control characters"),
        (
            "[[inputs.powermonitor_500.meter]]\naddress = \"127.0.0.1:99\"",
            "two meters are named \"127.0.0.1\"",
        ),
        ("[[inputs.powermonitor_500.meter]]\naddress = \"300.1.1.1\"", "is no IPv4 address"),
        ("[[inputs.powermonitor_500.meter]]\naddress = \"http://meter\"", "is a URL"),
        ("[[inputs.powermonitor_500.meter]]\nname = \"x\"", "address is missing"),
        ("name = \"a\\u0007b\\n\\nE! forged\"", "control characters"),
        ("profile = \"nowhere.toml\"", "nowhere.toml"),
        ("profile = \".\"", "profile"),
        ("connection = \"input_only\"", "needs rpi written out"),
        ("connection = \"input_only\"\nrpi = \"50ms\"", "shorter than 100ms"),
    ] {
        refused_config(&config(&directory, &format!("{METER}{options}\n")), says);
    }
}

#[test]
fn a_profile_that_contradicts_itself_is_refused_with_the_row() {
    let directory = scratch("bad_input_profile");
    let good = include_str!("../../src/meter/powermonitor_500.toml");
    let path = config(&directory, &format!("{METER}profile = \"profile.toml\"\n"));
    for (from, to, says) in [
        ("{ offset = 4 , modbus", "{ offset = 2 , modbus", "voltage_l2_n_v"),
        ("{ offset = 4 , modbus", "{ offset = 46 , modbus", "voltage_l2_n_v"),
        ("modbus = 0x0052", "modbus = 0x1000", "voltage_l2_n_v"),
        ("name = \"voltage_l2_n_v\",", "name = \"voltage_two\",", "voltage_two"),
        ("[[", "[", "line"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(directory.join("profile.toml"), good.replacen(from, to, 1)).unwrap();
        refused_config(&path, says);
        refused(&["fields", "--profile", directory.join("profile.toml").to_str().unwrap()], says);
    }
}

#[test]
fn a_slip_on_the_command_line_is_named_and_help_is_offered() {
    for (arguments, says) in [
        (&["--intervall", "5s"][..], "--intervall"),
        (&["dmup"], "dmup"),
        (&["--poll_interval", "5"], "needs a unit"),
        (&["dump", "127.0.0.1", "--interval", "soon"], "is no duration"),
        (&["dump", "127.0.0.1", "--count", "0"], "0"),
        (&["dump", "127.0.0.1", "--unit-id", "256"], "256"),
        (&["dump", "--simulated", "127.0.0.1"], "cannot be used together"),
        (&["simulate", "--info-size", "10"], "10"),
        (&["simulate", "--count", "x"], "--count"),
    ] {
        refused(arguments, says);
        refused(arguments, "--help");
    }
    for (arguments, says) in [
        (&["dump"][..], "Name a meter"),
        (&["verify"], "Name a meter (verify"),
        (&["dump", "http://127.0.0.1"], "modbus://HOST or logix://HOST"),
        (&["dump", "127.0.0.1:0"], "1 to 65535"),
        (&["dump", "127.0.0.1", "--interval", "100ms"], "200ms"),
        (&["dump", "127.0.0.1", "--tables", "realtme"], "did you mean \"realtime\"?"),
        (&["dump", "127.0.0.1", "--evidence", "sure"], "evidence"),
        (&["simulate", "--bind", "192.0.2.1"], "--bind"),
    ] {
        refused(arguments, says);
    }
}

/// A meter that gives nothing: its status line says why and exit code 2 that it failed.
#[track_caller]
fn failed(what: &str, address: &str, result: &str) -> Ended {
    let ended = run(&["dump", address]);
    assert_eq!(ended.code, Some(2), "{what}: {ended:#?}");
    assert!(ended.error().starts_with("E! Meter \"127."), "{ended:#?}");
    let lines = ended.lines();
    assert_eq!(status(&lines), (0, result), "{what}: {ended:#?}");
    let about_the_reading = ["powermonitor_500_status", "powermonitor_500_traffic", "powermonitor_500_event"];
    assert!(lines.iter().all(|line| about_the_reading.contains(&line.measurement.as_str())), "{ended:#?}");
    ended
}

/// `up` and `result` of the one status line, whose code must be the one that the word stands for.
#[track_caller]
fn status(lines: &[Line]) -> (i64, &str) {
    let mut lines = lines.iter().filter(|line| line.measurement == "powermonitor_500_status");
    let (Some(line), None) = (lines.next(), lines.next()) else { panic!("not one status line") };
    const RESULTS: [(&str, i64); 8] = [
        ("success", 0),
        ("partial", 1),
        ("timeout", 2),
        ("connection_failed", 3),
        ("refused", 4),
        ("wrong_device", 6),
        ("wrong_size", 7),
        ("bad_data", 8),
    ];
    let result = line.text("result");
    assert!(RESULTS.contains(&(result, line.integer("result_code"))), "{line:#?}");
    (line.integer("up"), result)
}

#[test]
fn a_name_that_does_not_resolve_is_said() {
    let ended = run(&["dump", "something.invalid"]);
    assert_eq!((ended.code, status(&ended.lines())), (Some(2), (0, "connection_failed")), "{ended:#?}");
    assert!(ended.error().contains("cannot resolve \"something.invalid\""), "{ended:#?}");
}

#[test]
fn a_closed_port_is_told_from_a_silent_host() {
    for protocol in ["eip", "modbus"] {
        let closed = format!("{protocol}://{}", fake::closed());
        let ended = failed("a closed port", &closed, "connection_failed");
        assert!(ended.error().contains("refuses the connection"), "{ended:#?}");
        let silent = format!("{protocol}://{}", fake::serve(fake::hold));
        let ended = failed("a silent host", &silent, "timeout");
        assert!(ended.error().contains("no reply"), "{ended:#?}");
    }
}

#[test]
fn another_device_is_refused_with_what_it_is() {
    let meters = Simulated::start(1);
    let identity = telegraf_pm500::meter::identity::Identity {
        product_name: "1756-EN2T/D\r\nE! forged".to_owned(),
        device_type: 12,
        product_code: 166,
        ..meters.meter(0).identity()
    };
    meters.break_it(0, Defects { identity: Some(identity), ..Defects::default() });
    let ended = failed("another device", &meters.eip(0), "wrong_device");
    assert!(
        ended.error().contains("1756-EN2T/D") && ended.error().contains("identity = \"warn\""),
        "{ended:#?}"
    );
    let accepted = run(&["dump", &meters.eip(0), "--identity", "warn"]);
    assert_eq!((accepted.code, status(&accepted.lines())), (Some(0), (1, "success")), "{accepted:#?}");
}

#[test]
fn an_assembly_of_another_size_is_not_decoded_and_costs_its_own_table_only() {
    let meters = Simulated::start(1);
    let sizes = |sizes: &[(u16, u16)]| Defects {
        assembly_sizes: BTreeMap::from_iter(sizes.iter().copied()),
        ..Defects::default()
    };
    meters.break_it(0, sizes(&[(101, 52), (102, 76), (108, 2)]));
    let ended = failed("other sizes", &meters.eip(0), "wrong_size");
    assert!(ended.error().contains("52") && ended.error().contains("48"), "{ended:#?}");
    meters.break_it(0, sizes(&[(101, 44), (102, 0)]));
    let ended = run(&["dump", &meters.eip(0)]);
    assert_eq!((ended.code, status(&ended.lines())), (Some(2), (1, "partial")), "{ended:#?}");
    let name = meters.meter(0).eip().ip().to_string();
    assert!(ended.lines().iter().any(|line| line.is(&name, "_alarm")), "{ended:#?}");
    assert!(!ended.lines().iter().any(|line| line.is(&name, "")), "{ended:#?}");
}

#[test]
fn a_meter_that_refuses_everything_is_refused_in_words() {
    let meters = Simulated::with(Options { frozen: true, ..Options::default() });
    for (status, says) in [(0x05, "no such object"), (0x10, "device state conflict"), (0xD0, "0xD0")] {
        let refused_assemblies = (100..=108).map(|assembly| (assembly, status)).collect();
        meters.break_it(0, Defects { refused_assemblies, ..Defects::default() });
        let ended = failed("refusals", &meters.eip(0), "refused");
        assert!(ended.error().contains(says), "{ended:#?}");
    }
    for (code, says) in [
        (1, "illegal function"),
        (2, "illegal data address"),
        (3, "illegal data value"),
        (4, "failure"),
        (6, "busy"),
        (11, "gateway"),
    ] {
        // Wherever a table is. All 65,536 would take the simulated meter longer than a gather may last.
        let addresses = (0..0x0600).chain(0x1000..0x1200).chain(0x4000..0x4010);
        let modbus_exceptions = addresses.map(|address| (address, code)).collect();
        meters.break_it(0, Defects { modbus_exceptions, ..Defects::default() });
        let ended = failed("exceptions", &format!("modbus://{}", meters.modbus(0)), "refused");
        assert!(ended.error().to_lowercase().contains(says), "{code}: {ended:#?}");
    }
}

#[test]
fn replies_that_are_none_are_bad_data_over_ethernet_ip() {
    /// What a server makes of a request after RegisterSession.
    type Answer = fn(&[u8]) -> Option<Vec<u8>>;
    let answers: [(&str, Answer, &str); 11] = [
        ("a close instead of a reply", |_| None, "connection_failed"),
        ("another protocol", |_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "bad_data"),
        ("noise", |_| Some((0..=255).cycle().take(4096).collect()), "bad_data"),
        ("no data", |request| Some(fake::reply(request, 7, 0, &[])), "bad_data"),
        ("no item", |request| Some(fake::reply(request, 7, 0, &[0, 0, 0, 0, 0, 0, 0, 0])), "bad_data"),
        (
            "65535 items",
            |request| Some(fake::reply(request, 7, 0, &[0, 0, 0, 0, 0, 0, 255, 255])),
            "bad_data",
        ),
        ("65535 bytes", |request| Some(fake::reply(request, 7, 0, &[0; 65535])), "bad_data"),
        ("another session", |request| Some(fake::reply(request, 8, 0, &request[24..])), "bad_data"),
        ("an echo", |request| Some(request.to_vec()), "bad_data"),
        ("half a header, then silence", |request| Some(request[..12].to_vec()), "timeout"),
        ("a status", |request| Some(fake::reply(request, 7, 0x64, &[])), "refused"),
    ];
    for (what, answer, result) in answers {
        let address = fake::serve(move |stream| fake::after_registration(stream, answer));
        failed(what, &address, result);
    }
    type Treat = fn(TcpStream) -> std::io::Result<()>;
    let treats: [(&str, Treat, &str); 6] = [
        ("a close at once", |_| Ok(()), "connection_failed"),
        (
            "a close after RegisterSession",
            |mut stream| fake::packet(&mut stream).map(drop),
            "connection_failed",
        ),
        (
            "a banner",
            |mut stream| stream.write_all(b"220 ready\r\n").and_then(|()| fake::hold(stream)),
            "timeout",
        ),
        (
            "session 0",
            |mut stream| {
                fake::packet(&mut stream)
                    .and_then(|asked| stream.write_all(&fake::reply(&asked, 0, 0, &[1, 0, 0, 0])))
            },
            "bad_data",
        ),
        (
            "no session",
            |mut stream| {
                fake::packet(&mut stream)
                    .and_then(|asked| stream.write_all(&fake::reply(&asked, 0, 0x69, &[])))
            },
            "refused",
        ),
        (
            "half a reply",
            |mut stream| fake::packet(&mut stream).and_then(|asked| stream.write_all(&asked[..20])),
            "connection_failed",
        ),
    ];
    for (what, treat, result) in treats {
        failed(what, &fake::serve(treat), result);
    }
}

#[test]
fn replies_that_are_none_are_bad_data_over_modbus() {
    /// What a server sends for a request, before it closes.
    type Answer = fn(&[u8]) -> Vec<u8>;
    fn registers(asked: &[u8], count: u8) -> Vec<u8> {
        let length = [0, 3 + 2 * count];
        [&asked[..4], &length, &asked[6..8], &[2 * count], &vec![0; 2 * usize::from(count)]].concat()
    }
    let answers: [(&str, Answer, &str); 12] = [
        ("a close instead of a reply", |_| Vec::new(), "connection_failed"),
        (
            "another transaction",
            |asked| [&[0xAA, 0xAA], &registers(asked, asked[11])[2..]].concat(),
            "bad_data",
        ),
        (
            "another unit",
            |asked| [&registers(asked, asked[11])[..6], &[99], &registers(asked, asked[11])[7..]].concat(),
            "bad_data",
        ),
        ("another function", |asked| [&asked[..4], &[0, 6, asked[6], 0x10, 0, 0, 0, 2]].concat(), "bad_data"),
        ("too few registers", |asked| registers(asked, 2), "bad_data"),
        ("too many registers", |asked| registers(asked, 120), "bad_data"),
        (
            "an odd number of bytes",
            |asked| [&asked[..4], &[0, 4, asked[6], 3, 3, 0, 0, 0]].concat(),
            "bad_data",
        ),
        ("another protocol", |asked| [&asked[..2], &[9, 9, 0, 3, asked[6], 3, 0]].concat(), "bad_data"),
        ("half a reply", |asked| registers(asked, asked[11])[..12].to_vec(), "connection_failed"),
        ("a web server", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "bad_data"),
        ("noise", |_| (0..=255).rev().collect(), "bad_data"),
        ("65535 bytes", |asked| [&asked[..4], &[255; 66000]].concat(), "bad_data"),
    ];
    for (what, answer, result) in answers {
        let address = fake::serve(move |mut stream| {
            let asked = fake::frame(&mut stream)?;
            stream.write_all(&answer(&asked))
        });
        failed(what, &format!("modbus://{address}"), result);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_reply_stays_one_meters_fault_and_every_line_stays_sound() {
    let meters = Simulated::start(1);
    let meter = meters.meter(0).eip();
    let mut relays = Vec::new();
    let mut text = "[[inputs.powermonitor_500]]\ntimeout = \"300ms\"\ngather_timeout = \"10s\"\n".to_owned();
    let mut spoiled = 0;
    // RegisterSession, identity, size and data of assembly 101: one bit in every second byte, none twice.
    for (reply, length) in [28, 75, 46, 92].into_iter().enumerate() {
        for byte in (0..length).step_by(2) {
            let relay = meters.block_on(Relay::start(meter, Framing::EtherNetIp));
            let (mut connection, mut number) = (0, 0);
            relay.spoil(move |exchange| {
                if exchange.connection != connection {
                    (connection, number) = (exchange.connection, 0);
                }
                let mut bytes = exchange.reply.clone();
                if number == reply
                    && let Some(byte) = bytes.get_mut(byte)
                {
                    *byte ^= 1 << (spoiled % 8);
                }
                number += 1;
                Answer::Instead(bytes)
            });
            let address = relay.address;
            relays.push(relay);
            let name = format!("{reply}-{byte}");
            text +=
                &format!("[[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{address}\"\n");
            spoiled += 1;
        }
    }
    let path = config(&scratch("bad_input_flipped"), &text);

    let ended = run(&["--config", path.to_str().unwrap(), "--once"]);

    assert!(matches!(ended.code, Some(0 | 2)), "{ended:#?}");
    assert!(!ended.err.contains("Internal error"), "{ended:#?}");
    let lines = ended.lines();
    let statuses: Vec<_> =
        lines.iter().filter(|line| line.measurement == "powermonitor_500_status").collect();
    assert_eq!(statuses.len(), spoiled);
    // Many bits change nothing that matters, many end the session once and cost a second try.
    let up = statuses.iter().filter(|line| line.integer("up") == 1).count();
    assert!(up > spoiled / 2, "{up} of {spoiled}");
}

#[test]
fn check_answers_with_the_exit_code_and_a_row_for_each_meter() {
    let directory = scratch("bad_input_check");
    let check = |address: &str, options: &str| {
        let meter = METER.replace("127.0.0.1", address);
        let path = config(&directory, &format!("{meter}{options}\n"));
        run(&["check", "--config", path.to_str().unwrap()])
    };
    let meters = Simulated::start(1);
    let good = check(&meters.eip(0), "");
    assert_eq!((good.code, good.out.lines().count()), (Some(0), 3), "{good:#?}");
    let closed = check(&fake::closed(), "");
    assert_eq!((closed.code, closed.out.lines().count()), (Some(2), 3), "{closed:#?}");
    assert!(closed.out.contains("connection_failed"), "{closed:#?}");

    // A meter that has the line voltages where the map has the phase voltages.
    let row = |offset: u16, register: u16| format!("offset = {offset:<2}, modbus = 0x{register:04X}");
    let mut swapped = include_str!("../../src/meter/powermonitor_500.toml").to_owned();
    for phase in 0..4 {
        let (star, delta) = (0x0050 + 2 * phase, 0x0058 + 2 * phase);
        swapped = swapped
            .replace(&row(4 * phase, star), &row(16 + 4 * phase, star))
            .replace(&row(16 + 4 * phase, delta), &row(4 * phase, delta));
    }
    std::fs::write(directory.join("swapped.toml"), swapped).unwrap();
    let contradicted = check(&meters.eip(0), "profile = \"swapped.toml\"");
    assert_eq!(contradicted.code, Some(3), "{contradicted:#?}");
    assert!(contradicted.out.contains("contradict"), "{contradicted:#?}");
    let tolerated = check(&meters.eip(0), "profile = \"swapped.toml\"\nmap_check = \"off\"");
    assert_eq!(tolerated.code, Some(0), "{tolerated:#?}");
}
