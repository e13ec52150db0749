//! Checks of `tune`.

use super::found::Found;
use super::search;
use crate::config::{Config, Devices, Level, Objective, TuneConfig};

/// Fewest and most points of a sweep that are measured in full.
const FINALISTS: std::ops::RangeInclusive<u32> = 2..=10;

/// Checks the tuning of a run, if it has one.
pub(super) fn check(config: &Config, found: &mut Found) {
    let Some(tune) = &config.tune else {
        return;
    };
    if !config.backends.iter().any(|b| b.point.is_some()) {
        found.add_hint(
            "tune",
            "is set, but no backend has a `sweep`: there is nothing to choose from",
            Some("give a backend a sweep: { options.NAME: [VALUE, VALUE] }"),
        );
    }
    if !FINALISTS.contains(&tune.finalists) {
        let fact = format!("is {}, must be 2 to 10", tune.finalists);
        found.add("tune.finalists", fact);
    }
    if tune.budget.is_some_and(|budget| budget.0.is_zero()) {
        found.add("tune.budget", "is 0, must be above 0");
    }
    check_objective(tune, config, found);
    if config
        .load
        .search
        .as_ref()
        .is_some_and(|search| search.budget.is_some())
    {
        let hint = Some("set tune.budget: it is for the whole run");
        found.add_hint("load.search.budget", "is set beside `tune`", hint);
    }
    let load = &config.load;
    if load.requests.is_none() && load.duration.is_none() {
        found.add_hint(
            "load",
            "has neither `requests` nor `duration`, of which a look takes a part",
            Some("set load.requests, and use other arrivals than those of a trace"),
        );
    }
    if let Some(slo) = &tune.slo {
        let fewest = load.levels().into_iter();
        let fewest = fewest.filter_map(|level| load.requests_at(level)).min();
        search::check_slo("tune.slo", slo, fewest, found);
    }
}

/// Whether the objective can be had with this load.
fn check_objective(tune: &TuneConfig, config: &Config, found: &mut Found) {
    let load = &config.load;
    let is_search = load.search.is_some();
    if load
        .search
        .as_ref()
        .is_some_and(|search| !search.finds_capacity())
    {
        let fact = "looks for a bend, but points are compared at levels that all of them have";
        let hint = Some("list the levels: load.concurrency: [64]");
        found.add_hint("load.search", fact, hint);
        return;
    }
    match (tune.objective, is_search) {
        (Objective::Capacity, false) => found.add_hint(
            "tune.objective",
            "is capacity, but the load is no search for it",
            Some("set load.search: { over: request_rate, slo: { ttft_ms: { p99: 500 } } }"),
        ),
        (Objective::Capacity, true) if tune.slo.is_some() => found.add(
            "tune.slo",
            "is set, but what must hold is in `load.search.slo`",
        ),
        (Objective::Throughput | Objective::TokensPerJoule, true) => found.add_hint(
            "tune.objective",
            "is not capacity, but the load is a search for it",
            Some("set tune.objective: capacity, or list the levels of the load"),
        ),
        _ => {}
    }
    let is_paced = |level: &Level| level.is_timed();
    let is_offered = load.levels().iter().any(is_paced);
    if tune.objective == Objective::Throughput && tune.slo.is_none() && is_offered {
        found.add_hint(
            "tune.objective",
            "is throughput, which at a request rate is what is offered",
            Some(
                "set tune.slo, to have the most that keeps it, or load.concurrency in place of the rate",
            ),
        );
    }
    if tune.objective == Objective::TokensPerJoule && config.gpu.devices == Devices::None {
        let fact = "is none, but the objective needs the energy of the GPUs";
        found.add("gpu.devices", fact);
    }
}
