//! Hardware and load over the run: panels above each other with one time axis, and
//! the levels shaded behind them.

mod interactive;
mod panel;
mod still;

use inferbench_model::report::Report;
use serde::Serialize;

use super::canvas::Still;
use super::chart::Chart;
use panel::drawn_panels;

/// Id of the chart's element.
pub(in crate::render) const ID: &str = "chart-timeline";

/// The chart, and the same as still images.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct OverTime {
    #[serde(flatten)]
    pub(in crate::render) chart: Chart,
    /// One image per panel.
    stills: Vec<Still>,
}

/// The chart; `None` if nothing was sampled.
pub(super) fn timeline(report: &Report) -> Option<OverTime> {
    let timeline = report.timeline.as_ref()?;
    let panels = drawn_panels(timeline);
    if panels.is_empty() {
        return None;
    }
    let (plot, height) = interactive::plot(report, timeline, &panels);
    let chart = Chart {
        id: ID.to_owned(),
        title: "Hardware and load over time".to_owned(),
        subtitle: "lines: means of short intervals; bands: least and most in each".to_owned(),
        height,
        plot,
    };
    Some(OverTime {
        chart,
        stills: still::stills(report, timeline, &panels),
    })
}
