//! The page in a real browser. With `INFERBENCH_TEST_PAGES=FOLDER` the pages are
//! left there too, to be looked at.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod driver;

use std::path::PathBuf;

use driver::{Page, Scripts, with_page};
use inferbench::render::grid::{self, Stat, WIDE};
use inferbench::render::render_html;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::report::Report;
use inferbench_model::text::number::three_digits;
use inferbench_test_support::runs::{
    Run, Timetable, fail, one_failed, one_of_each, records, two_backends,
};
use serde_json::{Value, json};

/// What would run if any of it were taken for markup or script; a mark that
/// turns the direction of reading, and the line separators of JavaScript.
const HOSTILE: &str = "</script><script>window.hacked=1</script><img src=x onerror=\"window.hacked=2\">'\"`${hacked}\u{2028}\u{202e}<!--";

/// The page of a report in a folder of its own.
fn written(name: &str, report: &Report) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let mut file = std::fs::File::create(&path).unwrap();
    render_html(report).unwrap().write_to(&mut file).unwrap();
    if let Some(kept) = std::env::var_os("INFERBENCH_TEST_PAGES") {
        let kept = PathBuf::from(kept).join(format!("{name}.html"));
        std::fs::copy(&path, kept).unwrap();
    }
    (folder, path)
}

/// Five backends at eight levels in three repeats, one with a name of 60 letters;
/// the two slowest break the SLO from some level on.
fn five_backends() -> Run {
    let long = "a-backend-whose-label-is-exactly-sixty-characters-long-in-all";
    let labels = ["vllm", "sglang", "vllm-fp8", "hf", &long[..60]];
    let levels = [1, 2, 4, 8, 16, 32, 64, 128];
    let mut run = Run::new(&labels, &levels, 3);
    run.config.slo.tpot_ms = Some(40.0);
    run.config.slo.ttft_ms = Some(500.0);
    for block in 0..3 {
        for (place, label) in labels.iter().enumerate() {
            for concurrency in levels {
                let slower = [1.0, 1.04, 0.8, 4.0, 1.6][place];
                let crowded = 1.0 + f64::from(concurrency) / [60.0, 50.0, 70.0, 4.0, 30.0][place];
                let scatter = 1.0 + f64::from((block * 7 + concurrency) % 5) / 200.0;
                let plan = Timetable {
                    concurrency,
                    ttft_ms: 20.0 * slower * crowded * scatter,
                    jitter_ms: 1.5 * crowded,
                    gap_ms: 5.0 * slower * crowded * scatter,
                    tokens: 8,
                    n: 128,
                };
                run.add(records(label, block, plan));
            }
        }
    }
    run
}

/// Three backends at one level.
fn one_level() -> Run {
    let mut run = Run::new(&["a", "b", "a-long-name-of-a-backend"], &[4], 3);
    for block in 0..3 {
        for (label, gap_ms) in [("a", 5.0), ("b", 5.02), ("a-long-name-of-a-backend", 9.0)] {
            let plan = Timetable {
                concurrency: 4,
                ttft_ms: 20.0 + f64::from(block),
                jitter_ms: 1.0,
                gap_ms,
                tokens: 8,
                n: 100,
            };
            run.add(records(label, block, plan));
        }
    }
    run
}

/// A run in which every text from outside is hostile.
fn hostile() -> Run {
    let mut run = Run::new(&[HOSTILE, "plain"], &[1, 2], 2);
    run.config.model.id = HOSTILE.to_owned();
    run.config.name = HOSTILE.to_owned();
    run.manifest.config["model"]["id"] = json!(HOSTILE);
    run.manifest.command.push(HOSTILE.to_owned());
    run.manifest.host.cpu = Some(HOSTILE.to_owned());
    let sentence = HOSTILE.to_owned();
    let kind = WarningKind::OlderVersion { sentence };
    run.manifest.warnings.push(Warning::about_run(kind));
    for block in 0..2 {
        for concurrency in [1, 2] {
            for backend in [HOSTILE, "plain"] {
                let plan = Timetable {
                    concurrency,
                    ttft_ms: 10.0,
                    jitter_ms: 0.0,
                    gap_ms: 5.0,
                    tokens: 5,
                    n: 40,
                };
                let mut records = records(backend, block, plan);
                fail(&mut records[0], "server_error", Some(500), HOSTILE);
                run.add(records);
            }
        }
    }
    let stage = &mut run.manifest.stages[0];
    stage.failure = Some(HOSTILE.to_owned());
    stage.log_tail = vec![HOSTILE.to_owned()];
    run
}

#[test]
fn the_page_asks_for_nothing_but_itself_and_its_console_is_silent() {
    let reports = [
        ("two", two_backends().report()),
        ("one", one_of_each().report()),
        ("failed", one_failed().report()),
        ("level", one_level().report()),
    ];
    for (name, report) in reports {
        let (_folder, path) = written(name, &report);
        let own = format!("file://{}", path.display());
        with_page(&path, Scripts::On, async move |page: Page| {
            page.is_drawn().await;
            assert_eq!(page.requests().await, [own]);
            assert_eq!(page.console().await, Vec::<String>::new());
            assert!(
                page.number("document.querySelectorAll('.main-svg').length")
                    .await
                    > 0.0
            );
        });
    }
}

#[test]
fn every_section_is_there_and_in_the_contents() {
    let (_folder, path) = written("five", &five_backends().report());
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 2_500_000, "{bytes} bytes");
    with_page(&path, Scripts::On, async |page: Page| {
        let listed = page
            .ask("[...document.querySelectorAll('.contents a')].map(a => a.hash.slice(1))")
            .await;
        let listed: Vec<String> = serde_json::from_value(listed).unwrap();
        let expected = [
            "charts",
            "results",
            "distributions",
            "answers",
            "requests",
            "fairness",
            "self-check",
            "backends",
            "environment",
            "reproduce",
            "glossary",
        ];
        for id in expected {
            assert!(
                listed.iter().any(|own| own == id),
                "{id} is not in {listed:?}"
            );
        }
        let headings = "[...document.querySelectorAll('h2')].map(h => h.id)";
        assert_eq!(page.ask(headings).await, json!(listed));
        // every link of the page, of the trust marks too, leads somewhere
        let lost = "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1)).filter(id => !document.getElementById(id))";
        assert_eq!(page.ask(lost).await, json!([]));
    });
}

#[test]
fn a_click_on_a_key_hides_its_backend_and_a_drag_zooms() {
    let (_folder, path) = written("five", &five_backends().report());
    with_page(&path, Scripts::On, async |page: Page| {
        page.is_drawn().await;
        let shown = "document.querySelectorAll('#chart-ttft_ms .scatterlayer .trace').length";
        let before = page.number(shown).await;
        page.click("button.legend:nth-of-type(2)").await;
        assert_eq!(page.number(shown).await, before - 1.0);
        let pressed = "document.querySelectorAll('button.legend')[1].getAttribute('aria-pressed')";
        assert_eq!(page.ask(pressed).await, json!("false"));
        page.press("button.legend:nth-of-type(2)", " ").await;
        assert_eq!(page.number(shown).await, before);
        // p99 adds a thin line for each backend, and needs more room
        let top = "document.getElementById('chart-ttft_ms').layout.yaxis.range[1]";
        let low = page.number(top).await;
        page.click("input[value=p99]").await;
        assert_eq!(page.number(shown).await, before + 5.0);
        assert!(page.number(top).await > low);
        let end = "document.getElementById('chart-trade').layout.xaxis.range[1]";
        let all = page.number(end).await;
        page.drag("#chart-trade .nsewdrag").await;
        assert!(page.number(end).await < all / 2.0);
        assert_eq!(page.console().await, Vec::<String>::new());
    });
}

/// The texts of the table's cells, line by line, as they stand on the page.
const SHOWN: &str = "[...document.querySelectorAll('#results-table tr.line')].map(line => [...line.cells].map(cell => (cell.querySelector('b') || cell.firstChild || {}).textContent))";
/// The ratios that are shown, line by line.
const RATIOS: &str = "[...document.querySelectorAll('#results-table tr.line')].map(line => [...line.cells].map(cell => [...cell.querySelectorAll('small')].filter(own => !own.hidden).map(own => own.firstChild.textContent.trim())).flat())";

#[test]
fn the_numbers_of_the_table_are_those_of_the_report() {
    let report = five_backends().report();
    let (_folder, path) = written("five", &report);
    // what a reader of the file would see
    let report: Value = serde_json::to_value(&report).unwrap();
    with_page(&path, Scripts::On, async move |page: Page| {
        let shown: Vec<Vec<String>> = serde_json::from_value(page.ask(SHOWN).await).unwrap();
        let rows = report["rows"].as_array().unwrap();
        assert_eq!((shown.len(), rows.len()), (40, 40));
        let metrics = report["metrics"].as_array().unwrap();
        let is_there = |name: &str| metrics.iter().any(|metric| metric["name"] == name);
        let columns = WIDE.iter().filter(|column| column.stat != Stat::Ratio);
        let columns = columns.filter(|column| is_there(column.metric));
        let columns: Vec<&grid::Column> = columns.collect();
        for (line, row) in shown.iter().zip(rows) {
            for (cell, column) in line[1..].iter().zip(&columns) {
                let figure = &row["figures"][column.metric];
                let value = match column.stat {
                    Stat::P99 => &figure["p99"]["value"],
                    _ => &figure["typical"],
                };
                assert_eq!(
                    *cell,
                    three_digits(value.as_f64().unwrap()),
                    "{}",
                    column.heading
                );
            }
        }
        page.choose("#baseline", "3").await;
        let ratios: Vec<Vec<String>> = serde_json::from_value(page.ask(RATIOS).await).unwrap();
        // hf is the baseline; vllm's first ratio is that of throughput
        let against = &rows[0]["figures"]["output_token_throughput"]["against"];
        let to_hf = against
            .as_array()
            .unwrap()
            .iter()
            .find(|own| own["baseline"] == "hf");
        let ratio = to_hf.unwrap()["ratio"].as_f64().unwrap();
        assert_eq!(ratios[0][0], format!("{}\u{a0}×", three_digits(ratio)));
        assert_eq!(ratios[3][0], "baseline");
    });
}

#[test]
fn the_results_table_with_an_slo_fits_a_laptop_and_names_leave_the_axis_free() {
    let (_folder, path) = written("five", &five_backends().report());
    with_page(&path, Scripts::On, async |page: Page| {
        page.is_drawn().await;
        let table = "document.getElementById('results-table').parentElement";
        let hidden = format!("{table}.scrollWidth - {table}.clientWidth");
        assert_eq!(page.number(&hidden).await, 0.0);
        // pairs of a tick's name on the lower axis and a line's name that share pixels
        let met = "(() => { const box = (own) => own.getBoundingClientRect(); const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; return [...document.querySelectorAll('.charts .chart')].flatMap(chart => [...chart.querySelectorAll('.xtick text')].flatMap(tick => [...chart.querySelectorAll('.annotation-text')].filter(name => meet(box(tick), box(name))).map(name => chart.id + ': ' + tick.textContent + ' and ' + name.textContent))); })()";
        assert_eq!(page.ask(met).await, json!([]));
    });
}

#[test]
fn the_table_is_sorted_by_key_copied_and_saved() {
    let (_folder, path) = written("two", &two_backends().report());
    with_page(&path, Scripts::On, async |page: Page| {
        let order = "[...document.querySelectorAll('#results-table tr.line th')].map(own => own.dataset.value)";
        assert_eq!(
            page.ask(order).await,
            json!(["fast", "slow", "fast", "slow"])
        );
        // TTFT is lower for fast, so descending puts slow first
        let ttft = "#results-table th:nth-of-type(3) button";
        page.press(ttft, "\u{e007}").await;
        page.press(ttft, "\u{e007}").await;
        assert_eq!(
            page.ask(order).await,
            json!(["slow", "fast", "slow", "fast"])
        );
        page.press(ttft, "\u{e007}").await;
        assert_eq!(
            page.ask(order).await,
            json!(["fast", "slow", "fast", "slow"])
        );
        let hear = "(() => { navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; })()";
        page.ask(hear).await;
        page.press("#copy-results", "\u{e007}").await;
        let copied = page.ask("window.copied").await;
        let lines: Vec<&str> = copied.as_str().unwrap().lines().collect();
        assert!(
            lines[0].starts_with("Level\tBackend\tOutput throughput (tokens/s)\tTTFT p50 (ms)")
        );
        assert!(
            lines[4].starts_with("concurrency 2\tslow\t"),
            "{}",
            lines[4]
        );
        assert_eq!(page.text("#results-said").await, "copied, tab-separated");
        let keep = "(() => { const make = URL.createObjectURL; URL.createObjectURL = (blob) => { window.kept = blob; return make.call(URL, blob); }; })()";
        page.ask(keep).await;
        page.click("#save-results").await;
        let saved = page.wait_for("window.kept.text()").await;
        let mut lines = csv::Reader::from_reader(saved.as_str().unwrap().as_bytes());
        let header = lines.headers().unwrap().clone();
        let ttft = header
            .iter()
            .position(|name| name == "TTFT p50 (ms)")
            .unwrap();
        let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
        // ms, by the timetable: 10, 20 at concurrency 1, 10, 40 at 2
        let values: Vec<&str> = lines.iter().map(|line| &line[ttft]).collect();
        assert_eq!(values, ["10", "20", "10", "40"]);
        assert_eq!((&lines[3][0], &lines[3][1]), ("concurrency 2", "slow"));
    });
}

#[test]
fn hostile_texts_are_shown_and_do_nothing() {
    let (_folder, path) = written("hostile", &hostile().report());
    let own = format!("file://{}", path.display());
    with_page(&path, Scripts::On, async move |page: Page| {
        page.is_drawn().await;
        assert_eq!(page.ask("typeof window.hacked").await, json!("undefined"));
        assert_eq!(page.number("document.images.length").await, 0.0);
        assert_eq!(page.requests().await, [own]);
        assert_eq!(page.console().await, Vec::<String>::new());
        let shown = HOSTILE
            .replace('\u{2028}', "[U+2028]")
            .replace('\u{202e}', "[U+202E]");
        // as a label, in a log, as the words of a server, in the command
        let places = [
            "document.querySelector('#results-table tr.line th').dataset.value",
            "document.querySelector('.failure pre').textContent.trim()",
            "document.querySelector('#baseline').options[1].textContent",
            "document.querySelector('h1').textContent",
            "document.querySelector('#reproduce').parentElement.querySelector('pre').textContent",
        ];
        for place in places {
            let text = page.ask(place).await;
            assert!(text.as_str().unwrap().contains(&shown), "{place}: {text}");
        }
        let messages =
            "[...document.querySelectorAll('table.words td')].map(own => own.textContent)";
        let messages: Vec<String> = serde_json::from_value(page.ask(messages).await).unwrap();
        assert!(messages.contains(&shown));
    });
}

#[test]
fn without_scripts_verdict_table_and_pictures_remain() {
    let (_folder, path) = written("two", &two_backends().report());
    with_page(&path, Scripts::Off, async |page: Page| {
        assert!(page.text("h1").await.starts_with("fast serves"));
        assert!(page.text("#results-table").await.contains("333"));
        let (pictures, charts) = (
            page.visible("svg.still").await,
            page.visible(".chart").await,
        );
        assert!(pictures >= 5, "{pictures}");
        assert_eq!(charts, 0);
        // what a chooser shows at first is there too, and no chooser
        for id in ["chart-spread", "chart-stalls", "chart-requests"] {
            assert_eq!(page.visible(&format!("#{id} + svg.still")).await, 1, "{id}");
        }
        assert_eq!(page.visible(".choose").await, 0);
        assert_eq!(page.visible(".of-chart").await, 0);
        assert_eq!(page.visible("#results-controls").await, 0);
    });
}
