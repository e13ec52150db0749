//! What a search has found, in sentences.

use super::wording::listed;
use crate::cell::promise::Broken;
use crate::config::SearchOver;
use crate::report::Report;
use crate::report::figures::capacity::{Capacity, SearchEnd};
use crate::report::figures::columns::label;
use crate::text::number::{counted, percent, three_digits, with_unit};

/// Puts what a search has found of each backend into words.
pub(super) fn write(all: &mut [Capacity]) {
    for capacity in all {
        capacity.text = sentence(capacity);
        for level in &mut capacity.levels {
            let words: Vec<String> = level.broken.iter().map(broken).collect();
            level.text = words.join("; ");
        }
    }
}

/// Who bears most, then a sentence for each backend; empty without a search.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let mut sentences: Vec<String> = most(&report.capacity).into_iter().collect();
    sentences.extend(report.capacity.iter().map(|capacity| capacity.text.clone()));
    sentences.extend(report.capacity.iter().flat_map(ends));
    let repeats = report
        .capacity
        .iter()
        .map(|capacity| capacity.repeats.len());
    if repeats.max().is_some_and(|repeats| repeats < 2) {
        let words =
            "Each edge was looked at once: set repeats to 3 to see it again on fresh servers.";
        sentences.push(words.to_owned());
    }
    sentences
}

fn sentence(capacity: &Capacity) -> String {
    let Capacity { backend, over, .. } = capacity;
    let load = |load: f64| load_words(*over, load);
    let repeats = match capacity.repeats.len() {
        1 => String::new(),
        2 => " in both repeats".to_owned(),
        n => format!(" in all {n} repeats"),
    };
    let bears = match (capacity.low, capacity.high) {
        (Some(low), Some(high)) => format!(
            "{backend} keeps the promise up to {}{repeats}, and breaks it from {} on",
            load(low),
            load(high)
        ),
        (Some(low), None) => format!(
            "{backend} keeps the promise at {}, and no load was found that breaks it{repeats}",
            load(low)
        ),
        (None, Some(high)) => format!(
            "{backend} breaks the promise at {} already, and no load was found that keeps it{repeats}",
            load(high)
        ),
        (None, None) => format!("{backend} keeps the promise in some repeats and in others not"),
    };
    let why = capacity.limited_by.iter().map(broken);
    let why: Vec<String> = why.collect();
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {}", listed(&why)),
    };
    format!("{bears}{why}.")
}

/// What speaks against the answer of a backend.
fn ends(capacity: &Capacity) -> Vec<String> {
    let backend = &capacity.backend;
    let ended = |end| capacity.repeats.iter().any(|own| own.end == end);
    let mut sentences = Vec::new();
    if ended(SearchEnd::OutOfTime) {
        let words = "its budget was spent before the search had closed in";
        sentences.push(format!("{backend}: {words}."));
    }
    if ended(SearchEnd::CutOff) {
        sentences.push(format!("{backend}: the search was cut off."));
    }
    let doubtful = capacity.levels.iter().filter(|level| !level.trustworthy);
    let doubtful = doubtful.count();
    if doubtful > 0 {
        let measurements = counted(capacity.levels.len() as u64, "measurement");
        sentences.push(format!(
            "{backend}: {doubtful} of {measurements} cannot be trusted, see the warnings."
        ));
    }
    sentences
}

/// Who bears most, where the loads of two backends do not overlap.
fn most(all: &[Capacity]) -> Option<String> {
    let mut known: Vec<(&Capacity, f64)> = all
        .iter()
        .filter_map(|capacity| Some((capacity, capacity.low?)))
        .collect();
    known.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(best, best_low), (second, second_low), ..] = known.as_slice() else {
        return None;
    };
    let (best_name, second_name) = (&best.backend, &second.backend);
    let is_sure = second.high.is_some_and(|high| *best_low >= high);
    Some(match is_sure {
        true => format!(
            "{best_name} bears most: {}, {} times what {second_name} does.",
            load_words(best.over, *best_low),
            three_digits(best_low / second_low)
        ),
        false => format!("{best_name} and {second_name} cannot be told apart by what they bear."),
    })
}

/// A load with its unit.
pub(super) fn load_words(over: SearchOver, load: f64) -> String {
    match over {
        SearchOver::Concurrency => format!("{} at once", counted(load as u64, "request")),
        SearchOver::RequestRate => format!("{} requests/s", three_digits(load)),
    }
}

/// What did not hold, in a few words.
fn broken(broken: &Broken) -> String {
    match broken {
        Broken::Latency {
            metric,
            percentile,
            value_ms,
            limit_ms,
        } => {
            let value = value_ms.map_or_else(|| "unknown".to_owned(), |ms| with_unit(ms, "ms"));
            let limit = with_unit(*limit_ms, "ms");
            let metric = label(metric).to_lowercase();
            format!("{metric} (p{percentile}) is {value}, promised was {limit} at most")
        }
        Broken::Failed { share, limit } => format!(
            "{} of the requests failed, promised was {} at most",
            percent(*share),
            percent(*limit)
        ),
        Broken::FallsBehind {
            offered_per_s,
            completed_per_s,
        } => format!(
            "of {} requests/s only {} were completed",
            three_digits(*offered_per_s),
            three_digits(*completed_per_s)
        ),
        Broken::QueueGrows { change } => format!(
            "the queue grew: ttft_ms rose by {} through the measurement",
            percent(*change)
        ),
    }
}
