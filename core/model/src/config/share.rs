//! A share of a whole: `5%`, or a number from 0 to 1.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A share of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Share(pub f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the digits that a share of so many percent has by chance.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 5%, or a number from 0 to 1")
            }

            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Share, E> {
                match (0.0..=1.0).contains(&share) {
                    true => Ok(Share(share)),
                    false => Err(E::custom(format!(
                        "is {share}, must be from 0 to 1, or 0% to 100%"
                    ))),
                }
            }

            fn visit_u64<E: de::Error>(self, share: u64) -> Result<Share, E> {
                self.visit_f64(share as f64)
            }

            fn visit_i64<E: de::Error>(self, share: i64) -> Result<Share, E> {
                self.visit_f64(share as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                let number = text
                    .strip_suffix('%')
                    .map(|number| number.trim().parse::<f64>());
                match number {
                    Some(Ok(percent)) => self.visit_f64(percent / 100.0),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "a share: `5%`, or a number from 0 to 1",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": "^[0-9.]+ *%$"},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Share, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn a_share_is_read_and_written_as_percent() {
        assert_eq!(parse("\"5%\""), Ok(Share(0.05)));
        assert_eq!(parse("0.001"), Ok(Share(0.001)));
        assert_eq!(Share(0.07).to_string(), "7%");
        assert_eq!(serde_json::to_string(&Share(0.001)).unwrap(), "\"0.1%\"");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert!(
            parse("1.5")
                .unwrap_err()
                .contains("is 1.5, must be from 0 to 1")
        );
        assert!(
            parse("\"200%\"")
                .unwrap_err()
                .contains("is 2, must be from 0 to 1")
        );
        assert!(parse("\"5\"").unwrap_err().contains("a share such as 5%"));
    }
}
