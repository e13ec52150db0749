//! Pauses in a conversation: fixed, or drawn.

use rand::Rng;
use rand_distr::{Distribution, Exp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text::units::DurationText;

/// A pause, or the distribution that pauses are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Always this long.
    Fixed(DurationText),
    /// Equally likely from the first to the second.
    Uniform(DurationText, DurationText),
    /// Exponential with this mean: many short ones and a few long ones.
    Exponential(DurationText),
}

impl Pause {
    /// Draws one, ns.
    pub fn draw_ns(&self, rng: &mut impl Rng) -> u64 {
        match *self {
            Self::Fixed(pause) => pause.as_ns(),
            Self::Uniform(lo, hi) => rng.random_range(lo.as_ns()..=hi.as_ns().max(lo.as_ns())),
            Self::Exponential(mean) => {
                let unit: f64 = Exp::new(1.0).map_or(1.0, |exp| exp.sample(rng));
                (mean.as_ns() as f64 * unit).round() as u64
            }
        }
    }

    /// Expected length, s.
    #[must_use]
    pub fn mean_s(&self) -> f64 {
        match self {
            Self::Fixed(pause) | Self::Exponential(pause) => pause.as_s(),
            Self::Uniform(lo, hi) => f64::midpoint(lo.as_s(), hi.as_s()),
        }
    }
}

/// The written form of a distribution.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    /// `[lo, hi]`, both included.
    #[serde(skip_serializing_if = "Option::is_none")]
    uniform: Option<[DurationText; 2]>,
    /// The mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    exponential: Option<DurationText>,
}

impl Serialize for Pause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(pause) => pause.serialize(serializer),
            Self::Uniform(lo, hi) => Raw {
                uniform: Some([lo, hi]),
                ..Raw::default()
            }
            .serialize(serializer),
            Self::Exponential(mean) => Raw {
                exponential: Some(mean),
                ..Raw::default()
            }
            .serialize(serializer),
        }
    }
}

const EXPECTED: &str = "a duration, `{uniform: [\"1s\", \"3s\"]}` or `{exponential: \"2s\"}`";

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pause;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pause, E> {
                DurationText::deserialize(de::value::StrDeserializer::new(text)).map(Pause::Fixed)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Pause, A::Error> {
                let raw = Raw::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match (raw.uniform, raw.exponential) {
                    (Some([lo, hi]), None) if lo <= hi => Ok(Pause::Uniform(lo, hi)),
                    (Some([lo, hi]), None) => Err(de::Error::custom(format!(
                        "is from {lo} to {hi}, the first must not be larger"
                    ))),
                    (None, Some(mean)) => Ok(Pause::Exponential(mean)),
                    _ => Err(de::Error::custom(format!("must be {EXPECTED}"))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Pause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pause".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let distribution = generator.subschema_for::<Raw>();
        let fixed = generator.subschema_for::<DurationText>();
        schemars::json_schema!({
            "description": "a duration, {uniform: [lo, hi]}, or {exponential: mean}",
            "anyOf": [fixed, distribution],
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn pause(json: &str) -> Result<Pause, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn pauses_are_written_as_they_are_read() {
        for json in [
            r#""2s""#,
            r#"{"uniform":["1s","3s"]}"#,
            r#"{"exponential":"500ms"}"#,
        ] {
            assert_eq!(serde_json::to_string(&pause(json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn drawn_pauses_have_the_asked_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut mean_s = |json: &str| {
            let pause = pause(json).unwrap();
            let drawn = (0..20_000).map(|_| pause.draw_ns(&mut rng) as f64 / 1e9);
            (drawn.sum::<f64>() / 20_000.0, pause.mean_s())
        };
        // Standard errors: 0.014 s and 0.004 s.
        let (mean, expected) = mean_s(r#"{"exponential": "2s"}"#);
        assert!((mean - 2.0).abs() < 0.06 && expected == 2.0, "{mean}");
        let (mean, expected) = mean_s(r#"{"uniform": ["1s", "3s"]}"#);
        assert!((mean - 2.0).abs() < 0.02 && expected == 2.0, "{mean}");
        assert_eq!(mean_s(r#""250ms""#), (0.25, 0.25));
    }

    #[test]
    fn a_wrong_pause_says_what_one_is() {
        let error = pause(r#"{"uniform": ["3s", "1s"]}"#).unwrap_err();
        assert!(
            error.starts_with("is from 3s to 1s, the first must not be larger"),
            "{error}"
        );
        assert!(pause("{}").unwrap_err().contains(EXPECTED));
        assert!(
            pause(r#""soon""#)
                .unwrap_err()
                .contains("must be a duration with a unit")
        );
        assert!(pause("5").unwrap_err().contains(EXPECTED));
    }
}
