//! What a report says about every pair of backends, throughput against speed,
//! trust, and how to run it again, checked against hand arithmetic.

use inferbench_model::config::Level;
use inferbench_model::metrics::MetricValue;
use inferbench_model::report::{Outcome, Reason, Report, Tile, TradePer, TrustAbout, TrustMark};
use inferbench_test_support::runs::{
    Run, Timetable, fail, one_failed, one_of_each, records, two_backends,
};
use serde_json::json;

const FIRST: Timetable = Timetable {
    concurrency: 1,
    ttft_ms: 10.0,
    jitter_ms: 0.0,
    gap_ms: 5.0,
    tokens: 5,
    n: 10,
};

fn near(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-6, "{a} is not {b}");
}

fn found(report: &Report, about: TrustAbout) -> &TrustMark {
    report
        .trust
        .iter()
        .find(|mark| mark.about == about)
        .unwrap()
}

/// Reasons to doubt a tile's verdict, in words.
fn doubts(tile: &Tile) -> Vec<&str> {
    tile.doubts
        .iter()
        .map(|doubt| doubt.text.as_str())
        .collect()
}

#[test]
fn every_backend_is_compared_with_every_other() {
    let report = two_backends().report();
    let figure = |backend: &str, metric: &str| {
        let row = report.row(backend, &Level::Concurrency(2)).unwrap();
        row.figures[metric].clone()
    };
    // 10 ms against 40 ms in both repeats: a fourth, with no scatter at all
    let fast = figure("fast", "ttft_ms");
    let against = fast.against("slow").unwrap();
    near(against.ratio, 0.25);
    near(against.low.unwrap(), 0.25);
    near(against.high.unwrap(), 0.25);
    // 10 tokens in 30 ms against 10 in 120
    near(
        figure("fast", "output_token_throughput")
            .against("slow")
            .unwrap()
            .ratio,
        4.0,
    );
    near(
        figure("slow", "output_token_throughput")
            .against("fast")
            .unwrap()
            .ratio,
        0.25,
    );
    assert!(fast.against("fast").is_none());
    assert!(figure("fast", "output_tokens").against.is_empty());
}

#[test]
fn one_repeat_has_ratios_without_an_interval() {
    let mut run = Run::new(&["a", "b"], &[1], 1);
    run.add(records("a", 0, FIRST));
    run.add(records(
        "b",
        0,
        Timetable {
            ttft_ms: 15.0,
            ..FIRST
        },
    ));
    let report = run.report();
    let row = report.row("b", &Level::Concurrency(1)).unwrap();
    let against = row.figures["ttft_ms"].against("a").unwrap();
    near(against.ratio, 1.5);
    assert_eq!((against.low, against.high), (None, None));
}

#[test]
fn the_trade_marks_what_nothing_beats_and_what_keeps_the_slo() {
    let mut run = Run::new(&["fast", "slow"], &[1, 2], 1);
    run.config.slo.tpot_ms = Some(8.0);
    for concurrency in [1, 2] {
        let plan = Timetable {
            concurrency,
            ..FIRST
        };
        run.add(records("fast", 0, plan));
        run.add(records(
            "slow",
            0,
            Timetable {
                gap_ms: 10.0,
                ..plan
            },
        ));
    }
    let trade = run.report().trade.unwrap();
    // the fixture has one GPU; 1000 / 8 ms
    assert_eq!(
        (trade.per, trade.slowest_within_slo_per_s),
        (TradePer::Gpu, Some(125.0))
    );
    // fast: 1000 / 5 tokens/s a user at both levels, but twice as many in all at 2
    let points: Vec<(&str, f64, bool, Option<bool>)> = trade
        .points
        .iter()
        .map(|p| (p.backend.as_str(), p.speed.typical, p.best, p.keeps_slo))
        .collect();
    assert_eq!(
        points,
        [
            ("fast", 200.0, false, Some(true)),
            ("slow", 100.0, false, Some(false)),
            ("fast", 200.0, true, Some(true)),
            ("slow", 100.0, false, Some(false)),
        ]
    );
    run.manifest.gpus.clear();
    assert_eq!(run.report().trade.unwrap().per, TradePer::Machine);
}

#[test]
fn backends_that_did_other_work_get_no_verdict() {
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for block in 0..2 {
        run.add(records("a", block, FIRST));
        let mut half = records(
            "b",
            block,
            Timetable {
                gap_ms: 10.0,
                ..FIRST
            },
        );
        half.iter_mut()
            .for_each(|record| record.output_tokens = Some(2));
        run.add(half);
    }
    let report = run.report();
    let first = &report.answer[0];
    assert!(
        first.starts_with(
            "No verdict: the backends did not do the same work (output tokens differ)"
        ),
        "{first}"
    );
    let verdicts = report.comparisons.iter().map(|c| (c.outcome, c.reason));
    for verdict in verdicts {
        assert_eq!(verdict, (Outcome::NoVerdict, Some(Reason::WorkDiffers)));
    }
    let work = found(&report, TrustAbout::Work);
    assert_eq!(
        (work.ok, work.text.as_str()),
        (false, "work differs: output tokens")
    );
}

#[test]
fn backends_that_all_miss_what_was_asked_by_as_much_are_compared() {
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for block in 0..2 {
        for (backend, gap_ms) in [("a", 5.0), ("b", 10.0)] {
            let mut longer = records(backend, block, Timetable { gap_ms, ..FIRST });
            longer
                .iter_mut()
                .for_each(|record| record.input_tokens = Some(540));
            run.add(longer);
        }
    }
    let report = run.report();
    assert!(!found(&report, TrustAbout::Work).ok);
    assert_eq!(report.comparisons[0].outcome, Outcome::Faster);
    assert_eq!(doubts(&report.tiles[0]), ["work differs: prompt tokens"]);
}

#[test]
fn an_untrustworthy_level_puts_its_verdict_in_doubt() {
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for block in 0..2 {
        run.add(records("a", block, FIRST));
        run.add(records(
            "b",
            block,
            Timetable {
                ttft_ms: 20.0,
                ..FIRST
            },
        ));
    }
    let sure = run.report();
    assert!(sure.tiles.iter().all(|tile| tile.doubts.is_empty()));
    assert!(found(&sure, TrustAbout::Client).ok);
    assert_eq!(
        found(&sure, TrustAbout::Sample).text,
        "only 2 repeats, 3 are needed"
    );
    run.cells[0].trustworthy = false;
    run.manifest.backends[0].simulated = true;
    let unsure = run.report();
    let tile = &unsure.tiles[0];
    assert_eq!(
        doubts(tile),
        ["its measurement is untrustworthy", "simulated"]
    );
    assert_eq!(
        found(&unsure, TrustAbout::Client).text,
        "untrustworthy: 1 of 4 measurements"
    );
    assert!(!found(&unsure, TrustAbout::Origin).ok);
}

#[test]
fn energy_per_token_has_a_tile_where_it_was_measured() {
    let name = "gpu_energy_joules_per_output_token";
    let mut run = two_backends();
    let without = run.report().tiles;
    assert!(without.iter().all(|tile| tile.comparison.metric != name));
    for (cell, joules) in run.cells.iter_mut().zip([0.2, 0.5].into_iter().cycle()) {
        let value = MetricValue::Number(Some(joules));
        cell.metrics.insert(name.to_owned(), value);
    }
    let report = run.report();
    let tile = report.tiles.last().unwrap();
    assert_eq!(tile.comparison.metric, name);
    assert_eq!(
        (tile.comparison.best.as_str(), tile.comparison.best_value),
        ("fast", 0.2)
    );
}

#[test]
fn few_requests_and_few_repeats_and_failures_are_named() {
    let report = one_of_each().report();
    assert_eq!(
        found(&report, TrustAbout::Sample).text,
        "one repeat: no verdict"
    );
    assert!(
        report
            .trust
            .iter()
            .all(|mark| mark.about != TrustAbout::Work)
    );
    let mut run = Run::new(&["a"], &[1], 2);
    for block in 0..2 {
        let mut few = records("a", block, Timetable { n: 5, ..FIRST });
        fail(&mut few[0], "http_status", Some(503), "busy");
        run.add(few);
    }
    let report = run.report();
    let sample = found(&report, TrustAbout::Sample);
    assert_eq!(
        (sample.ok, sample.text.as_str()),
        (false, "only 2 repeats, 3 are needed")
    );
    assert_eq!(doubts(&report.tiles[0]), ["only 8 requests"]);
    assert_eq!(
        found(&report, TrustAbout::Requests).text,
        "a: 2 of 10 requests failed"
    );
    let absent = one_failed().report();
    let mark = found(&absent, TrustAbout::Requests);
    assert!(!mark.ok);
    assert!(mark.text.ends_with(" gave no result"), "{}", mark.text);
}

#[test]
fn the_mark_of_the_sample_is_broken_where_verify_flags_it() {
    let sample_of = |n: u64| {
        let mut run = Run::new(&["a"], &[1], 3);
        for block in 0..3 {
            run.add(records("a", block, Timetable { n, ..FIRST }));
        }
        found(&run.report(), TrustAbout::Sample).clone()
    };
    let few = sample_of(29);
    assert_eq!(
        (few.ok, few.text.as_str()),
        (false, "only 29 requests in some measurement, 30 are needed")
    );
    let enough = sample_of(30);
    assert_eq!(
        (enough.ok, enough.text.as_str()),
        (
            true,
            "3 repeats on fresh servers, 30 requests or more in each measurement"
        )
    );
}

#[test]
fn what_another_person_needs_is_kept_once_each() {
    let report = two_backends().report();
    let reproduce = report.reproduce.unwrap();
    assert_eq!(reproduce.command, ["inferbench", "run", "chat.yaml"]);
    assert_eq!(reproduce.config["load"]["concurrency"], json!([1, 2]));
    // both backends use the one plugin
    let names: Vec<&str> = reproduce
        .hashes
        .iter()
        .map(|hash| hash.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "prompts of the first repeat",
            "plugin openai 0.1.0 (API 1.0)"
        ]
    );
    assert_eq!(reproduce.hashes[1].text, Some("cd".repeat(32)));
}

#[test]
fn a_report_of_an_older_version_is_read() {
    let mut old = serde_json::to_value(two_backends().report()).unwrap();
    for key in ["trust", "trade", "reproduce"] {
        assert!(old.as_object_mut().unwrap().remove(key).is_some());
    }
    for row in old["rows"].as_array_mut().unwrap() {
        for figure in row["figures"].as_object_mut().unwrap().values_mut() {
            figure.as_object_mut().unwrap().remove("against");
        }
    }
    let read: Report = serde_json::from_value(old).unwrap();
    assert_eq!((read.trade, read.reproduce), (None, None));
}

#[test]
fn what_every_repeat_shows_is_said_apart_from_what_is_proven() {
    let gaps = |gap_ms: f64| Timetable { gap_ms, ..FIRST };
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for (block, gap_ms) in [(0, 10.0), (1, 40.0)] {
        run.add(records("a", block, FIRST));
        run.add(records("b", block, gaps(gap_ms)));
    }
    let report = run.report();
    // 5 tokens in 30 ms against 50 and 170: 1.67 and 5.67 times, logs 0.511 and 1.735.
    // Their mean is 1.094 beyond ln 1.03, their scatter 0.865: t(6) = 2.447 + 0.906 (for
    // 0.2) times 0.865 / sqrt(7) is 1.097, t(7) = 2.365 + 0.896 times 0.865 / sqrt(8) 0.998
    assert_eq!(
        report.answer[0],
        "a was ahead in all repeats at concurrency 1, with 1.67 to 5.67 times the output tokens \
         per second of the next backend; two repeats cannot prove it, eight likely would."
    );
    let found = report
        .comparison("output_token_throughput", &Level::Concurrency(1))
        .unwrap();
    let ahead = found.ahead.unwrap();
    assert_eq!((ahead.repeats, ahead.of), (2, 2));
    // 12.7 times 0.612 to both sides
    assert_eq!(
        found.interval.unwrap().within(),
        "not bounded with 2 repeats"
    );
}

#[test]
fn a_latency_has_its_tile_where_it_tells_most_and_not_at_the_lowest_load() {
    let at = |concurrency, ttft_ms| Timetable {
        concurrency,
        ttft_ms,
        ..FIRST
    };
    let mut run = Run::new(&["a", "b"], &[1, 2, 4], 2);
    for block in 0..2 {
        for (concurrency, a, b) in [(1, 5.0, 50.0), (2, 20.0, 60.0), (4, 80.0, 100.0)] {
            run.add(records("a", block, at(concurrency, a)));
            run.add(records("b", block, at(concurrency, b)));
        }
    }
    let level = |run: &Run| {
        let report = run.report();
        let mut tiles = report.tiles.iter();
        let ttft = tiles.find(|tile| tile.comparison.metric == "ttft_ms");
        ttft.unwrap().comparison.level
    };
    // three times at concurrency 2, one and a quarter at 4
    assert_eq!(level(&run), Level::Concurrency(2));
    // of these 90 ms, a keeps to them at 4 and b does not
    run.config.slo.ttft_ms = Some(90.0);
    assert_eq!(level(&run), Level::Concurrency(4));
}
