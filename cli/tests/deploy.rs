//! The Helm chart: what it renders is what `kubernetes` prints. Needs `helm` on the `PATH`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{inferbench, said};
use serde::Deserialize;
use serde_json::{Value, json};

const IMAGE: &str = "registry/inferbench:1";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// The documents of a YAML text, by kind and name.
fn documents(text: &str) -> Vec<(String, Value)> {
    let each = serde_yaml::Deserializer::from_str(text);
    let each = each.map(|document| Value::deserialize(document).unwrap());
    let mut named: Vec<(String, Value)> = each
        .filter(|document| !document.is_null())
        .map(|document| {
            let name = format!("{} {}", document["kind"], document["metadata"]["name"]);
            (name, document)
        })
        .collect();
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    named
}

fn helm(more: &[&str]) -> Output {
    let config = format!("config={}", deploy().join("chat.yaml").display());
    let mut command = Command::new("helm");
    command.args(["template", "chat"]);
    command.arg(deploy().join("helm/inferbench"));
    command.args(["--set-file", &config]);
    command.args(["--set", &format!("image={IMAGE}"), "--set", "claim=results"]);
    command.args(more).output().unwrap()
}

fn rendered(more: &[&str]) -> Vec<(String, Value)> {
    let output = helm(more);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    documents(&String::from_utf8(output.stdout).unwrap())
}

fn refused(more: &[&str]) -> String {
    let output = helm(more);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
#[ignore = "needs helm"]
fn the_chart_renders_what_the_command_prints() {
    let printed = said(
        inferbench()
            .arg("kubernetes")
            .arg(deploy().join("chat.yaml"))
            .args(["-n", "8", "--image", IMAGE, "--claim", "results"]),
    );
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let mut printed = documents(&printed.out);
    for (_, document) in &mut printed {
        // Helm makes the merge when it is asked for, so that none has to wait.
        let spec = document.get_mut("spec").and_then(Value::as_object_mut);
        if let Some(spec) = spec {
            spec.remove("suspend");
        }
    }
    let mut chart = rendered(&["--set", "shards=8", "--set", "merge=true"]);
    for (_, document) in printed.iter_mut().chain(&mut chart) {
        if let Some(config) = document.pointer_mut("/data/config.yaml") {
            *config = json!(config.as_str().unwrap().trim_end());
        }
    }
    assert_eq!(chart.len(), 3);
    assert_eq!(chart, printed);
}

#[test]
#[ignore = "needs helm"]
fn the_merge_comes_when_it_is_asked_for() {
    let kinds: Vec<String> = rendered(&[]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(kinds, [r#""ConfigMap" "chat""#, r#""Job" "chat""#]);
}

#[test]
#[ignore = "needs helm"]
fn values_without_which_nothing_could_run_are_refused() {
    for (set, words) in [
        ("shards=0", "shards is 0, must be 1 or more"),
        ("image=", "image is empty"),
        ("claim=", "claim is empty"),
        ("config=", "config is empty"),
    ] {
        // The last one counts; a file comes before a value.
        let said = match set {
            "config=" => refused(&["--set-file", "config=/dev/null"]),
            set => refused(&["--set", set]),
        };
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = std::fs::read_to_string(deploy().join("helm/inferbench/Chart.yaml")).unwrap();
    let chart: Value = serde_yaml::from_str(&chart).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
