//! How the next token is picked: greedily, as the server does by default, or by
//! temperature.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How the next token is picked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sampling {
    /// The likeliest one.
    #[default]
    Greedy,
    /// As the server does if it is not told.
    Server,
    /// At random.
    Random(RandomSampling),
}

/// Sampling at random.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomSampling {
    /// How much chance there is in it, above 0.
    pub temperature: f64,
    /// Pick among the likeliest tokens that have this probability together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Seed, from which each request gets one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Sampling {
    /// Whether the likeliest token is picked.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        *self == Self::Greedy
    }
}

const EXPECTED: &str = "`greedy`, `server` or `{temperature, top_p, seed}`";

impl Serialize for Sampling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Greedy => serializer.serialize_str("greedy"),
            Self::Server => serializer.serialize_str("server"),
            Self::Random(random) => random.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sampling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Sampling;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sampling, E> {
                match text {
                    "greedy" => Ok(Sampling::Greedy),
                    "server" => Ok(Sampling::Server),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Sampling, A::Error> {
                let random =
                    RandomSampling::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Sampling::Random(random))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Sampling {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sampling".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let random = generator.subschema_for::<RandomSampling>();
        schemars::json_schema!({
            "description": "how the next token is picked: greedy, server (its own defaults), or {temperature, top_p, seed}",
            "anyOf": [{"enum": ["greedy", "server"]}, random],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_is_a_word_or_a_temperature() {
        let read = |json: &str| serde_json::from_str::<Sampling>(json);
        assert_eq!(read(r#""greedy""#).unwrap(), Sampling::Greedy);
        assert_eq!(read(r#""server""#).unwrap(), Sampling::Server);
        let random = read(r#"{"temperature": 0.7, "top_p": 0.9}"#).unwrap();
        assert_eq!(
            random,
            Sampling::Random(RandomSampling {
                temperature: 0.7,
                top_p: Some(0.9),
                seed: None,
            })
        );
        for sampling in [Sampling::Greedy, Sampling::Server, random] {
            let written = serde_json::to_string(&sampling).unwrap();
            assert_eq!(read(&written).unwrap(), sampling);
        }
        assert!(
            read(r#""beam""#)
                .unwrap_err()
                .to_string()
                .contains(EXPECTED)
        );
        assert!(read(r#"{"top_p": 0.9}"#).is_err());
    }
}
