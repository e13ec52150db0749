//! Counts.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::reads_as_absent;

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

    fn count(json: &str) -> Option<u32> {
        serde_json::from_str::<Count>(json).unwrap().0
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
