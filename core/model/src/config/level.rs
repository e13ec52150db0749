//! One point of the load: a concurrency, a request rate, or the speed of a trace.

use std::fmt;
use std::hash::{Hash, Hasher};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::speed::Speed;

/// Offered requests per second; infinite means all at once.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

// No config has a rate that is not a number.
impl Eq for Rate {}

impl Hash for Rate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // 0 and -0 are equal, and so are their hashes.
        (self.0 + 0.0).to_bits().hash(state);
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            f.write_str("inf")
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_infinite() {
            serializer.serialize_str("inf")
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate in requests/s, or `inf`")
            }

            fn visit_f64<E: serde::de::Error>(self, rate: f64) -> Result<Rate, E> {
                Ok(Rate(rate))
            }

            fn visit_u64<E: serde::de::Error>(self, rate: u64) -> Result<Rate, E> {
                Ok(Rate(rate as f64))
            }

            fn visit_i64<E: serde::de::Error>(self, rate: i64) -> Result<Rate, E> {
                Ok(Rate(rate as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rate, E> {
                match text {
                    "inf" => Ok(Rate(f64::INFINITY)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "requests per second, above 0, or \"inf\" for all at once",
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "inf"}],
        })
    }
}

/// One point of the load, written as `{"kind": "concurrency", "value": 8}`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Level {
    /// Closed loop: this many requests in flight.
    Concurrency(u32),
    /// Open loop: this many requests per second.
    RequestRate(Rate),
    /// Open loop: the times of a trace, so many times faster than they were recorded.
    TraceSpeed(Speed),
}

impl Level {
    /// The bare value, as text: `8`, `0.5`, `inf`.
    #[must_use]
    pub fn value_text(&self) -> String {
        match self {
            Self::Concurrency(n) => n.to_string(),
            Self::RequestRate(rate) => rate.to_string(),
            Self::TraceSpeed(speed) => speed.to_string(),
        }
    }

    /// Whether it is an open loop whose requests are sent over time, and not all at once.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        match self {
            Self::Concurrency(_) => false,
            Self::RequestRate(rate) => rate.0.is_finite(),
            Self::TraceSpeed(_) => true,
        }
    }

    /// Name and unit of the axis of this level.
    #[must_use]
    pub fn axis(&self) -> &'static str {
        match self {
            Self::Concurrency(_) => "concurrency",
            Self::RequestRate(_) => "requests/s",
            Self::TraceSpeed(_) => "trace speed",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrency(n) => write!(f, "concurrency {n}"),
            Self::RequestRate(rate) => write!(f, "{rate} requests/s"),
            Self::TraceSpeed(speed) => write!(f, "trace at {speed}x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_with_kind_and_value() {
        let json = |level| serde_json::to_value::<Level>(level).unwrap();
        assert_eq!(
            json(Level::Concurrency(8)),
            serde_json::json!({"kind": "concurrency", "value": 8})
        );
        let infinite = json(Level::RequestRate(Rate(f64::INFINITY)));
        assert_eq!(
            infinite,
            serde_json::json!({"kind": "request_rate", "value": "inf"})
        );
        let back: Level = serde_json::from_value(infinite).unwrap();
        assert_eq!(back, Level::RequestRate(Rate(f64::INFINITY)));
        let twice = json(Level::TraceSpeed(Speed(2.0)));
        assert_eq!(
            twice,
            serde_json::json!({"kind": "trace_speed", "value": 2.0})
        );
        let back: Level = serde_json::from_value(twice).unwrap();
        assert_eq!(back, Level::TraceSpeed(Speed(2.0)));
    }

    #[test]
    fn a_level_of_a_trace_is_shown_by_its_speed() {
        let level = |speed| Level::TraceSpeed(Speed(speed));
        assert_eq!(level(2.0).to_string(), "trace at 2x");
        assert_eq!(level(0.5).to_string(), "trace at 0.5x");
        assert_eq!(level(0.5).value_text(), "0.5");
        assert_eq!(level(1.0).axis(), "trace speed");
    }
}
