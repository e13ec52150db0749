//! Whether one record agrees with itself.

use sha2::{Digest, Sha256};

use crate::facts::exchange::hex;
use crate::facts::failure_reason::FailureReason;
use crate::facts::record::{RequestRecord, Status};
use crate::facts::text_marks::TextMarks;
use crate::text::units::{NS_PER_MS, ms_between};

/// What does not agree within a record, in words; nothing if all does.
#[must_use]
pub fn faults(record: &RequestRecord) -> Vec<String> {
    let mut found = Vec::new();
    let since = |from: Option<u64>, to: Option<u64>| Some(ms_between(from?, to?));
    let (sent, scheduled) = (record.sent_ns, record.scheduled_ns);
    let (first, last) = (record.first_output_ns, record.last_output_ns);
    for (name, stored, follows) in [
        ("ttft_ms", record.ttft_ms, since(sent, first)),
        ("e2e_latency_ms", record.e2e_latency_ms, since(sent, last)),
        (
            "e2e_from_schedule_ms",
            record.e2e_from_schedule_ms,
            since(scheduled, last),
        ),
        ("send_lag_ms", record.send_lag_ms, since(scheduled, sent)),
        ("tpot_ms", record.tpot_ms, tpot_ms(record)),
    ] {
        if stored != follows {
            found.push(format!(
                "{name} is {}, its times give {}",
                text(stored),
                text(follows)
            ));
        }
    }
    found.extend(order(record));
    found.extend(gaps(record));
    found.extend(hash(record));
    found.extend(marks(record));
    found.extend(outcome(record));
    found
}

fn text(value: Option<f64>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| value.to_string())
}

fn tpot_ms(record: &RequestRecord) -> Option<f64> {
    let tokens = record.output_tokens.filter(|tokens| *tokens >= 2)?;
    let span = ms_between(record.first_output_ns?, record.last_output_ns?);
    Some(span / f64::from(tokens - 1))
}

fn order(record: &RequestRecord) -> Option<String> {
    let times = [
        record.first_output_ns,
        record.last_output_ns,
        Some(record.end_ns),
    ];
    let times: Vec<u64> = times.into_iter().flatten().collect();
    let ascend = times.is_sorted();
    (!ascend).then(|| "first output, last output and end are not in this order".to_owned())
}

/// The gaps fill the time from the first output event to the last, and there
/// is one fewer than events.
fn gaps(record: &RequestRecord) -> Option<String> {
    let whole = |gap: &f64| (gap * NS_PER_MS).round() as i64;
    let sum: i64 = record.itl_ms.iter().map(whole).sum();
    let (first, last) = (record.first_output_ns, record.last_output_ns);
    let Some(span) = first.zip(last).map(|(first, last)| last.abs_diff(first)) else {
        let none = record.itl_ms.is_empty();
        return (!none).then(|| "it has gaps and no output".to_owned());
    };
    if u64::try_from(sum).ok() != Some(span) {
        return Some(format!(
            "its gaps sum to {sum} ns, its output lasts {span} ns"
        ));
    }
    let events = record.tokens_per_event.as_ref()?.len();
    (events != record.itl_ms.len() + 1)
        .then(|| format!("{events} events have {} gaps", record.itl_ms.len()))
}

fn hash(record: &RequestRecord) -> Option<String> {
    let text = record.text.as_ref().filter(|text| !text.is_empty())?;
    let hash = hex(&Sha256::digest(text.as_bytes()));
    (record.text_sha256.as_ref() != Some(&hash))
        .then(|| "text_sha256 is not the hash of the text".to_owned())
}

/// Marks are those of some text, and of the record's own where that is kept.
fn marks(record: &RequestRecord) -> Option<String> {
    let (chars, digits) = match (record.text_chars, &record.text_marks) {
        (None, None) => return None,
        (Some(chars), Some(digits)) => (chars, digits),
        (Some(_), None) => return Some("it has text_chars and no text_marks".to_owned()),
        (None, Some(_)) => return Some("it has text_marks and no text_chars".to_owned()),
    };
    let stored = match TextMarks::read(chars, digits) {
        Ok(stored) => stored,
        Err(error) => return Some(error.to_string()),
    };
    let follow = TextMarks::from_text(record.text.as_ref()?);
    if stored.chars() != follow.chars() {
        let has = follow.chars();
        return Some(format!(
            "text_chars is {chars}, the text has {has} characters"
        ));
    }
    (stored != follow).then(|| "text_marks are not those of the text".to_owned())
}

fn outcome(record: &RequestRecord) -> Option<String> {
    match (record.status, &record.reason) {
        (Status::Ok, Some(reason)) => Some(format!("it is ok and has the reason {reason}")),
        (Status::Failed, None) => Some("it failed without a reason".to_owned()),
        (Status::Failed, Some(reason)) if FailureReason::named(reason).is_none() => {
            Some(format!("its reason {reason} is none that is known"))
        }
        _ => None,
    }
}
