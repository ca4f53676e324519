//! The script on the AWS CLI, against moto, which simulates AWS.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::policy::{NAME, PREFIX, REGION, policy_of_the_script};
use crate::common::peer::{peer, scratch};
use crate::common::process::Process;
use crate::queries::grafana::shipped;
use crate::telegraf::plant::{loopback, wait_for};

/// A simulated AWS, and a machine from which it is provisioned.
struct Aws {
    url: String,
    directory: PathBuf,
    _server: Option<Process>,
}

impl Aws {
    fn start(test: &str) -> Aws {
        let host = loopback().to_string();
        let mut command = Command::new(peer("aws/bin/moto_server"));
        command.args(["--host", &host, "--port", "5000"]);
        let server = Process::start(&mut command);
        let url = format!("http://{host}:5000");
        wait_for("moto listens", || ureq::get(format!("{url}/moto-api/data.json")).call().ok());
        Aws { url, directory: scratch(test), _server: Some(server) }
    }

    fn command(&self, program: &Path) -> Command {
        let path = format!("{}:/usr/bin:/bin", peer("aws/bin").display());
        let mut command = Command::new(program);
        command.current_dir(&self.directory).env_clear().env("PATH", path).env("HOME", &self.directory);
        command.envs([("AWS_ENDPOINT_URL", self.url.as_str()), ("AWS_REGION", REGION)]);
        command.envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
        command
    }

    /// What the script says.
    fn script(&self, arguments: &[&str], status: i32) -> String {
        // A dozen calls of the CLI, on a busy machine longer than a test waits for one program.
        let ended = self.command(&shipped("aws/cli/provision.sh")).args(arguments).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(status), "{said}");
        said
    }

    /// What AWS says.
    fn ask(&self, arguments: &[&str]) -> Value {
        let mut command = self.command(&peer("aws/bin/aws"));
        command.env("AWS_DEFAULT_REGION", REGION).args(["iot", "--output", "json"]).args(arguments);
        serde_json::from_str(&Process::start(&mut command).end("", 0)).unwrap()
    }

    /// How many things, policies and certificates there are.
    fn count(&self) -> [usize; 3] {
        let lists =
            [("list-things", "things"), ("list-policies", "policies"), ("list-certificates", "certificates")];
        lists.map(|(question, name)| self.ask(&[question])[name].as_array().unwrap().len())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("aws-iot-{NAME}")).join(name)
    }
}

#[test]
fn the_script_makes_what_is_missing_changes_what_differs_and_takes_everything_back() {
    let aws = Aws::start("aws_script");
    let said = aws.script(&["create", NAME, "--dry-run"], 0);
    assert!(said.contains("would run: aws iot create-thing") && said.contains("would make a key"), "{said}");
    assert_eq!(aws.count(), [0, 0, 0]);
    assert!(!aws.file("").exists(), "a dry run has written something");

    aws.script(&["create", NAME], 0);
    assert_eq!(aws.count(), [1, 1, 1]);
    let policy = || {
        let policy = aws.ask(&["get-policy", "--policy-name", &format!("{NAME}-publish")]);
        serde_json::from_str::<Value>(policy["policyDocument"].as_str().unwrap()).unwrap()
    };
    assert_eq!(policy(), policy_of_the_script());
    let arn = std::fs::read_to_string(aws.file("certificate.arn")).unwrap();
    let arn = arn.trim();
    let attached = aws.ask(&["list-thing-principals", "--thing-name", NAME]);
    assert_eq!(attached["principals"], serde_json::json!([arn]));
    let attached = aws.ask(&["list-attached-policies", "--target", arn]);
    assert_eq!(attached["policies"][0]["policyName"], format!("{NAME}-publish"));
    let environment = std::fs::read_to_string(aws.file("telegraf.env")).unwrap();
    let names: Vec<&str> = environment.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(names, ["AWS_IOT_ENDPOINT", "AWS_IOT_CLIENT_ID", "MQTT_TOPIC_PREFIX"]);
    assert!(environment.contains(&format!("-ats.iot.{REGION}.amazonaws.com\nAWS_IOT_CLIENT_ID={NAME}\n")));
    assert!(environment.ends_with(&format!("MQTT_TOPIC_PREFIX={PREFIX}\n")));
    let authority = std::fs::read_to_string(aws.file("AmazonRootCA1.pem")).unwrap();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
    use std::os::unix::fs::PermissionsExt;
    let key = std::fs::metadata(aws.file("private.pem.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o640);

    // Again: nothing is new. With another topic tree: only the policy is.
    aws.script(&["create", NAME], 0);
    assert_eq!(aws.count(), [1, 1, 1]);
    let said = aws.script(&["create", NAME, "--prefix", "power/other", "--dry-run"], 0);
    let runs: Vec<&str> = said.lines().filter(|line| line.starts_with("would run")).collect();
    assert!(runs.len() == 1 && runs[0].contains("create-policy-version"), "{said}");

    aws.script(&["undo", NAME], 0);
    assert_eq!(aws.count(), [0, 0, 0]);
    assert!(aws.file("private.pem.key").exists() && !aws.file("certificate.pem.crt").exists());
    aws.script(&["undo", NAME], 0);
}

#[test]
fn what_aws_refuses_ends_the_script_with_the_words_of_aws() {
    let directory = scratch("aws_script_refused");
    let aws = Aws { url: "http://127.0.0.1:1".to_owned(), directory, _server: None };
    let said = aws.script(&["create", NAME], 1);
    assert!(
        said.contains("provision.sh: aws sts get-caller-identity:") && said.contains("127.0.0.1:1"),
        "{said}"
    );
    let said = aws.script(&["create", "plant/vienna"], 1);
    assert!(said.contains("NAME: 1 to 56 letters"), "{said}");
    let said = aws.script(&["create", NAME, "--prefix", "a/b/c/d/e/f/g"], 1);
    assert!(said.contains("at most six levels"), "{said}");
}
