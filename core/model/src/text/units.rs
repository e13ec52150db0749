//! Durations written as text, and conversions between nanoseconds,
//! milliseconds and seconds: nowhere else are they multiplied by 1e3, 1e6 or 1e9.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds in a second.
pub const NS_PER_S: f64 = 1e9;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: f64 = 1e6;
/// From a binary unit to the next.
pub(super) const BINARY_STEP: f64 = 1024.0;

/// Milliseconds from one monotonic time to a later one; negative if `to_ns`
/// lies before `from_ns`.
#[must_use]
pub fn ms_between(from_ns: u64, to_ns: u64) -> f64 {
    signed_difference(from_ns, to_ns) / NS_PER_MS
}

/// Seconds from one monotonic time to a later one; negative if `to_ns` lies
/// before `from_ns`.
#[must_use]
pub fn s_between(from_ns: u64, to_ns: u64) -> f64 {
    signed_difference(from_ns, to_ns) / NS_PER_S
}

fn signed_difference(from_ns: u64, to_ns: u64) -> f64 {
    if to_ns >= from_ns {
        (to_ns - from_ns) as f64
    } else {
        -((from_ns - to_ns) as f64)
    }
}

/// Whole nanoseconds of a duration in milliseconds; 0 if `ms` is negative or
/// not finite.
#[must_use]
pub fn ns_of_ms(ms: f64) -> u64 {
    if ms.is_finite() && ms > 0.0 {
        (ms * NS_PER_MS).round() as u64
    } else {
        0
    }
}

/// Whole nanoseconds of a difference in milliseconds, which may be negative;
/// 0 if `ms` is not a number.
#[must_use]
pub fn signed_ns_of_ms(ms: f64) -> i64 {
    (ms * NS_PER_MS).round() as i64
}

/// A figure in thousandths in whole units: milliwatts in watts.
#[must_use]
pub fn from_milli(thousandths: impl Into<f64>) -> f64 {
    thousandths.into() / 1e3
}

/// Bytes of so many KiB.
#[must_use]
pub fn from_kib(kib: u64) -> u64 {
    kib.saturating_mul(1024)
}

/// A duration as the config writes it: `"30s"`, `"1m30s"`, `"100ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// The longest that is read: so much can be added to any time of a run's clock.
    pub const MOST: Self = Self::from_secs(365 * 24 * 60 * 60);

    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// The duration in nanoseconds, at most `u64::MAX` (584 years).
    #[must_use]
    pub fn as_ns(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A part of it, in whole milliseconds and above 0.
    #[must_use]
    pub fn part(self, share: f64) -> Self {
        let ms = (self.as_s() * share * 1e3).ceil().max(1.0);
        Self::from_millis(ms as u64)
    }

    /// The duration in seconds.
    #[must_use]
    pub fn as_s(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fact = match humantime::parse_duration(&text) {
            Ok(duration) if duration <= Self::MOST.0 => return Ok(Self(duration)),
            Ok(_) => format!("is \"{text}\", must be 365d at most"),
            Err(_) => format!(
                "is \"{text}\", must be a duration with a unit such as \"30s\", \"1m30s\" or \"100ms\""
            ),
        };
        Err(serde::de::Error::custom(fact))
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "a duration with a unit: \"30s\", \"1m30s\", \"100ms\"",
            "examples": ["30s", "1m30s", "100ms"],
        })
    }
}

/// The largest binary unit that leaves at least 1 of `bytes`: its size in bytes,
/// and its name after a space.
#[must_use]
pub fn binary_unit(bytes: f64) -> (f64, &'static str) {
    let mut unit = (1.0, " B");
    for name in [" KiB", " MiB", " GiB", " TiB"] {
        if bytes < unit.0 * BINARY_STEP {
            break;
        }
        unit = (unit.0 * BINARY_STEP, name);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_their_text_form() {
        for text in ["30s", "1m30s", "100ms", "20m"] {
            let parsed: DurationText = serde_json::from_value(text.into()).unwrap();
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn a_bare_number_is_no_duration() {
        let error = serde_json::from_value::<DurationText>("30".into()).unwrap_err();
        assert!(error.to_string().contains("\"30\", must be a duration"));
    }

    #[test]
    fn a_duration_that_no_run_can_have_is_refused_with_the_limit() {
        let read = |text: &str| serde_json::from_value::<DurationText>(text.into());
        assert_eq!(read("365d").unwrap(), DurationText::MOST);
        let error = read("600y").unwrap_err().to_string();
        assert_eq!(error, "is \"600y\", must be 365d at most");
    }

    #[test]
    fn time_running_backwards_is_negative() {
        assert_eq!(ms_between(3_000_000, 1_000_000), -2.0);
        assert_eq!(s_between(0, 2_500_000_000), 2.5);
    }

    #[test]
    fn a_binary_unit_leaves_at_least_one() {
        assert_eq!(binary_unit(0.0), (1.0, " B"));
        assert_eq!(binary_unit(1023.0), (1.0, " B"));
        assert_eq!(binary_unit(1_048_576.0), (1_048_576.0, " MiB"));
        assert_eq!(binary_unit(3e9), (1_073_741_824.0, " GiB"));
    }
}
