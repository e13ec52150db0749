//! Values of which only counts whether they hold something.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::reads_as_absent;

/// Whether a value holds something: a text, list or object that is not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::openai) struct Filled(pub(in crate::openai) bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilledVisitor)
    }
}

struct FilledVisitor;

impl<'de> Visitor<'de> for FilledVisitor {
    type Value = Filled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Filled(!text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut filled = Filled(false);
        while list.next_element::<IgnoredAny>()?.is_some() {
            filled.0 = true;
        }
        Ok(filled)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut filled = Filled(false);
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            filled.0 = true;
        }
        Ok(filled)
    }

    reads_as_absent!(Filled(false); scalar);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_something_is_filled() {
        for (json, filled) in [
            ("null", false),
            ("true", false),
            ("7", false),
            ("\"\"", false),
            ("[]", false),
            ("{}", false),
            ("\"a\"", true),
            ("[null]", true),
            ("{\"a\":null}", true),
        ] {
            assert_eq!(
                serde_json::from_str::<Filled>(json).unwrap(),
                Filled(filled),
                "{json}"
            );
        }
    }
}
