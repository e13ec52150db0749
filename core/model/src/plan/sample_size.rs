//! Minimum sample sizes, shared by planning, reporting and verify.

use crate::config::{Config, Level, LoadConfig};
use crate::text::number::grouped;

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

/// What a run's sample will be too small for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleForecast {
    /// Levels that will not reach their load.
    pub warnings: Vec<String>,
    /// What the verdicts will lack.
    pub notes: Vec<String>,
}

/// What a config's requests and repeats will be too few for.
#[must_use]
pub fn forecast(config: &Config) -> SampleForecast {
    let load = &config.load;
    let mut notes = Vec::new();
    notes.extend(match config.repeats {
        1 => Some(format!(
            "repeats is 1: there will be figures and no verdict, and from {MIN_REPEATS} on verdicts rest on more than guesswork (rule V13 of verify)"
        )),
        n if n < MIN_REPEATS => Some(format!(
            "repeats is {n}: most verdicts will be inconclusive, from {MIN_REPEATS} on they rest on more than guesswork (rule V13 of verify)"
        )),
        _ => None,
    });
    if let Some(n) = load.requests
        && n < MIN_REQUESTS
    {
        notes.push(format!(
            "load.requests is {n}: from {MIN_REQUESTS} on a median means something (rule V09 of verify)"
        ));
    }
    SampleForecast {
        warnings: fill_warnings(load),
        notes,
    }
}

/// Levels of a closed loop that so few requests cannot keep busy.
fn fill_warnings(load: &LoadConfig) -> Vec<String> {
    let Some(n) = load.requests else {
        return Vec::new();
    };
    let slots = load.levels().into_iter().filter_map(|level| match level {
        Level::Concurrency(slots) => Some(slots),
        Level::RequestRate(_) => None,
    });
    let slots: Vec<u32> = slots.collect();
    let is_empty = |slots: &u32| u64::from(*slots) > n;
    // Once the last request is sent, the requests in all other slots end under falling load.
    let falls = |slots: &u32| f64::from(*slots - 1) > TAIL_SHARE * n as f64;
    let (never, partly): (Vec<u32>, Vec<u32>) = slots
        .into_iter()
        .filter(|slots| *slots > 1 && falls(slots))
        .partition(is_empty);
    let n = grouped(n);
    let mut found = Vec::new();
    if let Some((span, enough)) = span(&never) {
        found.push(format!(
            "load.requests: {n} requests cannot fill {span}: the level is never reached; give {enough} or more"
        ));
    }
    if let Some((span, enough)) = span(&partly) {
        found.push(format!(
            "load.requests: of {n} requests at {span} more than a quarter will end while the load is falling; give {enough} or more"
        ));
    }
    found
}

/// `concurrency 16 to 128`, and the requests that keep the highest busy.
fn span(slots: &[u32]) -> Option<(String, String)> {
    let (least, most) = (slots.iter().min()?, slots.iter().max()?);
    let span = match least == most {
        true => format!("concurrency {least}"),
        false => format!("concurrency {least} to {most}"),
    };
    Some((span, grouped(requests_that_fill(*most))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn forecast_of(levels: &str, requests: u64, repeats: u32) -> SampleForecast {
        let text = format!(
            "name: x\nmodel: {{ id: m }}\nbackends:\n  - plugin: sim\nload: {{ {levels}, requests: {requests} }}\nrepeats: {repeats}\n"
        );
        forecast(&load("x.yaml", &text, &|_| None).unwrap().config)
    }

    #[test]
    fn levels_with_more_slots_than_requests_are_never_at_their_load() {
        assert_eq!(
            forecast_of("concurrency: [1, 4, 16, 128]", 12, 3).warnings,
            [
                "load.requests: 12 requests cannot fill concurrency 16 to 128: the level is never reached; give 1\u{202f}024 or more"
            ]
        );
    }

    #[test]
    fn a_level_of_which_a_quarter_ends_under_falling_load_is_told() {
        // 5 of 20 end while the load falls, which is a quarter; 6 are more
        assert_eq!(forecast_of("concurrency: [6]", 20, 3).warnings, [""; 0]);
        assert_eq!(
            forecast_of("concurrency: [7]", 20, 3).warnings,
            [
                "load.requests: of 20 requests at concurrency 7 more than a quarter will end while the load is falling; give 56 or more"
            ]
        );
        assert_eq!(forecast_of("request_rate: [100]", 20, 3).warnings, [""; 0]);
    }

    #[test]
    fn too_few_repeats_and_requests_are_noted_with_the_rule_that_flags_them() {
        assert_eq!(
            forecast_of("concurrency: [1]", 30, 3),
            SampleForecast::default()
        );
        let few = forecast_of("concurrency: [1]", 29, 2);
        assert!(few.notes[0].starts_with("repeats is 2: most verdicts"));
        assert!(few.notes[0].ends_with("(rule V13 of verify)"));
        assert!(few.notes[1].ends_with("(rule V09 of verify)"));
        let one = forecast_of("concurrency: [1]", 30, 1);
        assert!(one.notes[0].starts_with("repeats is 1: there will be figures and no verdict"));
    }
}
