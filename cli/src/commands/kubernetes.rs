//! `kubernetes`: the manifests of a Job that runs a config as shards, and of one that
//! merges them.

use inferbench_model::config::Config;
use serde_json::{Value, json};

use super::inputs::{config_text, load_config};
use super::slurm::must_be_shardable;
use crate::args::KubernetesArgs;
use crate::exit::{CliError, Code};
use crate::say;

/// Where the config is mounted.
const CONFIG_FOLDER: &str = "/etc/inferbench";
/// Where the volume of results is mounted.
const RESULTS_FOLDER: &str = "/results";
/// Longest name that a Job may have and still name its pods.
const NAME_CHARS: usize = 40;

pub(super) fn kubernetes(args: &KubernetesArgs) -> Result<Code, CliError> {
    let loaded = load_config(&args.config)?;
    must_be_shardable(&loaded.config, args.shards)?;
    let text = config_text(&args.config)?;
    for manifest in manifests(&loaded.config, &text, args) {
        say::bytes(b"---\n");
        say::bytes(serde_yaml::to_string(&manifest)?.as_bytes());
    }
    Ok(Code::Done)
}

/// The ConfigMap, the Job of the shards, and the Job that merges them.
fn manifests(config: &Config, text: &str, args: &KubernetesArgs) -> [Value; 3] {
    let name = job_name(args.name.as_deref().unwrap_or(&config.name));
    [
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"config.yaml": text}
        }),
        shards_job(&name, args),
        merge_job(&name, args),
    ]
}

/// All shards as one Indexed Job. Without `backoffLimit`, and with a limit for each index,
/// a shard that fails does not end the others.
fn shards_job(name: &str, args: &KubernetesArgs) -> Value {
    let folder = format!("{RESULTS_FOLDER}/{name}");
    let command = json!([
        "inferbench",
        "--quiet",
        "run",
        format!("{CONFIG_FOLDER}/config.yaml"),
        "--shard",
        "auto",
        "--rendezvous",
        format!("{folder}/meet"),
        "--rendezvous-limit",
        args.rendezvous_limit.to_string(),
        "--output",
        format!("{folder}/shards"),
    ]);
    let mut pod = pod(name, args, &command);
    pod["containers"][0]["env"] = json!([
        {"name": "INFERBENCH_SHARDS", "value": args.shards.to_string()}
    ]);
    pod["topologySpreadConstraints"] = json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"inferbench-run": name}}
    }]);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": args.shards,
            "parallelism": args.shards,
            "backoffLimitPerIndex": 0,
            "maxFailedIndexes": args.shards,
            "template": {"metadata": {"labels": {"inferbench-run": name}}, "spec": pod}
        }
    })
}

/// The merge, to be created when the shards have ended.
fn merge_job(name: &str, args: &KubernetesArgs) -> Value {
    let folder = format!("{RESULTS_FOLDER}/{name}");
    let command = json!([
        "inferbench",
        "merge",
        format!("{folder}/shards"),
        "-o",
        format!("{folder}/run"),
    ]);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": format!("{name}-merge")},
        "spec": {
            "backoffLimit": 0,
            // Resumed when the shards have ended.
            "suspend": true,
            "template": {"spec": pod(name, args, &command)}
        }
    })
}

fn pod(name: &str, args: &KubernetesArgs, command: &Value) -> Value {
    json!({
        "restartPolicy": "Never",
        "containers": [{
            "name": "inferbench",
            "image": args.image,
            "command": command,
            "resources": {
                "requests": {"cpu": args.cpu, "memory": args.memory},
                "limits": {"memory": args.memory}
            },
            "volumeMounts": [
                {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": true},
                {"name": "results", "mountPath": RESULTS_FOLDER}
            ]
        }],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "results", "persistentVolumeClaim": {"claimName": args.claim}}
        ]
    })
}

/// A name that Kubernetes takes: lower-case letters, digits and hyphens.
fn job_name(name: &str) -> String {
    let lower = name.chars().map(|c| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    });
    let name: String = lower.take(NAME_CHARS).collect();
    match name.trim_matches('-') {
        "" => "inferbench".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn made() -> [Value; 3] {
        let words = "inferbench kubernetes c.yaml -n 4 --image reg/inferbench:1 --claim shared";
        let args = Args::try_parse_from(words.split(' ')).unwrap();
        let Command::Kubernetes(args) = args.command else {
            panic!("it is another command");
        };
        let config = serde_json::from_value(json!({
            "name": "Chat_1", "model": {"id": "m"}, "backends": [], "load": {}
        }));
        manifests(&config.unwrap(), "name: Chat_1\n", &args)
    }

    #[test]
    fn a_shard_that_fails_ends_no_other_and_is_not_tried_again() {
        let [_, job, _] = made();
        let spec = &job["spec"];
        assert_eq!(spec["completionMode"], "Indexed");
        assert_eq!(spec["completions"], 4);
        assert_eq!(spec["parallelism"], 4);
        assert_eq!(spec["backoffLimitPerIndex"], 0);
        assert_eq!(spec["maxFailedIndexes"], 4);
        assert!(spec.get("backoffLimit").is_none());
        assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    }

    #[test]
    fn every_shard_is_told_how_many_there_are() {
        let [_, job, _] = made();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        let count = json!({"name": "INFERBENCH_SHARDS", "value": "4"});
        assert_eq!(container["env"][0], count);
        let words: Vec<&str> = container["command"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert_eq!(
            words.join(" "),
            "inferbench --quiet run /etc/inferbench/config.yaml --shard auto --rendezvous /results/chat-1/meet --rendezvous-limit 600 --output /results/chat-1/shards"
        );
    }

    #[test]
    fn the_merge_waits_and_all_share_config_and_volume() {
        let [map, job, merge] = made();
        assert_eq!(map["data"]["config.yaml"], "name: Chat_1\n");
        assert_eq!(merge["spec"]["suspend"], true);
        assert_eq!(merge["metadata"]["name"], "chat-1-merge");
        for job in [job, merge] {
            let pod = &job["spec"]["template"]["spec"];
            assert_eq!(
                pod["volumes"][0]["configMap"]["name"],
                map["metadata"]["name"]
            );
            let claim = &pod["volumes"][1]["persistentVolumeClaim"]["claimName"];
            assert_eq!(claim, "shared");
        }
    }

    #[test]
    fn names_are_made_such_as_kubernetes_takes() {
        assert_eq!(job_name("Chat_1 (night)"), "chat-1--night");
        assert_eq!(job_name("__"), "inferbench");
    }
}
