//! A broker that does what AWS IoT Core does with the certificate and the policy: who has no certificate of the
//! authority's, or another client id, is not let in; what is published outside the topic tree reaches nobody.

use std::process::Command;

use serde_json::Value;

use super::policy::{NAME, PREFIX, policy_of_the_script};
use crate::common::process::{Process, run};
use crate::queries::grafana::shipped;
use crate::telegraf::broker::{Broker, newest};
use crate::telegraf::plant::{PRESS, Plant};
use crate::telegraf::program::Shipped;

/// What the policy allows: the client id, and the topic tree.
fn allowed(policy: &Value) -> (String, String) {
    let resource = |action: &str, kind: &str| {
        let statements = policy["Statement"].as_array().unwrap();
        let statement = statements.iter().find(|each| each["Action"] == action).unwrap();
        let (_, resource) = statement["Resource"].as_str().unwrap().split_once(kind).unwrap();
        resource.to_owned()
    };
    let tree = resource("iot:Publish", ":topic/");
    (resource("iot:Connect", ":client/"), tree.strip_suffix("/*").unwrap().to_owned())
}

#[test]
fn telegraf_with_the_request_of_the_script_reaches_its_own_topics_and_no_others() {
    let plant = Plant::start("aws_policy");
    let aws = plant.directory.join("aws-iot");
    let mut script = Command::new(shipped("aws/cli/provision.sh"));
    run(script.args(["csr", NAME, "--directory"]).arg(&aws), "");
    let (client, tree) = allowed(&policy_of_the_script());
    assert_eq!((client.as_str(), tree.as_str()), (NAME, PREFIX));
    let rules = format!("topic write {tree}/#\n");
    let (broker, certificates) = Broker::like_aws(&plant.directory, &client, &rules);
    certificates.sign_request(&aws.join(format!("{NAME}.csr")), &aws.join("certificate.pem.crt"));
    std::fs::copy(certificates.ca(), aws.join("AmazonRootCA1.pem")).unwrap();
    // It listens where everybody may; the prefix of client ids counts there as well.
    let mut subscriber = Process::start(broker.subscriber().args(["--id", &format!("{client}-watch")]));

    let publish = |client: &str, topic: &str, certificate: bool| {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", &broker.address.to_string(), "-p", "8883", "-i", client, "-q", "1", "-t", topic]);
        command.args(["-m", "by hand", "--cafile"]).arg(certificates.ca());
        if certificate {
            command
                .arg("--cert")
                .arg(aws.join("certificate.pem.crt"))
                .arg("--key")
                .arg(aws.join("private.pem.key"));
        }
        command.output().unwrap().status.success()
    };
    // The broker acknowledges what it drops, as MQTT 3.1.1 says; AWS closes the connection.
    for topic in ["power/another/press-4/powermonitor_500", "power", "$aws/things/plant-vienna/shadow/update"]
    {
        assert!(publish(NAME, topic, true), "{topic}");
    }
    assert!(!publish("another", &format!("{PREFIX}/x"), true), "another client id is let in");
    assert!(!publish(NAME, &format!("{PREFIX}/x"), false), "who has no certificate is let in");
    assert!(publish(NAME, &format!("{PREFIX}/last"), true));
    newest(&mut subscriber, &format!("{PREFIX}/last"));

    let (endpoint, directory) = (broker.address.to_string(), aws.to_str().unwrap());
    let environment = |prefix: &'static str| {
        [
            ("AWS_IOT_ENDPOINT", endpoint.as_str()),
            ("AWS_IOT_CLIENT_ID", NAME),
            ("AWS_IOT_DIRECTORY", directory),
            ("MQTT_TOPIC_PREFIX", prefix),
        ]
    };
    let output = || vec![Shipped::file("outputs/aws_iot_core.conf")];
    // Another tree: nothing arrives, and the broker says what it has dropped.
    let mut broker = broker;
    let telegraf = plant.telegraf(output(), &environment("power/another"));
    broker.wait_for_log("'power/another/feeder/");
    telegraf.stop();
    let telegraf = plant.telegraf(output(), &environment(PREFIX));
    let message = newest(&mut subscriber, &format!("{PREFIX}/{PRESS}/powermonitor_500"));
    assert!(message.contains("\"active_power_total_w\""), "{message}");
    telegraf.stop();
    let arrived = subscriber.wait_until(|_| true);
    let own = format!("{PREFIX}/");
    assert!(arrived.lines().all(|line| line.starts_with(&own)), "{arrived}");
}
