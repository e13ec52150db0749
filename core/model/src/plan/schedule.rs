//! Send times of an open loop: pure functions of seed, rate and index.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Gamma};
use thiserror::Error;

use crate::config::{Arrivals, LoadConfig, Rate};
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
}

/// Send times in nanoseconds after the start, ascending, without end.
#[derive(Debug, Clone)]
pub struct Schedule {
    gaps: Gaps,
    rng: ChaCha8Rng,
    at_s: f64,
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
    /// `Rate` or `Burstiness` if either is not above 0.
    pub fn new(load: &LoadConfig, rate: Rate, seed: u64) -> Result<Self, ScheduleError> {
        let rate = rate.0;
        let bad_rate = ScheduleError::Rate { rate };
        if rate.is_nan() || rate <= 0.0 {
            return Err(bad_rate);
        }
        let gaps = if rate.is_infinite() {
            Gaps::None
        } else {
            match load.arrivals {
                Arrivals::Constant => Gaps::Constant(1.0 / rate),
                Arrivals::Poisson => Gaps::Poisson(Exp::new(rate).map_err(|_| bad_rate)?),
                Arrivals::Gamma => {
                    let burstiness = load.burstiness.unwrap_or(1.0);
                    let gamma = Gamma::new(burstiness, 1.0 / (rate * burstiness))
                        .map_err(|_| ScheduleError::Burstiness { burstiness })?;
                    Gaps::Gamma(gamma)
                }
            }
        };
        Ok(Self {
            gaps,
            rng: ChaCha8Rng::seed_from_u64(seed),
            at_s: 0.0,
        })
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let at = self.at_s;
        self.at_s += match &self.gaps {
            Gaps::None => 0.0,
            Gaps::Constant(gap) => *gap,
            Gaps::Poisson(exp) => exp.sample(&mut self.rng),
            Gaps::Gamma(gamma) => gamma.sample(&mut self.rng),
        };
        Some((at * NS_PER_S).round() as u64)
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
}
