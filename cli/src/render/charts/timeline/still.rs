//! The panels as still images that need no script.

use inferbench_model::report::{Report, SeriesOf, Timeline, TimelineSeries};
use inferbench_model::text::number::three_digits;

use super::panel::{
    BAND_OPACITY, DASHES, Drawn, LETTER, ROOM, Unit, colour, devices, extent, keys, parts,
};
use crate::render::charts::axis::Scale;
use crate::render::charts::canvas::{Canvas, Pen, Still, path};
use crate::render::charts::labels::short;
use crate::render::charts::sizes::{BOTTOM, TOP, WIDE_STILL_WIDTH};
use crate::render::style::NEUTRAL;

/// Height of the axes, px, and the room right of them.
const AXES: usize = 84;
const RIGHT: usize = 14;
/// Width of a line, px.
const LINE: f64 = 1.6;
/// Lengths of the dashes, in the order of their names.
const DASH_LENGTHS: [&str; DASHES.len()] = ["none", "2 3", "8 4"];

/// One image per panel, all with the same time axis.
pub(super) fn stills(report: &Report, timeline: &Timeline, panels: &[Drawn<'_>]) -> Vec<Still> {
    let devices = devices(timeline);
    let drawn = panels.iter().enumerate();
    drawn
        .map(|(at, panel)| {
            let is_last = at + 1 == panels.len();
            let x = Scale {
                title: if is_last {
                    "seconds since the start of the run"
                } else {
                    ""
                }
                .to_owned(),
                low: 0.0,
                high: if timeline.end_s > 0.0 {
                    timeline.end_s
                } else {
                    1.0
                },
                log: false,
                ticks: None,
                grid: false,
            };
            let unit = Unit::for_panel(panel);
            let y = vertical(&unit, panel.lines[0].0);
            let size = [WIDE_STILL_WIDTH, TOP + AXES + BOTTOM];
            let mut canvas = Canvas::new([&x, &y], size, RIGHT);
            let heading = keys(panel, &unit, &devices);
            canvas.put((canvas.x(0.0), TOP as f64 - 5.0), "start", false, &heading);
            bands(&mut canvas, report, timeline, at == 0);
            for (series, nth, _) in &panel.lines {
                let device = devices.iter().position(|own| Some(*own) == series.device);
                let pen = pen(report, series, nth + device.unwrap_or(0));
                lines(&mut canvas, series, &unit, pen);
            }
            canvas.finish()
        })
        .collect()
}

/// From zero, with few ticks: a panel is low.
fn vertical(unit: &Unit, series: &TimelineSeries) -> Scale {
    let share = series.unit == "ratio";
    let high = unit.high;
    let text = |value: f64| match share {
        true => format!("{} %", short_number(value * 100.0)),
        false => short_number(value),
    };
    let ticks = [0.0, 0.5, 1.0].map(|part| part * high / ROOM);
    Scale {
        title: String::new(),
        low: 0.0,
        high,
        log: false,
        ticks: Some(ticks.map(|value| (value, text(value))).to_vec()),
        grid: true,
    }
}

/// Three digits without trailing zeros: 3.5, 7.
fn short_number(value: f64) -> String {
    let text = three_digits(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Shades the measured windows, and names the backend of each stage.
fn bands(canvas: &mut Canvas<'_>, report: &Report, timeline: &Timeline, named: bool) {
    for cell in &timeline.cells {
        if let (Some(from), Some(to)) = (cell.window_start_s, cell.window_end_s) {
            canvas.shade(from, to);
        }
    }
    for stage in timeline.stages.iter().filter(|_| named) {
        let Some((from, to)) = extent(stage, &timeline.cells) else {
            continue;
        };
        let name = short(&stage.backend);
        let middle = canvas.x(f64::midpoint(from, to));
        let room = canvas.x(to) - canvas.x(from);
        let fits = name.chars().count() as f64 * LETTER <= room;
        if fits && report.backends.len() > 1 {
            canvas.put((middle, TOP as f64 + 12.0), "middle", true, &name);
        }
    }
}

fn pen(report: &Report, series: &TimelineSeries, dash: usize) -> Pen {
    let colour = match series.of {
        SeriesOf::Server => colour(report, series),
        _ => NEUTRAL,
    };
    Pen {
        dash: DASH_LENGTHS[dash % DASH_LENGTHS.len()],
        ..Pen::solid(colour, LINE)
    }
}

/// A line with gaps where nothing was sampled, in front of the range of each of
/// its points.
fn lines(canvas: &mut Canvas<'_>, series: &TimelineSeries, unit: &Unit, pen: Pen) {
    let mut reach = String::new();
    for (at, (min, max)) in series.min.iter().zip(&series.max).enumerate() {
        if min < max {
            let x = canvas.x(series.t_s[at]);
            let ends = [min, max].map(|value| (x, canvas.y(value / unit.scale)));
            reach.push_str(&path(&ends));
        }
    }
    let faint = Pen {
        opacity: BAND_OPACITY,
        ..Pen::solid(pen.colour, LINE)
    };
    canvas.stroke(reach, faint);
    for part in parts(series) {
        let points = part.map(|at| (series.t_s[at], series.mean[at] / unit.scale));
        canvas.line(&points.collect::<Vec<_>>(), pen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_has_no_trailing_zeros() {
        for (value, text) in [
            (3.5, "3.5"),
            (7.0, "7"),
            (0.0, "0"),
            (100.0, "100"),
            (0.25, "0.25"),
        ] {
            assert_eq!(short_number(value), text);
        }
    }
}
