//! What a person may rely on when writing a configuration.

use super::*;
use crate::meter::{Table, TableSet, Use};

const METER: &str = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, &Overrides::default())
}

/// A configuration of one meter with these options.
fn meter(options: &str) -> Result<MeterConfig, ConfigError> {
    let mut config = parse(&format!("{METER}address = \"10.0.0.1\"\n{options}"))?;
    Ok(config.meters.remove(0))
}

fn tables(tables: &[Table]) -> TableSet {
    tables.iter().copied().collect()
}

#[track_caller]
fn refused(options: &str, expected: &str) {
    let reason = meter(options).expect_err(options).to_string();
    assert!(reason.contains(expected), "{options}\n  said:     {reason}\n  expected: {expected}");
    assert!(reason.starts_with("line "), "no line: {reason}");
    assert!(!reason.contains('\n') && !reason.ends_with('.'), "not one sentence: {reason}");
}

#[test]
fn three_lines_are_a_working_configuration() {
    let config = parse(&format!("{METER}address = \"10.0.0.1\"")).expect("minimal");
    let [meter] = &config.meters[..] else { panic!("one meter") };
    assert_eq!(meter.name, "10.0.0.1");
    assert_eq!(meter.tags, [("meter".to_owned(), "10.0.0.1".to_owned())]);
    assert_eq!((meter.connection, meter.port()), (Connection::Explicit, 44818));
    assert_eq!(meter.tables, tables(&[Table::Realtime, Table::Alarm]));
    assert_eq!(meter.period(Table::Realtime), Duration::from_secs(10));
    assert_eq!((config.log_level, config.state_file), (log::LevelFilter::Info, None));
    // The map is not from the manual, and that is said once.
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(config.basis.is_some_and(|basis| basis.contains("inferred for realtime")));
}

#[test]
fn the_sample_reads_no_meter_and_uncommented_it_says_the_defaults() {
    let sample = parse(Config::sample()).expect("sample");
    assert!(sample.meters.is_empty() && sample.told().count() == 0);

    let mut written = parse(&effect::uncommented_sample()).expect("uncommented sample");
    let defaults = parse(&format!("{METER}address = \"192.168.1.50\"")).expect("defaults");
    assert_eq!(written.state_file.take(), Some(PathBuf::from(DEFAULT_STATE_FILE)));
    assert_eq!(format!("{written:?}"), format!("{defaults:?}"));
}

#[test]
fn the_sample_shows_every_option_and_its_examples_are_accepted() {
    let sample = Config::sample();
    let names = file::option_names();
    for option in &names {
        let shown = sample.contains(&format!("# {option} = ")) || *option == "meter";
        assert!(shown, "packaging/config.toml does not show {option}");
    }
    let is_option =
        |example: &&str| example.split_once(" = ").is_some_and(|(key, _)| names.contains(&key.to_owned()));
    let indented = sample.lines().filter_map(|line| line.trim_start().strip_prefix("##   "));
    let examples: Vec<_> = indented.filter(is_option).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        // What they need besides.
        let needed = match example.starts_with("logix_tags") {
            true => "connection = \"logix\"",
            false => "modbus_may_interrupt = true",
        };
        meter(&format!("{needed}\n{example}")).expect(example);
    }
}

#[test]
fn a_meter_overrides_the_defaults_of_its_block_and_only_of_its_block() {
    let config = parse(
        r#"
        [[inputs.powermonitor_500]]
        interval = "30s"
        intervals = { alarm = "1s", realtime = "2s" }
        tags = { site = "north", line = "1" }
        log_level = "debug"
        state_file = "/tmp/state.json"
        [[inputs.powermonitor_500.meter]]
        name = "a"
        address = "10.0.0.1"
        intervals = { realtime = "5s" }
        tags = { line = "2" }
        [[inputs.powermonitor_500.meter]]
        name = "b"
        address = "10.0.0.2:1502"
        connection = "modbus"
        interval = "2m"
        [[inputs.powermonitor_500]]
        [[inputs.powermonitor_500.meter]]
        name = "c"
        address = "10.0.0.3"
        "#,
    )
    .expect("two blocks");
    assert_eq!((config.interval, config.log_level), (Duration::from_secs(30), log::LevelFilter::Debug));
    assert_eq!(config.state_file, Some(PathBuf::from("/tmp/state.json")));
    let [a, b, c] = &config.meters[..] else { panic!("three meters") };
    assert_eq!(a.period(Table::Realtime), Duration::from_secs(5));
    assert_eq!(a.period(Table::Alarm), Duration::from_secs(1));
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(a.tags, [tag("line", "2"), tag("meter", "a"), tag("site", "north")]);
    assert_eq!(b.interval, Duration::from_secs(120));
    assert_eq!((b.port(), b.modbus.port), (1502, 1502));
    assert_eq!(b.tables, tables(&[Table::Realtime, Table::Energy, Table::Alarm]));
    assert_eq!((c.interval, c.tags.len()), (DEFAULT_INTERVAL, 1));
}

#[test]
fn poll_interval_replaces_the_blocks_interval_and_keeps_what_a_meter_says_itself() {
    let text = format!(
        "{METER}address = \"10.0.0.1\"\n[[inputs.powermonitor_500.meter]]\naddress = \"10.0.0.2\"\ninterval = \"1m\""
    );
    let config =
        Config::parse(&text, &Overrides { interval: Some(Duration::from_secs(5)) }).expect("override");
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.meters[0].interval, Duration::from_secs(5));
    assert_eq!(config.meters[1].interval, Duration::from_secs(60));
    let tight = Config::parse(&text, &Overrides { interval: Some(Duration::from_millis(100)) });
    assert!(tight.is_err_and(|error| error.to_string().contains("shorter than 200ms")));
}

#[test]
fn slow_tables_are_read_slowly_unless_told_otherwise() {
    let modbus = "connection = \"modbus\"\ntables = [\"realtime\", \"energy\", \"settings\"]\n";
    let config = meter(modbus).expect("modbus");
    assert_eq!(config.period(Table::Energy), Duration::from_secs(60));
    assert_eq!(config.period(Table::Settings), Duration::from_secs(3600));
    let config = meter(&format!("{modbus}intervals = {{ energy = \"5s\" }}")).expect("faster energy");
    assert_eq!(config.period(Table::Energy), Duration::from_secs(5));
    let beside = "modbus_tables = [\"energy\", \"settings\"]\nmodbus_may_interrupt = true\n";
    let config = meter(beside).expect("beside");
    assert_eq!(config.period(Table::Energy), Duration::from_secs(900));
    assert_eq!(config.period(Table::Settings), Duration::from_secs(3600));
    assert_eq!(config.modbus_tables, tables(&[Table::Energy, Table::Settings]));
    let config = meter("raw_energy = true").expect("raw");
    assert!(config.tables.contains(Table::Raw));
    assert_eq!(config.period(Table::Raw), Duration::from_secs(60));
}

#[test]
fn a_load_profile_has_energy_at_every_boundary_or_is_refused_with_the_reason() {
    let modbus = "connection = \"modbus\"\n";
    let profile = |options: &str| meter(&format!("{modbus}{options}")).expect(options);
    let config = profile("interval_energy = \"15m\"");
    assert_eq!(config.interval_energy, Some(Duration::from_secs(900)));
    assert_eq!(config.period(Table::Energy), Duration::from_secs(60));
    let config = profile("interval_energy = \"15m\"\ninterval = \"7m\"");
    assert_eq!(config.period(Table::Energy), Duration::from_secs(900), "7m would miss boundaries");
    assert_eq!(profile("interval_energy = \"\"").interval_energy, None);
    for (options, expected) in [
        ("interval_energy = \"7m\"", "not at least 1m and a whole part of a day"),
        ("interval_energy = \"30s\"", "not at least 1m and a whole part of a day"),
        ("interval_energy = \"15m\"\ntables = [\"realtime\"]", "name energy in tables or modbus_tables"),
        ("interval_energy = \"15m\"\nintervals = { energy = \"4m\" }", "\"4m\" is no whole part of it"),
        (
            "interval_energy = \"15m\"\nfieldexclude = [\"active_*_wh\", \"reactive_*_varh\"]",
            "none of them is emitted",
        ),
    ] {
        refused(&format!("{modbus}{options}"), expected);
    }
    let beside = "modbus_tables = [\"energy\", \"settings\"]\nmodbus_may_interrupt = true\n";
    let config = meter(&format!("{beside}interval_energy = \"5m\"")).expect("beside");
    assert_eq!(config.period(Table::Energy), Duration::from_secs(300));
    refused(
        &format!("{beside}interval_energy = \"1m\""),
        "is read at most every 5m, because each read may suspend",
    );
    refused(
        &format!("{beside}interval_energy = \"15m\"\nintervals = {{ settings = \"7m\" }}"),
        "each is a whole part of the next",
    );
    assert!(meter("raw_energy = true\nintervals = { raw = \"10s\" }").is_ok());
    refused("intervals = { info = \"10s\" }", "its interval is fixed");
}

#[test]
fn every_assembly_can_be_listened_to_and_what_has_none_is_refused() {
    let listen = "connection = \"auto\"\nevidence = \"guessed\"\nraw_energy = true\n\
                  tables = [\"realtime\", \"max\", \"demand\", \"alarm\"]\n";
    let all = "listen_tables = [\"realtime\", \"max\", \"demand\", \"alarm\", \"info\", \"raw\"]";
    let config = meter(&format!("{listen}{all}")).expect("nine connections");
    let mut assemblies = config.listening.expect("it listens").assemblies(&config.profile);
    assemblies.sort_unstable();
    assert_eq!(assemblies, Vec::from_iter(100..=108));
    refused("connection = \"auto\"\nlisten_tables = [\"raw\"]", "only with raw_energy = true");
    refused("connection = \"auto\"\nlisten_tables = [\"settings\"]", "over Modbus only");
    refused("connection = \"auto\"\nlisten_tables = [\"demand\"]", "name it in tables as well");
    refused("connection = \"auto\"\nlisten_tables = [\"alarms\"]", "did you mean \"alarm\"?");
}

#[test]
fn what_would_disturb_the_plant_is_refused_with_the_reason() {
    refused(
        "interval = \"100ms\"",
        "shorter than 200ms, the shortest interval at which the meter's explicit reads",
    );
    refused("intervals = { alarm = \"50ms\" }", "intervals.alarm = \"50ms\" is shorter than 200ms");
    refused("connection = \"modbus\"\ninterval = \"100ms\"", "shorter than 200ms");
    refused(
        "modbus_tables = [\"energy\"]",
        "modbus_may_interrupt = true, because the maker is reported to say",
    );
    let beside = "modbus_tables = [\"energy\"]\nmodbus_may_interrupt = true\n";
    refused(&format!("{beside}intervals = {{ energy = \"1m\" }}"), "at most every 5m, not every 1m, because");
    refused(&format!("{beside}connection = \"modbus\""), "put energy in tables");
    refused("connection = \"input_only\"", "needs rpi written out, because the first connection");
    refused(
        "connection = \"input_only\"\nrpi = \"50ms\"",
        "shorter than 100ms, the shortest packet interval",
    );
    refused(
        "connection = \"exclusive_owner\"",
        "unknown connection \"exclusive_owner\", expected one of explicit, auto, listen_only, input_only, modbus",
    );
    refused("connection = \"auto\"\nheartbeat_interval = \"10ms\"", "is not between 100ms and 10s");
    let twice = format!(
        "{METER}name = \"a\"\naddress = \"meter\"\n[[inputs.powermonitor_500.meter]]\nname = \"b\"\naddress = \"METER:502\"\nconnection = \"modbus\""
    );
    let reason = parse(&twice).expect_err("one meter twice").to_string();
    assert!(
        reason.starts_with("line 5: the meters \"a\" (line 2) and \"b\" have the same address"),
        "{reason}"
    );
}

#[test]
fn a_table_that_cannot_be_read_is_refused_with_the_way_to_get_it() {
    refused(
        "tables = [\"energy\"]",
        "comes over Modbus only; set connection = \"modbus\", or read it beside",
    );
    refused("tables = [\"energy\"]", "verify ADDRESS --duration 10m --write-profile FILE");
    refused("tables = [\"settings\"]", "modbus_tables = [\"settings\"]");
    refused("tables = [\"max\"]", "set evidence = \"guessed\" for this meter");
    refused("connection = \"modbus\"\ntables = [\"demand\"]\nevidence = \"guessed\"", "no Modbus address");
    refused("connection = \"modbus\"\nraw_energy = true", "over EtherNet/IP");
    refused("tables = [\"info\"]", "always read");
    refused("tables = [\"raw\"]", "raw_energy = true");
    refused("tables = []", "nothing would be read");
    refused("evidence = \"verified\"", "nothing would be read");
    refused(
        "tables = [\"energy\"]\nmodbus_tables = [\"energy\"]\nmodbus_may_interrupt = true",
        "in tables and in modbus_tables",
    );
    refused("tables = [\"alarm\"]\nfieldinclude = [\"voltage_*\"]", "leave no field of the table alarm");
    assert!(meter("tables = [\"max\", \"demand\"]\nevidence = \"guessed\"").is_ok());
}

#[test]
fn only_accepted_fields_are_selected_and_the_rest_is_said() {
    let text = format!("{METER}address = \"10.0.0.1\"\nevidence = \"documented\"");
    let config = parse(&text).expect("documented");
    assert_eq!(config.meters[0].tables, tables(&[Table::Alarm]));
    assert_eq!(
        config.warnings,
        [
            "Meter \"10.0.0.1\": 30 fields of the table realtime are not emitted, for their evidence is not documented \
          or better"
        ]
    );

    let names = |meter: &MeterConfig| -> Vec<String> {
        let emitted = meter.profile.elements.iter().zip(&meter.selected).filter(|(_, selected)| **selected);
        emitted
            .filter(|(element, _)| element.usage == Use::Field)
            .map(|(element, _)| element.name.clone())
            .collect()
    };
    let filtered =
        meter("fieldinclude = [\"active_power_*\", \"frequency_hz\"]\nfieldexclude = [\"*_l?_w\"]")
            .expect("filters");
    assert_eq!(names(&filtered), ["active_power_total_w", "frequency_hz"]);
    assert_eq!(filtered.tables, tables(&[Table::Realtime]), "no request for a table without a field");
    refused("fieldinclude = [\"frequency_khz\"]", "did you mean \"frequency_hz\"?");

    let settings = "connection = \"modbus\"\ntables = [\"settings\"]\n";
    let clock = |options: &str| names(&meter(options).expect(options)).contains(&"clock_offset_s".to_owned());
    assert!(!clock(settings), "without a time zone the clock's offset is unknown");
    assert!(clock(&format!("{settings}timezone = \"UTC\"")));
}

#[test]
fn names_and_tags_that_would_break_topics_or_series_are_refused() {
    for (options, expected) in [
        ("name = \"\"", "must not be empty"),
        ("name = \"hall/1\"", "MQTT topic level"),
        ("name = \"a\\\\b\"", "backslash"),
        ("name = \"a\\nb\"", "control characters"),
        ("tags = { meter = \"x\" }", "the plugin's own tag"),
        ("tags = { host = \"x\" }", "Telegraf's own tag"),
        ("tags = { time = \"x\" }", "timestamp"),
        ("tags = { frequency_hz = \"x\" }", "a field of the plugin"),
        ("tags = { result_code = \"x\" }", "a field of the plugin"),
        ("tags = { wiring = \"x\" }", "a field of the plugin"),
        ("tags = { _site = \"x\" }", "underscore"),
        ("tags = { \"\" = \"x\" }", "needs a name"),
        ("tags = { site = \"\" }", "empty"),
        ("tags = { site = \"a\\tb\" }", "control characters"),
    ] {
        refused(options, expected);
    }
    let two = format!("{METER}address = \"a:1\"\n[[inputs.powermonitor_500.meter]]\naddress = \"a:2\"");
    assert!(
        parse(&two)
            .is_err_and(|reason| reason.to_string().contains("line 4: two meters are named \"a\" (line 2)"))
    );
}

#[test]
fn a_slip_is_answered_with_the_nearest_name_and_its_line() {
    for (options, expected) in [
        ("intervall = \"10s\"", "line 4: unknown option \"intervall\", did you mean \"interval\"?"),
        (
            "frobnicate = 1",
            "line 4: unknown option \"frobnicate\", expected one of those that --sample-config",
        ),
        ("tables = [\"realtim\"]", "line 4: tables: unknown table \"realtim\", did you mean \"realtime\"?"),
        ("intervals = { enrgy = \"1m\" }", "did you mean \"energy\"?"),
        ("connection = \"explict\"", "did you mean \"explicit\"?"),
        ("evidence = \"gessed\"", "did you mean \"guessed\"?"),
        ("word_order = \"big\"", "expected one of low_first, high_first"),
        ("timezone = \"Europe/Wien\"", "there is no time zone \"Europe/Wien\", write the IANA name"),
        ("interval = 10", "expected a text in quotes: a duration with its unit"),
        ("interval = 10 # seconds", "expected a text in quotes: a duration with its unit"),
        ("tables = { a = 1 }", "expected a list in square brackets"),
        ("interval = 10s", "line 4: interval: put the value in quotes"),
        ("interval = \"10\"", "needs a unit"),
        ("round_interval = \"true\"", "expected true or false without quotes"),
        ("tables = \"realtime\"", "expected a list in square brackets"),
        ("max_registers = 126", "126 is not a whole number from 4 to 125"),
        ("unit_id = \"1\"", "expected a whole number from 0 to 255 without quotes"),
        ("precision = \"2ms\"", "power of ten"),
        ("timeout = \"0s\"", "longer than zero"),
        ("timeout = \"6s\"", "longer than gather_timeout = \"5s\""),
        ("collection_jitter = \"10s\"", "shorter than the interval"),
        (
            "log_level = \"debug\"",
            "line 4: the option \"log_level\" belongs in [[inputs.powermonitor_500]], above",
        ),
        ("profile = \"no/such/file.toml\"", "cannot read profile no/such/file.toml"),
        ("identity = \"${PM500_UNSET}\"", "the environment variable PM500_UNSET is not set"),
        (
            "address = \"10.0.0.2\"",
            "line 4: address stands twice in one table, first in line 3, keep one of them",
        ),
    ] {
        refused(options, expected);
    }
    assert!(
        parse("\u{feff}[[inputs.powermonitor_500]]\r\ninterval = \"1s\"\r\n").is_ok(),
        "as Notepad saves it"
    );
    for (text, expected) in [
        ("[agent]\n", "line 1: \"[agent]\" belongs in Telegraf's configuration"),
        ("[[inputs.modbus]]\n", "line 1: \"[[inputs.modbus]]\" belongs in Telegraf's configuration"),
        ("[inputs.powermonitor_500]\n", "line 1: write the header of this table in double brackets"),
        ("[[inputs.powermonitor_500]]\naddress = \"a\"", "line 2: the option \"address\" belongs in"),
        (METER, "line 2: address is missing"),
        (
            "[[inputs.powermonitor_500]]\nlog_level = \"info\"\n[[inputs.powermonitor_500]]\nlog_level = \"warn\"",
            "line 3: log_level is one for the whole process",
        ),
    ] {
        let reason = parse(text).expect_err(text).to_string();
        assert!(reason.contains(expected), "{text}: {reason}");
    }
}

#[test]
fn variables_expand_in_quoted_values_only() {
    let config = parse(&format!(
        "# ${{PM500_UNSET}} in a comment is nobody's business\n{METER}address = \"${{PM500_UNSET:-10.0.0.9}}\"\n\
         interval = \"${{PM500_UNSET:-7s}}\"\ntags = {{ price = \"5$$\" }}"
    ))
    .expect("variables");
    assert_eq!(config.meters[0].name, "10.0.0.9");
    assert_eq!(config.meters[0].interval, Duration::from_secs(7));
    assert_eq!(config.meters[0].tags[1].1, "5$");
}

#[test]
fn a_file_that_cannot_be_used_is_named_in_one_sentence() {
    let directory = std::env::temp_dir().join(format!("telegraf-pm500-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("directory");
    let load = |name: &str| {
        Config::load(&directory.join(name), &Overrides::default()).map_err(|error| error.to_string())
    };

    let missing = load("missing.toml").expect_err("missing");
    assert!(missing.contains("missing.toml") && missing.contains("--sample-config"), "{missing}");

    std::fs::write(directory.join("latin1.toml"), b"# caf\xe9\n").expect("write");
    assert!(load("latin1.toml").is_err_and(|reason| reason.contains("not UTF-8")));

    std::fs::write(directory.join("bad.toml"), "[[inputs.powermonitor_500]]\ninterval = \"x\"")
        .expect("write");
    assert!(
        load("bad.toml")
            .is_err_and(|reason| reason.contains("bad.toml: line 2: interval: \"x\" is no duration"))
    );

    // A relative profile and state file lie beside the configuration, wherever Telegraf was started.
    let moved = include_str!("../meter/powermonitor_500.toml").replace("modbus = 0x0520", "modbus = 0x0600");
    std::fs::write(directory.join("mine.toml"), moved).expect("write");
    let text = "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\n\
                [[inputs.powermonitor_500.meter]]\naddress = \"a\"\nprofile = \"mine.toml\"";
    std::fs::write(directory.join("good.toml"), text).expect("write");
    let config = load("good.toml").expect("good");
    assert_eq!(config.state_file, Some(directory.join("state.json")));
    let meter = &config.meters[0];
    assert_eq!(meter.profile_name, "mine.toml");
    let hours = meter.profile.index_of(Table::Energy, "run_time_s").expect("row");
    assert_eq!(meter.profile.elements[hours].modbus, Some(0x0600));

    std::fs::remove_dir_all(&directory).expect("clean up");
}

#[test]
fn a_controller_s_tags_are_read_only_where_something_tells_that_they_are_alive() {
    let logix = |options: &str| {
        parse(&format!(
            "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"plc\"\nconnection = \"logix\"\n\
             {options}"
        ))
    };
    let refused = |options: &str| logix(options).expect_err(options).to_string();
    let one = |options: &str| logix(options).expect(options).meters.remove(0);
    for (options, said) in [
        ("", "needs logix_tags"),
        ("logix_tags = {}", "needs logix_tags"),
        ("logix_tags = { 101 = \"A B\" }", "a tag's name has no ' '"),
        ("logix_tags = { 109 = \"A\" }", "no assembly 109"),
        ("logix_tags = { V = \"A\" }", "\"V\" is no assembly"),
        ("logix_tags = { 101 = \"A\", 108 = \"B\" }", "assembly 108 (table alarm) may stand still for hours"),
        ("logix_tags = { 101 = \"A\" }\nfault_tag = { 102 = \"B\" }", "names assembly 102"),
        ("logix_tags = { 101 = \"A\" }\ntables = [\"alarm\"]", "names no tag for the table alarm"),
        ("logix_tags = { 101 = \"A\" }\nfrozen_after = \"2h\"", "between 1s and 1h"),
        ("logix_tags = { 101 = \"A\" }\nroute = \"1\"", "is no route"),
        (
            "logix_tags = { 101 = \"A\" }\nmodbus_tables = [\"energy\"]\nmodbus_may_interrupt = true",
            "address is a controller's",
        ),
    ] {
        assert!(refused(options).contains(said), "{options}: {}", refused(options));
    }
    let meter = one("logix_tags = { 101 = \"A\", 102 = \"B:I.Data\" }\nroute = \"1,0\"");
    assert_eq!(meter.tables, TableSet::from_iter([Table::Realtime]));
    let meter = one("logix_tags = { 101 = \"A\", 108 = \"C\" }\nfault_tag = \"F\"");
    assert_eq!(meter.tables, TableSet::from_iter([Table::Realtime, Table::Alarm]));
    let elsewhere = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"m\"\n\
                     logix_tags = { 101 = \"A\" }";
    assert!(parse(elsewhere).expect_err("explicit").to_string().contains("connection = \"logix\""));
}

#[test]
fn a_file_of_windows_is_read_as_any_other_and_its_paths_are_not_changed_by_escapes() {
    let parse = |text: &str| {
        let blocks = file::parse(text).map_err(|error| error.to_string())?;
        let built = build(blocks, &Overrides::default(), Path::new(""), None);
        built.map_err(|error| error.to_string())
    };
    let meter = "[[inputs.powermonitor_500.meter]]\naddress = \"10.0.0.1\"\n";
    let with = |path: &str| format!("[[inputs.powermonitor_500]]\nstate_file = {path}\n{meter}");
    let config =
        parse(&format!("\u{feff}{}", with(r"'C:\telegraf\new.json'")).replace('\n', "\r\n")).unwrap();
    assert_eq!(config.state_file, Some(PathBuf::from(r"C:\telegraf\new.json")));
    assert_eq!(config.meters[0].address.host, "10.0.0.1");
    for (path, wanted) in [
        (r#""C:\Users\new.json""#, "in single quotes ' it stands for itself, and a path takes /"),
        (
            r#""C:\telegraf\new.json""#,
            "line 1: state_file: a backslash and a letter in \" are a control character",
        ),
    ] {
        let said = parse(&with(path)).unwrap_err();
        assert!(said.contains(wanted), "{path}: {said}");
    }
}
