//! One chart as the page takes it, and how it finds a backend's colour.

use inferbench_model::report::Report;
use serde::Serialize;
use serde_json::Value;

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct Chart {
    /// Id of its element.
    pub(in crate::render) id: String,
    /// Title.
    pub(in crate::render) title: String,
    /// What the lines are, with the unit.
    pub(in crate::render) subtitle: String,
    /// Height, px.
    pub(in crate::render) height: usize,
    /// Data, layout and configuration for plotly.js.
    pub(in crate::render) plot: Value,
}

/// Index of a backend in the report, which its colour and marker follow from.
pub(super) fn backend_index(report: &Report, label: &str) -> usize {
    let index = report.backends.iter().position(|b| b.label == label);
    index.unwrap_or_default()
}
