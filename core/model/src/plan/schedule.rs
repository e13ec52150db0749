//! Send times of an open loop: pure functions of seed, rate, shape and index, or those
//! of a trace.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Gamma};
use thiserror::Error;

use super::rate_curve::RateCurve;
use super::trace_times::TraceTimes;
use crate::config::{Arrivals, Level, LoadConfig, Rate, Speed};
use crate::text::units::NS_PER_S;

/// A schedule that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ScheduleError {
    /// The rate is not above 0.
    #[error("`load.request_rate` is {rate}, must be above 0 requests/s")]
    Rate { rate: f64 },
    /// The gamma shape is not above 0.
    #[error("`load.burstiness` is {burstiness}, must be above 0")]
    Burstiness { burstiness: f64 },
    /// The times of the trace are not known.
    #[error("`load.arrivals` is trace, and the times of its rows are not known")]
    NoTrace,
}

/// Send times in nanoseconds after the start, ascending, without end.
#[derive(Debug, Clone)]
pub struct Schedule {
    times: Times,
}

#[derive(Debug, Clone)]
enum Times {
    Drawn(Box<Drawn>),
    Replayed {
        trace: TraceTimes,
        speed: Speed,
        index: u64,
    },
}

/// Times that come from a rate.
#[derive(Debug, Clone)]
struct Drawn {
    gaps: Gaps,
    rng: ChaCha8Rng,
    at_s: f64,
    shaped: Option<Shaped>,
}

/// A rate that goes over time, from the first measured request on.
#[derive(Debug, Clone)]
struct Shaped {
    curve: RateCurve,
    /// Sends that come before it begins.
    warmup_left: u64,
    /// When it began, s; `None` before.
    began_s: Option<f64>,
}

#[derive(Debug, Clone)]
enum Gaps {
    None,
    Constant(f64),
    Poisson(Exp<f64>),
    Gamma(Gamma<f64>),
}

impl Schedule {
    /// The schedule of one cell. An infinite rate sends everything at 0.
    /// Gamma gaps have shape `burstiness` and mean `1 / rate`.
    ///
    /// # Errors
    /// `Rate` or `Burstiness` if either is not above 0, `NoTrace` if it is that of a trace.
    pub fn new(load: &LoadConfig, rate: Rate, seed: u64) -> Result<Self, ScheduleError> {
        let shaped = load.shape.as_ref().map(|shape| Shaped {
            curve: RateCurve::new(shape),
            warmup_left: load.warmup_requests,
            began_s: None,
        });
        Ok(Self {
            times: Times::Drawn(Box::new(Drawn {
                gaps: Gaps::new(load, rate.0)?,
                rng: ChaCha8Rng::seed_from_u64(seed),
                at_s: 0.0,
                shaped,
            })),
        })
    }

    /// The times of a trace, so many times faster than they were recorded.
    #[must_use]
    pub fn replay(trace: &TraceTimes, speed: Speed) -> Self {
        Self {
            times: Times::Replayed {
                trace: trace.clone(),
                speed,
                index: 0,
            },
        }
    }

    /// The schedule of a level; `None` if it is a closed loop's. `trace`: the times of the
    /// workload's rows, if it has any.
    ///
    /// # Errors
    /// As [`Self::new`]; `NoTrace` if the level needs times that are not given.
    pub fn at_level(
        load: &LoadConfig,
        level: Level,
        seed: u64,
        trace: Option<&TraceTimes>,
    ) -> Result<Option<Self>, ScheduleError> {
        match level {
            Level::Concurrency(_) => Ok(None),
            Level::RequestRate(rate) => Self::new(load, rate, seed).map(Some),
            Level::TraceSpeed(speed) => {
                let trace = trace.ok_or(ScheduleError::NoTrace)?;
                Ok(Some(Self::replay(trace, speed)))
            }
        }
    }
}

impl Gaps {
    fn new(load: &LoadConfig, rate: f64) -> Result<Self, ScheduleError> {
        let bad_rate = ScheduleError::Rate { rate };
        if rate.is_nan() || rate <= 0.0 {
            return Err(bad_rate);
        }
        if rate.is_infinite() {
            return Ok(Self::None);
        }
        match load.arrivals {
            Arrivals::Constant => Ok(Self::Constant(1.0 / rate)),
            Arrivals::Poisson => Ok(Self::Poisson(Exp::new(rate).map_err(|_| bad_rate)?)),
            Arrivals::Gamma => {
                let burstiness = load.burstiness.unwrap_or(1.0);
                let gamma = Gamma::new(burstiness, 1.0 / (rate * burstiness))
                    .map_err(|_| ScheduleError::Burstiness { burstiness })?;
                Ok(Self::Gamma(gamma))
            }
            Arrivals::Trace => Err(ScheduleError::NoTrace),
        }
    }
}

impl Drawn {
    /// The next time, s.
    fn next_s(&mut self) -> f64 {
        let at_s = self.at_s;
        self.at_s += match &self.gaps {
            Gaps::None => 0.0,
            Gaps::Constant(gap) => *gap,
            Gaps::Poisson(exp) => exp.sample(&mut self.rng),
            Gaps::Gamma(gamma) => gamma.sample(&mut self.rng),
        };
        match &mut self.shaped {
            None => at_s,
            Some(shaped) => shaped.time_at(at_s),
        }
    }
}

impl Shaped {
    /// When a send comes, s, that would come at `at_s` at the level's own rate.
    fn time_at(&mut self, at_s: f64) -> f64 {
        if self.began_s.is_none() && self.warmup_left > 0 {
            self.warmup_left -= 1;
            return at_s;
        }
        let began_s = *self.began_s.get_or_insert(at_s);
        began_s + self.curve.time_at(at_s - began_s)
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match &mut self.times {
            Times::Drawn(drawn) => Some((drawn.next_s() * NS_PER_S).round() as u64),
            Times::Replayed {
                trace,
                speed,
                index,
            } => {
                let at_ns = trace.send_ns(*index, speed.0);
                *index += 1;
                Some(at_ns)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(extra: &str) -> LoadConfig {
        serde_json::from_str(&format!(r#"{{"request_rate": [10]{extra}}}"#)).unwrap()
    }

    fn gaps_s(load: &LoadConfig, rate: f64, n: usize) -> Vec<f64> {
        let schedule = Schedule::new(load, Rate(rate), 7).unwrap();
        let times: Vec<u64> = schedule.take(n + 1).collect();
        times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / NS_PER_S)
            .collect()
    }

    fn mean_and_cv(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn constant_arrivals_have_equal_gaps() {
        let load = load(r#", "arrivals": "constant""#);
        let times: Vec<u64> = Schedule::new(&load, Rate(4.0), 1)
            .unwrap()
            .take(3)
            .collect();
        assert_eq!(times, [0, 250_000_000, 500_000_000]);
    }

    #[test]
    fn poisson_gaps_have_the_asked_mean_and_a_variation_of_one() {
        let (mean, cv) = mean_and_cv(&gaps_s(&load(""), 10.0, 20_000));
        assert!((mean - 0.1).abs() < 0.003, "mean {mean}");
        assert!((cv - 1.0).abs() < 0.03, "cv {cv}");
    }

    #[test]
    fn gamma_gaps_of_shape_a_quarter_have_a_variation_of_two() {
        let load = load(r#", "arrivals": "gamma", "burstiness": 0.25"#);
        let (mean, cv) = mean_and_cv(&gaps_s(&load, 10.0, 50_000));
        assert!((mean - 0.1).abs() < 0.004, "mean {mean}");
        assert!((cv - 2.0).abs() < 0.1, "cv {cv}");
    }

    #[test]
    fn an_infinite_rate_sends_all_at_once() {
        let schedule = Schedule::new(&load(""), Rate(f64::INFINITY), 1).unwrap();
        assert!(schedule.take(100).all(|t| t == 0));
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        let error = Schedule::new(&load(""), Rate(0.0), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`load.request_rate` is 0, must be above 0 requests/s"
        );
    }

    fn times_ms(extra: &str, rate: f64, n: usize) -> Vec<u64> {
        let schedule = Schedule::new(&load(extra), Rate(rate), 7).unwrap();
        schedule.take(n).map(|t_ns| t_ns / 1_000_000).collect()
    }

    /// Sends of each second, from the first on.
    fn by_second(extra: &str, rate: f64, seconds: usize) -> Vec<usize> {
        let schedule = Schedule::new(&load(extra), Rate(rate), 7).unwrap();
        let mut counts = vec![0; seconds];
        for t_ns in schedule {
            match counts.get_mut((t_ns / 1_000_000_000) as usize) {
                Some(count) => *count += 1,
                None => break,
            }
        }
        counts
    }

    #[test]
    fn times_without_a_shape_are_those_of_earlier_versions() {
        // As the first version with a schedule drew them: run folders rely on it.
        for (extra, earlier) in [
            (
                "",
                [0, 52773617, 210892222, 927115225, 1062555720, 1377637337],
            ),
            (
                r#", "arrivals": "constant""#,
                [0, 333333333, 666666667, 1000000000, 1333333333, 1666666667],
            ),
            (
                r#", "arrivals": "gamma", "burstiness": 0.25"#,
                [0, 105540, 459417116, 459568907, 774006539, 835828397],
            ),
        ] {
            let schedule = Schedule::new(&load(extra), Rate(3.0), 7).unwrap();
            assert_eq!(schedule.take(6).collect::<Vec<u64>>(), earlier, "{extra}");
        }
    }

    #[test]
    fn constant_arrivals_keep_their_regularity_within_each_step() {
        let steps = r#", "arrivals": "constant", "shape": {"steps": [
            {"for": "1s", "rate": 0.5}, {"for": "1s", "rate": 2}, {"for": "1s", "rate": 1}]}"#;
        // 2, 8 and then 4 a second.
        let sent = times_ms(steps, 4.0, 14);
        let by_hand = [
            0, 500, 1000, 1125, 1250, 1375, 1500, 1625, 1750, 1875, 2000, 2250, 2500, 2750,
        ];
        assert_eq!(sent, by_hand);
        assert_eq!(by_second(steps, 4.0, 5), [2, 8, 4, 4, 4]);
        // A level of ten times the rate has ten times as many, though tenths do not add up.
        assert_eq!(by_second(steps, 40.0, 5), [20, 80, 40, 40, 40]);
    }

    #[test]
    fn a_ramp_from_nothing_comes_at_the_roots_of_its_integral() {
        // 2 t^2 at 4 requests/s over 1 s: the sends are at the roots of i / 2, then at 1/4 s.
        let ramp =
            r#", "arrivals": "constant", "shape": {"ramp": {"from": 0, "to": 1, "over": "1s"}}"#;
        assert_eq!(times_ms(ramp, 4.0, 5), [0, 707, 1000, 1250, 1500]);
    }

    #[test]
    fn on_off_and_a_spike_have_their_counts_in_every_part() {
        let on_off = r#", "arrivals": "constant", "shape": {"on_off": {"on": "2s", "off": "1s"}}"#;
        assert_eq!(by_second(on_off, 10.0, 7), [10, 10, 0, 10, 10, 0, 10]);
        let spike =
            r#", "arrivals": "constant", "shape": {"spike": {"at": "1s", "for": "1s", "rate": 3}}"#;
        assert_eq!(by_second(spike, 5.0, 4), [5, 15, 5, 5]);
    }

    #[test]
    fn a_shape_begins_with_the_first_measured_request() {
        let warm = r#", "arrivals": "constant", "warmup_requests": 2, "shape": {"steps": [
            {"for": "1s", "rate": 2}, {"for": "1s", "rate": 1}]}"#;
        // Two sends at 2 a second, then 4 in a second, then 2 a second.
        let by_hand = [0, 500, 1000, 1250, 1500, 1750, 2000, 2500];
        assert_eq!(times_ms(warm, 2.0, 8), by_hand);
    }

    #[test]
    fn shaped_poisson_arrivals_scatter_as_poisson_counts_do() {
        let shape = r#", "shape": {"on_off": {"on": "1s", "off": "1s"}}"#;
        let counts: Vec<f64> = by_second(shape, 50.0, 4000)
            .chunks(2)
            .map(|pair| {
                assert_eq!(pair[1], 0, "nothing is sent in a pause");
                pair[0] as f64
            })
            .collect();
        // 2000 counts of mean and variance 50: the mean's standard error is 0.16, that of
        // the variance 1.6.
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((mean - 50.0).abs() < 0.8, "mean {mean}");
        assert!((variance - 50.0).abs() < 8.0, "variance {variance}");
    }

    #[test]
    fn shaped_gamma_gaps_vary_as_they_do_without_a_shape() {
        let gamma = r#", "arrivals": "gamma", "burstiness": 4"#;
        let shaped = format!(r#"{gamma}, "shape": {{"steps": [{{"for": "1s", "rate": 3}}]}}"#);
        let (even, faster) = (
            gaps_s(&load(gamma), 10.0, 500),
            gaps_s(&load(&shaped), 30.0, 500),
        );
        // A single step goes on: the same gaps, 3 times 3 times shorter.
        for (even, faster) in even.iter().zip(faster) {
            assert!((even / 9.0 - faster).abs() < 5e-9, "{even} {faster}");
        }
    }

    #[test]
    fn a_trace_is_replayed_at_its_speed() {
        let trace = TraceTimes::new(&[5.0, 6.0, 9.0]).unwrap();
        let load: LoadConfig =
            serde_json::from_str(r#"{"arrivals": "trace", "speed": [2]}"#).unwrap();
        let level = load.levels()[0];
        let schedule = Schedule::at_level(&load, level, 1, Some(&trace)).unwrap();
        let sent: Vec<u64> = schedule.unwrap().take(4).collect();
        assert_eq!(sent, [0, 500_000_000, 2_000_000_000, 3_000_000_000]);
        let unknown = Schedule::at_level(&load, level, 1, None).unwrap_err();
        assert_eq!(unknown, ScheduleError::NoTrace);
    }
}
