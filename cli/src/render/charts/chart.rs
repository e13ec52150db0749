//! One chart as the page takes it.

use inferbench_model::report::Report;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct Chart {
    /// Id of its HTML element.
    pub(in crate::render) id: String,
    pub(in crate::render) title: String,
    /// Unit, and what the lines are.
    pub(in crate::render) subtitle: String,
    /// Height, px.
    pub(in crate::render) height: usize,
    /// Data, layout and configuration for plotly.js.
    pub(in crate::render) plot: Value,
}

/// Index of a backend in the report, which decides its colour and marker.
pub(super) fn backend_index(report: &Report, label: &str) -> usize {
    let index = report.backends.iter().position(|b| b.label == label);
    index.unwrap_or_default()
}
