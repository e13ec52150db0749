//! Checks of `load.search`.

use super::found::Found;
use crate::config::{Config, LoadConfig, PercentileLimits, SearchConfig, SearchOver, SearchSlo};

/// Smallest and largest tolerance: closer cannot be told, and farther says nothing.
const TOLERANCE: (f64, f64) = (0.01, 0.5);

/// Checks the search of a run.
pub(super) fn check(search: &SearchConfig, load: &LoadConfig, found: &mut Found) {
    check_range(search, found);
    let tolerance = search.tolerance.0;
    if !(TOLERANCE.0..=TOLERANCE.1).contains(&tolerance) {
        let fact = format!("is {}, must be 1% to 50%", search.tolerance);
        found.add("load.search.tolerance", fact);
    }
    if search.budget.is_some_and(|budget| budget.0.is_zero()) {
        found.add("load.search.budget", "is 0, must be above 0");
    }
    if load.shape.is_some() {
        let fact = "is set, but a search needs a load that stays as it is while it is measured";
        found.add("load.shape", fact);
    }
    if !search.finds_capacity() {
        check_bend(search, found);
        return;
    }
    let fewest = load.requests_at(search.level(search.from.max(1.0)));
    check_slo("load.search.slo", &search.slo, fewest, found);
    check_fills(search, load, found);
}

/// Refuses a backend that takes less than the smallest load that a search tries.
pub(super) fn check_backends(config: &Config, found: &mut Found) {
    let Some(search) = config
        .load
        .search
        .as_ref()
        .filter(|_| config.load.is_closed())
    else {
        return;
    };
    for (index, backend) in config.backends.iter().enumerate() {
        if let Some(most) = backend.max_concurrency
            && f64::from(most) < search.from
        {
            found.add(
                &format!("backends.{index}.max_concurrency"),
                format!(
                    "is {most}, must be `load.search.from`, {}, or more",
                    search.from
                ),
            );
        }
    }
}

/// A bend is no promise, and comes to its end by itself.
fn check_bend(search: &SearchConfig, found: &mut Found) {
    if search.slo.each().next().is_some() {
        let fact = "is set, but a bend is found by throughput alone";
        let hint = Some("leave `find` out: then the largest load that keeps it is found");
        found.add_hint("load.search.slo", fact, hint);
    }
    if search.budget.is_some() {
        let fact = "is set, but a bend takes a few levels, as many in every repeat";
        found.add("load.search.budget", fact);
    }
}

/// Enough requests that the largest load comes about at all.
fn check_fills(search: &SearchConfig, load: &LoadConfig, found: &mut Found) {
    let Some(requests) = load.requests_at(search.level(search.to)) else {
        return;
    };
    if search.over == SearchOver::Concurrency && (requests as f64) < 2.0 * search.to {
        found.add_hint(
            "load.requests",
            format!(
                "is {requests} at {} requests in flight, must be twice as many or more: the load would fall before it was there",
                search.to
            ),
            Some("set requests: {per_slot: 8, min: 100}, or lower load.search.to"),
        );
    }
}

fn check_range(search: &SearchConfig, found: &mut Found) {
    let (from, to) = (search.from, search.to);
    let is_whole = |load: f64| search.over == SearchOver::RequestRate || load.fract() == 0.0;
    for (key, load) in [("load.search.from", from), ("load.search.to", to)] {
        if !(load > 0.0 && load <= 1e6) {
            found.add(
                key,
                format!("is {load}, must be above 0 and at most 1000000"),
            );
        } else if !is_whole(load) {
            found.add(
                key,
                format!("is {load}, must be a whole number of requests in flight"),
            );
        }
    }
    if from >= to {
        found.add(
            "load.search.to",
            format!("is {to}, must be above `from`, {from}"),
        );
    }
}

/// Limits of percentiles, at `path`, of which each cell has `fewest` requests or more.
pub(super) fn check_slo(path: &str, slo: &SearchSlo, fewest: Option<u64>, found: &mut Found) {
    let mut limits = 0;
    for (metric, percentiles) in slo.each() {
        limits += percentiles.each().count();
        check_percentiles((path, metric), percentiles, fewest, found);
    }
    if limits == 0 {
        found.add_hint(
            path,
            "has no limit of a latency: nothing would break",
            Some("set slo: {ttft_ms: {p99: 500}}"),
        );
    }
}

fn check_percentiles(
    (path, metric): (&str, &str),
    percentiles: PercentileLimits,
    fewest: Option<u64>,
    found: &mut Found,
) {
    for (p, limit) in percentiles.each() {
        let path = format!("{path}.{metric}.p{p}");
        if !(limit > 0.0 && limit.is_finite()) {
            found.add(&path, format!("is {limit}, must be above 0 ms"));
        }
        let needed = SearchSlo::needed_for(p);
        // One gap of an answer is one value; requests are counted where they are one each.
        if metric != "itl_ms" && fewest.is_some_and(|fewest| fewest < needed) {
            let fewest = fewest.unwrap_or(0);
            found.add_hint(
                &path,
                format!("is of {fewest} requests, and a p{p} needs {needed} or more"),
                Some("raise load.requests, or limit a lower percentile"),
            );
        }
    }
}
