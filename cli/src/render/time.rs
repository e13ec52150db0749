//! Times of the wall clock, as readers see them.

/// An RFC 3339 time to the minute: `2026-11-25 14:02 UTC`; as it is if it is
/// written with an offset.
pub(super) fn utc(time: &str) -> String {
    match (time.strip_suffix('Z'), time.get(..16)) {
        (Some(_), Some(minutes)) => format!("{} UTC", minutes.replace('T', " ")),
        _ => time.to_owned(),
    }
}
