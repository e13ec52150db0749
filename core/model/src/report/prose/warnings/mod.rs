//! The one place where a warning becomes a sentence. It names neither the
//! backend nor the levels: [`line`] puts those in front.
//! Its files are those of the table of warnings.

mod answers;
mod client;
mod comparison;
mod hardware;
mod load;
mod run;
mod servers;

pub(super) use load::drift;

use super::wording::at_levels;
use crate::config::Level;
use crate::facts::warning::{Warning, WarningKind};

/// The warning as one line: `vllm, at concurrency 8: text`.
#[must_use]
pub fn line(warning: &Warning, all_levels: &[Level]) -> String {
    let mut place: Vec<String> = warning.backend.iter().cloned().collect();
    if !warning.levels.is_empty() && all_levels.len() > 1 {
        place.push(at_levels(all_levels, &warning.levels));
    }
    let text = match warning.text.is_empty() {
        true => words(&warning.kind),
        false => warning.text.clone(),
    };
    if place.is_empty() {
        text
    } else {
        format!("{}: {text}", place.join(", "))
    }
}

/// The sentence of a warning in a report: the words of the worst, and in how many
/// more measurements it was found.
pub(super) fn sentence(warning: &Warning) -> String {
    let mut text = words(&warning.kind);
    let has_numbers = text.chars().any(|c| c.is_ascii_digit());
    if warning.more > 0 && has_numbers {
        text.push_str(&format!("; and {} more like it", warning.more));
    }
    if warning.more > 0 && warning.backend.is_none() {
        text.push_str(", over all backends");
    }
    text
}

/// A warning in words.
#[must_use]
pub fn words(kind: &WarningKind) -> String {
    client::words(kind)
        .or_else(|| load::words(kind))
        .or_else(|| answers::words(kind))
        .or_else(|| servers::words(kind))
        .or_else(|| hardware::words(kind))
        .or_else(|| comparison::words(kind))
        .or_else(|| run::words(kind))
        .unwrap_or_else(|| format!("{}: {}", kind.code().as_str(), kind.code().meaning()))
}
