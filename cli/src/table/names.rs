//! How the backends are called in the terminal's table.

use inferbench_model::report::Report;

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
        let labels = report.backends.iter().map(|b| b.label.as_str());
        let short = |label: &str| shortened(label, LABEL_WIDTH);
        let backends: Vec<String> = labels.clone().map(short).collect();
        let is_first = |(at, name): (usize, &String)| !backends[..at].contains(name);
        let (Some(runs), false) = (&report.runs, backends.iter().enumerate().all(is_first)) else {
            return Self {
                backends,
                marks: None,
            };
        };
        let marks: Vec<String> = (1..=runs.runs.len()).map(|n| format!("run {n}")).collect();
        let marked = labels.map(|label| {
            let run = report.rows.iter().find(|row| row.backend == label);
            let run = run.and_then(|row| row.run).unwrap_or_default() as usize;
            let own = label.strip_prefix(&runs.runs[run].label).unwrap_or(label);
            short(&format!("{}{own}", marks[run]))
        });
        Self {
            backends: marked.collect(),
            marks: Some(marks),
        }
    }
}

/// The text, or its start and its end around an ellipsis; labels often differ
/// in their last letters only.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return text.to_owned();
    }
    let end = width / 2;
    let start = (width - end).saturating_sub(1);
    let mut short: String = letters[..start].iter().collect();
    short.push('…');
    short.extend(&letters[letters.len() - end..]);
    short
}
