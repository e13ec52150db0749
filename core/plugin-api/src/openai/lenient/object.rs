//! Objects, and lists of them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{Fields, Text, reads_as_absent, take_fields};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::lenient::skip;

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
}
