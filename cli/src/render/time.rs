//! Wall-clock times as readers see them.

/// An RFC 3339 time in UTC, to the minute: `2026-11-25 14:02 UTC`. A time with an
/// offset stays as it is.
pub(super) fn utc(time: &str) -> String {
    match (time.strip_suffix('Z'), time.get(..16)) {
        (Some(_), Some(minutes)) => format!("{} UTC", minutes.replace('T', " ")),
        _ => time.to_owned(),
    }
}
