//! The servers that a backend attaches to: one, or several replicas.

use std::fmt;
use std::slice;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Base URLs of servers that run already: one, or those of several replicas that serve the
/// same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attach {
    /// One server, or a balancer in front of some.
    One(String),
    /// Several, among which requests are spread.
    Replicas(Vec<String>),
}

impl Attach {
    /// The URLs, in the config's order.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        match self {
            Self::One(url) => slice::from_ref(url),
            Self::Replicas(urls) => urls,
        }
    }

    /// How many servers there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.urls().len()).unwrap_or(u32::MAX)
    }
}

impl Serialize for Attach {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(url) => serializer.serialize_str(url),
            Self::Replicas(urls) => urls.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Attach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Attach;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL such as http://127.0.0.1:8000, or a list of URLs")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<Attach, E> {
                Ok(Attach::One(url.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Attach, A::Error> {
                let list = de::value::SeqAccessDeserializer::new(list);
                Vec::deserialize(list).map(Attach::Replicas)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Attach {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Attach".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "base URL of a server, or a list with those of several replicas",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Attach, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn a_url_and_a_list_are_read_and_written_as_they_were() {
        for json in [r#""http://a""#, r#"["http://a","http://b"]"#] {
            assert_eq!(serde_json::to_string(&parse(json).unwrap()).unwrap(), json);
        }
        assert_eq!(parse(r#""http://a""#).unwrap().urls(), ["http://a"]);
        assert_eq!(parse(r#"["http://a","http://b"]"#).unwrap().count(), 2);
    }

    #[test]
    fn what_is_neither_says_what_is_allowed() {
        for json in ["7", "{}", "true"] {
            let error = parse(json).unwrap_err();
            assert!(error.contains("or a list of URLs"), "{error}");
        }
        assert!(parse("[1]").unwrap_err().contains("expected a string"));
    }
}
