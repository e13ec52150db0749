//! Hardware and load over the run: panels above each other with one time axis, and
//! the levels shaded behind them.

mod interactive;
mod panel;
mod still;
mod time_unit;

use inferbench_model::report::Report;
use serde::Serialize;

use super::canvas::Still;
use super::chart::Chart;
use panel::{Sampled, drawn_panels};

/// Id of the chart's element.
pub(in crate::render) const ID: &str = "chart-timeline";

/// The chart, and the same as still images.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct OverTime {
    #[serde(flatten)]
    pub(in crate::render) chart: Chart,
    /// One image per panel.
    stills: Vec<Still>,
    /// What was wrong with the samples.
    notes: Vec<String>,
}

/// The chart; `None` if nothing was sampled. Several runs are lined up at their
/// starts.
pub(super) fn timeline(report: &Report) -> Option<OverTime> {
    let own = report.timeline.iter().map(|timeline| Sampled {
        run: None,
        timeline,
    });
    let each = report.timelines.iter().map(|own| Sampled {
        run: Some(&own.run),
        timeline: &own.timeline,
    });
    let runs: Vec<Sampled<'_>> = own.chain(each).collect();
    let panels = drawn_panels(&runs);
    if panels.is_empty() {
        return None;
    }
    let (plot, height) = interactive::plot(report, &panels);
    let chart = Chart {
        id: ID.to_owned(),
        title: "Hardware and load over time".to_owned(),
        subtitle: "lines: means of short intervals; bands: least and most in each".to_owned(),
        height,
        plot,
    };
    Some(OverTime {
        chart,
        stills: still::stills(report, &panels),
        notes: notes(&runs),
    })
}

/// What was wrong with the samples, each with its run if there are several.
fn notes(runs: &[Sampled<'_>]) -> Vec<String> {
    let each = runs.iter().flat_map(|own| {
        let notes = own.timeline.notes.iter();
        notes.map(move |note| match own.run {
            Some(run) => format!("{run}: {note}"),
            None => note.clone(),
        })
    });
    each.collect()
}
