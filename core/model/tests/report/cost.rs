//! Cost at the config's prices, and the first token of the answer itself.

use inferbench_model::config::Level;
use inferbench_model::facts::warning::WarningCode;
use inferbench_model::report::{Outcome, Report, Warning};
use inferbench_test_support::compared::several;
use inferbench_test_support::runs::{Run, Timetable, records, two_backends};

const COST: &str = "cost_per_million_output_tokens";
const FIRST_ANSWER: &str = "ttft_answer_ms";

/// Two backends at the same speed in three repeats: 1 token in 10 ms and 4 in 5 ms
/// each, so 5 tokens in 30 ms.
fn priced(currency: Option<&str>, prices: [Option<f64>; 3]) -> Report {
    let [of_run, of_a, of_b] = prices;
    let mut run = Run::new(&["a", "b"], &[1], 3);
    run.config.currency = currency.map(str::to_owned);
    run.config.price_per_hour = of_run;
    run.config.backends[0].price_per_hour = of_a;
    run.config.backends[1].price_per_hour = of_b;
    for block in 0..3 {
        for label in ["a", "b"] {
            let plan = Timetable {
                concurrency: 1,
                ttft_ms: 10.0,
                jitter_ms: 0.0,
                gap_ms: 5.0,
                tokens: 5,
                n: 40,
            };
            run.add(records(label, block, plan));
        }
    }
    run.report()
}

fn value(report: &Report, backend: &str, metric: &str) -> Option<f64> {
    report.row(backend, &Level::Concurrency(1))?.typical(metric)
}

#[test]
fn a_cheaper_machine_at_the_same_speed_costs_less() {
    // 3.6 an hour are 0.001 a second
    let report = priced(Some("EUR"), [Some(3.6), None, Some(7.2)]);
    let speed = value(&report, "a", "output_token_throughput").unwrap();
    let cost = value(&report, "a", COST).unwrap();
    assert!((cost - 0.001 / speed * 1e6).abs() < 1e-9);
    let requests = value(&report, "a", "request_throughput").unwrap();
    let each = value(&report, "a", "cost_per_request").unwrap();
    assert!((each - 0.001 / requests).abs() < 1e-12);
    assert!((value(&report, "b", COST).unwrap() - 2.0 * cost).abs() < 1e-9);
    let tile = report
        .tiles
        .iter()
        .find(|tile| tile.comparison.metric == COST)
        .unwrap();
    assert_eq!(
        (tile.comparison.best.as_str(), tile.unit.as_str()),
        ("a", "EUR")
    );
    assert_eq!(tile.comparison.outcome, Outcome::Faster);
    let speeds = report.comparison("output_token_throughput", &Level::Concurrency(1));
    assert_eq!(speeds.unwrap().outcome, Outcome::Equivalent);
}

#[test]
fn what_has_no_price_has_no_cost() {
    let none = priced(None, [None; 3]);
    assert!(
        none.metrics
            .iter()
            .all(|metric| !metric.name.starts_with("cost_"))
    );
    assert!(none.tiles.iter().all(|tile| tile.comparison.metric != COST));
    let one = priced(None, [None, Some(3.6), None]);
    assert!(value(&one, "a", COST).is_some());
    assert_eq!(value(&one, "b", COST), None);
    let column = one
        .metrics
        .iter()
        .find(|metric| metric.name == COST)
        .unwrap();
    assert_eq!(column.unit, "price units");
}

#[test]
fn the_first_answer_token_is_shown_only_where_reasoning_comes_before_it() {
    let is_shown = |report: &Report| report.metrics.iter().any(|m| m.name == FIRST_ANSWER);
    let plain = two_backends();
    assert!(!is_shown(&plain.report()));
    let mut run = Run::new(&["fast"], &[1], 1);
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 5,
        n: 8,
    };
    let mut reasoned = records("fast", 0, plan);
    // two tokens of reasoning
    for record in &mut reasoned {
        record.first_content_ns = record.first_output_ns.map(|first| first + 10_000_000);
    }
    // one answer never came to its text
    reasoned[7].first_content_ns = None;
    run.add(reasoned);
    let report = run.report();
    assert!(is_shown(&report));
    let row = report.row("fast", &Level::Concurrency(1)).unwrap();
    assert_eq!(row.typical("ttft_ms"), Some(10.0));
    assert_eq!(row.typical(FIRST_ANSWER), Some(20.0));
    assert_eq!(row.figures[FIRST_ANSWER].n, 7);
}

/// One backend at this price and in this currency, beside others.
fn priced_runs(each: &[(Option<f64>, Option<&str>)]) -> Report {
    let runs: Vec<Run> = each
        .iter()
        .map(|(price, currency)| {
            let mut run = Run::new(&["a"], &[1], 2);
            run.config.price_per_hour = *price;
            run.config.currency = currency.map(str::to_owned);
            for block in 0..2 {
                let plan = Timetable {
                    concurrency: 1,
                    ttft_ms: 10.0,
                    jitter_ms: 0.0,
                    gap_ms: 5.0,
                    tokens: 5,
                    n: 40,
                };
                run.add(records("a", block, plan));
            }
            run
        })
        .collect();
    several(&runs)
}

#[test]
fn runs_with_prices_in_one_currency_compare_in_it() {
    // 3.6 an hour against 7.2 at the same speed.
    let report = priced_runs(&[(Some(3.6), Some("EUR")), (Some(7.2), Some("EUR"))]);
    let column = report
        .metrics
        .iter()
        .find(|metric| metric.name == COST)
        .unwrap();
    assert_eq!(column.unit, "EUR");
    let costs = ["run 0", "run 1"].map(|run| value(&report, run, COST).unwrap());
    assert!((costs[1] - 2.0 * costs[0]).abs() < 1e-9, "{costs:?}");
}

#[test]
fn a_run_without_prices_takes_nothing_from_those_that_have_some() {
    for at in [0, 1] {
        let mut each = [(Some(3.6), Some("EUR")); 2];
        each[at] = (None, None);
        let report = priced_runs(&each);
        let column = report
            .metrics
            .iter()
            .find(|metric| metric.name == COST)
            .unwrap();
        assert_eq!(column.unit, "EUR");
        assert_eq!(value(&report, &format!("run {at}"), COST), None);
        assert!(value(&report, &format!("run {}", 1 - at), COST).is_some());
        assert!(!is_warned(&report));
    }
}

#[test]
fn prices_in_other_currencies_do_not_compare_and_that_is_said() {
    for other in [Some("USD"), None] {
        let report = priced_runs(&[(Some(3.6), Some("EUR")), (Some(3.6), other)]);
        assert!(report.metrics.iter().all(|metric| metric.name != COST));
        let runs = report.runs.as_ref().unwrap();
        assert_eq!(
            runs.other_currencies,
            ["EUR", other.unwrap_or("price units")]
        );
        assert!(is_warned(&report));
    }
}

fn is_warned(report: &Report) -> bool {
    let mut codes = report.warnings.iter().map(Warning::code);
    codes.any(|code| code == WarningCode::CurrenciesDiffer)
}
