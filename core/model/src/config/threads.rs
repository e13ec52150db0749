//! How many threads make the load: a number, or `auto`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most threads that can be asked for: more than any machine has use for.
const MOST: u32 = 256;

/// Threads that make the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadThreads {
    /// As many as the level calls for, and at most one less than there are cores.
    #[default]
    Auto,
    /// This many.
    Exactly(NonZeroU32),
}

impl JsonSchema for LoadThreads {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoadThreads".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`auto`, or a number from 1 to 256",
            "anyOf": [
                {"enum": ["auto"]},
                {"type": "integer", "minimum": 1, "maximum": MOST},
            ],
        })
    }
}

impl Serialize for LoadThreads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Exactly(n) => serializer.serialize_u32(n.get()),
        }
    }
}

impl<'de> Deserialize<'de> for LoadThreads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Threads;
        impl Visitor<'_> for Threads {
            type Value = LoadThreads;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "`auto` or a number from 1 to {MOST}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LoadThreads, E> {
                match text {
                    "auto" => Ok(LoadThreads::Auto),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<LoadThreads, E> {
                let asked = u32::try_from(n).ok().filter(|n| *n <= MOST);
                asked
                    .and_then(NonZeroU32::new)
                    .map(LoadThreads::Exactly)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(n), &self))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<LoadThreads, E> {
                match u64::try_from(n) {
                    Ok(n) => self.visit_u64(n),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(n), &self)),
                }
            }
        }
        deserializer.deserialize_any(Threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<LoadThreads, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_or_auto_is_taken_and_given_back() {
        assert_eq!(read("\"auto\""), Ok(LoadThreads::Auto));
        for n in ["1", "256"] {
            let threads = read(n).unwrap();
            assert_eq!(serde_json::to_string(&threads).unwrap(), n);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for wrong in ["0", "257", "-1", "\"all\"", "1.5", "[2]"] {
            let words = read(wrong).unwrap_err();
            assert!(
                words.contains("`auto` or a number from 1 to 256"),
                "{words}"
            );
        }
    }
}
