//! A load over time as a small picture of text.

use inferbench_model::plan::preview::LoadOverTime;
use inferbench_model::text::number::{three_digits, with_unit};

/// Lines of a picture, without its axis.
const HEIGHT: usize = 6;
/// Columns that the labels of the vertical axis take at most.
const LABEL_WIDTH: usize = 8;
/// Most and fewest columns of the picture itself.
const COLUMNS: (usize, usize) = (10, 80);
/// Parts of a line that a column can be filled to, an eighth each.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of a picture within so many columns of the terminal.
#[must_use]
pub(crate) fn columns(width: usize) -> usize {
    let room = width.saturating_sub(LABEL_WIDTH + 2);
    room.clamp(COLUMNS.0, COLUMNS.1)
}

/// The picture: one column for each value, its highest value and its length at the axes.
#[must_use]
pub(crate) fn picture(load: &LoadOverTime) -> Vec<String> {
    let most = load.values.iter().copied().fold(0.0, f64::max);
    let (top, end) = (three_digits(most), with_unit(load.length_s, "s"));
    let width = load.values.len();
    let mut lines: Vec<String> = (0..HEIGHT)
        .rev()
        .map(|line| {
            let label = if line + 1 == HEIGHT { &*top } else { "" };
            let filled = load.values.iter().map(|value| cell(*value, most, line));
            let filled: String = filled.collect();
            format!("{label:>LABEL_WIDTH$} |{filled}")
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.push(format!("{:>LABEL_WIDTH$} +{}", "0", "-".repeat(width)));
    let room = width.saturating_sub("0 s".len());
    lines.push(format!("{:LABEL_WIDTH$}  0 s{end:>room$}", ""));
    lines
}

/// What a column shows in a line, counted from below.
fn cell(value: f64, most: f64, line: usize) -> char {
    let eighths = match most > 0.0 {
        true => (value / most * (HEIGHT * 8) as f64).round() as usize,
        false => 0,
    };
    EIGHTHS[eighths.saturating_sub(line * 8).min(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_high_as_its_value() {
        let load = LoadOverTime {
            length_s: 60.0,
            sends: Some(100),
            values: vec![0.0, 2.0, 4.0, 8.0, 12.0, 1.0, 0.25, 0.1, 6.0, 6.0],
        };
        let by_hand = [
            "    12.0 |    █",
            "         |    █",
            "         |   ██",
            "         |   ██   ██",
            "         |  ███   ██",
            "         | ████▄▁ ██",
            "       0 +----------",
            "          0 s 60.0 s",
        ];
        assert_eq!(picture(&load), by_hand);
    }

    #[test]
    fn a_picture_fits_the_terminal() {
        assert_eq!([columns(100), columns(60), columns(5)], [80, 50, 10]);
    }
}
