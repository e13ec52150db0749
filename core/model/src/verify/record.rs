//! Whether one record agrees with itself.

use sha2::{Digest, Sha256};

use crate::facts::exchange::hex;
use crate::facts::failure_reason::FailureReason;
use crate::facts::record::{RequestRecord, Status};
use crate::facts::text_marks::TextMarks;
use crate::text::units::{NS_PER_MS, ms_between};

/// First schema version of `run.json` whose records have their TPOT and decode time by
/// the rules of today.
const FIRST_CURRENT: u32 = 3;
/// Tokens that a server's last count may have beyond that of its last message with one:
/// the end of the answer, and special tokens.
const UNTOLD_TOKENS: u64 = 8;

/// By which rules a record's derived values were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordRules {
    /// Today's.
    Current,
    /// Those before: TPOT whatever came, decode time only where events are counted.
    Before,
}

/// What does not agree within a record, in words; nothing if all does. `rules`: those
/// of the version that wrote it.
#[must_use]
pub fn faults(record: &RequestRecord, rules: RecordRules) -> Vec<String> {
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
        ("tpot_ms", record.tpot_ms, rules.tpot_ms(record)),
    ] {
        if stored != follows {
            found.push(format!(
                "{name} is {}, its times give {}",
                text(stored),
                text(follows)
            ));
        }
    }
    found.extend(rules.order(record));
    found.extend(gaps(record));
    found.extend(tokens(record));
    if rules == RecordRules::Current {
        found.extend(decode(record));
        found.extend(counted(record));
    }
    found.extend(hash(record));
    found.extend(marks(record));
    found.extend(outcome(record));
    found
}

fn text(value: Option<f64>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| value.to_string())
}

impl RecordRules {
    /// Those of `run.json` with this schema version.
    #[must_use]
    pub fn of_run_version(schema_version: u32) -> Self {
        if schema_version < FIRST_CURRENT {
            Self::Before
        } else {
            Self::Current
        }
    }

    fn tpot_ms(self, record: &RequestRecord) -> Option<f64> {
        if self == Self::Current {
            return record.tpot_from_times_ms();
        }
        let tokens = record.output_tokens.filter(|tokens| *tokens >= 2)?;
        let span = ms_between(record.first_output_ns?, record.last_output_ns?);
        Some(span / f64::from(tokens - 1))
    }

    /// The moments of a request in their order.
    fn order(self, record: &RequestRecord) -> Option<String> {
        let of_answer = [
            ("first output", record.first_output_ns),
            ("first text", record.first_content_ns),
            ("last output", record.last_output_ns),
            ("end", Some(record.end_ns)),
        ];
        let of_send = [
            ("planned send", record.scheduled_ns),
            ("send", record.sent_ns),
        ];
        match self {
            Self::Current => out_of_order(&[&of_send[..], &of_answer[..]].concat()),
            // The clock could be read after the answer had come.
            Self::Before => out_of_order(&of_answer),
        }
    }
}

fn out_of_order(moments: &[(&str, Option<u64>)]) -> Option<String> {
    let known: Vec<(&str, u64)> = moments
        .iter()
        .filter_map(|(name, ns)| Some((*name, (*ns)?)))
        .collect();
    let wrong = known.windows(2).find(|pair| pair[0].1 > pair[1].1)?;
    Some(format!("{} lies after {}", wrong[0].0, wrong[1].0))
}

/// Tokens of the events are among those of the answer.
fn tokens(record: &RequestRecord) -> Option<String> {
    let counts = record.tokens_per_event.as_ref()?;
    let in_events: u64 = counts.iter().map(|n| u64::from(*n)).sum();
    let all = u64::from(record.output_tokens?);
    (in_events > all).then(|| format!("its events hold {in_events} tokens, it has {all}"))
}

/// Where the server counts per event, all tokens are in events or known to have none.
fn counted(record: &RequestRecord) -> Option<String> {
    let counts = record.tokens_per_event.as_ref()?;
    let in_events: u64 = counts.iter().map(|n| u64::from(*n)).sum();
    let told = in_events + u64::from(record.tokens_without_output) + UNTOLD_TOKENS;
    let all = u64::from(record.output_tokens?);
    (all > told).then(|| {
        format!(
            "it has {all} tokens, its events hold {in_events} and {} came without output",
            record.tokens_without_output
        )
    })
}

fn decode(record: &RequestRecord) -> Option<String> {
    let follows = record.decode_from_times_ms();
    let stored = record.decode_ms_per_token;
    let same = stored == follows.map(|(ms, _)| ms)
        && record.decode_is_estimated == follows.is_some_and(|(_, is_estimated)| is_estimated);
    (!same).then(|| {
        format!(
            "decode_ms_per_token is {}, its times and tokens give {}",
            text(stored),
            text(follows.map(|(ms, _)| ms))
        )
    })
}

/// The gaps fill the time from the first output event to the last, and there
/// is one fewer than events.
fn gaps(record: &RequestRecord) -> Option<String> {
    let whole = |gap: &f64| (gap * NS_PER_MS).round() as i128;
    if let Some(gap) = record.itl_ms.iter().find(|gap| **gap < 0.0) {
        return Some(format!("one of its gaps is {gap} ms"));
    }
    let sum = record.itl_ms.iter().map(whole);
    let sum = sum.fold(0_i128, i128::saturating_add);
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
