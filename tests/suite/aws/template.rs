//! The CloudFormation template.

use std::collections::BTreeMap;
use std::process::Command;
use std::slice;

use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;

use super::policy::{ACCOUNT, NAME, PREFIX, REGION};
use crate::common::peer::{peer, scratch};
use crate::common::process::Process;
use crate::queries::grafana::read;

const FILE: &str = "aws/cloudformation/template.yaml";

/// What AWS would put in the place of a reference.
fn resolved(name: &str) -> String {
    let known = match name {
        "AWS::Partition" => "aws",
        "AWS::Region" => REGION,
        "AWS::AccountId" => ACCOUNT,
        "Name" => NAME,
        "TopicPrefix" => PREFIX,
        "Bucket.Arn" => "arn:aws:s3:::pm500-values",
        "Delivery.Arn" => "arn:aws:firehose:eu-central-1:123456789012:deliverystream/values",
        other => return format!("the {other}"),
    };
    known.to_owned()
}

/// A value without CloudFormation's functions.
fn plain(value: &Yaml) -> Value {
    match value {
        Yaml::Tagged(tagged) => {
            let text = tagged.value.as_str().unwrap();
            match tagged.tag.to_string().as_str() {
                "!Ref" | "!GetAtt" => json!(resolved(text)),
                "!Sub" => {
                    let mut parts = text.split("${");
                    let mut filled = parts.next().unwrap().to_owned();
                    for part in parts {
                        let (name, rest) = part.split_once('}').unwrap();
                        filled.push_str(&resolved(name));
                        filled.push_str(rest);
                    }
                    json!(filled)
                }
                other => panic!("{other} in {FILE}"),
            }
        }
        Yaml::Mapping(map) => {
            let entries = map.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), plain(value)));
            Value::Object(entries.collect())
        }
        Yaml::Sequence(all) => all.iter().map(plain).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

/// The template's policies by the resource that has them, trust policies left out.
pub(crate) fn policies_of_the_template() -> BTreeMap<String, Value> {
    let template: Yaml = serde_yaml_ng::from_str(&read(FILE)).unwrap();
    let template = plain(&template);
    let resources = template["Resources"].as_object().unwrap();
    let policies = resources.iter().filter_map(|(name, resource)| {
        Some((name.clone(), resource["Properties"].get("PolicyDocument")?.clone()))
    });
    policies.collect()
}

/// What cfn-lint finds in these templates, by their numbers.
fn findings(test: &str, templates: &[String]) -> String {
    let directory = scratch(test);
    let mut command = Command::new(peer("aws/bin/cfn-lint"));
    command.args(["--format", "parseable", "--regions", REGION, "--include-checks", "I", "--"]);
    for (number, template) in templates.iter().enumerate() {
        let file = directory.join(format!("{number}.yaml"));
        std::fs::write(&file, template).unwrap();
        command.arg(file);
    }
    Process::start(&mut command).end_of_any_kind()
}

#[test]
fn cfn_lint_finds_nothing_in_the_template_and_does_find_what_is_wrong() {
    let template = read(FILE);
    assert_eq!(findings("aws_template", slice::from_ref(&template)), "");
    let errors = [
        ("Action: firehose:PutRecord", "Action: firehose:PutAll", "W3037"),
        ("\n      Status: ACTIVE", "\n      Status: WORKING", "E3030"),
        ("Principal: !GetAtt Certificate.Arn", "Principal: !GetAtt Certificate.ARN", "E1010"),
        ("Separator: ", "Seperator: ", "E3002"),
    ];
    let wrong = errors.map(|(right, wrong, _)| template.replacen(right, wrong, 1));
    let found = findings("aws_template_wrong", &wrong);
    for (number, (_, wrong, rule)) in errors.iter().enumerate() {
        let of = |line: &&str| line.contains(&format!("/{number}.yaml:")) && line.contains(rule);
        assert!(found.lines().any(|line| of(&line)), "{wrong}: {found}");
    }
}

#[test]
fn what_is_stored_is_what_the_output_publishes_and_outlives_the_stack() {
    let template = plain(&serde_yaml_ng::from_str(&read(FILE)).unwrap());
    let (rule, bucket) =
        (&template["Resources"]["Rule"]["Properties"]["TopicRulePayload"], &template["Resources"]["Bucket"]);
    assert_eq!(rule["Sql"], "SELECT *, topic() AS topic FROM 'power/plant-vienna/#'");
    assert_eq!(
        (&bucket["DeletionPolicy"], &bucket["UpdateReplacePolicy"]),
        (&json!("Retain"), &json!("Retain"))
    );
    let (actions, failed) = (&rule["Actions"], &rule["ErrorAction"]["S3"]);
    // One record a line.
    assert_eq!(actions[0]["Firehose"]["Separator"], "\n");
    assert_eq!(failed["Key"], "errors/${topic()}/${timestamp()}-${newuuid()}.json");
}
