//! How the backends are called in the terminal's table.

use inferbench_model::report::Report;

use crate::render::names::{ShortNames, all_differ, shortened};

/// Widest label of a backend, in columns; a longer one loses its middle.
const LABEL_WIDTH: usize = 16;

/// Names of the backends, all different within their width.
pub(super) struct Names {
    /// One name per backend.
    pub(super) backends: Vec<String>,
    /// A short mark for each run of a comparison, where shortened labels are the
    /// same for several backends.
    pub(super) marks: Option<Vec<String>>,
}

impl Names {
    pub(super) fn from_report(report: &Report) -> Self {
        let labels = || report.backends.iter().map(|b| b.label.as_str());
        let short: Vec<String> = labels()
            .map(|label| shortened(label, LABEL_WIDTH))
            .collect();
        let (Some(runs), false) = (&report.runs, all_differ(&short)) else {
            return Self {
                backends: within_width(labels()),
                marks: None,
            };
        };
        let marks: Vec<String> = (1..=runs.runs.len()).map(|n| format!("run {n}")).collect();
        let marked = labels().map(|label| {
            let run = report.rows.iter().find(|row| row.backend == label);
            let run = run.and_then(|row| row.run).unwrap_or_default() as usize;
            let own = label.strip_prefix(&runs.runs[run].label).unwrap_or(label);
            format!("{}{own}", marks[run])
        });
        let marked: Vec<String> = marked.collect();
        Self {
            backends: within_width(marked.iter().map(String::as_str)),
            marks: Some(marks),
        }
    }
}

fn within_width<'l>(labels: impl Iterator<Item = &'l str> + Clone) -> Vec<String> {
    let names = ShortNames::new(labels.clone(), LABEL_WIDTH);
    labels.map(|label| names.short(label)).collect()
}
