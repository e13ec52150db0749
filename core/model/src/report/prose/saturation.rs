//! Which backends do not keep up with the offered rate, in sentences.

use super::wording::{at_levels, listed};
use crate::config::Level;
use crate::report::Report;
use crate::report::figures::row::{Pace, Row};
use crate::text::number::three_digits;

/// One sentence for each backend that does not keep up at some level.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let labels = report.backends.iter().map(|backend| &backend.label);
    labels
        .filter_map(|label| {
            let own = report.rows.iter().filter(|row| row.backend == *label);
            let behind: Vec<(&Row, Pace)> = own
                .filter_map(|row| Some((row, row.pace.filter(|pace| !pace.keeps_up)?)))
                .collect();
            let levels: Vec<Level> = behind.iter().map(|(row, _)| row.level).collect();
            let rates: Vec<String> = behind
                .iter()
                .map(|(_, pace)| {
                    let completed = pace.completed_per_s.map_or("–".to_owned(), three_digits);
                    format!("{completed} of {}", three_digits(pace.offered_per_s))
                })
                .collect();
            (!behind.is_empty()).then(|| {
                format!(
                    "{label} does not keep up with the offered rate {}: it completes {} requests/s.",
                    at_levels(&report.levels, &levels),
                    listed(&rates)
                )
            })
        })
        .collect()
}
