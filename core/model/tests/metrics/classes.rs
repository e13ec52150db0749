//! Classes of traffic: what a config may say of them, and their figures by hand.

use inferbench_model::cell::row::{CellRow, row};
use inferbench_model::config::{Config, Level, load};
use inferbench_model::facts::key::CellKey;
use inferbench_model::facts::record::{RequestRecord, Status};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::warning::WarningKind;
use inferbench_model::metrics::MetricValue;
use inferbench_model::report::Report;
use inferbench_test_support::runs::{Run, Timetable, records};

const MIXED: &str = "\
name: a
model: {id: m}
backends:
  - plugin: sim
workload:
  seed: 7
  classes:
    - name: chat
      weight: 7
      slo: {ttft_ms: 20}
      workload: {input_tokens: 300, output_tokens: 50}
    - name: batch
      weight: 3
      model: adapter
      workload: {input_tokens: 1000, output_tokens: 10}
load: {concurrency: [2], requests: 40}
slo: {ttft_ms: 100}
";

fn config(text: &str) -> Config {
    load("a.yaml", text, &|_| None).unwrap().config
}

/// The errors of `MIXED` once `from` is replaced.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(MIXED.contains(from), "{from:?} is not in the config");
    let errors = load("a.yaml", &MIXED.replacen(from, to, 1), &|_| None).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_mixture_has_a_workload_for_each_class() {
    let config = config(MIXED);
    let workload = &config.workload;
    let paths: Vec<String> = workload.parts().into_iter().map(|(path, _)| path).collect();
    let expected = ["workload.classes.0.workload", "workload.classes.1.workload"];
    assert_eq!(paths, expected);
    // 0.7 * 300 + 0.3 * 1000
    assert_eq!(workload.mean_tokens(|part| part.input_tokens.mean()), 510.0);
    assert_eq!(workload.longest_request(), Some((1000, 10)));
    let slos = config.slos();
    assert_eq!(slos.for_class(Some("chat")).ttft_ms, Some(20.0));
    assert_eq!(slos.for_class(Some("batch")).ttft_ms, Some(100.0));
    assert_eq!(slos.for_class(None).ttft_ms, Some(100.0));
}

#[test]
fn what_a_class_cannot_be_is_refused_at_its_place() {
    for (from, to, error) in [
        (
            "name: batch",
            "name: chat",
            "`workload.classes[1].name` is \"chat\", like an earlier class",
        ),
        (
            "weight: 7",
            "weight: 0",
            "`workload.classes[0].weight` is 0, must be 1 to 1000",
        ),
        (
            "slo: {ttft_ms: 20}",
            "slo: {ttft_ms: -1}",
            "`workload.classes[0].slo.ttft_ms` is -1, must be above 0 ms",
        ),
        (
            "input_tokens: 300",
            "input_tokens: 0",
            "`workload.classes[0].workload.input_tokens` can be 0, must be 1 token or more",
        ),
        (
            "      workload: {input_tokens: 1000, output_tokens: 10}\n",
            "",
            "`workload.classes[1].workload` is missing, and other classes have one: either all do, or none",
        ),
        (
            "  seed: 7\n",
            "  output_tokens: 9\n",
            "`workload.output_tokens` is set, but every request is one of a class with a workload of its own",
        ),
        (
            "output_tokens: 50}",
            "output_tokens: 50, classes: [{name: x}]}",
            "`workload.classes[0].workload.classes` is set, but a class has no classes of its own",
        ),
        (
            "output_tokens: 50}",
            "output_tokens: 50, prefix_cache: keep}",
            "`workload.classes[0].workload.prefix_cache` is set, but all classes share the cache",
        ),
        (
            "output_tokens: 50}",
            "prompts: jsonl}",
            "`workload.classes[0].workload.file` is missing, `jsonl` prompts need it",
        ),
        (
            "load: {concurrency: [2], requests: 40}",
            "load: {arrivals: trace}",
            "`load.arrivals` is trace, but classes with a workload each have no common times",
        ),
        (
            "name: a\nmodel: {id: m}",
            "name: a\nmodel: {id: m, max_model_len: 1005}",
            "`model.max_model_len` is 1005 tokens, but the longest prompt has 1000 and the longest answer 10: 1010 do not fit",
        ),
    ] {
        let errors = changed(from, to);
        assert!(
            errors.iter().any(|found| found.contains(error)),
            "{to}: {errors:?}"
        );
    }
}

#[test]
fn classes_without_a_workload_need_rows_that_name_them() {
    let of = |workload: &str| {
        format!(
            "name: a\nmodel: {{id: m}}\nbackends: [{{plugin: sim}}]\nworkload: {{{workload}, classes: [{{name: x, weight: 2}}]}}\nload: {{concurrency: [1], requests: 8}}\n"
        )
    };
    let refused = |workload: &str| {
        let errors = load("a.yaml", &of(workload), &|_| None).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    };
    assert!(refused("input_tokens: 5").contains(
        "`workload.classes[0].workload` is missing: only rows of `jsonl` name their class, and prompts are `synthetic`"
    ));
    assert!(refused("prompts: jsonl, file: f").contains(
        "`workload.classes[0].weight` is 2, but the file's rows say which class they are of"
    ));
}

/// Twenty requests, one after the other: those of `chat` take 10 ms to the first token,
/// those of `batch` 50 ms, then four tokens 5 ms apart. Every fourth is of `batch`.
fn mixed() -> Vec<RequestRecord> {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 5,
        n: 20,
    };
    let mut all = records("a", 0, plan);
    for (i, record) in all.iter_mut().enumerate() {
        let is_batch = i % 4 == 3;
        record.class = Some(if is_batch { "batch" } else { "chat" }.to_owned());
        if is_batch {
            record.ttft_ms = Some(50.0);
        }
    }
    all
}

fn measured(records: &[RequestRecord], config: &Config) -> CellRow {
    let key = CellKey {
        backend: "a".to_owned(),
        block: 0,
        level: Level::Concurrency(1),
    };
    row(key, records, config.slos(), SelfCheck::default())
}

fn number(row: &CellRow, class: &str, metric: &str) -> f64 {
    let class = row.classes.iter().find(|other| other.class == class);
    class.unwrap().metrics[metric].typical().unwrap()
}

#[test]
fn each_class_has_its_own_figures_under_its_own_limits() {
    let row = measured(&mixed(), &config(MIXED));
    let counts: Vec<_> = row
        .classes
        .iter()
        .map(|c| (c.class.as_str(), c.counts.ok))
        .collect();
    assert_eq!(counts, [("batch", 5), ("chat", 15)]);
    assert_eq!(number(&row, "chat", "ttft_ms"), 10.0);
    assert_eq!(number(&row, "batch", "ttft_ms"), 50.0);
    // chat may take 20 ms, batch 100 ms as the run's limit says.
    assert_eq!(number(&row, "chat", "slo_attainment"), 1.0);
    assert_eq!(number(&row, "batch", "slo_attainment"), 1.0);
    assert_eq!(
        row.metrics["slo_attainment"],
        MetricValue::Number(Some(1.0))
    );
    let tokens = |class| number(&row, class, "output_token_throughput");
    let all = row.metrics["output_token_throughput"].typical().unwrap();
    assert!((tokens("chat") + tokens("batch") - all).abs() < 1e-9);
    assert!((tokens("chat") / all - 0.75).abs() < 0.05);
    assert!(!row.classes[0].metrics.contains_key("gpu_power_mean_watts"));
}

#[test]
fn a_request_that_failed_has_not_met_its_limits() {
    let mut all = mixed();
    for record in all.iter_mut().filter(|r| r.index % 8 == 3) {
        record.status = Status::Failed;
        record.reason = Some("timeout".to_owned());
    }
    let row = measured(&all, &config(MIXED));
    // Three of the five of batch: 3, 11, 19.
    assert_eq!(number(&row, "batch", "slo_attainment"), 0.4);
    assert_eq!(
        row.metrics["slo_attainment"],
        MetricValue::Number(Some(17.0 / 20.0))
    );
}

#[test]
fn a_class_that_starves_is_named() {
    let strict = config(&MIXED.replace("ttft_ms: 100", "ttft_ms: 40"));
    let row = measured(&mixed(), &strict);
    let expected = WarningKind::ClassStarves {
        class: "batch".to_owned(),
        share: 0.0,
        other: "chat".to_owned(),
        other_share: 1.0,
    };
    assert!(row.warnings.contains(&expected), "{:?}", row.warnings);
    let fair = measured(&mixed(), &config(MIXED));
    assert!(
        !fair
            .warnings
            .iter()
            .any(|kind| matches!(kind, WarningKind::ClassStarves { .. }))
    );
}

#[test]
fn names_without_end_share_a_class() {
    let mut all = mixed();
    for (i, record) in all.iter_mut().enumerate() {
        record.class = Some(format!("user {i}"));
    }
    let many: Vec<RequestRecord> = (0..40)
        .map(|i| RequestRecord {
            class: Some(format!("user {i:02}")),
            ..all[0].clone()
        })
        .collect();
    let row = measured(&many, &config(MIXED));
    assert_eq!(row.classes.len(), 32);
    assert_eq!(row.classes[0].class, "(others)");
    assert_eq!(row.classes[0].counts.ok, 9);
}

#[test]
fn the_report_has_a_row_for_each_class_over_all_repeats() {
    let mut run = Run::new(&["a"], &[1], 2);
    run.config.workload.classes = config(MIXED).workload.classes;
    run.config.slo.ttft_ms = Some(40.0);
    for block in 0..2 {
        let mut records = mixed();
        records.iter_mut().for_each(|record| record.block = block);
        run.add(records);
    }
    let report: Report = run.report();
    let rows: Vec<_> = report
        .classes
        .iter()
        .map(|row| {
            (
                row.class.as_str(),
                row.counts.ok,
                row.ttft_ms.p50,
                row.slo_attainment,
            )
        })
        .collect();
    let batch = ("batch", 10, Some(50.0), Some(0.0));
    assert_eq!(rows, [batch, ("chat", 30, Some(10.0), Some(1.0))]);
}
