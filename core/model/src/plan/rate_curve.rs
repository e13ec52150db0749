//! How the rate of an open loop goes over time: the factor at a time, its integral,
//! and the integral's inverse, by which even arrivals become arrivals of that shape
//! (Çınlar, Introduction to Stochastic Processes, 1975, section 4.7: of a Poisson process
//! of rate 1 this makes one whose rate is the curve).

use crate::config::LoadShape;

/// What two sums of the same numbers may differ by, s: a nanosecond.
const ROUNDING_S: f64 = 1e-9;

/// A part of the curve, in which the rate goes evenly from one factor to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    from: f64,
    to: f64,
    length_s: f64,
}

/// A rate over time, as factors of a level's rate.
#[derive(Debug, Clone, PartialEq)]
pub struct RateCurve {
    parts: Vec<Part>,
    after: After,
}

/// What comes after the last part.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    /// This factor, for good.
    Goes(f64),
    /// The first part again.
    Repeats,
}

impl Part {
    fn flat(factor: f64, length_s: f64) -> Self {
        Self {
            from: factor,
            to: factor,
            length_s,
        }
    }

    fn slope(self) -> f64 {
        (self.to - self.from) / self.length_s
    }

    fn factor_at(self, t_s: f64) -> f64 {
        self.from + self.slope() * t_s
    }

    /// Integral of the factor over the first `t_s` of it.
    fn integral(self, t_s: f64) -> f64 {
        (self.from + self.factor_at(t_s)) / 2.0 * t_s
    }

    fn whole(self) -> f64 {
        self.integral(self.length_s)
    }

    /// The time at which the integral is `sum`, which is below the whole.
    fn time_at(self, sum: f64) -> f64 {
        if sum <= 0.0 {
            return 0.0;
        }
        // The root of from t + slope t^2 / 2 = sum, in the form that divides by no slope.
        let square = self.from * self.from + 2.0 * self.slope() * sum;
        2.0 * sum / (self.from + square.max(0.0).sqrt())
    }
}

impl RateCurve {
    /// The curve of a shape.
    #[must_use]
    pub fn new(shape: &LoadShape) -> Self {
        let (parts, after) = match shape {
            LoadShape::Steps(steps) => {
                let last = steps.last().map_or(1.0, |step| step.rate);
                let parts = steps.iter();
                let parts = parts.map(|step| Part::flat(step.rate, step.lasts.as_s()));
                (parts.collect(), After::Goes(last))
            }
            LoadShape::Ramp(ramp) => {
                let part = Part {
                    from: ramp.from,
                    to: ramp.to,
                    length_s: ramp.over.as_s(),
                };
                (vec![part], After::Goes(ramp.to))
            }
            LoadShape::Spike(spike) => {
                let before = Part::flat(1.0, spike.at.as_s());
                let during = Part::flat(spike.rate, spike.lasts.as_s());
                (vec![before, during], After::Goes(1.0))
            }
            LoadShape::OnOff(times) => {
                let on = Part::flat(1.0, times.on.as_s());
                let off = Part::flat(0.0, times.off.as_s());
                (vec![on, off], After::Repeats)
            }
        };
        Self { parts, after }
    }

    /// The time, s, at which the integral of the factor is `sum`, s: where the curve
    /// pauses there, the end of the pause. Ascending in `sum`.
    #[must_use]
    pub fn time_at(&self, sum: f64) -> f64 {
        let (begins_s, mut left) = self.last_round(sum);
        let mut t_s = begins_s;
        for part in &self.parts {
            let whole = part.whole();
            if left < whole - ROUNDING_S {
                return t_s + part.time_at(left);
            }
            left = (left - whole).max(0.0);
            t_s += part.length_s;
        }
        match self.after {
            After::Goes(factor) => t_s + left / factor,
            // Only a rounding is left.
            After::Repeats => t_s,
        }
    }

    /// The integral of the factor from 0 to `t_s`.
    #[must_use]
    pub fn integral(&self, t_s: f64) -> f64 {
        let (mut left_s, mut sum) = (t_s, 0.0);
        if self.after == After::Repeats {
            let rounds = (t_s / self.length_s()).floor();
            left_s -= rounds * self.length_s();
            sum = rounds * self.parts.iter().map(|part| part.whole()).sum::<f64>();
        }
        for part in &self.parts {
            let in_part_s = left_s.min(part.length_s);
            sum += part.integral(in_part_s);
            left_s -= in_part_s;
        }
        match self.after {
            After::Goes(factor) => sum + factor * left_s,
            After::Repeats => sum,
        }
    }

    /// The highest factor.
    #[must_use]
    pub fn highest(&self) -> f64 {
        let ends = self.parts.iter().flat_map(|part| [part.from, part.to]);
        let last = match self.after {
            After::Goes(factor) => factor,
            After::Repeats => 0.0,
        };
        ends.fold(last, f64::max)
    }

    /// Length of the parts, s: after it the curve goes on evenly or repeats.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.parts.iter().map(|part| part.length_s).sum()
    }

    /// When the round begins in which the integral is `sum`, s, and what of it is left
    /// then. A curve that does not repeat has one round.
    fn last_round(&self, sum: f64) -> (f64, f64) {
        if self.after != After::Repeats {
            return (0.0, sum);
        }
        let whole: f64 = self.parts.iter().map(|part| part.whole()).sum();
        let rounds = ((sum + ROUNDING_S) / whole).floor();
        (rounds * self.length_s(), (sum - rounds * whole).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(json: &str) -> RateCurve {
        RateCurve::new(&serde_json::from_str(json).unwrap())
    }

    #[track_caller]
    fn assert_times(curve: &RateCurve, pairs: &[(f64, f64)]) {
        for (t_s, sum) in pairs {
            let found = curve.time_at(*sum);
            assert!((found - t_s).abs() < 1e-9, "{sum} is at {found}, not {t_s}");
        }
    }

    #[track_caller]
    fn assert_sums(curve: &RateCurve, pairs: &[(f64, f64)]) {
        for (t_s, sum) in pairs {
            let found = curve.integral(*t_s);
            assert!((found - sum).abs() < 1e-9, "at {t_s}: {found}, not {sum}");
        }
    }

    #[test]
    fn the_last_step_goes_on() {
        let steps = curve(
            r#"{"steps": [{"for": "10s", "rate": 0.5}, {"for": "5s", "rate": 0}, {"for": "1s", "rate": 2}]}"#,
        );
        // 10 s at a half are 5, then a pause to 15 s, then 2 a second.
        let both = [(4.0, 2.0), (15.5, 6.0), (16.0, 7.0), (20.0, 15.0)];
        assert_times(&steps, &both);
        assert_sums(&steps, &both);
        assert_times(&steps, &[(15.0, 5.0)]);
        assert_sums(&steps, &[(10.0, 5.0), (12.0, 5.0)]);
        assert_eq!(steps.highest(), 2.0);
    }

    #[test]
    fn a_ramp_rises_or_falls_evenly_and_stays_at_its_end() {
        // The integral of t / 10 is t^2 / 20, up to 5 at 10 s.
        let rises = curve(r#"{"ramp": {"from": 0, "to": 1, "over": "10s"}}"#);
        let both = [(0.0, 0.0), (2.0, 0.2), (6.0, 1.8), (10.0, 5.0), (12.0, 7.0)];
        assert_times(&rises, &both);
        assert_sums(&rises, &both);
        // That of 2 - t / 4 is 2 t - t^2 / 8, up to 6 at 4 s.
        let falls = curve(r#"{"ramp": {"from": 2, "to": 1, "over": "4s"}}"#);
        let both = [(2.0, 3.5), (4.0, 6.0), (5.0, 7.0)];
        assert_times(&falls, &both);
        assert_sums(&falls, &both);
        assert_eq!(falls.highest(), 2.0);
    }

    #[test]
    fn a_spike_lies_between_two_even_parts() {
        let spike = curve(r#"{"spike": {"at": "20s", "for": "5s", "rate": 4}}"#);
        let both = [(7.0, 7.0), (21.0, 24.0), (25.0, 40.0), (26.0, 41.0)];
        assert_times(&spike, &both);
        assert_sums(&spike, &both);
    }

    #[test]
    fn on_and_off_repeat_and_nothing_lies_in_a_pause() {
        let on_off = curve(r#"{"on_off": {"on": "10s", "off": "5s"}}"#);
        let both = [(9.0, 9.0), (16.0, 11.0), (31.5, 21.5), (1504.0, 1004.0)];
        assert_times(&on_off, &both);
        assert_sums(&on_off, &both);
        // What is due when a pause begins comes after it, also if it is a rounding too early.
        assert_times(&on_off, &[(15.0, 10.0), (15.0, 10.0 - 1e-12), (30.0, 20.0)]);
        assert_sums(&on_off, &[(12.0, 10.0), (15.0, 10.0)]);
    }
}
