//! A report as files: the page, and what is registered beside it. Pure functions
//! of the report; writing is left to others.

mod against;
mod charts;
mod columns;
mod contents;
mod cost;
mod csv;
mod escape;
pub mod grid;
mod html;
pub mod kv;
mod markdown;
mod marks;
pub(crate) mod names;
pub mod options;
mod prometheus;
pub mod runs;
mod style;
mod time;
mod tuning;

pub use csv::render_csv;
pub use html::{Page, render_html};
pub use markdown::render_markdown;
pub use prometheus::render_prometheus;

use inferbench_model::report::Report;
use thiserror::Error;

/// A small file that a report is written as. Each is registered where it is
/// made, and written beside the page.
#[derive(Debug)]
pub struct Export {
    /// Its name in the folder.
    pub file: &'static str,
    /// Its text.
    pub render: fn(&Report) -> Result<String, RenderError>,
}

inventory::collect!(Export);

/// Every export, by the name of its file.
#[must_use]
pub fn exports() -> Vec<&'static Export> {
    let mut all: Vec<&Export> = inventory::iter::<Export>().collect();
    all.sort_by_key(|export| export.file);
    all
}

/// A report that cannot be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The page's template does not fit the report.
    #[error("report page: {}", chain(.0))]
    Template(#[from] tera::Error),
    /// A row could not be written.
    #[error("summary.csv: {0}")]
    Csv(#[from] ::csv::Error),
    /// A chart could not be written as JSON.
    #[error("report page, charts: {0}")]
    Chart(#[from] serde_json::Error),
    /// A gauge could not be written.
    #[error("summary.prom: {0}")]
    Prometheus(#[from] std::fmt::Error),
    /// The config could not be written as YAML.
    #[error("report page, config: {0}")]
    Config(#[from] serde_yaml::Error),
}

/// Tera gives the place in its first error and the fact in the last.
fn chain(error: &tera::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
