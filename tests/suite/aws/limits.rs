//! AWS's limits, held against what leaves Telegraf for the longest names that our files let pass.

use serde_json::Value as Json;

use crate::common::process::Process;
use crate::queries::grafana::read;
use crate::telegraf::broker::Broker;
use crate::telegraf::plant::Plant;
use crate::telegraf::program::Shipped;

/// The longest topic prefix: six levels, 160 characters.
fn longest_prefix() -> String {
    let levels =
        ["l".repeat(25), "e".repeat(25), "v".repeat(25), "e".repeat(25), "l".repeat(25), "s".repeat(30)];
    levels.join("/")
}

#[test]
fn the_longest_names_that_pass_stay_within_the_limits_of_aws() {
    let prefix = longest_prefix();
    assert_eq!((prefix.len(), prefix.matches('/').count()), (160, 5));
    // What README.md says of prefix and name together.
    let name = "m".repeat(229 - prefix.len());
    assert!(read("aws/README.md").contains("together 229 bytes"));
    for (file, bound) in [
        ("aws/cli/provision.sh", "-le 160 ]"),
        ("aws/cloudformation/template.yaml", "MaxLength: 160"),
        ("aws/terraform/variables.tf", "<= 160"),
    ] {
        let text = read(file);
        assert!(text.contains(bound) && text.contains("{0,5}") && text.contains("{1,56}"), "{file}");
    }

    let plant = Plant::start("aws_limits");
    // Every measurement that a meter over EtherNet/IP can have, with a tag of its own.
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"1s\"\nevidence = \"guessed\"\nraw_energy = true\n\
         tables = [\"realtime\", \"alarm\", \"demand\", \"max\"]\n\
         [[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{}\"\n\
         tags = {{ site = \"{}\" }}\n",
        plant.meters.eip(0),
        "s".repeat(256)
    );
    std::fs::write(plant.configuration(), text).unwrap();
    let broker = Broker::plain(&plant.directory);
    let mut subscriber = Process::start(&mut broker.subscriber());
    let server = broker.address.to_string();
    // The shipped output, without TLS: AWS's own part of it is the same for every name.
    let output = Shipped::file("outputs/aws_iot_core.conf")
        .with("mqtts://", "tcp://")
        .with("  tls_ca = ", "  # tls_ca = ")
        .with("  tls_cert = ", "  # tls_cert = ")
        .with("  tls_key = ", "  # tls_key = ");
    let client = "c".repeat(56);
    let environment = [
        ("AWS_IOT_ENDPOINT", server.as_str()),
        ("AWS_IOT_PORT", "1883"),
        ("AWS_IOT_CLIENT_ID", client.as_str()),
        ("MQTT_TOPIC_PREFIX", prefix.as_str()),
    ];
    let telegraf = plant.telegraf(vec![output], &environment);
    for measurement in ["", "_status", "_info", "_event", "_demand", "_max", "_alarm", "_raw", "_traffic"] {
        let topic = format!("{prefix}/{name}/powermonitor_500{measurement} ");
        subscriber.wait_until(|printed| printed.lines().any(|line| line.starts_with(&topic)));
    }
    telegraf.stop();
    let printed = subscriber.wait_until(|_| true).to_owned();
    let (mut longest, mut largest) = (0, 0);
    // A message ends with a line feed of its own.
    for line in printed.lines().filter(|line| !line.is_empty()) {
        let (topic, message) = line.split_once(' ').unwrap();
        assert!(topic.matches('/').count() <= 7, "{topic}");
        longest = longest.max(topic.len());
        largest = largest.max(message.len());
        serde_json::from_str::<Json>(message).unwrap_or_else(|error| panic!("{error}: {message}"));
    }
    // "_settings" and "_interval" are the longest names of measurements; one byte more would be too much.
    let settings = format!("{prefix}/{name}/powermonitor_500_settings").len();
    assert!(longest <= 256 && settings == 256, "{longest} {settings}");
    assert!(largest <= 8 << 10, "README.md says that 128 KiB are far away: {largest}");
}
