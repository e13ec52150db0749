//! Marks of trust under the verdict: each a fact and a link to the section that
//! explains it.

use inferbench_model::report::{Report, TrustAbout};
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// No reason to doubt the figures.
    pub(super) ok: bool,
    pub(super) text: String,
    /// Id of the section that explains it.
    pub(super) section: &'static str,
}

/// The marks of a report; none if nothing was measured.
pub(super) fn trust_marks(report: &Report) -> Vec<Mark> {
    let marks = report.trust.iter().map(|mark| Mark {
        ok: mark.ok,
        text: mark.text.clone(),
        section: match mark.about {
            TrustAbout::Client => "self-check",
            TrustAbout::Work => "fairness",
            TrustAbout::Sample => "results",
            TrustAbout::Requests if mark.ok => "results",
            TrustAbout::Requests => "failures",
            TrustAbout::Origin => "backends",
        },
    });
    marks.collect()
}
