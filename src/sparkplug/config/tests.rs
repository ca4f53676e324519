//! What a configuration means, and what is said of one that cannot be.

use super::*;

const SMALLEST: &str =
    "[[outputs.sparkplug_b]]\nbroker = \"tcp://b\"\ngroup_id = \"plant\"\nedge_node_id = \"edge\"\n";

fn with(more: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{SMALLEST}{more}"))
}

#[test]
fn three_options_are_enough() {
    let config = with("").unwrap();
    assert_eq!(config.broker, Broker { host: "b".to_owned(), port: 1883, tls: None });
    assert_eq!((config.client_id.as_str(), config.keep_alive.as_secs()), ("plant-edge", 15));
    assert_eq!((config.aliases, config.template, config.buffer_size), (false, false, 32 << 20));
    assert_eq!((config.state_file, config.buffer_file, config.login), (None, None, None));
}

#[test]
fn the_sample_is_what_the_program_does_without_it() {
    let plain = Config::sample();
    let parsed = Config::parse(plain).unwrap();
    let spelled: String = plain
        .lines()
        .map(|line| match line.trim_start().strip_prefix("# ").filter(|line| line.contains(" = ")) {
            Some(option) => format!("{option}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let spelled = spelled.replace("password_file", "#").replace("client_id", "#");
    let spelled = Config::parse(&spelled).unwrap();
    assert_eq!(parsed.broker, spelled.broker);
    assert_eq!((parsed.keep_alive, parsed.timeout), (spelled.keep_alive, spelled.timeout));
    assert_eq!((parsed.aliases, parsed.template), (spelled.aliases, spelled.template));
    assert_eq!((parsed.buffer_size, parsed.log_level), (spelled.buffer_size, spelled.log_level));
    assert_eq!((parsed.primary_host_id, parsed.login), (spelled.primary_host_id, spelled.login));
}

#[test]
fn brokers_are_written_as_telegraf_writes_them() {
    let broker =
        |address: &str| broker(address).map(|broker| (broker.host, broker.port, broker.tls.is_some()));
    let is = |host: &str, port, tls| Some((host.to_owned(), port, tls));
    assert_eq!(broker("ssl://b.example.com").ok(), is("b.example.com", 8883, true));
    assert_eq!(broker("mqtts://10.0.0.1:9000/").ok(), is("10.0.0.1", 9000, true));
    assert_eq!(broker("tcp://[::1]:1884").ok(), is("::1", 1884, false));
    for bad in ["b", "http://b", "tcp://", "tcp://b:x", "tcp://b:0", "tcp://a b", "tcp://u@b", "tcp://[::1]x"]
    {
        assert!(broker(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
    for (more, expected) in [
        ("edge_node = \"x\"", "line 5: unknown option \"edge_node\", did you mean \"edge_node_id\"?"),
        ("primary_host_id = \"a/b\"", "primary_host_id \"a/b\" must not contain /"),
        ("tls_ca = \"x\"", "tls_ca is for TLS"),
        ("username = \"u\"", "username without password"),
        ("password = \"p\"", "a password without username"),
        ("keep_alive = \"1s\"", "keep_alive must be from 2s to 1h"),
        ("buffer_size = \"1\"", "line 5: \"1\" is no size"),
        ("buffer_size = \"1KB\"", "buffer_size must be from 64KiB"),
        ("log_level = \"loud\"", "line 5: \"loud\" is none of"),
        ("password = \"${PM500_NO_SUCH_VARIABLE}\"", "PM500_NO_SUCH_VARIABLE is not set"),
        (SMALLEST, "2 [[outputs.sparkplug_b]] blocks"),
    ] {
        let reason = with(more).unwrap_err().to_string();
        assert!(reason.contains(expected), "{more}: {reason}");
    }
    let group =
        |group: &str| Config::parse(&SMALLEST.replace("plant", group)).map_err(|error| error.to_string());
    for (bad, expected) in
        [("STATE", "host applications"), ("a+b", "must not contain +"), ("a#", "must not contain #")]
    {
        assert!(group(bad).unwrap_err().to_string().contains(expected));
    }
}

#[test]
fn a_password_is_in_no_debug_text() {
    let config = with("username = \"u\"\npassword = \"hunter2\"").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
