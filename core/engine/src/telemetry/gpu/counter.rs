//! Checks that an energy counter counts, and reports it once if it does not.

use inferbench_model::text::units::s_between;

/// How long it may stay the same while the device draws power.
const STILL_NS: u64 = 1_000_000_000;
/// The fewest equal readings after which it counts as stuck.
const STILL_READINGS: u32 = 20;

/// An energy counter under watch. Each fault is reported once.
#[derive(Debug, Default)]
pub(super) struct EnergyWatch {
    last_joules: Option<f64>,
    still_since_ns: u64,
    still_readings: u32,
    has_reported_stuck: bool,
    has_reported_backwards: bool,
}

impl EnergyWatch {
    /// Takes a reading; returns what is wrong with it.
    pub(super) fn note(
        &mut self,
        t_ns: u64,
        joules: Option<f64>,
        watts: Option<f64>,
    ) -> Option<String> {
        let joules = joules?;
        let last = self.last_joules.replace(joules);
        let draws = watts.is_some_and(|watts| watts > 0.0);
        if last != Some(joules) || !draws {
            self.still_since_ns = t_ns;
            self.still_readings = 0;
        }
        self.still_readings += 1;
        if last.is_some_and(|last| joules < last)
            && !std::mem::replace(&mut self.has_reported_backwards, true)
        {
            let last = last.unwrap_or_default();
            return Some(format!(
                "its energy counter ran backwards, from {last} to {joules} J"
            ));
        }
        let is_still = t_ns.saturating_sub(self.still_since_ns) >= STILL_NS
            && self.still_readings >= STILL_READINGS;
        if is_still && !std::mem::replace(&mut self.has_reported_stuck, true) {
            let still_s = s_between(self.still_since_ns, t_ns);
            return Some(format!(
                "its energy counter stood still at {joules} J for {still_s:.1} s or more while it drew power"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_NS: u64 = 100_000_000;

    #[test]
    fn a_counter_that_runs_backwards_is_reported_once() {
        let mut watch = EnergyWatch::default();
        let lines: Vec<_> = [5.0, 7.0, 3.0, 4.0, 1.0]
            .into_iter()
            .filter_map(|joules| watch.note(0, Some(joules), Some(9.0)))
            .collect();
        assert_eq!(lines, ["its energy counter ran backwards, from 7 to 3 J"]);
    }

    #[test]
    fn a_counter_that_is_stuck_under_power_is_reported_once() {
        let mut watch = EnergyWatch::default();
        let lines: Vec<_> = (0..100)
            .filter_map(|n| watch.note(n * STEP_NS, Some(5.0), Some(9.0)))
            .collect();
        // The twentieth reading is 1.9 s after the first.
        let expected =
            "its energy counter stood still at 5 J for 1.9 s or more while it drew power";
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn a_counter_may_stay_the_same_without_power_or_for_a_moment() {
        let mut watch = EnergyWatch::default();
        for n in 0..100 {
            assert_eq!(watch.note(n * STEP_NS, Some(5.0), None), None);
            assert_eq!(watch.note(n * STEP_NS, Some(5.0), Some(0.0)), None);
        }
        for n in 0..100_u32 {
            let (t_ns, joules) = (u64::from(n) * STEP_NS, 5.0 + f64::from(n / 5));
            assert_eq!(watch.note(t_ns, Some(joules), Some(9.0)), None);
        }
    }
}
