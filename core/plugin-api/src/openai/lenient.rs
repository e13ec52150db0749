//! Fields that servers fill in more than one way. They never make a message
//! unreadable: what does not fit reads as absent, a field that nobody knows is
//! passed over, and the last of a field that comes twice wins.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// A visitor's answers to values of kinds that its field is not: `number` (booleans
/// too), `scalar` (those and null), `text`, `list` or `object`.
macro_rules! reads_as_absent {
    ($absent:expr; $($kind:ident),+) => { $(reads_as_absent!(@ $kind $absent);)+ };
    (@ scalar $absent:expr) => {
        reads_as_absent!(@ number $absent);

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($absent)
        }
    };
    (@ number $absent:expr) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($absent)
        }

        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($absent)
        }

        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($absent)
        }

        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($absent)
        }
    };
    (@ text $absent:expr) => {
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($absent)
        }
    };
    (@ list $absent:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
    (@ object $absent:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
}

/// A JSON object of which some fields are read.
pub trait Fields<'de>: Default {
    /// The object that a text in its place stands for; `None` if it stands for none.
    fn from_text(_: Text<'de>) -> Option<Self> {
        None
    }

    /// Takes the value of `key` from `map`, or skips it.
    ///
    /// # Errors
    /// If the document is broken there.
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// A large object is kept apart, so that what holds it is moved at little cost.
impl<'de, T: Fields<'de>> Fields<'de> for Box<T> {
    fn from_text(text: Text<'de>) -> Option<Self> {
        T::from_text(text).map(Box::new)
    }

    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        (**self).take(key, map)
    }
}

/// Passes a value over.
///
/// # Errors
/// If the document is broken there.
pub fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// All fields of an object.
pub(super) fn take_fields<'de, T: Fields<'de>, A: MapAccess<'de>>(
    mut map: A,
) -> Result<T, A::Error> {
    let mut fields = T::default();
    while let Some(key) = map.next_key::<Text<'_>>()? {
        fields.take(key.0.as_deref().unwrap_or_default(), &mut map)?;
    }
    Ok(fields)
}

/// An object, or what a text in its place stands for; anything else is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Fields<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        take_fields(map).map(|fields| Object(Some(fields)))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Object(T::from_text(Text(Some(Cow::Borrowed(text))))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Object(T::from_text(Text(Some(text.to_owned().into())))))
    }

    reads_as_absent!(Object(None); scalar, list);
}

/// A list of objects, or one object without a list around it. What is no object in
/// it is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum List<T> {
    /// Null, or not there.
    #[default]
    Absent,
    /// A list, with the objects in it.
    Objects(Vec<T>),
    /// Anything else.
    NoList,
}

impl<T> List<T> {
    /// Its objects; none if it is absent.
    #[must_use]
    pub fn objects(&self) -> &[T] {
        match self {
            Self::Objects(objects) => objects,
            Self::Absent | Self::NoList => &[],
        }
    }
}

impl<'de, T: Fields<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(Object(object)) = list.next_element()? {
            objects.extend(object);
        }
        Ok(List::Objects(objects))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        take_fields(map).map(|fields| List::Objects(vec![fields]))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(List::Absent)
    }

    reads_as_absent!(List::NoList; number, text);
}

/// A text, which is borrowed where it has no escapes. Anything but a string is
/// absent.
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

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    reads_as_absent!(Text(None); scalar, list, object);
}

/// Whether a value holds something: a text, list or object that is not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Filled(pub(super) bool);

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

/// A count: a whole number that is not negative, written as an integer, as a float or
/// as the text of an integer. Anything else is absent.
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

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
        text.parse()
            .map_or(Ok(Count(None)), |n| self.visit_u64::<E>(n))
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

    reads_as_absent!(Count(None); list, object);
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
    fn other_kinds_than_a_string_are_no_text() {
        for other in [
            "null",
            "true",
            "3",
            "-3",
            "1.5",
            "{\"a\":[1]}",
            "[]",
            "[\"a\"]",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
    }

    #[derive(Debug, Default, PartialEq)]
    struct Named {
        name: String,
    }

    impl<'de> Fields<'de> for Named {
        fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
            match key {
                "name" => self.name = map.next_value::<Text<'_>>()?.0.unwrap_or_default().into(),
                _ => skip(map)?,
            }
            Ok(())
        }
    }

    fn names(json: &str) -> Option<Vec<String>> {
        match serde_json::from_str::<List<Named>>(json).unwrap() {
            List::Objects(list) => Some(list.into_iter().map(|named| named.name).collect()),
            List::Absent | List::NoList => None,
        }
    }

    #[test]
    fn the_last_of_a_field_that_comes_twice_wins() {
        assert_eq!(
            names(r#"[{"name":"a","x":[{}],"name":"b"}]"#).unwrap(),
            ["b"]
        );
    }

    #[test]
    fn a_list_holds_the_objects_in_it_and_one_object_is_a_list_of_one() {
        assert_eq!(
            names(r#"[1,{"name":"a"},null,[{}],{}]"#).unwrap(),
            ["a", ""]
        );
        assert_eq!(names(r#"{"name":"a"}"#).unwrap(), ["a"]);
        for other in ["null", "1", "\"a\"", "false", "-1", "0.5"] {
            assert_eq!(names(other), None, "{other}");
        }
    }

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

    #[test]
    fn a_count_is_a_whole_number_that_fits() {
        assert_eq!(count("7"), Some(7));
        assert_eq!(count("7.0"), Some(7));
        assert_eq!(count("\"7\""), Some(7));
        for other in [
            "-1",
            "1.5",
            "4294967295",
            "\"-7\"",
            "\"many\"",
            "\"4294967295\"",
            "null",
            "[7]",
            "{}",
        ] {
            assert_eq!(count(other), None, "{other}");
        }
    }
}
