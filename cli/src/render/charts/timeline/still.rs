//! The panels as still images that need no script.

use inferbench_model::report::{Report, SeriesOf, TimelineSeries};
use inferbench_model::text::number::three_digits;

use super::panel::{
    BAND_OPACITY, DASHES, Drawn, LETTER, ROOM, Unit, colour, devices, end_s, extent, keys, parts,
};
use super::time_unit::TimeUnit;
use crate::render::charts::axis::Scale;
use crate::render::charts::canvas::{Canvas, Pen, Room, Still, path};
use crate::render::charts::labels::short;
use crate::render::charts::sizes::{BOTTOM, TOP, WIDE_STILL_WIDTH};
use crate::render::style::NEUTRAL;

/// Height of the axes, px, and the room right of them.
const AXES: usize = 84;
const RIGHT: usize = 14;
/// Room below the heading for the names of backends, px, and below axes without a
/// title.
const NAMES: usize = 16;
const NO_TITLE: usize = 26;
/// Width of a line, px.
const LINE: f64 = 1.6;
/// Lengths of the dashes, in the order of their names.
const DASH_LENGTHS: [&str; DASHES.len()] = ["none", "2 3", "8 4"];

/// One image per panel, all with the same time axis.
pub(super) fn stills(report: &Report, panels: &[Drawn<'_>]) -> Vec<Still> {
    let end_s = end_s(panels);
    let time = TimeUnit::for_length(end_s);
    let drawn = panels.iter().enumerate().map(|(at, panel)| {
        let several = panel.of.run.is_some();
        let is_last = at + 1 == panels.len();
        let x = Scale {
            title: if is_last {
                time.title(several)
            } else {
                String::new()
            },
            ..Scale::from_zero_to(time.of_s(end_s))
        };
        let y = vertical(&panel.unit, panel.lines[0].0);
        let names = if panel.is_first { NAMES } else { 0 };
        let bottom = if is_last { BOTTOM } else { NO_TITLE };
        let size = [WIDE_STILL_WIDTH, TOP + names + AXES + bottom];
        let room = Room {
            right: RIGHT,
            top: TOP + names,
            bottom,
        };
        let mut canvas = Canvas::with_room([&x, &y], size, room);
        let devices = devices(panel.of.timeline);
        let heading = format!("{}{}", panel.title, keys(panel, &devices));
        canvas.put((canvas.x(0.0), TOP as f64 - 5.0), "start", false, &heading);
        bands(&mut canvas, report, panel, time);
        for (series, nth, _) in &panel.lines {
            let device = devices.iter().position(|own| Some(*own) == series.device);
            let pen = pen(report, series, nth + device.unwrap_or(0));
            lines(&mut canvas, series, (&panel.unit, time), pen);
        }
        canvas.finish()
    });
    drawn.collect()
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

/// Shades the measured windows, and names the backend of each stage above the first
/// panel of its run.
fn bands(canvas: &mut Canvas<'_>, report: &Report, panel: &Drawn<'_>, time: TimeUnit) {
    let timeline = panel.of.timeline;
    for cell in &timeline.cells {
        if let (Some(from), Some(to)) = (cell.window_start_s, cell.window_end_s) {
            canvas.shade(time.of_s(from), time.of_s(to));
        }
    }
    for stage in timeline.stages.iter().filter(|_| panel.is_first) {
        let Some((from, to)) = extent(stage, &timeline.cells) else {
            continue;
        };
        let name = short(&stage.backend);
        let [from, to] = [from, to].map(|t_s| canvas.x(time.of_s(t_s)));
        let fits = (name.chars().count() + 1) as f64 * LETTER <= to - from;
        if fits && report.backends.len() > 1 {
            let at = (f64::midpoint(from, to), (TOP + NAMES) as f64 - 4.0);
            canvas.put(at, "middle", true, &name);
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
fn lines(
    canvas: &mut Canvas<'_>,
    series: &TimelineSeries,
    (unit, time): (&Unit, TimeUnit),
    pen: Pen,
) {
    let mut reach = String::new();
    for (at, (min, max)) in series.min.iter().zip(&series.max).enumerate() {
        if min < max {
            let x = canvas.x(time.of_s(series.t_s[at]));
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
        let points = part.map(|at| (time.of_s(series.t_s[at]), series.mean[at] / unit.scale));
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
