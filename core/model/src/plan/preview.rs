//! How a cell's load goes over time, in as many parts as a picture has columns.

use serde::Serialize;

use super::schedule::Schedule;
use crate::config::{Level, LoadConfig};
use crate::text::units::{DurationText, NS_PER_S};

/// Most sends that are looked at.
const MOST_SENDS: u64 = 10_000_000;

/// A load over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadOverTime {
    /// Of all parts together, s.
    pub length_s: f64,
    /// Requests that are sent in it; absent for a closed loop, which sends as it gets answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sends: Option<u64>,
    /// In each of the equal parts: requests per second, or slots that have begun.
    pub values: Vec<f64>,
}

/// The sends of a cell over time, warm-up included, in so many parts; `None` if they take
/// no time.
#[must_use]
pub fn sends_over_time(
    load: &LoadConfig,
    level: Level,
    schedule: Schedule,
    parts: usize,
) -> Option<LoadOverTime> {
    let times = sends_ns(load, level, schedule);
    let end_ns = match times.end_ns {
        Some(end_ns) => end_ns,
        None => *times.sends_ns.last()?,
    };
    if end_ns == 0 {
        return None;
    }
    let part_s = end_ns as f64 / NS_PER_S / parts as f64;
    let mut sends = vec![0.0; parts];
    for (index, t_ns) in times.sends_ns.iter().enumerate() {
        let gap_ns = shorter_gap_ns(&times.sends_ns, index);
        spread(*t_ns, t_ns.saturating_add(gap_ns), end_ns, &mut sends);
    }
    let is_sent = |t_ns: &&u64| times.end_ns.is_none_or(|end_ns| **t_ns < end_ns);
    Some(LoadOverTime {
        length_s: end_ns as f64 / NS_PER_S,
        sends: Some(times.sends_ns.iter().filter(is_sent).count() as u64),
        values: sends.iter().map(|sends| sends / part_s).collect(),
    })
}

/// Planned sends, and when the cell ends if its time ends it.
struct Sends {
    sends_ns: Vec<u64>,
    end_ns: Option<u64>,
}

/// The sends up to the first one that comes too late.
fn sends_ns(load: &LoadConfig, level: Level, schedule: Schedule) -> Sends {
    let warmup = load.warmup_requests;
    let asked = load.requests_at(level).map(|n| n.saturating_add(warmup));
    let wanted = asked.unwrap_or(u64::MAX).min(MOST_SENDS);
    let duration_ns = load.duration.map(DurationText::as_ns);
    let mut found = Sends {
        sends_ns: Vec::new(),
        end_ns: None,
    };
    let mut first_measured_ns = None;
    for (index, t_ns) in (0..wanted).zip(schedule) {
        found.sends_ns.push(t_ns);
        if index < warmup {
            continue;
        }
        let first_ns = *first_measured_ns.get_or_insert(t_ns);
        let end_ns = duration_ns.map(|duration_ns| first_ns.saturating_add(duration_ns));
        if end_ns.is_some_and(|end_ns| t_ns >= end_ns) {
            found.end_ns = end_ns;
            break;
        }
    }
    found
}

/// The shorter one of the gaps beside a send, which a pause does not lengthen.
fn shorter_gap_ns(sends_ns: &[u64], index: usize) -> u64 {
    let t_ns = sends_ns[index];
    let before = index.checked_sub(1).map(|before| t_ns - sends_ns[before]);
    let after = sends_ns.get(index + 1).map(|after| after - t_ns);
    before.into_iter().chain(after).min().unwrap_or(0)
}

/// Spreads one send evenly over some time, so that equal gaps give equal rates whatever
/// the parts.
fn spread(from_ns: u64, to_ns: u64, end_ns: u64, sends: &mut [f64]) {
    let parts = sends.len();
    let place = |t_ns: u64| t_ns as f64 * parts as f64 / end_ns as f64;
    let (from, to) = (place(from_ns), place(to_ns));
    let first = (from as usize).min(parts - 1);
    let last = (to as usize).min(parts - 1);
    if first == last {
        // Of a gap that goes on beyond the end only a part lies in it.
        let within = (parts as f64 - from).min(to - from).max(0.0);
        let share = if to > from { within / (to - from) } else { 1.0 };
        sends[first] += share;
        return;
    }
    for (at, part) in sends.iter_mut().enumerate().take(last + 1).skip(first) {
        let overlap = to.min(at as f64 + 1.0) - from.max(at as f64);
        *part += overlap.max(0.0) / (to - from);
    }
}

/// The slots of a closed loop that have begun, over a quarter longer than they take for
/// it; `None` if they begin at once.
#[must_use]
pub fn slots_over_time(load: &LoadConfig, slots: u32, parts: usize) -> Option<LoadOverTime> {
    let ramp_s = load.ramp_up?.as_s();
    let length_s = 1.25 * ramp_s;
    let begun = |at: usize| {
        let t_s = (at as f64 + 0.5) * length_s / parts as f64;
        (t_s * f64::from(slots) / ramp_s + 1.0)
            .floor()
            .min(slots.into())
    };
    Some(LoadOverTime {
        length_s,
        sends: None,
        values: (0..parts).map(begun).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_time(json: &str, parts: usize) -> Option<LoadOverTime> {
        let load: LoadConfig = serde_json::from_str(json).unwrap();
        let level = load.levels()[0];
        let schedule = Schedule::at_level(&load, level, 1, None).unwrap().unwrap();
        sends_over_time(&load, level, schedule, parts)
    }

    #[test]
    fn equal_gaps_are_an_even_rate_in_parts_of_any_length() {
        let load = r#"{"request_rate": [4], "arrivals": "constant", "requests": 9}"#;
        for parts in [1, 3, 7] {
            let found = over_time(load, parts).unwrap();
            assert_eq!((found.length_s, found.sends), (2.0, Some(9)));
            for value in found.values {
                assert!((value - 4.0).abs() < 1e-9, "{value} in {parts} parts");
            }
        }
    }

    #[test]
    fn a_shape_is_seen_up_to_the_end_of_the_cell() {
        let load = r#"{"request_rate": [10], "arrivals": "constant", "duration": "4s",
            "shape": {"steps": [{"for": "2s", "rate": 0.5}, {"for": "1s", "rate": 0},
                {"for": "1s", "rate": 2}]}}"#;
        let found = over_time(load, 4).unwrap();
        assert_eq!((found.length_s, found.sends), (4.0, Some(30)));
        for (value, by_hand) in found.values.iter().zip([5.0, 5.0, 0.0, 20.0]) {
            assert!((value - by_hand).abs() < 1e-6, "{value}, not {by_hand}");
        }
    }

    #[test]
    fn what_is_sent_at_once_takes_no_time() {
        let load = r#"{"request_rate": ["inf"], "requests": 9}"#;
        assert_eq!(over_time(load, 4), None);
    }

    #[test]
    fn slots_begin_one_by_one_until_all_have() {
        let load: LoadConfig =
            serde_json::from_str(r#"{"concurrency": [4], "requests": 9, "ramp_up": "8s"}"#)
                .unwrap();
        // Slots begin at 0, 2, 4 and 6 s; the middles of five parts of 10 s are 1 to 9 s.
        let found = slots_over_time(&load, 4, 5).unwrap();
        assert_eq!(found.values, [1.0, 2.0, 3.0, 4.0, 4.0]);
        assert_eq!(found.length_s, 10.0);
    }
}
