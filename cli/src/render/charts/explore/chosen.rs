//! The default selection as still images that need no script: the same selection as
//! the page's script makes.

use inferbench_model::text::number::three_digits;
use serde::Serialize;

use super::{Curve, Explore, Gaps, Measurement, Metric};
use crate::render::charts::axis::Scale;
use crate::render::charts::canvas::{Canvas, Pen, Still, path};
use crate::render::charts::sizes::{BOTTOM, TOP, WIDE_STILL_WIDTH};
use crate::render::style::{self, NEUTRAL};

/// Heights of the images, px, and the room right of their axes.
const HEIGHT: usize = 280;
const REQUESTS_HEIGHT: usize = 360;
const RIGHT: usize = 18;
/// Room for a bar with its gap, and the bar itself, px.
const BAR_STEP: usize = 24;
const BAR: f64 = 16.0;
/// Room for the text beside the longest bar, px.
const WORDS: usize = 60;
/// Widths of lines, px.
const LINE: f64 = 2.2;
const THIN: f64 = 1.0;
/// Most and least width of a request's line, px, and the share of its row.
const WIDEST: f64 = 8.0;
const NARROWEST: f64 = 1.0;
const OF_ROW: f64 = 0.8;
/// A small circle in a box of 12 by 12, and a cross.
const DOT: &str = "M6 3.8a2.2 2.2 0 1 0 .01 0z";
const CROSS: &str = "M3 3l6 6M9 3l-6 6";
/// Shares with a line across a distribution.
const SHARES: [(f64, &str); 6] = [
    (0.0, "0"),
    (0.25, "25 %"),
    (0.5, "50 %"),
    (0.75, "75 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
];

/// A still image and its caption.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct Chosen {
    caption: String,
    still: Still,
}

/// One image per selectable chart; `None` where the page lacks the section.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::render) struct FirstChoices {
    spread: Option<Chosen>,
    stalls: Option<Chosen>,
    tokens: Option<Chosen>,
    requests: Option<Chosen>,
}

impl Explore<'_> {
    /// The default selection of each chart.
    pub(in crate::render) fn first_choices(&self) -> FirstChoices {
        FirstChoices {
            spread: self.distributions.first().and_then(|m| self.spread(m)),
            stalls: self.stalls(),
            tokens: self.token_bars(),
            requests: self.first_requests(),
        }
    }

    fn spread(&self, metric: &Metric<'_>) -> Option<Chosen> {
        let level = metric.curves.iter().map(|curve| curve.level).max()?;
        let curves = metric.curves.iter().filter(|curve| curve.level == level);
        let curves: Vec<&Curve<'_>> = curves.collect();
        let values = curves.iter().flat_map(|curve| curve.values).copied();
        let title = format!("{}, {}", metric.label, metric.unit);
        let x = Scale::of_values(values, true).titled(&title);
        let y = Scale {
            high: 1.02,
            ..named(
                SHARES
                    .map(|(share, text)| (share, text.to_owned()))
                    .to_vec(),
            )
        };
        let mut canvas = Canvas::new([&x, &y], [WIDE_STILL_WIDTH, HEIGHT], RIGHT);
        for curve in curves {
            let points = steps(curve.values, self.shares[curve.shares], curve.n);
            canvas.line(&points, pen(curve.backend, LINE));
        }
        Some(Chosen {
            caption: format!(
                "{} at {}: share of {} with at most this value.",
                metric.label, self.levels[level], metric.of
            ),
            still: canvas.finish(),
        })
    }

    fn stalls(&self) -> Option<Chosen> {
        let level = self.gaps.iter().map(|gaps| gaps.level).max()?;
        let gaps = self.gaps.iter().filter(|gaps| gaps.level == level);
        let gaps: Vec<&Gaps<'_>> = gaps.collect();
        let positive = |value: &f64| *value > 0.0;
        let gap_ms = gaps.iter().flat_map(|own| own.p50.iter().chain(own.max));
        let y = Scale::of_values(gap_ms.copied().filter(positive), true);
        let ends = gaps.iter().filter_map(|own| own.position.last());
        let end = ends.max().copied().unwrap_or(1) as f64;
        let x = Scale {
            low: 1.0 - end * 0.01,
            high: end * 1.01,
            ..unnamed("gap after the output event with this number")
        };
        let mut canvas = Canvas::new([&x, &y], [WIDE_STILL_WIDTH, HEIGHT], RIGHT);
        for own in &gaps {
            let at = || own.position.iter().map(|place| *place as f64);
            let p50: Vec<(f64, f64)> = at().zip(own.p50.iter().copied()).collect();
            let p99 = at().zip(own.p99).filter_map(|(x, y)| Some((x, (*y)?)));
            let p99: Vec<(f64, f64)> = p99.collect();
            canvas.line(&p50, pen(own.backend, LINE));
            canvas.line(&p99, pen(own.backend, THIN));
            for (x, longest) in at().zip(own.max) {
                let place = (canvas.x(x), canvas.y(*longest));
                canvas.mark(place, (DOT, 1.0), style::colour(own.backend), true);
            }
        }
        Some(Chosen {
            caption: format!(
                "At {}, ms: thick line p50, thin line p99, circles the longest gap.",
                self.levels[level]
            ),
            still: canvas.finish(),
        })
    }

    fn token_bars(&self) -> Option<Chosen> {
        let tokens = &self.tokens;
        let mut names = Vec::new();
        let mut bars = Vec::new();
        for (at, range) in tokens.tokens.iter().enumerate() {
            for (nth, own) in tokens.backends.iter().enumerate() {
                names.push(if nth == 0 {
                    range.clone()
                } else {
                    String::new()
                });
                bars.push((own.backend, own.shares[at]));
            }
        }
        let last = names.len().checked_sub(1)? as f64;
        let x = named(
            [0.0, 0.25, 0.5, 0.75, 1.0]
                .map(|share| (share, percent(share)))
                .to_vec(),
        )
        .titled("share of events");
        let y = Scale {
            low: last + 0.5,
            high: -0.5,
            ..Scale::of_steps("", names)
        };
        let height = TOP + BAR_STEP * bars.len() + BOTTOM;
        let mut canvas = Canvas::new([&x, &y], [WIDE_STILL_WIDTH, height], WORDS);
        for (at, (backend, share)) in bars.into_iter().enumerate() {
            let at = at as f64;
            canvas.bar(share, at, Pen::solid(style::colour(backend), BAR));
            let beside = (canvas.x(share) + 5.0, canvas.y(at) + 4.0);
            canvas.put(beside, "start", false, &percent(share));
        }
        Some(Chosen {
            caption: "By the tokens of an event.".to_owned(),
            still: canvas.finish(),
        })
    }

    fn first_requests(&self) -> Option<Chosen> {
        let backend = self.requests.iter().map(|one| one.backend).min()?;
        let own = || self.requests.iter().filter(|one| one.backend == backend);
        let level = own().map(|one| one.level).max()?;
        let own = own().filter(|one| one.level == level);
        let one = own.min_by_key(|one| one.repeat)?;
        Some(Chosen {
            caption: format!(
                "{} at {}, repeat {}. {}.",
                self.backends[backend].label, self.levels[level], one.repeat, one.note
            ),
            still: request_lines(one),
        })
    }
}

/// One line per request: thin from sent to first output, thick on to the last one.
fn request_lines(one: &Measurement<'_>) -> Still {
    let rows = one.sent.len();
    let x = Scale {
        high: if one.end > 0.0 { one.end } else { 1.0 },
        ..unnamed("seconds since the first request was sent")
    };
    let y = Scale {
        low: rows as f64 - 0.4,
        high: -0.6,
        ..named(Vec::new())
    };
    let mut canvas = Canvas::new([&x, &y], [WIDE_STILL_WIDTH, REQUESTS_HEIGHT], RIGHT);
    if let (Some(from), Some(to)) = (one.from, one.to) {
        canvas.shade(0.0, from);
        canvas.shade(to, one.end);
    }
    let (mut waiting, mut running) = (String::new(), String::new());
    for (row, sent) in one.sent.iter().enumerate() {
        let height = canvas.y(row as f64);
        let first = sent + one.waiting[row];
        let [sent, first, last] = [*sent, first, first + one.running[row].unwrap_or(0.0)]
            .map(|at| (canvas.x(at), height));
        waiting.push_str(&path(&[sent, first]));
        if one.running[row].is_some() {
            running.push_str(&path(&[first, last]));
        }
        if one.failed.contains(&row) {
            canvas.mark(last, (CROSS, 1.0), NEUTRAL, true);
        }
    }
    let row = (canvas.y(0.0) - canvas.y(1.0)).abs();
    let width = (row * OF_ROW).clamp(NARROWEST, WIDEST);
    let colour = style::colour(one.backend);
    canvas.stroke(waiting, Pen::solid(NEUTRAL, (width / 3.0).max(0.6)));
    canvas.stroke(running, Pen::solid(colour, width));
    canvas.finish()
}

/// The points of a distribution; a step curve where all values are listed.
fn steps(values: &[f64], shares: &[f64], n: usize) -> Vec<(f64, f64)> {
    let points = || values.iter().copied().zip(shares.iter().copied());
    if shares.len() <= n {
        return points().collect();
    }
    let mut drawn = Vec::with_capacity(2 * values.len());
    let mut level = None;
    for (value, share) in points() {
        drawn.extend(level.map(|level| (value, level)));
        drawn.push((value, share));
        level = Some(share);
    }
    drawn
}

fn pen(backend: usize, width: f64) -> Pen {
    Pen {
        dash: style::dash_lengths(backend),
        ..Pen::solid(style::colour(backend), width)
    }
}

fn percent(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

/// An axis from 0 to 1 with those ticks.
fn named(ticks: Vec<(f64, String)>) -> Scale {
    Scale {
        ticks: Some(ticks),
        grid: true,
        ..unnamed("")
    }
}

/// An axis from 0 to 1.
fn unnamed(title: &str) -> Scale {
    Scale {
        title: title.to_owned(),
        low: 0.0,
        high: 1.0,
        log: false,
        ticks: None,
        grid: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_drawn_as_the_steps_they_are() {
        // two values: none below 10, half from 10 on, all from 20 on
        assert_eq!(
            steps(&[10.0, 10.0, 20.0], &[0.0, 0.5, 1.0], 2),
            [
                (10.0, 0.0),
                (10.0, 0.0),
                (10.0, 0.5),
                (20.0, 0.5),
                (20.0, 1.0)
            ]
        );
        assert_eq!(
            steps(&[1.0, 2.0], &[0.0, 1.0], 500),
            [(1.0, 0.0), (2.0, 1.0)]
        );
    }
}
