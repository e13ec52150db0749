//! Fields that servers fill in more than one way. They never make a message
//! unreadable: what does not fit reads as absent, a field that nobody knows is
//! passed over, and the last of a field that comes twice wins.

mod count;
mod filled;
mod object;
mod text;

use serde::de::{IgnoredAny, MapAccess};

pub use count::Count;
pub(super) use filled::Filled;
pub use object::{List, Object};
pub use text::Text;

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
use reads_as_absent;

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
