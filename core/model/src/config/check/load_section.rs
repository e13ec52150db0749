//! Checks of the section `load`: which keys go together, and their limits.

use super::found::Found;
use super::{search, shape};
use crate::config::{Arrivals, Level, LoadConfig, Requests, WorkloadConfig};

/// Checks the whole section.
pub(super) fn check(load: &LoadConfig, workload: &WorkloadConfig, found: &mut Found) {
    check_kind(load, found);
    check_levels(load, found);
    // A trace ends by itself.
    if load.requests.is_none() && load.duration.is_none() && !load.replays_trace() {
        found.add(
            "load",
            "has neither `requests` nor `duration`, must have one to end",
        );
    }
    check_requests(load, found);
    for (key, value) in [
        ("load.duration", load.duration),
        ("load.timeout", Some(load.timeout)),
        ("load.idle_timeout", load.idle_timeout),
        ("load.ramp_up", load.ramp_up),
    ] {
        if value.is_some_and(|d| d.0.is_zero()) {
            found.add(key, "is 0, must be above 0");
        }
    }
    check_burstiness(load, found);
    check_trace(load, workload, found);
    check_kinds_own(load, found);
    shape::check(load, found);
    if let Some(search) = &load.search {
        search::check(search, load, found);
    }
}

/// A run is of one kind of load.
fn check_kind(load: &LoadConfig, found: &mut Found) {
    let kinds = [
        ("concurrency", load.concurrency.is_some()),
        ("request_rate", load.request_rate.is_some()),
        ("speed", load.speed.is_some()),
        ("search", load.search.is_some()),
    ];
    let given: Vec<&str> = kinds.iter().filter(|kind| kind.1).map(|k| k.0).collect();
    match given.as_slice() {
        [_] => {}
        [] if load.replays_trace() => found.add_hint(
            "load",
            "has no `speed`, arrivals of a trace need it",
            Some("for the recorded times set load.speed: 1"),
        ),
        [] => found.add_hint(
            "load",
            "has neither `concurrency` nor `request_rate` nor `search`, must have one",
            Some("for a closed loop set load.concurrency: [1, 2, 4, 8]"),
        ),
        [one, other] => found.add(
            "load",
            format!(
                "has both `{one}` and `{other}`, must have one: a run is a closed loop or an open one"
            ),
        ),
        several => found.add(
            "load",
            format!("has `{}`, must have one of them", several.join("`, `")),
        ),
    }
}

fn check_burstiness(load: &LoadConfig, found: &mut Found) {
    match (load.arrivals, load.burstiness) {
        (Arrivals::Gamma, None) => {
            found.add("load.burstiness", "is missing, gamma arrivals need it");
        }
        (Arrivals::Gamma, Some(b)) if !(b > 0.0 && b.is_finite()) => {
            found.add("load.burstiness", format!("is {b}, must be above 0"));
        }
        (Arrivals::Poisson | Arrivals::Constant | Arrivals::Trace, Some(_)) => {
            found.add(
                "load.burstiness",
                "is set, but only gamma arrivals have one",
            );
        }
        _ => {}
    }
}

/// A trace has times of its own, and a speed.
fn check_trace(load: &LoadConfig, workload: &WorkloadConfig, found: &mut Found) {
    if load.speed.is_some() && !load.replays_trace() {
        found.add_hint(
            "load.speed",
            "is set, but only the times of a trace can be replayed faster",
            Some("set load.arrivals: trace"),
        );
    }
    if !load.replays_trace() {
        return;
    }
    let is_set = load.concurrency.is_some() || load.request_rate.is_some();
    if load.speed.is_none() && (is_set || load.search.is_some()) {
        found.add_hint(
            "load.arrivals",
            "is trace, but how many requests there are at a time is set too",
            Some("set load.speed in place of load.concurrency or load.request_rate"),
        );
    }
    if workload.is_mixture() {
        let fact = "is trace, but classes with a workload each have no common times";
        found.add("load.arrivals", fact);
    } else if !workload.prompts.lists_rows() {
        found.add_hint(
            "load.arrivals",
            format!(
                "is trace, but `{}` prompts are no rows of a file that have times",
                workload.prompts.name()
            ),
            Some("set workload.prompts to trace, or to jsonl with `timestamp` in its rows"),
        );
    }
}

/// What only a closed loop or only an open one has.
fn check_kinds_own(load: &LoadConfig, found: &mut Found) {
    let is_closed = load.is_closed();
    if load.ramp_up.is_some() && !is_closed {
        found.add_hint(
            "load.ramp_up",
            "is set, but only a closed loop has slots that begin one after the other",
            Some("for a rate that rises set load.shape: {ramp: {from: 0.1, to: 1, over: 30s}}"),
        );
    }
    match load.max_in_flight {
        Some(0) => found.add("load.max_in_flight", "is 0, must be 1 or more"),
        Some(most) if is_closed => found.add(
            "load.max_in_flight",
            format!(
                "is {most}, but a closed loop never has more in flight than `concurrency` says"
            ),
        ),
        _ => {}
    }
}

fn check_requests(load: &LoadConfig, found: &mut Found) {
    let counts = match load.requests {
        None => return,
        Some(Requests::Fixed(requests)) => vec![("load.requests", requests)],
        Some(Requests::PerSlot { per_slot, min }) => vec![
            ("load.requests.per_slot", per_slot),
            ("load.requests.min", min),
        ],
    };
    for (key, _) in counts.iter().filter(|(_, count)| *count == 0) {
        found.add(key, "is 0, must be 1 or more");
    }
    let without_slots = match (&load.speed, load.is_closed()) {
        (_, true) => return,
        (None, false) => "a request rate has no slots",
        (Some(_), false) => "the speed of a trace has no slots",
    };
    if counts.len() > 1 {
        found.add_hint(
            "load.requests",
            format!("has `per_slot`, but {without_slots}"),
            Some("give a number, or set load.duration: every level then lasts as long"),
        );
    }
}

fn check_levels(load: &LoadConfig, found: &mut Found) {
    let levels = load.levels();
    for (key, listed) in [
        ("load.concurrency", load.concurrency.as_ref().map(Vec::len)),
        (
            "load.request_rate",
            load.request_rate.as_ref().map(Vec::len),
        ),
        ("load.speed", load.speed.as_ref().map(Vec::len)),
    ] {
        if listed == Some(0) {
            found.add(key, "is empty, must list at least one level");
        }
    }
    for (index, level) in levels.iter().enumerate() {
        let (key, value, limit) = match level {
            Level::Concurrency(n) => (
                "load.concurrency",
                f64::from(*n),
                "1 request in flight or more",
            ),
            Level::RequestRate(rate) => ("load.request_rate", rate.0, "above 0 requests/s"),
            Level::TraceSpeed(speed) => ("load.speed", speed.0, "above 0 and finite"),
        };
        let path = format!("{key}.{index}");
        let is_endless = value.is_infinite() && matches!(level, Level::TraceSpeed(_));
        if value <= 0.0 || value.is_nan() || is_endless {
            found.add(&path, format!("is {value}, must be {limit}"));
        } else if value.is_infinite() && load.requests.is_none() {
            found.add(
                &path,
                "is inf, which needs `load.requests`: how many to send at once",
            );
        }
        if levels[..index].contains(level) {
            found.add(
                &path,
                format!("is {}, which is already in the list", level.value_text()),
            );
        }
    }
}
