//! Of one backend and its server: how it started, what it was asked for, its caches and
//! its counters.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Level};
use crate::facts::manifest::Manifest;
use crate::facts::warning::{Warning, WarningKind};
use crate::plan::asked;
use crate::report::data::Report;
use crate::report::kv::KvUse;

pub(super) fn of_starts(report: &Report) -> Vec<Warning> {
    let mut found: Vec<Warning> = Vec::new();
    for backend in &report.backends {
        for failure in &backend.failures {
            let known = failure.known_cause.as_ref();
            let kind = WarningKind::BackendFailed {
                cause: failure.cause.clone(),
                known_cause: known.map(|known| known.name.clone()),
            };
            let warning = Warning::about(&backend.label, kind);
            if !found.contains(&warning) {
                found.push(warning);
            }
        }
    }
    found
}

/// What backends were asked for that they cannot do, or that says little.
pub(super) fn of_what_was_asked(report: &Report, manifest: &Manifest) -> Vec<Warning> {
    // A report of several runs has none of their configs.
    let Ok(config) = serde_json::from_value::<Config>(manifest.config.clone()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for backend in &report.backends {
        let mut add = |kind| found.push(Warning::about(&backend.label, kind));
        let entry = config.backends.iter().find(|b| b.label() == backend.label);
        let most = entry.and_then(|entry| entry.max_concurrency);
        let levels = asked::levels_with_several(&config.load, most);
        if backend.one_request_at_a_time && levels > 0 {
            add(WarningKind::OneRequestAtATime { levels });
        }
        let command = backend.command.as_deref().unwrap_or_default();
        let accepted_ratio = backend.draft_acceptance_ratio;
        let speculates = asked::is_speculative(command) || accepted_ratio.is_some();
        if speculates && asked::is_hard_to_guess(&config) {
            add(WarningKind::SpeculationOnRandomPrompts);
        }
        if let Some(accepted_ratio) = accepted_ratio {
            add(WarningKind::SpeculationAcceptance { accepted_ratio });
        }
    }
    found
}

/// About a backend that is measured alone; of several, fairness says it.
pub(super) fn of_caches(report: &Report) -> Vec<Warning> {
    if report.measured().len() > 1 {
        return Vec::new();
    }
    let cached = report.backends.iter().filter_map(|backend| {
        let audit = backend
            .cache_audit
            .as_ref()
            .filter(|audit| audit.is_cached())?;
        let kind = WarningKind::AnswersCached {
            ratio: audit.ratio,
            low: audit.low,
            high: audit.high,
            prefix_cache: audit.prefix_cache,
        };
        Some(Warning::about(&backend.label, kind))
    });
    cached.collect()
}

/// Where a server's counters went back.
pub(super) fn of_counters(report: &Report) -> Vec<Warning> {
    let usage: Vec<&KvUse> = report.kv.iter().flat_map(|kv| &kv.usage).collect();
    let each = report.backends.iter().filter_map(|backend| {
        let own = usage
            .iter()
            .filter(|usage| usage.backend == backend.label && !usage.counters_went_back.is_empty());
        let levels: Vec<Level> = own.clone().map(|usage| usage.level).collect();
        let counters: BTreeSet<String> = own
            .flat_map(|usage| usage.counters_went_back.clone())
            .collect();
        let kind = WarningKind::CountersWentBack {
            counters: counters.into_iter().collect(),
        };
        (!levels.is_empty()).then(|| Warning::about(&backend.label, kind).at(levels))
    });
    each.collect()
}

/// Where the KV cache was the limit.
pub(super) fn of_kv(report: &Report) -> Vec<Warning> {
    let mut by_backend: BTreeMap<usize, (Vec<Level>, f64, f64)> = BTreeMap::new();
    let usage = report.kv.iter().flat_map(|kv| &kv.usage);
    let mut order: Vec<&str> = Vec::new();
    for usage in usage.filter(|usage| usage.is_pressed()) {
        if !order.contains(&usage.backend.as_str()) {
            order.push(&usage.backend);
        }
        let place = order.iter().position(|label| *label == usage.backend);
        let known = by_backend.entry(place.unwrap_or_default()).or_default();
        known.0.push(usage.level);
        known.1 = known.1.max(usage.peak_usage_ratio.unwrap_or(0.0));
        known.2 += usage.preemptions.unwrap_or(0.0);
    }
    let each = by_backend
        .into_iter()
        .map(|(place, (levels, peak, preempted))| {
            let kind = WarningKind::KvCacheFull {
                peak_usage_ratio: (peak > 0.0).then_some(peak),
                preemptions: (preempted > 0.0).then_some(preempted),
            };
            Warning::about(order[place], kind).at(levels)
        });
    each.collect()
}
