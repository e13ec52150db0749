//! Whether the events of all backends carry the same number of tokens. Where
//! they do not, gaps between events say nothing about gaps between tokens, and
//! decode time per token is compared instead.

use indexmap::IndexMap;

use crate::config::Level;
use crate::metrics::DEPENDS_ON_EVENTS;
use crate::report::figures::columns::BETWEEN_EVENTS;
use crate::report::figures::row::Row;

/// Ratio of mean tokens per event from which on two backends differ, where
/// servers count tokens per event.
const DIFFERS_FROM: f64 = 1.05;
/// The same where a server counts an answer's tokens only as a whole: a last
/// token without text (the end of the answer) then counts too, and weighs on
/// short answers.
const DIFFERS_FROM_UNCOUNTED: f64 = 1.5;

/// Mean tokens that came at one moment in a row, and whether the server counted them
/// per event. Events that share a read came together as far as anyone can tell.
fn tokens_at_once(row: &Row) -> Option<(f64, bool)> {
    let (mean, counted) = tokens_per_event(row)?;
    let events = row.events_per_arrival.unwrap_or(1.0).max(1.0);
    Some((mean * events, counted))
}

/// Mean tokens per event of a row, and whether the server counted them per event.
fn tokens_per_event(row: &Row) -> Option<(f64, bool)> {
    let counted = row.figures.get("tokens_per_event").and_then(|f| f.mean);
    if let Some(mean) = counted {
        return Some((mean, true));
    }
    let tokens = row.figures.get("output_tokens")?;
    let gaps = row.figures.get(BETWEEN_EVENTS)?;
    // An answer has one event more than it has gaps.
    let events = gaps.n as f64 / tokens.n as f64 + 1.0;
    tokens.mean.map(|mean| (mean / events, false))
}

/// Levels at which the backends' events carry different numbers of tokens.
pub(crate) fn mixed_levels(rows: &[Row], levels: &[Level]) -> Vec<Level> {
    let differ = |level: &&Level| {
        let at_level = rows.iter().filter(|row| row.level == **level);
        let means: Vec<(f64, bool)> = at_level.filter_map(tokens_at_once).collect();
        let all_counted = means.iter().all(|(_, counted)| *counted);
        let values = || means.iter().map(|(mean, _)| *mean);
        let (least, most) = (
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max),
        );
        let limit = if all_counted {
            DIFFERS_FROM
        } else {
            DIFFERS_FROM_UNCOUNTED
        };
        means.len() > 1 && most > limit * least
    };
    levels.iter().filter(differ).copied().collect()
}

/// Takes the marks from what depends on the tokens of an event, at the mixed levels.
pub(crate) fn unmark(rows: &mut [Row], mixed: &[Level]) {
    for row in rows.iter_mut().filter(|row| mixed.contains(&row.level)) {
        for metric in DEPENDS_ON_EVENTS {
            if let Some(figure) = row.figures.get_mut(metric) {
                figure.best = false;
                figure.ratio_to_best = None;
                figure.against.clear();
            }
        }
    }
}

/// Tokens per event of each of `backends` at the `mixed` levels, at most.
pub(crate) fn most_tokens_per_event<'r>(
    rows: &[Row],
    mixed: &[Level],
    backends: impl Iterator<Item = &'r String>,
) -> IndexMap<String, f64> {
    let most = backends.filter_map(|label| {
        let is_own = |row: &&Row| row.backend == *label && mixed.contains(&row.level);
        let means = rows.iter().filter(is_own);
        let means = means.filter_map(|row| Some(tokens_at_once(row)?.0));
        Some((label.clone(), means.max_by(f64::total_cmp)?))
    });
    most.collect()
}

/// Tokens per event of a backend, at most, where that is more than one.
pub(crate) fn several(rows: &[Row], backend: &str) -> Option<f64> {
    let own = rows
        .iter()
        .filter(|row| row.backend == backend && row.typical("decode_ms_per_token").is_some());
    let means = own.filter_map(|row| row.figures.get("tokens_per_event")?.mean);
    means
        .max_by(f64::total_cmp)
        .filter(|mean| *mean > DIFFERS_FROM)
}
