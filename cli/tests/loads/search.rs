//! A search for the largest load, against simulated engines whose capacity is known by
//! arithmetic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Said, inferbench, said};
use serde_json::{Value, json};

/// A step takes 10 ms and 15 ms more for each running request: 85 ms with 5 of them, 100 ms
/// with 6. A limit half way is far from what a busy machine adds.
fn config(folder: &Path, limit_ms: f64, more: &str) -> PathBuf {
    let file = folder.join("bench.yaml");
    let text = format!(
        "name: capacity\nmodel: {{ id: m }}\n\
         backends:\n  - plugin: sim\n    options: {{ step_base_us: 10000, step_per_seq_us: 15000, prefill_us_per_token: 1 }}\n\
         workload: {{ input_tokens: 16, output_tokens: 6 }}\n\
         load:\n  search: {{ over: concurrency, slo: {{ tpot_ms: {{ p50: {limit_ms} }} }}, to: 32{more} }}\n  requests: {{ per_slot: 2, min: 10 }}\n\
         repeats: 2\n"
    );
    fs::write(&file, text).unwrap();
    file
}

fn run(config: &Path, output: &Path) -> Said {
    let mut program = inferbench();
    said(program.arg("run").arg(config).arg("--output").arg(output))
}

/// What was printed, without the ends of lines that the terminal's width calls for.
fn in_one_line(ran: &Said) -> String {
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run_folder(output: &Path) -> PathBuf {
    let folders = fs::read_dir(output)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    folders.filter(|path| path.is_dir()).last().unwrap()
}

fn json(folder: &Path, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

fn verified(folder: &Path) -> Said {
    said(inferbench().arg("verify").arg(folder))
}

#[test]
fn the_largest_load_is_found_and_every_decision_can_be_made_again() {
    let output = tempfile::tempdir().unwrap();
    let ran = run(&config(output.path(), 92.5, ""), output.path());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let folder = run_folder(output.path());
    let report = json(&folder, "report.json");
    let capacity = &report["capacity"][0];
    assert_eq!(
        (&capacity["low"], &capacity["high"]),
        (&json!(5.0), &json!(6.0)),
        "{}",
        ran.out
    );
    let broken = &capacity["limited_by"][0];
    assert_eq!(
        (&broken["code"], &broken["values"]["metric"]),
        (&json!("latency"), &json!("tpot_ms"))
    );
    let loads: Vec<u64> = capacity["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| level["level"]["value"].as_u64().unwrap())
        .collect();
    // It doubles, and closes in; the second repeat looks at both sides.
    assert_eq!(loads, [1, 2, 4, 8, 6, 5, 5, 6]);
    assert!(
        in_one_line(&ran)
            .contains("sim keeps the promise up to 5 requests at once in both repeats")
    );
    assert_eq!(verified(&folder).code, Some(0));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("The load that each backend bears"));
}

#[test]
fn a_decision_that_its_figures_do_not_call_for_is_found() {
    let output = tempfile::tempdir().unwrap();
    run(&config(output.path(), 92.5, ""), output.path());
    let folder = run_folder(output.path());
    let mut manifest = json(&folder, "run.json");
    let cells = manifest["cells"].as_array_mut().unwrap();
    let breaks = cells
        .iter_mut()
        .find(|cell| cell["promise_held"] == false)
        .unwrap();
    breaks["promise_held"] = json!(true);
    fs::write(folder.join("run.json"), manifest.to_string()).unwrap();
    rejected_by(&folder, "V22");
}

fn rejected_by(folder: &Path, rule: &str) {
    let verified = verified(folder);
    assert_eq!(verified.code, Some(4));
    let rejects = format!("{rule}  reject");
    assert!(verified.out.contains(&rejects), "{}", verified.out);
}

#[test]
fn a_search_that_says_it_is_done_and_calls_for_one_more_load_is_found() {
    let output = tempfile::tempdir().unwrap();
    run(&config(output.path(), 92.5, ""), output.path());
    let folder = run_folder(output.path());
    let whole = json(&folder, "run.json");
    // The last of its repeat, which shows where the edge is.
    let last = whole["cells"].as_array().unwrap().last().unwrap().clone();
    let mut cut = whole.clone();
    cut["cells"].as_array_mut().unwrap().pop();
    // Still in the plan.
    fs::write(folder.join("run.json"), cut.to_string()).unwrap();
    rejected_by(&folder, "V17");
    let stages = cut["plan"]["stages"].as_array_mut().unwrap();
    let stage = stages.iter_mut().find(|s| s["block"] == last["block"]);
    let levels = stage.unwrap()["levels"].as_array_mut().unwrap();
    levels.retain(|level| level["value"] != last["level"]["value"]);
    fs::write(folder.join("run.json"), cut.to_string()).unwrap();
    rejected_by(&folder, "V22");
    // One that was killed has no end of its own, and says so.
    cut["exit_state"] = json!("running");
    fs::write(folder.join("run.json"), cut.to_string()).unwrap();
    let shown = verified(&folder);
    assert!(shown.out.contains("V22  ok"), "{}", shown.out);
}

#[test]
fn a_search_that_was_cut_off_goes_on_where_it_was() {
    let output = tempfile::tempdir().unwrap();
    let config = config(output.path(), 92.5, "");
    run(&config, output.path());
    let folder = run_folder(output.path());
    let whole = json(&folder, "run.json");
    // As if it had been killed after its fifth measurement.
    let mut cut = whole.clone();
    cut["exit_state"] = json!("running");
    for key in ["own_sha256", "files"] {
        cut.as_object_mut().unwrap().remove(key);
    }
    let cells = cut["cells"].as_array_mut().unwrap();
    cells.truncate(5);
    fs::write(folder.join("run.json"), cut.to_string()).unwrap();
    let mut program = inferbench();
    let resumed = said(program.arg("run").arg(&config).arg("--resume").arg(&folder));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let report = json(&folder, "report.json");
    let capacity = &report["capacity"][0];
    assert_eq!(
        (&capacity["low"], &capacity["high"]),
        (&json!(5.0), &json!(6.0))
    );
    let cells = json(&folder, "run.json")["cells"].as_array().unwrap().len();
    assert_eq!(cells, whole["cells"].as_array().unwrap().len());
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn automatic_levels_reach_from_idle_to_saturated_and_are_the_same_in_every_repeat() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bench.yaml");
    // Four requests run at once: eight in flight give no more than four.
    let text = "name: auto\nmodel: { id: m }\n\
         backends:\n  - plugin: sim\n    options: { step_base_us: 10000, step_per_seq_us: 200, max_num_seqs: 4 }\n\
         workload: { input_tokens: 16, output_tokens: 6 }\n\
         load: { concurrency: auto, requests: { per_slot: 4, min: 30 } }\nrepeats: 2\n";
    fs::write(&file, text).unwrap();
    let output = place.path().join("results");
    let ran = run(&file, &output);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let folder = run_folder(&output);
    let manifest = json(&folder, "run.json");
    let loads = |block: u64| -> Vec<u64> {
        let cells = manifest["cells"].as_array().unwrap().iter();
        let own = cells.filter(|cell| cell["block"] == block);
        own.map(|cell| cell["level"]["value"].as_u64().unwrap())
            .collect()
    };
    let first = loads(0);
    assert_eq!(first[..4], [1, 2, 4, 8], "{first:?}");
    // Doubling ends at 8, and by 16 on a busy machine; then three closer looks.
    assert!((6..=8).contains(&first.len()), "{first:?}");
    assert_eq!(loads(1), first);
    let report = json(&folder, "report.json");
    assert_eq!(report["levels"].as_array().unwrap().len(), first.len());
    assert_eq!(verified(&folder).code, Some(0), "{}", verified(&folder).out);
}

#[test]
fn a_run_that_bears_less_fails_the_gate_and_the_same_one_holds_it() {
    let place = tempfile::tempdir().unwrap();
    let file = config(place.path(), 92.5, "");
    let text = fs::read_to_string(&file).unwrap();
    // 85 ms with three requests, 110 with four: three in place of five.
    let slower = text.replace("step_per_seq_us: 15000", "step_per_seq_us: 25000");
    let mut folders = Vec::new();
    for (name, text) in [("old", &text), ("same", &text), ("new", &slower)] {
        fs::write(&file, text).unwrap();
        let output = place.path().join(name);
        assert_eq!(run(&file, &output).code, Some(0), "{name}");
        folders.push(run_folder(&output));
    }
    let gated = |a: usize, b: usize, limit: &str| {
        let mut program = inferbench();
        let program = program.arg("compare").arg(&folders[a]).arg(&folders[b]);
        said(program.args(["--fail-on-regression", limit, "--json"]))
    };
    let worse = gated(0, 2, "10%");
    assert_eq!(worse.code, Some(4), "{}", worse.err);
    let report: Value = serde_json::from_str(&worse.out).unwrap();
    let check = &report["runs"]["gate"]["checks"][0];
    assert_eq!(
        (&check["metric"], &check["state"]),
        (&json!("capacity"), &json!("regressed"))
    );
    // Four breaks where five held: 20 % at least; three holds where six broke: 50 % at most.
    let end = |key: &str| check[key].as_f64().unwrap();
    assert!(
        (end("low") - 0.2).abs() < 1e-9 && (end("high") - 0.5).abs() < 1e-9,
        "{check}"
    );
    assert_eq!(gated(0, 1, "20%").code, Some(0));
    assert_eq!(gated(2, 0, "20%").code, Some(0));
}

#[test]
fn a_promise_that_nothing_keeps_and_one_that_nothing_breaks_are_said() {
    let output = tempfile::tempdir().unwrap();
    let ran = run(&config(output.path(), 10.0, ""), output.path());
    let expected =
        "sim breaks the promise at 1 request at once already, and no load was found that keeps it";
    assert!(in_one_line(&ran).contains(expected), "{}", ran.out);
    let output = tempfile::tempdir().unwrap();
    let ran = run(
        &config(output.path(), 9999.0, ", from: 2, budget: 1s"),
        output.path(),
    );
    assert!(
        in_one_line(&ran).contains("no load was found that breaks it"),
        "{}",
        ran.out
    );
    assert!(
        in_one_line(&ran).contains("its budget was spent"),
        "{}",
        ran.out
    );
}

#[test]
fn what_a_search_cannot_be_is_refused_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (more, error) in [
        (
            ", from: 40",
            "`load.search.to` is 32, must be above `from`, 40",
        ),
        (
            ", tolerance: 0.1%",
            "`load.search.tolerance` is 0.1%, must be 1% to 50%",
        ),
        (", budget: 0s", "`load.search.budget` is 0, must be above 0"),
        (
            ", from: 1.5",
            "`load.search.from` is 1.5, must be a whole number of requests in flight",
        ),
    ] {
        let said = said(
            inferbench()
                .arg("validate")
                .arg(config(folder.path(), 92.5, more)),
        );
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains(error), "{}", said.err);
    }
    let text = fs::read_to_string(config(folder.path(), 92.5, "")).unwrap();
    for (from, to, error) in [
        (
            "{ tpot_ms: { p50: 92.5 } }",
            "{}",
            "`load.search.slo` has no limit of a latency",
        ),
        (
            "p50: 92.5",
            "p99: 92.5",
            "is of 10 requests, and a p99 needs 100 or more",
        ),
        (
            "{ per_slot: 2, min: 10 }",
            "20",
            "`load.requests` is 20 at 32 requests in flight, must be twice as many or more",
        ),
        (
            "load:\n",
            "load:\n  concurrency: [1]\n",
            "has both `concurrency` and `search`, must have one",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let file = folder.path().join("other.yaml");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let said = said(inferbench().arg("validate").arg(&file));
        assert_eq!(said.code, Some(2), "{to}");
        assert!(said.err.contains(error), "{}", said.err);
    }
}
