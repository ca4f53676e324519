//! Brokers that want a password, or a certificate, and rules of who may do what.

use super::bench::{count, edge_node, edge_node_at, power, sound, subscriber_with};
use crate::common::peer::scratch;
use crate::telegraf::broker::Broker;
use crate::telegraf::certificates::Certificates;

const T0: i64 = 1_700_000_000_000;

#[test]
fn a_password_comes_from_a_file_and_a_wrong_one_is_said_and_spends_no_number() {
    let directory = scratch("sparkplug_password");
    let broker = Broker::with_users(&directory, &[("edge", "readwrite spBv1.0/#")]);
    let secret = directory.join("secret");
    std::fs::write(&secret, "wrong\n").unwrap();
    let mut node = edge_node(&directory, &broker, "username = \"edge\"\npassword_file = \"secret\"");
    node.give(&power("a", 1.0, T0));
    node.wait_for_log(
        "W! The broker refuses the session: this user, certificate or client id is not allowed",
    );
    // The file is read for each connection.
    std::fs::write(&secret, "secret\n").unwrap();
    node.wait_for("I! Connected to ");
    node.end("", 0);
    let state = std::fs::read_to_string(directory.join("state.json")).unwrap();
    assert!(state.contains("\"next_bd_seq\":1}"), "{state}");
}

#[test]
fn mutual_tls_with_the_least_rights_is_enough() {
    let directory = scratch("sparkplug_tls");
    // What an edge node needs, and what the subscriber needs.
    let (broker, certificates) = Broker::mutual_tls_with_rules(
        &directory,
        "user telegraf\ntopic read spBv1.0/plant/NCMD/edge\ntopic read spBv1.0/STATE/scada\n\
         topic write spBv1.0/plant/NBIRTH/edge\ntopic write spBv1.0/plant/NDATA/edge\ntopic write spBv1.0/plant/NDEATH/edge\n\
         topic write spBv1.0/plant/DBIRTH/edge/#\ntopic write spBv1.0/plant/DDATA/edge/#\ntopic write spBv1.0/plant/DDEATH/edge/#\n\
         topic read spBv1.0/plant/#\n",
    );
    let identity = certificates.aws_directory();
    let (certificate, key) = (identity.join("certificate.pem.crt"), identity.join("private.pem.key"));
    let (ca, certificate, key) = (
        certificates.ca().display().to_string(),
        certificate.display().to_string(),
        key.display().to_string(),
    );
    let address = broker.address.to_string();
    let mut subscriber = subscriber_with(&[
        "-h",
        &address,
        "-p",
        "8883",
        "--cafile",
        &ca,
        "--cert",
        &certificate,
        "--key",
        &key,
    ]);
    let options = format!("tls_ca = \"{ca}\"\ntls_cert = \"{certificate}\"\ntls_key = \"{key}\"");
    let url = format!("ssl://{}:8883", broker.address);
    let mut node = edge_node_at(&directory, &url, &options);
    node.give(&power("a", 1.0, T0));
    node.wait_for("I! Connected to ");
    node.give(&power("a", 2.0, T0 + 1000));
    subscriber.wait_until(|printed| count(printed, "DDATA a") == 1);
    node.end("", 0);
    let printed = subscriber.wait_until(|printed| count(printed, "NDEATH") == 1);
    sound(printed);

    // A broker that nobody we trust has vouched for.
    let other = scratch("sparkplug_tls_other");
    let wrong = Certificates::make(&other, broker.address);
    let options = options.replace(&ca, &wrong.ca().display().to_string());
    let mut node = edge_node_at(&directory, &url, &options);
    node.wait_for_log("W! No TLS with ");
    node.end("", 0);
}
