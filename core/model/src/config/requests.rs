//! How many requests a cell measures: a number, or so many for each slot.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Level;

/// Measured requests of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// The same number at every level.
    Fixed(u64),
    /// So many for each slot of a closed loop, and never fewer than `min`.
    PerSlot {
        /// Requests for each request in flight.
        per_slot: u64,
        /// Fewest requests of a level.
        min: u64,
    },
}

impl Requests {
    /// Measured requests of a cell at this level. An open loop has no slots: it has `min`.
    #[must_use]
    pub fn at(self, level: Level) -> u64 {
        match (self, level) {
            (Self::Fixed(requests), _) => requests,
            (Self::PerSlot { per_slot, min }, Level::Concurrency(slots)) => {
                per_slot.saturating_mul(slots.into()).max(min)
            }
            (Self::PerSlot { min, .. }, Level::RequestRate(_) | Level::TraceSpeed(_)) => min,
        }
    }
}

/// The written form of a number that grows with the slots.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// Requests for each request in flight.
    #[schemars(range(min = 1))]
    per_slot: u64,
    /// Fewest requests of a level.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    min: u64,
}

fn one() -> u64 {
    1
}

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(requests) => serializer.serialize_u64(requests),
            Self::PerSlot { per_slot, min } => Raw { per_slot, min }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Requests;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number, or `{per_slot: 16, min: 64}`")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Requests, E> {
                Ok(Requests::Fixed(n))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Requests, E> {
                let unsigned = u64::try_from(n).map(Requests::Fixed);
                unsigned.map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Requests, A::Error> {
                let raw = Raw::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Requests::PerSlot {
                    per_slot: raw.per_slot,
                    min: raw.min,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Requests {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Requests".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let scaled = generator.subschema_for::<Raw>();
        schemars::json_schema!({
            "description": "a number, or {per_slot, min}: so many for each slot of a closed loop",
            "anyOf": [{"type": "integer", "minimum": 1}, scaled],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;

    fn read(json: &str) -> Result<Requests, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_per_slot_grows_with_the_slots_from_its_least_on() {
        let requests = read(r#"{"per_slot": 16, "min": 64}"#).unwrap();
        let at = |slots| requests.at(Level::Concurrency(slots));
        assert_eq!([at(1), at(4), at(5), at(32)], [64, 64, 80, 512]);
        assert_eq!(requests.at(Level::RequestRate(Rate(8.0))), 64);
        let no_least = read(r#"{"per_slot": 4}"#).unwrap();
        assert_eq!(no_least.at(Level::Concurrency(1)), 4);
    }

    #[test]
    fn both_forms_are_given_back_as_they_were_written() {
        for json in ["64", r#"{"per_slot":16,"min":64}"#] {
            assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["-1", "1.5", "\"many\"", "[2]"] {
            let words = read(wrong).unwrap_err();
            assert!(words.contains("a whole number, or `{per_slot"), "{words}");
        }
        let least_alone = read(r#"{"min": 64}"#).unwrap_err();
        assert!(least_alone.contains("`per_slot`"), "{least_alone}");
        let unknown = read(r#"{"per_slot": 1, "slots": 2}"#).unwrap_err();
        assert!(unknown.contains("`slots`"), "{unknown}");
    }
}
