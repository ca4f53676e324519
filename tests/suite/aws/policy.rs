//! The policy: the same in all three ways, and one in which a linter of policies finds no action or resource that AWS
//! does not know.

use std::process::Command;

use serde_json::{Value, json};

use super::template::policies_of_the_template;
use super::terraform::policies_of_terraform;
use crate::common::peer::{peer, scratch};
use crate::common::process::Process;
use crate::queries::grafana::read;

/// What the files are filled with.
pub(crate) const NAME: &str = "plant-vienna";
pub(crate) const PREFIX: &str = "power/plant-vienna";
pub(crate) const REGION: &str = "eu-central-1";
/// That of the simulation of AWS.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The policy of a certificate as the script sends it.
pub(crate) fn policy_of_the_script() -> Value {
    let filled = [
        ("PARTITION", "aws"),
        ("REGION", REGION),
        ("ACCOUNT", ACCOUNT),
        ("CLIENT_ID", NAME),
        ("TOPIC_PREFIX", PREFIX),
    ];
    let text = read("aws/cli/policy.json");
    serde_json::from_str(&filled.iter().fold(text, |text, (word, value)| text.replace(word, value))).unwrap()
}

/// What parliament finds in these policies.
fn findings<'a>(test: &str, policies: impl IntoIterator<Item = &'a Value>) -> String {
    let directory = scratch(test);
    for (number, policy) in policies.into_iter().enumerate() {
        std::fs::write(directory.join(format!("{number}.json")), policy.to_string()).unwrap();
    }
    let mut command = Command::new(peer("aws/bin/parliament"));
    command.args(["--json", "--include_policy_extension", "json", "--directory"]).arg(&directory);
    Process::start(&mut command).end_of_any_kind()
}

#[test]
fn all_three_ways_give_a_certificate_the_same_rights() {
    let script = policy_of_the_script();
    let allowed = |policy: &Value| -> Vec<(Value, Value)> {
        let statements = policy["Statement"].as_array().unwrap();
        statements.iter().map(|each| (each["Action"].clone(), each["Resource"].clone())).collect()
    };
    let arn = |last: &str| json!(format!("arn:aws:iot:{REGION}:{ACCOUNT}:{last}"));
    let rights = [
        (json!("iot:Connect"), arn("client/plant-vienna")),
        (json!("iot:Publish"), arn("topic/power/plant-vienna/*")),
    ];
    assert_eq!(allowed(&script), rights);
    assert_eq!(allowed(&policies_of_the_template()["Policy"]), rights);
    assert_eq!(allowed(&policies_of_terraform("aws_policies_rights")["aws_iot_policy.publish"]), rights);
}

#[test]
fn parliament_finds_nothing_in_the_policies_and_does_find_an_invented_action_and_a_wrong_arn() {
    let template = policies_of_the_template();
    let terraform = policies_of_terraform("aws_policies_terraform");
    assert_eq!((template.len(), terraform.len()), (3, 3), "{template:?} {terraform:?}");
    let script = policy_of_the_script();
    let all = [&script].into_iter().chain(template.values()).chain(terraform.values());
    assert_eq!(findings("aws_policies", all), "");
    let mut invented = script.clone();
    invented["Statement"][1]["Action"] = json!("iot:PublishAll");
    let mut wrong = script.clone();
    wrong["Statement"][1]["Resource"] = script["Statement"][0]["Resource"].clone();
    let found = findings("aws_policies_wrong", [&invented, &wrong, &script]);
    assert!(
        found.contains("Unknown action iot:PublishAll") && found.contains("RESOURCE_MISMATCH"),
        "{found}"
    );
    assert_eq!(found.lines().count(), 2, "{found}");
}
