//! Fields that servers fill in more than one way. They never make a message
//! unreadable: what does not fit reads as absent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// A text: a string, which is borrowed where it has no escapes, or the joined
/// `text` of a list of parts. Anything else is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text if it is there and not empty.
    #[must_use]
    pub fn filled(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text<'de>, A::Error> {
        let mut joined = String::new();
        while let Some(Part(text)) = parts.next_element()? {
            joined.push_str(text.filled().unwrap_or_default());
        }
        Ok(Text((!joined.is_empty()).then_some(Cow::Owned(joined))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

/// One part of a content list: `{"type": "text", "text": "..."}` or a string.
struct Part<'a>(Text<'a>);

impl<'de> Deserialize<'de> for Part<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a content list")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Part<'de>, E> {
        TextVisitor.visit_borrowed_str(text).map(Part)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Part<'de>, E> {
        TextVisitor.visit_str(text).map(Part)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Part<'de>, E> {
        Ok(Part(Text(None)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part<'de>, A::Error> {
        let mut text = Text(None);
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "text" {
                text = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Part(text))
    }
}

/// A count: a whole number that is not negative, written as an integer or as a
/// float. Anything else is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count(pub Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Count, E> {
        // The largest number means "not known" at the plugin boundary.
        let known = u32::try_from(n).ok().filter(|n| *n != u32::MAX);
        Ok(Count(known))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Count, E> {
        let whole = n.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&n);
        Ok(Count(whole.then_some(n as u32)))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Count, A::Error> {
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        let text: Text<'_> = serde_json::from_str(json).unwrap();
        text.0.map(Cow::into_owned)
    }

    fn count(json: &str) -> Option<u32> {
        serde_json::from_str::<Count>(json).unwrap().0
    }

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        let text: Text<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(text.0, Some(Cow::Borrowed("plain"))));
        let text: Text<'_> = serde_json::from_str(r#""a\n""#).unwrap();
        assert!(matches!(text.0, Some(Cow::Owned(_))));
    }

    #[test]
    fn parts_are_joined_and_other_kinds_are_absent() {
        let parts = r#"[{"type":"text","text":"a"},{"type":"image","url":"u"},"b",null]"#;
        assert_eq!(text(parts).as_deref(), Some("ab"));
        for other in ["null", "true", "3", "-3", "1.5", "{\"a\":[1]}", "[]"] {
            assert_eq!(text(other), None, "{other}");
        }
    }

    #[test]
    fn a_count_is_a_whole_number_that_fits() {
        assert_eq!(count("7"), Some(7));
        assert_eq!(count("7.0"), Some(7));
        for other in ["-1", "1.5", "4294967295", "\"7\"", "null", "[7]", "{}"] {
            assert_eq!(count(other), None, "{other}");
        }
    }
}
