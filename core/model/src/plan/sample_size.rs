//! Minimum sample sizes, shared by planning, reporting and verify.

use crate::config::{Config, Level, LoadConfig};

/// Successful requests from which on the median of a measurement (a backend at a
/// level in one repeat) means something.
pub const MIN_REQUESTS: u64 = 30;
/// Repeats from which on an interval is narrow enough to be useful.
pub const MIN_REPEATS: u32 = 3;
/// Share of a closed loop's measured requests that may end under falling load
/// without a warning. Up to two rounds of the slots may, where they do not end in
/// step, so that eight requests per slot are enough.
pub(crate) const TAIL_SHARE: f64 = 0.25;

/// Requests at a level that keep so many slots of a closed loop busy.
#[must_use]
pub fn requests_that_fill(slots: u32) -> u64 {
    8 * u64::from(slots)
}

/// What a config has too few of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFinding {
    /// Levels with more slots than there are requests.
    NeverFull(SlotSpan),
    /// Levels of which more than a quarter of the requests end under falling load.
    PartlyFull(SlotSpan),
    /// Repeats.
    FewRepeats {
        /// Repeats of the config.
        repeats: u32,
    },
    /// Requests of a level.
    FewRequests {
        /// Requests of the level that has the fewest.
        requests: u64,
    },
}

/// Levels of a closed loop that so few requests cannot keep busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotSpan {
    /// Requests of the highest such level.
    pub requests: u64,
    /// The lowest such level.
    pub least: u32,
    /// The highest.
    pub most: u32,
    /// Requests that keep the highest busy.
    pub enough: u64,
}

/// What a config's requests and repeats will be too few for, most severe first.
#[must_use]
pub fn forecast(config: &Config) -> Vec<SampleFinding> {
    let load = &config.load;
    let mut found = unfilled_levels(load);
    if config.repeats < MIN_REPEATS {
        let repeats = config.repeats;
        found.push(SampleFinding::FewRepeats { repeats });
    }
    let levels = load.levels().into_iter();
    let fewest = levels.filter_map(|level| load.requests_at(level)).min();
    if let Some(requests) = fewest.filter(|n| *n < MIN_REQUESTS) {
        found.push(SampleFinding::FewRequests { requests });
    }
    found
}

fn unfilled_levels(load: &LoadConfig) -> Vec<SampleFinding> {
    let filled = load.levels().into_iter().filter_map(|level| match level {
        Level::Concurrency(slots) => Some((slots, load.requests_at(level)?)),
        Level::RequestRate(_) | Level::TraceSpeed(_) => None,
    });
    let is_empty = |(slots, requests): &Filled| u64::from(*slots) > *requests;
    // Once the last request is sent, all slots but one end under falling load.
    let falls = |(slots, requests): &Filled| f64::from(*slots - 1) > TAIL_SHARE * *requests as f64;
    let (never, partly): (Vec<Filled>, Vec<Filled>) = filled
        .filter(|level| level.0 > 1 && falls(level))
        .partition(is_empty);
    let never = span(&never).map(SampleFinding::NeverFull);
    let partly = span(&partly).map(SampleFinding::PartlyFull);
    never.into_iter().chain(partly).collect()
}

/// Slots of a level, and its requests.
type Filled = (u32, u64);

fn span(levels: &[Filled]) -> Option<SlotSpan> {
    let least = levels.iter().map(|level| level.0).min()?;
    let (most, requests) = *levels.iter().max()?;
    Some(SlotSpan {
        requests,
        least,
        most,
        enough: requests_that_fill(most),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;
    use crate::config::load;

    fn forecast_for(levels: &str, requests: impl Display, repeats: u32) -> Vec<SampleFinding> {
        let text = format!(
            "name: x\nmodel: {{ id: m }}\nbackends:\n  - plugin: sim\nload: {{ {levels}, requests: {requests} }}\nrepeats: {repeats}\n"
        );
        forecast(&load("x.yaml", &text, &|_| None).unwrap().config)
    }

    fn unfilled(levels: &str, requests: u64) -> Vec<SampleFinding> {
        let found = forecast_for(levels, requests, 3).into_iter();
        found
            .filter(|f| !matches!(f, SampleFinding::FewRequests { .. }))
            .collect()
    }

    #[test]
    fn levels_with_more_slots_than_requests_are_never_full() {
        let span = SlotSpan {
            requests: 12,
            least: 16,
            most: 128,
            enough: 1024,
        };
        assert_eq!(
            unfilled("concurrency: [1, 4, 16, 128]", 12),
            [SampleFinding::NeverFull(span)]
        );
    }

    #[test]
    fn a_level_of_which_more_than_a_quarter_ends_under_falling_load_is_named() {
        // 5 of 20 end while the load falls, which is a quarter; 6 are more
        assert_eq!(unfilled("concurrency: [6]", 20), []);
        let span = SlotSpan {
            requests: 20,
            least: 7,
            most: 7,
            enough: 56,
        };
        assert_eq!(
            unfilled("concurrency: [7]", 20),
            [SampleFinding::PartlyFull(span)]
        );
        assert_eq!(unfilled("request_rate: [100]", 20), []);
    }

    #[test]
    fn requests_per_slot_fill_every_level_alike_and_the_lowest_has_fewest() {
        let found = |requests| forecast_for("concurrency: [1, 8, 64]", requests, 3);
        assert_eq!(found("{ per_slot: 8, min: 32 }"), []);
        assert_eq!(
            found("{ per_slot: 8 }"),
            [SampleFinding::FewRequests { requests: 8 }]
        );
        let span = SlotSpan {
            requests: 128,
            least: 64,
            most: 64,
            enough: 512,
        };
        assert_eq!(
            found("{ per_slot: 2, min: 32 }"),
            [SampleFinding::PartlyFull(span)]
        );
    }

    #[test]
    fn too_few_repeats_and_requests_are_noted() {
        assert_eq!(forecast_for("concurrency: [1]", 30, 3), []);
        assert_eq!(
            forecast_for("concurrency: [1]", 29, 2),
            [
                SampleFinding::FewRepeats { repeats: 2 },
                SampleFinding::FewRequests { requests: 29 }
            ]
        );
    }
}
