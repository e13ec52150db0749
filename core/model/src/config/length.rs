//! Token lengths: fixed, uniform, normal or log-normal.

use rand::Rng;
use rand_distr::{Distribution, LogNormal, Normal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, de};

/// A token length or the distribution that lengths are drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// Always this many tokens.
    Fixed(u32),
    /// Equally likely from the first to the second, both included.
    Uniform(u32, u32),
    /// Normal with the given mean and standard deviation, rounded, and drawn
    /// again until it is within `min..=max`.
    Normal {
        /// Mean, tokens.
        mean: f64,
        /// Standard deviation, tokens.
        std: f64,
        /// Shortest length kept, tokens.
        min: u32,
        /// Longest length kept, tokens.
        max: u32,
    },
    /// Log-normal, with the mean and standard deviation of the lengths themselves; rounded
    /// and kept within its bounds like `Normal`.
    LogNormal {
        /// Mean, tokens.
        mean: f64,
        /// Standard deviation, tokens.
        std: f64,
        /// Shortest length kept, tokens.
        min: u32,
        /// Longest length kept, tokens.
        max: u32,
    },
}

impl Length {
    /// Shortest and longest length that can come out, tokens.
    #[must_use]
    pub fn bounds(&self) -> (u32, u32) {
        match *self {
            Self::Fixed(n) => (n, n),
            Self::Uniform(lo, hi) => (lo, hi),
            Self::Normal { min, max, .. } | Self::LogNormal { min, max, .. } => (min, max),
        }
    }

    /// Expected length, tokens; for a normal or log-normal length that of the untruncated
    /// one.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Fixed(n) => f64::from(n),
            Self::Uniform(lo, hi) => f64::midpoint(f64::from(lo), f64::from(hi)),
            Self::Normal { mean, .. } | Self::LogNormal { mean, .. } => mean,
        }
    }

    /// Draws one length. A normal or log-normal length that misses its bounds a thousand
    /// times over is cut to the nearer bound.
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        match *self {
            Self::Fixed(n) => n,
            Self::Uniform(lo, hi) => rng.random_range(lo..=hi.max(lo)),
            Self::Normal {
                mean,
                std,
                min,
                max,
            } => match Normal::new(mean, std) {
                Ok(normal) => draw_within(rng, normal, min, max),
                Err(_) => min,
            },
            Self::LogNormal {
                mean,
                std,
                min,
                max,
            } => match log_normal(mean, std) {
                Some(log_normal) => draw_within(rng, log_normal, min, max),
                None => min,
            },
        }
    }
}

/// The log-normal distribution with this mean and standard deviation.
fn log_normal(mean: f64, std: f64) -> Option<LogNormal<f64>> {
    let variance_of_log = (std / mean).powi(2).ln_1p();
    let mean_of_log = mean.ln() - variance_of_log / 2.0;
    LogNormal::new(mean_of_log, variance_of_log.sqrt()).ok()
}

fn draw_within(rng: &mut impl Rng, from: impl Distribution<f64>, min: u32, max: u32) -> u32 {
    let mut last = f64::from(min);
    for _ in 0..1000 {
        last = from.sample(rng).round();
        if last >= f64::from(min) && last <= f64::from(max) {
            return last as u32;
        }
    }
    last.clamp(f64::from(min), f64::from(max)) as u32
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(n) => serializer.serialize_u32(n),
            Self::Uniform(lo, hi) => Raw {
                uniform: Some([lo, hi]),
                ..Raw::default()
            }
            .serialize(serializer),
            Self::Normal {
                mean,
                std,
                min,
                max,
            } => Raw {
                normal: Some([mean, std]),
                min: Some(min),
                max: Some(max),
                ..Raw::default()
            }
            .serialize(serializer),
            Self::LogNormal {
                mean,
                std,
                min,
                max,
            } => Raw {
                lognormal: Some([mean, std]),
                min: Some(min),
                max: Some(max),
                ..Raw::default()
            }
            .serialize(serializer),
        }
    }
}

/// The written form of a distribution.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    /// `[lo, hi]`, both included.
    #[serde(skip_serializing_if = "Option::is_none")]
    uniform: Option<[u32; 2]>,
    /// `[mean, std]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    normal: Option<[f64; 2]>,
    /// `[mean, std]` of the lengths, not of their logarithms.
    #[serde(skip_serializing_if = "Option::is_none")]
    lognormal: Option<[f64; 2]>,
    /// Shortest length kept of a normal or log-normal one (default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u32>,
    /// Longest length kept of a normal one (default mean + 4 std) or of a log-normal one
    /// (default mean + 8 std).
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
}

impl Raw {
    fn resolve(self) -> Result<Length, &'static str> {
        let bounds = |[mean, std]: [f64; 2], stds: f64| {
            let max = self.max.unwrap_or((mean + stds * std).ceil() as u32);
            (self.min.unwrap_or(1), max)
        };
        match (self.uniform, self.normal, self.lognormal) {
            (Some([lo, hi]), None, None) if self.min.is_none() && self.max.is_none() => {
                Ok(Length::Uniform(lo, hi))
            }
            (Some(_), None, None) => {
                Err("`min` and `max` need `normal` or `lognormal`: `uniform` already has bounds")
            }
            (None, Some(of), None) => {
                let ([mean, std], (min, max)) = (of, bounds(of, 4.0));
                Ok(Length::Normal {
                    mean,
                    std,
                    min,
                    max,
                })
            }
            (None, None, Some(of)) => {
                let ([mean, std], (min, max)) = (of, bounds(of, 8.0));
                Ok(Length::LogNormal {
                    mean,
                    std,
                    min,
                    max,
                })
            }
            (None, None, None) => Err(
                "a length needs `uniform: [lo, hi]`, `normal: [mean, std]` or `lognormal: [mean, std]`",
            ),
            _ => Err("has more than one of `uniform`, `normal` and `lognormal`, must have one"),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of tokens, `{uniform: [lo, hi]}`, `{normal: [mean, std]}` or `{lognormal: [mean, std]}`")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Length, E> {
                u32::try_from(n)
                    .map(Length::Fixed)
                    .map_err(|_| E::custom(format!("is {n}, must be at most {} tokens", u32::MAX)))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Length, E> {
                match u64::try_from(n) {
                    Ok(n) => self.visit_u64(n),
                    Err(_) => Err(E::custom(format!("is {n}, must be 1 token or more"))),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Length, A::Error> {
                let raw = Raw::deserialize(de::value::MapAccessDeserializer::new(map))?;
                raw.resolve().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let distribution = generator.subschema_for::<Raw>();
        schemars::json_schema!({
            "description": "tokens: a number, {uniform: [lo, hi]}, {normal: [mean, std], min, max}, or {lognormal: [mean, std], min, max}",
            "anyOf": [{"type": "integer", "minimum": 1}, distribution],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn parse(text: &str) -> Result<Length, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn all_forms_are_read() {
        assert_eq!(parse("512").unwrap(), Length::Fixed(512));
        assert_eq!(
            parse(r#"{"uniform": [10, 20]}"#).unwrap(),
            Length::Uniform(10, 20)
        );
        let normal = parse(r#"{"normal": [100, 10], "max": 120}"#).unwrap();
        assert_eq!(normal.bounds(), (1, 120));
        let lognormal = parse(r#"{"lognormal": [100, 50]}"#).unwrap();
        assert_eq!((lognormal.bounds(), lognormal.mean()), ((1, 500), 100.0));
        let again = serde_json::to_string(&lognormal).unwrap();
        assert_eq!(parse(&again).unwrap(), lognormal);
    }

    #[test]
    fn log_normal_lengths_have_the_mean_and_deviation_that_are_asked() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let length = parse(r#"{"lognormal": [1000, 500], "max": 100000}"#).unwrap();
        let drawn: Vec<f64> = (0..40_000)
            .map(|_| f64::from(length.draw(&mut rng)))
            .collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        // Errors of both are below 0.5 % and 1.5 % with so many.
        assert!((mean / 1000.0 - 1.0).abs() < 0.015, "{mean}");
        assert!((variance.sqrt() / 500.0 - 1.0).abs() < 0.045, "{variance}");
    }

    #[test]
    fn both_distributions_at_once_are_refused() {
        let error = parse(r#"{"uniform": [1, 2], "normal": [1, 2]}"#).unwrap_err();
        assert!(error.to_string().contains("must have one"));
    }

    #[test]
    fn draws_stay_within_bounds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for text in [
            r#"{"uniform": [3, 5]}"#,
            r#"{"normal": [4, 9], "min": 2, "max": 7}"#,
            r#"{"lognormal": [4, 9], "min": 2, "max": 7}"#,
        ] {
            let length = parse(text).unwrap();
            let (lo, hi) = length.bounds();
            for _ in 0..1000 {
                let n = length.draw(&mut rng);
                assert!((lo..=hi).contains(&n), "{n} outside {lo}..={hi}");
            }
        }
    }
}
