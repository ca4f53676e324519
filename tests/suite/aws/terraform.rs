//! The Terraform files, read with the library that Terraform itself reads them with. No provider sees them: whether AWS
//! knows an argument is not tested.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::policy::{ACCOUNT, NAME, PREFIX, REGION};
use crate::common::peer::{peer, scratch};
use crate::common::process::{Process, run};
use crate::queries::grafana::shipped;

/// What a plan would know.
fn known() -> Value {
    json!({
        "var.name": NAME,
        "var.topic_prefix": null,
        "var.certificate_signing_request": "the request",
        "data.aws_caller_identity.current.account_id": ACCOUNT,
        "data.aws_partition.current.partition": "aws",
        "data.aws_region.current.name": REGION,
        "data.aws_iot_endpoint.data.endpoint_address": "the endpoint",
        "aws_iot_thing.collector.name": NAME,
        "aws_iot_certificate.collector.arn": "the certificate's ARN",
        "aws_iot_certificate.collector.certificate_pem": "the certificate",
        "aws_iot_policy.publish.name": "the policy",
        "aws_s3_bucket.values.id": "pm500-values",
        "aws_s3_bucket.values.arn": "arn:aws:s3:::pm500-values",
        "aws_kinesis_firehose_delivery_stream.values.name": "values",
        "aws_kinesis_firehose_delivery_stream.values.arn":
            "arn:aws:firehose:eu-central-1:123456789012:deliverystream/values",
        "aws_iam_role.delivery.id": "delivery",
        "aws_iam_role.delivery.arn": "the delivery's role",
        "aws_iam_role.rule.id": "rule",
        "aws_iam_role.rule.arn": "the rule's role",
    })
}

/// The judge of a folder.
fn judge(test: &str, folder: &Path) -> Command {
    let file = scratch(test).join("known.json");
    std::fs::write(&file, known().to_string()).unwrap();
    let mut judge = Command::new(peer("terraform"));
    judge.arg(folder).arg(file);
    judge
}

/// Every argument by the address of its block, evaluated.
fn evaluated(test: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(&run(&mut judge(test, &shipped("aws/terraform")), "")).unwrap()
}

/// The policies by the resource that has them, trust policies left out.
pub(crate) fn policies_of_terraform(test: &str) -> BTreeMap<String, Value> {
    let policies = evaluated(test).into_iter().filter_map(|(address, arguments)| {
        let policy: Value = serde_json::from_str(arguments.get("policy")?.as_str()?).ok()?;
        Some((address, policy))
    });
    policies.collect()
}

#[test]
fn the_files_parse_are_formatted_and_every_reference_in_them_is_resolved() {
    let evaluated = evaluated("aws_terraform");
    let environment = evaluated["output.environment"]["value"].as_str().unwrap();
    let wanted =
        format!("AWS_IOT_ENDPOINT=the endpoint\nAWS_IOT_CLIENT_ID={NAME}\nMQTT_TOPIC_PREFIX={PREFIX}\n");
    assert_eq!(environment, wanted);
    let rule = &evaluated["aws_iot_topic_rule.store"];
    assert_eq!(rule["sql"], format!("SELECT *, topic() AS topic FROM '{PREFIX}/#'"));
    // Names of rules have no "-".
    assert_eq!(rule["name"], "plant_vienna_store");
}

#[test]
fn an_unknown_reference_a_missing_brace_and_another_form_are_found() {
    for (file, right, wrong, complaint) in [
        ("main.tf", "aws_iot_policy.publish.name", "aws_iot_policy.published.name", "published"),
        ("main.tf", "active = true\n}", "active = true\n", "Unclosed configuration block"),
        ("store.tf", "enabled     = true", "enabled = true", "terraform fmt"),
        ("store.tf", "jsonencode({", "json_encode({", "Call to unknown function"),
        ("variables.tf", "variable \"name\"", "variable \"title\"", "nothing declares var.name"),
    ] {
        let directory = scratch("aws_terraform_wrong");
        for entry in std::fs::read_dir(shipped("aws/terraform")).unwrap() {
            let path = entry.unwrap().path();
            let mut text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap();
            if name == file {
                assert!(text.contains(right), "{right}");
                text = text.replacen(right, wrong, 1);
            }
            std::fs::write(directory.join(name), text).unwrap();
        }
        let said = Process::start(&mut judge("aws_terraform_known", &directory)).log_at_end(1);
        assert!(said.contains(complaint), "{wrong}: {said}");
    }
}
