//! A field that holds output, in the forms that servers write it: a string, or a
//! list of parts of which some are the model's reasoning.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::lenient::{Fields, Text, skip, take_fields};

/// Keys of a part that hold text, and whether it is reasoning whatever the part's
/// `type` says.
const PART_FIELDS: &[(&str, bool)] = &[
    ("text", false),
    ("content", false),
    ("refusal", false),
    ("thinking", true),
    ("reasoning", true),
    ("summary", true),
];

/// Types of a part whose text is reasoning, or how they begin: `thinking`,
/// `reasoning.text`, `reasoning_text`, `summary_text`, `thought`.
const REASONING_TYPES: &[&str] = &["thinking", "reasoning", "summary", "thought"];

/// What a field holds. A string without escapes is borrowed; parts are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) text: Text<'a>,
    /// Text of parts that are reasoning.
    pub(super) reasoning: String,
}

impl<'a> Parts<'a> {
    pub(super) fn is_filled(&self) -> bool {
        self.text.filled().is_some() || !self.reasoning.is_empty()
    }

    /// All of it as reasoning.
    fn all_reasoning(mut self) -> Self {
        let text = self.text.filled().unwrap_or_default();
        self.reasoning.push_str(text);
        self.text = Text(None);
        self
    }

    fn join(&mut self, more: &Self) {
        self.reasoning.push_str(&more.reasoning);
        if let Some(text) = more.text.filled() {
            let joined = self.text.0.get_or_insert_with(Cow::default);
            joined.to_mut().push_str(text);
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Parts {
            text: Text(Some(Cow::Borrowed(text))),
            ..Parts::default()
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Parts {
            text: Text(Some(Cow::Owned(text.to_owned()))),
            ..Parts::default()
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut parts = Parts::default();
        while let Some(part) = list.next_element()? {
            parts.join(&part);
        }
        Ok(parts)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let part: Part<'_> = take_fields(map)?;
        Ok(match part.is_reasoning() {
            true => part.own.all_reasoning(),
            false => part.own,
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Parts::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Parts::default())
    }
}

/// One part: `{"type": "text", "text": "..."}`, with a list in place of the text
/// here and there.
#[derive(Debug, Default)]
struct Part<'a> {
    kind: Text<'a>,
    own: Parts<'a>,
}

impl Part<'_> {
    fn is_reasoning(&self) -> bool {
        let kind = self.kind.filled().unwrap_or_default();
        REASONING_TYPES.iter().any(|known| kind.starts_with(known))
    }
}

impl<'de> Fields<'de> for Part<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if key == "type" {
            self.kind = map.next_value()?;
            return Ok(());
        }
        let Some((_, is_reasoning)) = PART_FIELDS.iter().find(|(name, _)| *name == key) else {
            return skip(map);
        };
        let value: Parts<'_> = map.next_value()?;
        if *is_reasoning {
            self.own.join(&value.all_reasoning());
        } else {
            self.own.reasoning.push_str(&value.reasoning);
            self.own.text = value.text;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(json: &str) -> (Option<String>, String) {
        let parts: Parts<'_> = serde_json::from_str(json).unwrap();
        (parts.text.0.map(Cow::into_owned), parts.reasoning)
    }

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        let parts: Parts<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(parts.text.0, Some(Cow::Borrowed("plain"))));
    }

    #[test]
    fn parts_are_joined_and_thinking_is_reasoning() {
        for (json, text, reasoning) in [
            (
                r#"[{"type":"text","text":"a"},{"type":"image","url":"u"},"b",null]"#,
                Some("ab"),
                "",
            ),
            (
                r#"[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]"#,
                None,
                "t",
            ),
            (
                r#"[{"type":"thinking","thinking":"t","signature":"s"},{"text":"a"}]"#,
                Some("a"),
                "t",
            ),
            (
                r#"[{"text":"r","type":"reasoning.text","format":"x"}]"#,
                None,
                "r",
            ),
            (r#"[{"type":"reasoning.summary","summary":"s"}]"#, None, "s"),
            (
                r#"[{"type":"reasoning.encrypted","data":"AAAA"}]"#,
                None,
                "",
            ),
            (r#"{"type":"text","text":"a"}"#, Some("a"), ""),
            (r#"[{"type":"text","text":null,"text":"b"}]"#, Some("b"), ""),
        ] {
            assert_eq!(
                parts(json),
                (text.map(str::to_owned), reasoning.to_owned()),
                "{json}"
            );
        }
    }

    #[test]
    fn other_kinds_are_absent() {
        assert_eq!(parts("3"), (Some("3".to_owned()), String::new()));
        for other in ["null", "true", "{\"a\":[1]}", "[]", "[[null]]"] {
            assert_eq!(parts(other), (None, String::new()), "{other}");
        }
    }
}
