//! How fast the times of a trace are replayed: a number, or a list of them.

use std::fmt;
use std::hash::{Hash, Hasher};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// How many times faster than it was recorded a trace is replayed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Speed(#[schemars(extend("exclusiveMinimum" = 0))] pub f64);

// No config has a speed that is not a number.
impl Eq for Speed {}

impl Hash for Speed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // 0 and -0 are equal, and so are their hashes.
        (self.0 + 0.0).to_bits().hash(state);
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Reads one speed or a list of them.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Speed>>, D::Error> {
    deserializer.deserialize_option(MayBeAbsent)
}

/// Reads what is given.
struct Speeds;

impl<'de> de::Visitor<'de> for Speeds {
    type Value = Vec<Speed>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number such as 2, or a list of them")
    }

    fn visit_f64<E: de::Error>(self, speed: f64) -> Result<Vec<Speed>, E> {
        Ok(vec![Speed(speed)])
    }

    fn visit_u64<E: de::Error>(self, speed: u64) -> Result<Vec<Speed>, E> {
        self.visit_f64(speed as f64)
    }

    fn visit_i64<E: de::Error>(self, speed: i64) -> Result<Vec<Speed>, E> {
        self.visit_f64(speed as f64)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut listed: A) -> Result<Vec<Speed>, A::Error> {
        let mut speeds = Vec::new();
        while let Some(speed) = listed.next_element()? {
            speeds.push(Speed(speed));
        }
        Ok(speeds)
    }
}

/// Reads what is given, or null: what is written where nothing is.
struct MayBeAbsent;

impl<'de> de::Visitor<'de> for MayBeAbsent {
    type Value = Option<Vec<Speed>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        de::Visitor::expecting(&Speeds, f)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Self::Value, D::Error> {
        some.deserialize_any(Speeds).map(Some)
    }
}

/// Schema of what [`one_or_more`] reads.
pub(super) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let speed = generator.subschema_for::<Speed>();
    schemars::json_schema!({
        "anyOf": [speed, {"type": "array", "items": speed}, {"type": "null"}],
    })
}
