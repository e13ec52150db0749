//! The largest numbers and the longest names that a config may have: far beyond what can
//! be measured, and well below what memory and clocks can hold. A stored run's config is
//! held against them too.

use super::found::Found;
use crate::config::{Config, Level, LoadConfig};

/// Repeats of a run.
const MOST_REPEATS: u32 = 1_000;
/// Backends of a run.
const MOST_BACKENDS: usize = 100;
/// Levels of a run.
const MOST_LEVELS: usize = 1_000;
/// Requests in flight at a level.
const MOST_IN_FLIGHT: u32 = 1_000_000;
/// Requests per second of a level.
const MOST_RATE_PER_S: f64 = 1_000_000.0;
/// Requests of a measurement, measured or before that.
const MOST_REQUESTS: u64 = 10_000_000;
/// Requests that are sent at once, at a rate of `inf`.
const MOST_AT_ONCE: u64 = 100_000;
/// Bytes of the run's name, which becomes that of a folder with a time behind it.
const MOST_NAME_BYTES: usize = 150;
/// Bytes of a label.
const MOST_LABEL_BYTES: usize = 100;

/// Finds what is beyond a limit.
pub(super) fn check(config: &Config, found: &mut Found) {
    check_names(config, found);
    let above = |n: u64, most: u64| format!("is {n}, must be {most} at most");
    if config.repeats > MOST_REPEATS {
        let words = above(config.repeats.into(), MOST_REPEATS.into());
        found.add("repeats", words);
    }
    if config.backends.len() > MOST_BACKENDS {
        let listed = config.backends.len();
        found.add(
            "backends",
            format!("lists {listed}, must list {MOST_BACKENDS} at most"),
        );
    }
    let load = &config.load;
    if load.warmup_requests > MOST_REQUESTS {
        let words = above(load.warmup_requests, MOST_REQUESTS);
        found.add("load.warmup_requests", words);
    }
    if let Some(most) = load.max_in_flight.filter(|most| *most > MOST_IN_FLIGHT) {
        found.add(
            "load.max_in_flight",
            above(most.into(), MOST_IN_FLIGHT.into()),
        );
    }
    check_levels(config, found);
}

fn check_names(config: &Config, found: &mut Found) {
    let bytes = config.name.len();
    if bytes > MOST_NAME_BYTES {
        found.add(
            "name",
            format!(
                "has {bytes} bytes, must have {MOST_NAME_BYTES} at most: it becomes a folder name"
            ),
        );
    }
    if config.name.contains(char::is_control) {
        let name = &config.name;
        found.add(
            "name",
            format!("is {name:?}, must be one line of text without control characters"),
        );
    }
    for (index, backend) in config.backends.iter().enumerate() {
        let bytes = backend.label().len();
        if bytes > MOST_LABEL_BYTES {
            found.add(
                &format!("backends.{index}.label"),
                format!(
                    "has {bytes} bytes, must have {MOST_LABEL_BYTES} at most: it becomes a folder name"
                ),
            );
        }
    }
}

fn check_levels(config: &Config, found: &mut Found) {
    let load = &config.load;
    let levels = load.levels();
    if levels.len() > MOST_LEVELS {
        let listed = levels.len();
        found.add(
            "load",
            format!("lists {listed} levels, must list {MOST_LEVELS} at most"),
        );
        return;
    }
    for (index, level) in levels.iter().enumerate() {
        check_level(index, level, found);
    }
    check_requests(load, &levels, found);
}

fn check_level(index: usize, level: &Level, found: &mut Found) {
    match level {
        Level::Concurrency(slots) if *slots > MOST_IN_FLIGHT => found.add(
            &format!("load.concurrency.{index}"),
            format!("is {slots}, must be {MOST_IN_FLIGHT} at most"),
        ),
        Level::RequestRate(rate) if rate.0.is_finite() && rate.0 > MOST_RATE_PER_S => found.add(
            &format!("load.request_rate.{index}"),
            format!(
                "is {} requests/s, must be {MOST_RATE_PER_S} at most, or inf",
                rate.0
            ),
        ),
        _ => {}
    }
}

fn check_requests(load: &LoadConfig, levels: &[Level], found: &mut Found) {
    let most_asked = |levels: &[Level]| {
        let asked = levels.iter().filter_map(|level| load.requests_at(*level));
        asked.max().unwrap_or(0)
    };
    let is_at_once =
        |level: &&Level| matches!(level, Level::RequestRate(rate) if rate.0.is_infinite());
    let at_once: Vec<Level> = levels.iter().filter(is_at_once).copied().collect();
    let at_once = most_asked(&at_once).saturating_add(load.warmup_requests);
    let asked = most_asked(levels);
    if asked > MOST_REQUESTS {
        found.add(
            "load.requests",
            format!("is {asked} at a level, must be {MOST_REQUESTS} at most"),
        );
    } else if levels.iter().any(|level| is_at_once(&level)) && at_once > MOST_AT_ONCE {
        found.add(
            "load.requests",
            format!(
                "is {at_once} with warm-up, sent at once at a rate of inf, must be {MOST_AT_ONCE} at most"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(extra: &str, load: &str) -> Vec<String> {
        let json = format!(
            r#"{{"name": "n", "model": {{"id": "m"}}, "backends": [{{"plugin": "a"}}],
                "load": {{{load}}}{extra}}}"#
        );
        let config: Config = serde_json::from_str(&json).unwrap();
        let mut found = Found::default();
        check(&config, &mut found);
        found.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_number_has_a_limit_that_is_named() {
        let one = r#""concurrency": [1], "requests": 2"#;
        assert_eq!(found("", one), [""; 0]);
        assert_eq!(
            found(r#", "repeats": 4294967295"#, one),
            ["`repeats` is 4294967295, must be 1000 at most"]
        );
        assert_eq!(
            found("", r#""concurrency": [1], "requests": 1000000000000"#),
            ["`load.requests` is 1000000000000 at a level, must be 10000000 at most"]
        );
        // 20,000 for each of 1,000 slots.
        assert_eq!(
            found(
                "",
                r#""concurrency": [1, 1000], "requests": {"per_slot": 20000}"#
            ),
            ["`load.requests` is 20000000 at a level, must be 10000000 at most"]
        );
        assert_eq!(
            found("", r#""request_rate": ["inf"], "requests": 200000"#),
            [
                "`load.requests` is 200000 with warm-up, sent at once at a rate of inf, must be 100000 at most"
            ]
        );
        assert_eq!(
            found("", r#""request_rate": [5], "requests": 200000"#),
            [""; 0]
        );
        assert_eq!(
            found("", r#""concurrency": [4000000000], "requests": 2"#),
            ["`load.concurrency[0]` is 4000000000, must be 1000000 at most"]
        );
        assert_eq!(
            found("", r#""request_rate": [1e300], "requests": 2"#).len(),
            1
        );
    }

    #[test]
    fn names_that_become_folders_have_a_limit() {
        let json = |name: &str, label: &str| {
            serde_json::json!({
                "name": name, "model": {"id": "m"}, "backends": [{"plugin": "a", "label": label}],
                "load": {"concurrency": [1], "requests": 1}
            })
        };
        let found = |name: &str, label: &str| {
            let config: Config = serde_json::from_value(json(name, label)).unwrap();
            let mut found = Found::default();
            check(&config, &mut found);
            found.0.len()
        };
        assert_eq!(found(&"n".repeat(150), &"l".repeat(100)), 0);
        assert_eq!(found(&"n".repeat(151), &"l".repeat(101)), 2);
        assert_eq!(found("two\nlines", "l"), 1);
    }
}
