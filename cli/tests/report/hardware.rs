//! Hardware over time, KV caches and pressed levels on the page.

use crate::common::page;
use inferbench::table::{Look, WIDTH, render_table};
use inferbench_model::config::Level;
use inferbench_model::report::kv::{
    KvBackend, KvCell, KvLine, KvQuantity, KvReport, KvUse, MemorySteps,
};
use inferbench_model::report::{
    CellPhase, Extras, RunTimeline, SeriesOf, StagePhase, Timeline, TimelineSeries,
};
use inferbench_test_support::runs::two_backends;

const LEVELS: [u32; 2] = [1, 2];

fn series(
    of: SeriesOf,
    name: &str,
    unit: &str,
    label: Option<&str>,
    at: &dyn Fn(f64) -> f64,
) -> TimelineSeries {
    let t_s: Vec<f64> = (0..240).map(|n| f64::from(n) / 2.0).collect();
    let within: Vec<f64> = match label {
        Some("fast") => t_s.iter().copied().filter(|t| *t < 60.0).collect(),
        Some(_) => t_s.iter().copied().filter(|t| *t >= 62.0).collect(),
        None => t_s,
    };
    let values: Vec<f64> = within.iter().map(|t| at(*t)).collect();
    TimelineSeries {
        of,
        name: name.to_owned(),
        label: name.to_owned(),
        unit: unit.to_owned(),
        device: (of == SeriesOf::Gpu).then_some(0),
        backend: label.map(str::to_owned),
        bucket_s: 0.5,
        gap_s: 1.5,
        t_s: within,
        min: values.clone(),
        mean: values.clone(),
        max: values,
    }
}

fn timeline() -> Timeline {
    let busy = |t: f64| {
        if (10.0..60.0).contains(&t) || t > 72.0 {
            1.0
        } else {
            0.0
        }
    };
    let gpu = |name: &str, unit: &str, at: &dyn Fn(f64) -> f64| {
        series(SeriesOf::Gpu, name, unit, None, at)
    };
    let host = |name: &str, unit: &str, at: &dyn Fn(f64) -> f64| {
        series(SeriesOf::Host, name, unit, None, at)
    };
    let mut all = vec![
        gpu("memory_used_bytes", "bytes", &|t| 1e9 + 28e9 * busy(t)),
        gpu("utilization_percent", "percent", &|t| {
            90.0 * busy(t) + (t * 3.0).sin() * 3.0 + 3.0
        }),
        gpu("power_watts", "watts", &|t| 60.0 + 380.0 * busy(t)),
        gpu("sm_clock_mhz", "mhz", &|t| 600.0 + 1800.0 * busy(t)),
        gpu("memory_clock_mhz", "mhz", &|_| 2619.0),
        host("backend_cpu_percent", "percent", &|t| 140.0 * busy(t)),
        host("client_cpu_percent", "percent", &|t| 9.0 * busy(t)),
        host("backend_rss_bytes", "bytes", &|t| 3e9 + 1e9 * busy(t)),
    ];
    for label in ["fast", "slow"] {
        let server = |name: &str, unit: &str, at: &dyn Fn(f64) -> f64| {
            series(SeriesOf::Server, name, unit, Some(label), at)
        };
        all.push(server("running_requests", "requests", &|t| 2.0 * busy(t)));
        all.push(server("waiting_requests", "requests", &|t| {
            if t > 90.0 { 1.0 } else { 0.0 }
        }));
        all.push(server("kv_cache_usage_ratio", "ratio", &|t| {
            (busy(t) * (t % 30.0) / 28.0).min(1.0)
        }));
        all.push(server("preemptions", "1", &|t| {
            if label == "slow" && t > 100.0 {
                14.0
            } else {
                0.0
            }
        }));
    }
    let stage = |label: &str, start: f64| StagePhase {
        backend: label.to_owned(),
        block: 0,
        start_s: Some(start),
        ready_s: Some(start + 10.0),
        end_s: Some(start + 58.0),
    };
    let cell = |label: &str, level: u32, start: f64| CellPhase {
        backend: label.to_owned(),
        block: 0,
        level: Level::Concurrency(level),
        start_s: start,
        end_s: start + 23.0,
        window_start_s: Some(start + 3.0),
        window_end_s: Some(start + 22.0),
    };
    Timeline {
        zero_ns: 0,
        end_s: 120.0,
        stages: vec![stage("fast", 0.0), stage("slow", 62.0)],
        cells: vec![
            cell("fast", 1, 10.0),
            cell("fast", 2, 34.0),
            cell("slow", 1, 72.0),
            cell("slow", 2, 96.0),
        ],
        series: all,
        notes: Vec::new(),
    }
}

fn kv() -> KvReport {
    let cell = |value: f64, difference: f64| {
        Some(KvCell {
            value,
            difference: Some(difference),
        })
    };
    let usage = |label: &str, level: u32, peak: f64, preemptions: f64| KvUse {
        backend: label.to_owned(),
        level: Level::Concurrency(level),
        peak_usage_ratio: Some(peak),
        peak_waiting: Some(1.0),
        preemptions: Some(preemptions),
        counters_went_back: Vec::new(),
    };
    KvReport {
        backends: vec![KvBackend {
            backend: "slow".to_owned(),
            terms: Vec::new(),
            dtype: Some("bfloat16".to_owned()),
            dtype_source: None,
            lines: vec![KvLine {
                quantity: KvQuantity::Tokens,
                label: "Tokens that fit".to_owned(),
                predicted: Some(31_200.0),
                log: cell(31_232.0, 32.0 / 31_200.0),
                metrics: cell(28_000.0, -3_200.0 / 31_200.0),
                info: None,
                measured: None,
            }],
            memory: Some(MemorySteps {
                before_bytes: 1 << 30,
                weights_bytes: Some(16 << 30),
                ready_bytes: 29 << 30,
            }),
            growth: None,
            sentences: vec!["the metrics are off".to_owned()],
        }],
        usage: vec![
            usage("fast", 1, 0.4, 0.0),
            usage("slow", 1, 0.5, 0.0),
            usage("fast", 2, 0.6, 0.0),
            usage("slow", 2, 1.0, 14.0),
        ],
    }
}

#[test]
fn hardware_and_kv_caches_are_on_the_page() {
    let report = two_backends().report_with(Extras {
        timeline: Some(timeline()),
        kv: Some(kv()),
    });
    assert_eq!(report.levels, LEVELS.map(Level::Concurrency));
    let page = page(&report);
    // To be looked at.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("hardware.html");
    std::fs::write(path, &page).unwrap();
    for wanted in [
        "id=\"chart-timeline\"",
        "id=\"kv-cache\"",
        "Tokens that fit",
        "−10.3 %",
        "29.0 GiB when ready",
        "ringed where the KV cache was full",
        "GPU memory",
        "slow, at concurrency 2: the KV cache was the limit here: up to 100 % in use, requests preempted 14 times",
    ] {
        assert!(page.contains(wanted), "no {wanted}");
    }
    let table = render_table(&report, Look::Plain, WIDTH);
    assert!(
        table.contains("KV cache of slow: 28\u{202f}000 tokens, predicted 31\u{202f}200 (−10.3 %)"),
        "{table}"
    );
}

#[test]
fn a_cache_that_is_all_but_empty_and_not_predicted_is_no_line_of_the_terminal() {
    let is_shown = |predicted: Option<f64>, peak: f64| {
        let mut kv = kv();
        for backend in &mut kv.backends {
            for line in &mut backend.lines {
                line.predicted = predicted;
            }
        }
        for usage in &mut kv.usage {
            usage.peak_usage_ratio = Some(peak);
        }
        let report = two_backends().report_with(Extras {
            kv: Some(kv),
            ..Extras::default()
        });
        render_table(&report, Look::Plain, WIDTH).contains("KV cache of")
    };
    assert!(!is_shown(None, 0.049));
    assert!(is_shown(None, 0.05));
    assert!(is_shown(Some(31_200.0), 0.001));
}

#[test]
fn a_section_without_data_is_not_there() {
    let page = page(&two_backends().report());
    for absent in ["id=\"hardware\"", "id=\"kv-cache\"", "ringed where"] {
        assert!(!page.contains(absent), "{absent} is there");
    }
}

/// The series of the chart over time, by name.
fn traces(page: &str) -> Vec<serde_json::Value> {
    let plots = page.split("id=\"plots\">").nth(1).unwrap();
    let plots = plots.split("</script>").next().unwrap();
    let plots: serde_json::Value = serde_json::from_str(plots).unwrap();
    plots["chart-timeline"]["data"].as_array().unwrap().clone()
}

#[test]
fn a_peak_that_a_mean_hides_is_drawn_behind_the_line() {
    let mut report = two_backends().report();
    let mut timeline = timeline();
    let is_power = |series: &&mut TimelineSeries| series.name == "power_watts";
    let power = timeline.series.iter_mut().find(is_power).unwrap();
    // of readings between 55 and 600 W only the mean is on the line
    power.min[3] = 55.0;
    power.max[3] = 600.0;
    report.timeline = Some(timeline);
    let traces = traces(&page(&report));
    let bands: Vec<_> = traces.iter().filter(|t| t["fill"] == "toself").collect();
    assert_eq!(bands.len(), 1);
    let heights = bands[0]["y"].as_array().unwrap();
    let numbers = heights.iter().filter_map(serde_json::Value::as_f64);
    assert_eq!(numbers.clone().fold(0.0, f64::max), 600.0);
    assert_eq!(numbers.fold(f64::INFINITY, f64::min), 55.0);
}

/// Layout of the chart over time.
fn layout(page: &str) -> serde_json::Value {
    let plots = page.split("id=\"plots\">").nth(1).unwrap();
    let plots = plots.split("</script>").next().unwrap();
    let plots: serde_json::Value = serde_json::from_str(plots).unwrap();
    plots["chart-timeline"]["layout"].clone()
}

/// Texts of the headings and names above panels.
fn headings(layout: &serde_json::Value) -> Vec<String> {
    let texts = layout["annotations"].as_array().unwrap().iter();
    texts
        .map(|own| own["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn several_runs_are_lined_up_at_their_starts_on_the_same_scales() {
    let mut report = two_backends().report();
    let of_run = |run: &str, stretched: f64| {
        let mut timeline = timeline();
        timeline.end_s *= stretched;
        for series in timeline.series.iter_mut() {
            let is_power = series.name == "power_watts";
            let lists = [&mut series.min, &mut series.mean, &mut series.max];
            for value in lists.into_iter().flatten().filter(|_| is_power) {
                *value *= stretched;
            }
        }
        timeline.notes = vec!["3 samples skipped".to_owned()];
        RunTimeline {
            run: run.to_owned(),
            timeline,
        }
    };
    report.timelines = vec![of_run("before", 1.0), of_run("after", 2.0)];
    let page = page(&report);
    let layout = layout(&page);
    let headings = headings(&layout);
    let power = |run: &str| {
        let wanted = format!("<b>GPU power</b>, W · {run}");
        headings.iter().any(|text| text.starts_with(&wanted))
    };
    assert!(power("before") && power("after"), "{headings:?}");
    assert!(page.contains("after: 3 samples skipped"));
    // the longer one ends at 240 s; its power of at most 880 W is on both scales
    assert_eq!(layout["xaxis"]["range"], serde_json::json!([0.0, 240.0]));
    assert_eq!(
        layout["xaxis"]["title"]["text"],
        "seconds since the start of each run"
    );
    let highs = layout
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| key.starts_with("yaxis"));
    let highs = highs.filter(|(_, axis)| axis["range"][1] == 880.0 * 1.06);
    assert_eq!(highs.count(), 2);
}

#[test]
fn a_run_of_a_day_is_drawn_in_hours() {
    let mut report = two_backends().report();
    let mut timeline = timeline();
    timeline.end_s = 86_400.0;
    report.timeline = Some(timeline);
    let page = page(&report);
    let axis = &layout(&page)["xaxis"];
    assert_eq!(axis["range"], serde_json::json!([0.0, 24.0]));
    assert!(page.contains(">hours since the start of the run</text>"));
}
