//! What is refused of names, backends and the ways to reach a server.

use super::*;

#[test]
fn names_that_cannot_name_are_refused() {
    for (from, to, error) in [
        (
            "name: a",
            "name: a\ncurrency: \"\"",
            "2:11: `currency` is empty, must name the currency of the prices",
        ),
        (
            "name: a",
            "name: \"\"",
            "1:7: `name` is empty, must name the run",
        ),
        (
            "id: m",
            "id: \" \"",
            "3:7: `model.id` is empty, must be a hub id or a local folder",
        ),
        (
            "id: m",
            "id: m\n  max_model_len: 0",
            "4:18: `model.max_model_len` is 0, must be 1 token or more",
        ),
        (
            "backends:\n  - plugin: sim",
            "backends: []",
            "4:1: `backends` is empty, must list at least one backend",
        ),
        (
            "plugin: sim",
            "plugin: sim\n    label: a/b",
            "6:12: `backends[0].label` is \"a/b\", must be of letters, digits and `-_.+`: it becomes a folder name",
        ),
    ] {
        let text = SMALL.replacen(from, to, 1);
        let found: Vec<String> = refused(&text).into_iter().map(|(line, _)| line).collect();
        assert!(found.contains(&format!("bench.yaml:{error}")), "{found:?}");
    }
}

#[test]
fn a_backend_that_cannot_be_had_is_refused() {
    for (extra, error) in [
        (
            "attach: localhost:8000",
            "6:13: `backends[0].attach` is \"localhost:8000\", must be a URL such as http://127.0.0.1:8000",
        ),
        (
            "attach: http://127.0.0.1:1\n    env: {A: b}",
            "7:5: `backends[0].env` is set beside `attach`: the environment of a running server cannot be changed",
        ),
        (
            "max_concurrency: 0",
            "6:22: `backends[0].max_concurrency` is 0, must be 1 or more",
        ),
        (
            "ready_timeout: 0s",
            "6:20: `backends[0].ready_timeout` is 0, must be above 0",
        ),
        (
            "price_per_hour: -2.5",
            "6:21: `backends[0].price_per_hour` is -2.5, must be above 0",
        ),
    ] {
        let to = format!("plugin: sim\n    {extra}");
        assert_eq!(changed("plugin: sim", &to), format!("bench.yaml:{error}"));
    }
    let twice = SMALL.replace("plugin: sim", "plugin: sim\n  - plugin: sim");
    assert_eq!(
        refused(&twice)[0].1.as_deref(),
        Some("give each backend of one plugin its own `label`")
    );
}

/// The refused lines of `SMALL` with a backend of these further lines.
fn launched(lines: &str) -> Vec<(String, Option<String>)> {
    refused(&SMALL.replacen("plugin: sim\n", &format!("plugin: vllm\n{lines}"), 1))
}

#[test]
fn a_version_and_a_container_are_two_ways_to_launch() {
    let text = SMALL.replacen(
        "  - plugin: sim\n",
        "  - plugin: vllm\n    version: 0.10\n  - plugin: sglang\n    container:\n      image: a/b:v1\n",
        1,
    );
    let config = read(&text).unwrap().config;
    // As it is written: 0.10 is not 0.1.
    assert_eq!(config.backends[0].version.as_deref(), Some("0.10"));
    let container = config.backends[1].container.clone().unwrap();
    assert_eq!(container.image, "a/b:v1");
    assert_eq!(container.runtime, ContainerRuntime::Docker);
    assert_eq!(container.args, [""; 0]);
}

#[test]
fn what_is_no_single_version_is_refused() {
    for version in ["latest", "'>=0.30'", "0.32.0 --index x", "''"] {
        let errors = launched(&format!("    version: {version}\n"));
        let shown = version.trim_matches('\'');
        assert_eq!(
            errors[0].0,
            format!(
                "bench.yaml:6:14: `backends[0].version` is {shown:?}, must be one version of a Python package, such as 0.32.0"
            )
        );
        assert!(errors[0].1.is_some());
    }
}

#[test]
fn only_one_way_to_a_server_can_be_set() {
    let container = "    container: {image: x}\n";
    let both = launched(&format!("    version: 0.32.0\n{container}"));
    assert_eq!(
        both[0].0,
        "bench.yaml:6:14: `backends[0].version` is set beside `container`, whose image has its own version"
    );
    let attach = "    attach: http://127.0.0.1:1\n";
    let attached = launched(&format!("    version: 0.32.0\n{attach}"));
    assert_eq!(
        attached[0].0,
        "bench.yaml:6:14: `backends[0].version` is set beside `attach`, but an attached server is not launched"
    );
    let attached = launched(&format!("{container}{attach}"));
    assert_eq!(
        attached[0].0,
        "bench.yaml:6:5: `backends[0].container` is set beside `attach`, but an attached server is not launched"
    );
}

#[test]
fn a_container_needs_an_image_that_is_no_flag() {
    for image in ["\"\"", "--privileged", "two words"] {
        let errors = launched(&format!("    container: {{image: {image}}}\n"));
        let place = "bench.yaml:6:24: `backends[0].container.image` is ";
        assert!(errors[0].0.starts_with(place), "{errors:?}");
    }
    let errors = launched("    container: {image: x, runtime: rkt}\n");
    assert!(errors[0].0.contains("bench.yaml:6:36"), "{errors:?}");
    assert!(errors[0].0.contains("podman"), "{errors:?}");
}
