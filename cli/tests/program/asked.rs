//! What the program prints and refuses without a run.

use super::*;

#[test]
fn every_plugin_loads_from_a_shared_library() {
    let said = said(inferbench().args(["plugins", "--json"]));
    let rows: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    for name in common::plugin_names() {
        let row = rows
            .iter()
            .find(|row| row["name"] == name.as_str())
            .unwrap();
        assert_eq!((&row["state"], &row["api"]), (&"ok".into(), &"1.0".into()));
        assert!(row["file"].as_str().unwrap().ends_with(".so"));
    }
}

#[test]
fn the_list_of_plugins_fits_100_columns_and_has_each_file_whole() {
    let said = said(inferbench().arg("plugins"));
    for name in common::plugin_names() {
        let of_file = format!("{name}: /");
        let file = said.out.lines().find(|line| line.starts_with(&of_file));
        assert!(
            file.is_some_and(|line| line.ends_with(".so")),
            "{}",
            said.out
        );
    }
    let is_file = |line: &&str| line.contains(": /");
    for line in said.out.lines().filter(|line| !is_file(line)) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_plugin_shows_its_options_with_default_and_meaning() {
    let said = said(inferbench().args(["plugins", "show", "sim"]));
    assert_eq!(said.code, Some(0));
    for word in ["step_base_us", "scheduler", "continuous", "simulated"] {
        assert!(
            said.out.contains(word),
            "{word} is missing in\n{}",
            said.out
        );
    }
}

#[test]
fn an_unknown_plugin_is_a_usage_error_that_names_the_known_ones() {
    let said = said(inferbench().args(["plugins", "show", "vlm"]));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("error: no loaded plugin is named `vlm`"));
    assert!(said.err.contains("vllm"));
}

#[test]
fn a_file_that_is_no_plugin_is_one_line_and_the_rest_load() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libinferbench_x.so");
    fs::write(&file, "not a library").unwrap();
    let said = said(inferbench().arg("--plugin").arg(&file).arg("plugins"));
    assert_eq!(said.code, Some(0));
    let refused: Vec<&str> = said
        .out
        .lines()
        .filter(|l| l.starts_with("refused"))
        .collect();
    assert_eq!(refused.len(), 1, "{}", said.out);
    assert!(refused[0].ends_with("is not a shared library (no ELF header)"));
    assert!(said.out.contains("sglang"));
}

#[test]
fn every_error_of_a_config_has_its_place_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let text = QUICK
        .replace("requests: 6", "requests: 0")
        .replace("fixed_itl_ms: 2", "fixed_itl: 2");
    let file = config(folder.path(), &text);
    let first = said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(folder.path().join("r")),
    );
    assert_eq!(first.code, Some(2));
    assert!(first.err.contains("bench.yaml:8:"), "{}", first.err);
    assert!(
        first.err.contains("`load.requests` is 0, must be"),
        "{}",
        first.err
    );
    let file = config(folder.path(), &text.replace("requests: 0", "requests: 6"));
    let second = said(inferbench().arg("validate").arg(&file));
    assert_eq!(second.code, Some(2));
    assert!(second.err.contains("bench.yaml:6:"), "{}", second.err);
    assert!(second.err.contains("`fixed_itl`"), "{}", second.err);
    assert!(second.err.contains("`fixed_itl_ms`"), "{}", second.err);
    assert!(!folder.path().join("r").exists());
}

#[test]
fn a_prompt_that_does_not_fit_the_model_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let text = QUICK.replace("{ id: simulated }", "{ id: simulated, max_model_len: 20 }");
    let file = config(folder.path(), &text);
    let said = said(inferbench().arg("run").arg(&file));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("24 do not fit"), "{}", said.err);
}

#[test]
fn validate_shows_the_resolved_config_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = QUICK.replace(
        "fixed_itl_ms: 1 } }",
        "fixed_itl_ms: 1 }, env: { HF_TOKEN: hunter2, PLAIN: shown } }",
    );
    let file = config(folder.path(), &text);
    let text = said(inferbench().args(["-v", "validate"]).arg(&file));
    assert_eq!(text.code, Some(0), "{}", text.err);
    let (_, yaml) = text.out.split_once("the resolved config:").unwrap();
    let resolved: Value = serde_yaml::from_str(yaml).unwrap();
    assert_eq!(resolved["load"]["timeout"], "10m");
    assert_eq!(resolved["backends"][0]["env"]["PLAIN"], "shown");
    let json = said(inferbench().args(["--json", "validate"]).arg(&file));
    for out in [text.out, json.out] {
        assert!(!out.contains("hunter2"), "{out}");
    }
}

#[test]
fn a_model_folder_without_a_type_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), "{\"vocab_size\": 1000}").unwrap();
    let text = QUICK
        .replace("id: simulated", &format!("id: {}", folder.path().display()))
        .replace(
            "plugin: sim, options: { fixed_ttft_ms: 5, fixed_itl_ms: 1 }",
            "plugin: vllm",
        );
    let file = config(folder.path(), &text);
    let said = said(inferbench().arg("run").arg(&file));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("names no `model_type`"), "{}", said.err);
}

#[test]
fn a_report_of_a_folder_that_is_no_run_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(inferbench().arg("report").arg(folder.path()));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("is no run folder: it has no run.json"),
        "{}",
        said.err
    );
}

#[test]
fn schemas_and_completions_are_printed() {
    for of in ["config", "cells", "report"] {
        let said = said(inferbench().args(["schema", of]));
        let schema: Value = serde_json::from_str(&said.out).unwrap();
        assert!(schema.get("properties").is_some(), "{of}");
    }
    let said = said(inferbench().args(["completions", "bash"]));
    assert!(said.out.contains("inferbench"));
}

#[test]
fn configs_to_start_from_are_listed_and_printed_as_they_are() {
    let listed = said(inferbench().arg("config")).out;
    for (name, line) in ["quickstart", "example", "cpu", "attach", "open-loop"]
        .iter()
        .zip(listed.lines())
    {
        let file = repository().join(format!("configs/{name}.yaml"));
        let printed = said(inferbench().args(["config", name])).out;
        assert_eq!(printed, std::fs::read_to_string(file).unwrap());
        assert!(line.starts_with(name) && line.len() > 30, "{line}");
    }
    let said = said(inferbench().args(["config", "quick"]));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("there are quickstart, example"),
        "{}",
        said.err
    );
}

#[test]
fn the_version_says_which_build_it_is() {
    let short = said(inferbench().arg("-V")).out;
    assert_eq!(short, "inferbench 0.1.0\n");
    let long = said(inferbench().arg("--version")).out;
    let mut lines = long.lines();
    assert_eq!(lines.next(), Some("inferbench 0.1.0"));
    let named = |line: Option<&str>, name: &str| {
        let value = line.unwrap().strip_prefix(name).unwrap();
        assert!(!value.is_empty());
        value.to_owned()
    };
    named(lines.next(), "commit: ");
    let build = named(lines.next(), "build: ");
    assert!(
        build.contains("linux") && build.contains(", rustc 1."),
        "{build}"
    );
    assert_eq!(named(lines.next(), "plugin API: "), "1.0");
    assert_eq!(lines.next(), None);
}

#[test]
fn every_command_that_is_listed_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(inferbench().arg("man-pages").arg(folder.path()));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("inferbench.1").contains(".TH inferbench 1"));
    assert!(page("inferbench-run.1").contains("resume"));
    assert!(page("inferbench-plugins-check.1").contains("exchanges"));
    // Commands that only the program itself calls have none.
    assert!(!folder.path().join("inferbench-supervise.1").exists());
}
