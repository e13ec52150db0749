//! Sentences of warnings about the load.

use std::collections::BTreeMap;

use crate::facts::warning::WarningKind;
use crate::report::figures::columns::lower_label;
use crate::text::number::{grouped, percent, with_unit};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_offered(kind)
        .or_else(|| of_requests(kind))
        .or_else(|| of_steadiness(kind))
}

/// What was offered.
fn of_offered(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::FewerInFlight { in_flight, asked } => {
            format!("{in_flight:.1} requests were in flight on average, {asked} were asked")
        }
        WarningKind::FewerSent {
            planned_per_s,
            sent_per_s,
        } => format!(
            "{planned_per_s:.1} requests/s were planned, {sent_per_s:.1} were sent: latencies from sending are a lower bound"
        ),
        WarningKind::SendsHeldBack {
            sends,
            requests,
            mean_ms,
            longest_ms,
        } => format!(
            "{} of {} sends waited for a free place under max_in_flight, for {} on average and up to {}: the load was lower than its rate says",
            grouped(*sends),
            grouped(*requests),
            with_unit(*mean_ms, "ms"),
            with_unit(*longest_ms, "ms")
        ),
        WarningKind::NoWindow => {
            "no measured window: nothing was measured under steady load".to_owned()
        }
        WarningKind::FallingLoad {
            requests,
            of_requests,
            enough,
        } => format!(
            "{requests} of {of_requests} requests ended while the load was falling, for want of more: {enough} or more a level keep it up"
        ),
        _ => return None,
    })
}

/// What became of the requests.
fn of_requests(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::RequestsFailed {
            failed,
            requests,
            by_reason,
        } => failed_requests(*failed, *requests, by_reason),
        WarningKind::RequestsResent { resent, requests } => format!(
            "{resent} of {requests} requests went out on a kept connection that the server had closed without a word: each was sent again, once, on a new one, and timed from there"
        ),
        WarningKind::ClassStarves {
            class,
            share,
            other,
            other_share,
        } => format!(
            "class {class} starves: {:.0} % of its requests were served as they should be, of {other} {:.0} %",
            share * 100.0,
            other_share * 100.0
        ),
        WarningKind::ReplicaFails {
            replica,
            failed,
            requests,
        } => format!(
            "replica {replica} failed {} of its {} requests, the others fewer",
            grouped(*failed),
            grouped(*requests)
        ),
        WarningKind::ReplicasDiffer {
            what,
            one,
            one_says,
            other,
            other_says,
        } => format!(
            "its replicas differ in {what}: {one} says {one_says}, {other} says {other_says}"
        ),
        _ => return None,
    })
}

/// Whether the load held still.
fn of_steadiness(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::NotSteady {
            series,
            change,
            repeats,
            of_repeats,
        } => {
            let moves = moves(series, *change, (*repeats, *of_repeats));
            format!("not steady: {moves}; warm up longer (load.warmup_requests) and measure longer")
        }
        WarningKind::MayNotBeSteady {
            series,
            change,
            repeats,
            of_repeats,
        } => {
            let moves = moves(series, *change, (*repeats, *of_repeats));
            format!(
                "steady or not cannot be told: {moves}, and requests that depend on each other as much as these give that by chance; measure longer"
            )
        }
        WarningKind::MachineDrifted {
            run,
            metric,
            ratio,
            low,
            high,
            pairs: _,
            starts,
        } => {
            let run = run
                .as_ref()
                .map_or_else(String::new, |run| format!("{run}: "));
            let drift = drift(metric, [*ratio, *low, *high], *starts);
            format!("{run}the machine drifted: {drift}")
        }
        _ => return None,
    })
}

/// `output throughput of the last repeat is 6 % lower than that of the first
/// (95 %: 8 % lower to 4 % lower, over 10 starts)`.
pub(in super::super) fn drift(metric: &str, [ratio, low, high]: [f64; 3], starts: u64) -> String {
    let change = |ratio: f64| {
        let percent = (ratio - 1.0) * 100.0;
        let way = if percent < 0.0 { "lower" } else { "higher" };
        format!("{:.1} % {way}", percent.abs())
    };
    format!(
        "{} of the last repeat is {} than that of the first (95 %: {} to {}, over {starts} starts)",
        lower_label(metric),
        change(ratio),
        change(low),
        change(high),
    )
}

/// `3 of 40 requests failed (2 timeout, 1 server_error)`.
fn failed_requests(failed: u64, requests: u64, by_reason: &BTreeMap<String, u64>) -> String {
    let reasons = by_reason.iter();
    let reasons: Vec<String> = reasons.map(|(why, n)| format!("{n} {why}")).collect();
    format!(
        "{failed} of {requests} requests failed ({})",
        reasons.join(", ")
    )
}

/// `time to first token rises by 14 % over the measured time in 2 of 3 repeats`.
fn moves(series: &str, change: f64, (repeats, of_repeats): (u64, u64)) -> String {
    let what = match series {
        "ttft_ms" => "time to first token",
        "tpot_ms" => "time per output token",
        _ => "output tokens per second",
    };
    let way = if change > 0.0 { "rises" } else { "falls" };
    let repeats = match of_repeats {
        1 => String::new(),
        all => format!(" in {repeats} of {all} repeats"),
    };
    let change = percent(change.abs());
    format!("{what} {way} by {change} over the measured time{repeats}")
}
