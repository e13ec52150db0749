//! Data behind the page's selectable charts: distributions, gaps inside an answer,
//! and requests over time. The lists come from the report unchanged, with names and
//! colours; the page's script draws those that are selected.

mod chosen;

use std::collections::HashSet;

use inferbench_model::config::Level;
use inferbench_model::report::{
    DistributionCurve, GapsByPosition, Report, RequestsOverTime, TokensPerEvent, TokensShare,
};
use inferbench_model::text::number::grouped;
use serde::Serialize;

use super::chart::backend_index;
use super::labels::{plain, short_names};
use crate::render::style;

/// Everything that can be selected.
#[derive(Debug, Serialize)]
pub(in crate::render) struct Explore<'a> {
    backends: Vec<Look>,
    levels: Vec<String>,
    /// Lists of shares; several curves refer to the same list.
    shares: Vec<&'a [f64]>,
    distributions: Vec<Metric<'a>>,
    gaps: Vec<Gaps<'a>>,
    tokens: Tokens,
    requests: Vec<Measurement<'a>>,
}

/// Name, colour and marker of a backend.
#[derive(Debug, Serialize)]
struct Look {
    /// For lists.
    label: String,
    /// For the charts.
    short: String,
    colour: &'static str,
    dash: &'static str,
    marker: &'static str,
}

#[derive(Debug, Serialize)]
struct Metric<'a> {
    label: &'a str,
    unit: &'a str,
    /// What is counted: `gaps` or `requests`.
    of: &'static str,
    caution: Option<&'a str>,
    curves: Vec<Curve<'a>>,
}

#[derive(Debug, Serialize)]
struct Curve<'a> {
    backend: usize,
    level: usize,
    n: usize,
    /// Index of its list of shares.
    shares: usize,
    values: &'a [f64],
}

#[derive(Debug, Serialize)]
struct Gaps<'a> {
    backend: usize,
    level: usize,
    width: u64,
    position: &'a [u64],
    p50: &'a [f64],
    p99: &'a [Option<f64>],
    max: &'a [f64],
}

/// Shares of events by their tokens: headings, and a list per backend.
#[derive(Debug, Default, Serialize)]
struct Tokens {
    tokens: Vec<String>,
    backends: Vec<TokensOf>,
}

#[derive(Debug, Serialize)]
struct TokensOf {
    backend: usize,
    shares: Vec<f64>,
    events: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct Measurement<'a> {
    backend: usize,
    level: usize,
    repeat: u32,
    /// How many of the requests are shown.
    note: String,
    end: f64,
    from: Option<f64>,
    to: Option<f64>,
    index: &'a [u64],
    sent: &'a [f64],
    waiting: &'a [f64],
    running: &'a [Option<f64>],
    /// Indices of failed requests in the lists.
    failed: Vec<usize>,
    span: f64,
    load: [&'a [u64]; 4],
}

impl<'a> Explore<'a> {
    /// `None` if the report has none of these.
    pub(in crate::render) fn from_report(report: &'a Report) -> Option<Self> {
        let requests = report.requests_over_time.iter();
        let mut explore = Self {
            backends: looks(report),
            levels: report.levels.iter().map(ToString::to_string).collect(),
            shares: Vec::new(),
            distributions: Vec::new(),
            gaps: report
                .gaps_by_position
                .iter()
                .filter_map(|gaps| Gaps::from_report(report, gaps))
                .collect(),
            tokens: Tokens::from_report(report),
            requests: requests
                .filter_map(|one| Measurement::from_report(report, one))
                .collect(),
        };
        explore.take_distributions(report);
        let has_any = !explore.distributions.is_empty() || !explore.requests.is_empty();
        has_any.then_some(explore)
    }

    /// Which of these sections the page has.
    pub(in crate::render) fn sections(&self) -> Sections {
        Sections {
            distributions: !self.distributions.is_empty(),
            answers: !self.gaps.is_empty(),
            tokens: !self.tokens.backends.is_empty(),
            requests: !self.requests.is_empty(),
        }
    }

    fn take_distributions(&mut self, report: &'a Report) {
        for one in &report.distributions {
            let Some(metric) = report.metrics.iter().find(|m| m.name == one.metric) else {
                continue;
            };
            let curves = one.curves.iter();
            let curves = curves.filter_map(|curve| self.curve(report, curve));
            let curves: Vec<Curve<'a>> = curves.collect();
            self.distributions.push(Metric {
                label: &metric.label,
                unit: &metric.unit,
                of: if metric.name == "itl_ms" {
                    "gaps"
                } else {
                    "requests"
                },
                caution: metric.caution.as_deref(),
                curves,
            });
        }
    }

    fn curve(&mut self, report: &Report, curve: &'a DistributionCurve) -> Option<Curve<'a>> {
        let known = self.shares.iter().position(|known| *known == curve.share);
        let shares = known.unwrap_or_else(|| {
            self.shares.push(&curve.share);
            self.shares.len() - 1
        });
        Some(Curve {
            backend: backend_index(report, &curve.backend),
            level: level_of(report, &curve.level)?,
            n: curve.n,
            shares,
            values: &curve.value,
        })
    }
}

/// Which of these sections the page has.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(in crate::render) struct Sections {
    distributions: bool,
    answers: bool,
    tokens: bool,
    requests: bool,
}

fn looks(report: &Report) -> Vec<Look> {
    let labels = || report.backends.iter().map(|backend| backend.label.as_str());
    let names = short_names(labels());
    let look = |(place, label): (usize, &str)| Look {
        label: label.to_owned(),
        short: plain(&names.short(label)),
        colour: style::colour(place),
        dash: style::dash(place),
        marker: style::marker(place),
    };
    labels().enumerate().map(look).collect()
}

fn level_of(report: &Report, level: &Level) -> Option<usize> {
    report.levels.iter().position(|known| known == level)
}

impl<'a> Gaps<'a> {
    fn from_report(report: &Report, gaps: &'a GapsByPosition) -> Option<Self> {
        Some(Self {
            backend: backend_index(report, &gaps.backend),
            level: level_of(report, &gaps.level)?,
            width: gaps.width,
            position: &gaps.position,
            p50: &gaps.p50_ms,
            p99: &gaps.p99_ms,
            max: &gaps.max_ms,
        })
    }
}

impl Tokens {
    fn from_report(report: &Report) -> Self {
        let counted = &report.tokens_per_event;
        let all = counted.iter().flat_map(|one| &one.shares);
        let ranges: HashSet<(u32, u32)> = all.map(|share| (share.from, share.to)).collect();
        let mut ranges: Vec<(u32, u32)> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let heading = |(from, to): &(u32, u32)| match from == to {
            true => from.to_string(),
            false => format!("{from} to {to}"),
        };
        Self {
            tokens: ranges.iter().map(heading).collect(),
            backends: counted
                .iter()
                .map(|one| TokensOf::from_report(report, one, &ranges))
                .collect(),
        }
    }
}

impl TokensOf {
    fn from_report(report: &Report, one: &TokensPerEvent, ranges: &[(u32, u32)]) -> Self {
        let find = |range: &(u32, u32)| one.shares.iter().find(|share| share.from == range.0);
        let found: Vec<Option<&TokensShare>> = ranges.iter().map(find).collect();
        let shares = found.iter().map(|share| share.map_or(0.0, |s| s.share));
        let events = found.iter().map(|share| share.map_or(0, |s| s.events));
        Self {
            backend: backend_index(report, &one.backend),
            shares: shares.collect(),
            events: events.collect(),
        }
    }
}

impl<'a> Measurement<'a> {
    fn from_report(report: &Report, one: &'a RequestsOverTime) -> Option<Self> {
        let (lines, load) = (&one.lines, &one.load);
        let failed = lines.failed.iter().enumerate();
        let failed = failed.filter_map(|(at, failed)| failed.then_some(at));
        Some(Self {
            backend: backend_index(report, &one.backend),
            level: level_of(report, &one.level)?,
            repeat: one.block.saturating_add(1),
            note: note(lines.index.len(), one.sent),
            end: one.end_s,
            from: one.window_start_s,
            to: one.window_end_s,
            index: &lines.index,
            sent: &lines.sent_s,
            waiting: &lines.waiting_s,
            running: &lines.running_s,
            failed: failed.collect(),
            span: load.span_s,
            load: [
                &load.in_flight_min,
                &load.in_flight_max,
                &load.waiting_min,
                &load.waiting_max,
            ],
        })
    }
}

fn note(shown: usize, sent: usize) -> String {
    let [shown_text, sent_text] = [shown, sent].map(|n| grouped(n as u64));
    match shown {
        1 if sent == 1 => "The only request".to_owned(),
        _ if shown == sent => format!("All {sent_text} requests"),
        _ => format!(
            "{shown_text} of {sent_text} requests, drawn at random; the slowest to their first token, the longest and failed ones are always included"
        ),
    }
}
