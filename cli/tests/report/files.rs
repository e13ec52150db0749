//! What a reader gets of a run made by hand: terminal table, summaries, page.

use crate::common::page;
use inferbench::render::{exports, render_csv, render_markdown, render_prometheus};
use inferbench::table::{Look, WIDTH, render_table};
use inferbench_model::config::load;
use inferbench_model::report::Report;
use inferbench_plugin_api::prometheus::{Sample, Samples};
use inferbench_test_support::runs::{
    Run, Timetable, one_failed, one_of_each, records, two_backends,
};

const HOSTILE: &str = "a <script>alert('1')</script> & \"name\" of 60 characters | *md*";

/// A run of one backend with a name that is markup to HTML and to Markdown.
fn hostile() -> Report {
    let mut run = Run::new(&[HOSTILE, "plain"], &[1, 2], 1);
    for backend in [HOSTILE, "plain"] {
        for concurrency in [1, 2] {
            run.add(records(
                backend,
                0,
                Timetable {
                    concurrency,
                    ttft_ms: 10.0,
                    jitter_ms: 0.0,
                    gap_ms: 5.0,
                    tokens: 5,
                    n: 4,
                },
            ));
        }
    }
    run.report()
}

/// The page without the packed source of plotly.js.
fn own_part(page: &str) -> String {
    let (before, rest) = page.split_once("id=\"library\">").unwrap();
    let (_, after) = rest.split_once("</script>").unwrap();
    format!("{before}{after}")
}

#[test]
fn table_of_two_backends() {
    insta::assert_snapshot!(render_table(&two_backends().report(), Look::Plain, WIDTH));
}

#[test]
fn table_of_one_backend_level_and_repeat() {
    insta::assert_snapshot!(render_table(&one_of_each().report(), Look::Plain, WIDTH));
}

#[test]
fn table_with_a_backend_that_did_not_start() {
    insta::assert_snapshot!(render_table(&one_failed().report(), Look::Plain, WIDTH));
}

#[test]
fn summary_of_two_backends() {
    insta::assert_snapshot!(render_markdown(&two_backends().report()));
}

#[test]
fn summary_of_one_backend_level_and_repeat() {
    insta::assert_snapshot!(render_markdown(&one_of_each().report()));
}

#[test]
fn summary_with_a_backend_that_did_not_start() {
    insta::assert_snapshot!(render_markdown(&one_failed().report()));
}

#[test]
fn a_narrow_terminal_gets_fewer_columns_and_no_line_beyond_its_width() {
    let report = two_backends().report();
    for width in [60, 80, 100] {
        let table = render_table(&report, Look::Plain, width);
        let widest = table.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{table}");
        assert!(table.contains("output"), "{table}");
        assert_eq!(
            table.contains("best\n") || table.contains("best "),
            width == 100,
            "{table}"
        );
    }
}

#[test]
fn the_table_fits_its_width_and_has_control_codes_only_when_asked() {
    let report = hostile();
    let plain = render_table(&report, Look::Plain, WIDTH);
    for line in plain.lines().filter(|line| !line.contains(HOSTILE)) {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    assert!(!plain.contains('\u{1b}'));
    assert!(render_table(&two_backends().report(), Look::Styled, WIDTH).contains('\u{1b}'));
}

#[test]
fn a_simulated_run_says_so_everywhere() {
    let mut run = two_backends();
    run.manifest
        .backends
        .iter_mut()
        .for_each(|b| b.simulated = true);
    let report = run.report();
    assert!(render_table(&report, Look::Plain, WIDTH).starts_with("SIMULATED · "));
    assert!(render_markdown(&report).contains("**SIMULATED**"));
    assert!(page(&report).contains("class=\"band\""));
    let honest = page(&two_backends().report());
    assert!(!honest.contains("class=\"band\""));
}

#[test]
fn csv_has_one_row_per_level_and_backend_and_empty_fields_for_nothing() {
    let text = render_csv(&two_backends().report()).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|h| h == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    // concurrency 1, fast: 5 tokens in 30 ms, first after 10 ms, 16 requests
    assert_eq!(&rows[0][column("backend")], "fast");
    assert_eq!(&rows[0][column("ttft_ms_p50")], "10");
    assert_eq!(&rows[0][column("ttft_ms_n")], "16");
    assert_eq!(&rows[0][column("ttft_ms_p99")], "");
    assert_eq!(&rows[0][column("goodput_requests_per_s_mean")], "");
    let rate: f64 = rows[0][column("output_token_throughput_tokens_per_s_mean")]
        .parse()
        .unwrap();
    assert!((rate - 5.0 / 0.030).abs() < 1e-6);
    let other = render_csv(&one_of_each().report()).unwrap();
    assert_eq!(other.lines().next(), text.lines().next());
}

#[test]
fn the_page_asks_nothing_of_any_network() {
    for report in [two_backends().report(), one_failed().report(), hostile()] {
        let page = own_part(&page(&report));
        for load in [
            "src=",
            "@import",
            "url(",
            "<link",
            "<iframe",
            "fetch(",
            "XMLHttpRequest",
        ] {
            assert!(!page.contains(load), "{load}");
        }
        for link in page.split("href=\"").skip(1) {
            assert!(link.starts_with('#'), "{}", &link[..40]);
        }
    }
}

#[test]
fn a_name_never_becomes_markup() {
    let report = hostile();
    let page = own_part(&page(&report));
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("a &lt;script&gt;alert"));
    // in the charts' data the tag is plotly text, written with no `<` at all
    let plots = page.split("id=\"plots\">").nth(1).unwrap();
    let plots = plots.split("</script>").next().unwrap();
    assert!(!plots.contains('<'));
    let _: serde_json::Value = serde_json::from_str(plots).unwrap();
    let summary = render_markdown(&report);
    assert!(summary.contains("a \\<script\\>alert"));
    assert!(!summary.contains("| *md*"));
}

#[test]
fn verdict_and_tables_need_no_script() {
    let page = own_part(&page(&two_backends().report()));
    assert!(page.contains("<h1>fast serves Qwen&#x2F;Qwen2.5-0.5B-Instruct fastest here.</h1>"));
    assert!(page.contains("too few samples"));
    assert!(page.contains("<b>333</b>"));
}

#[test]
fn the_config_on_the_page_makes_the_same_run() {
    let run = two_backends();
    let page = page(&run.report());
    let (_, rest) = page.split_once("<pre id=\"config\">").unwrap();
    let (text, _) = rest.split_once("</pre>").unwrap();
    let text = text.replace("&#x2F;", "/").replace("&quot;", "\"");
    let again = load("again.yaml", &text, &|_| None).unwrap();
    assert_eq!(again.config, run.config);
}

#[test]
fn a_run_without_any_figure_has_a_page_without_charts() {
    let mut run = Run::new(&["a"], &[1], 1);
    run.fail_to_start("a", "exited with status 1", &["<b>boom</b>"]);
    let page = page(&run.report());
    assert!(!page.contains("<script>"));
    assert!(page.contains("a gave no result."));
    assert!(page.contains("&lt;b&gt;boom&lt;&#x2F;b&gt;"));
}

/// The value of a metric of a backend at a level.
fn gauge(samples: &Samples<'_>, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&Sample<'_>| {
        labels
            .iter()
            .all(|(key, value)| sample.label(key) == Some(value))
    };
    let name = format!("inferbench_{metric}");
    samples.named(&name).find(has).map(|sample| sample.value)
}

#[test]
fn gauges_are_in_base_units_and_say_whose_they_are() {
    let text = render_prometheus(&two_backends().report()).unwrap();
    let samples = Samples::parse(&text);
    let of = |metric: &str, backend: &str, quantile: Option<&str>| {
        let mut labels = vec![("backend", backend), ("level", "concurrency 1")];
        labels.extend(quantile.map(|quantile| ("quantile", quantile)));
        gauge(&samples, metric, &labels)
    };
    // 10 and 20 ms to the first of five tokens, which take 30 and 60 ms in all
    assert_eq!(of("ttft_seconds", "fast", Some("0.5")), Some(0.01));
    assert_eq!(of("ttft_seconds", "slow", Some("0.5")), Some(0.02));
    let throughput = of("output_token_throughput_tokens_per_second", "fast", None);
    assert!((throughput.unwrap() - 5.0 / 0.03).abs() < 1e-6);
    // sixteen requests do not carry a p99
    assert_eq!(of("ttft_seconds", "fast", Some("0.99")), None);
    assert_eq!(of("requests_ok", "fast", None), Some(16.0));
    assert!(text.contains("# TYPE inferbench_ttft_seconds gauge\n"));
}

#[test]
fn hostile_labels_stay_inside_their_quotes() {
    let mut run = two_backends();
    run.config.name = "a \"b\" \\ c\nd".to_owned();
    let text = render_prometheus(&run.report()).unwrap();
    assert!(text.contains(r#"run="a \"b\" \\ c\nd""#), "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with('#') || line.starts_with("inferbench_"))
    );
}

#[test]
fn the_reference_lists_every_export() {
    let page = include_str!("../../../docs/src/reference/run-folder.md");
    let files: Vec<&str> = exports().iter().map(|export| export.file).collect();
    assert_eq!(files, ["summary.csv", "summary.md", "summary.prom"]);
    for file in files {
        assert!(page.contains(&format!("`{file}`")), "{file}");
    }
}
