//! What sets each backend apart from the others: colour, marker and dash, by
//! its place in the report.

/// Okabe and Ito's colours without black and yellow, which vanish on a dark or
/// a light page. Source: Okabe & Ito 2008, Color Universal Design.
const COLOURS: [&str; 6] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00",
];

/// Markers by plotly's names, and as SVG path in a box of 12 by 12.
const MARKERS: [(&str, &str); 6] = [
    ("circle", "M6 2a4 4 0 1 0 .01 0z"),
    ("square", "M2 2h8v8h-8z"),
    ("diamond", "M6 1l5 5-5 5-5-5z"),
    ("triangle-up", "M6 1.5l5 9h-10z"),
    ("cross", "M4.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z"),
    (
        "x",
        "M1.5 3.5l2-2 2.5 2.5 2.5-2.5 2 2-2.5 2.5 2.5 2.5-2 2-2.5-2.5-2.5 2.5-2-2 2.5-2.5z",
    ),
];

/// Dashes by plotly's names, and as SVG's lengths.
const DASHES: [(&str, &str); 5] = [
    ("solid", "none"),
    ("dash", "8 4"),
    ("dot", "2 3"),
    ("dashdot", "8 3 2 3"),
    ("longdash", "14 5"),
];

/// What is no backend's: legible on white and on black.
pub(super) const NEUTRAL: &str = "#7d8590";

/// Colour of the backend at `place`.
pub(super) fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// Where colours repeat, markers and dashes are others.
fn turn(place: usize) -> usize {
    place + place / COLOURS.len()
}

/// Dash of its lines, by plotly's name.
pub(super) fn dash(place: usize) -> &'static str {
    DASHES[turn(place) % DASHES.len()].0
}

/// The same as SVG's lengths.
pub(super) fn dash_lengths(place: usize) -> &'static str {
    DASHES[turn(place) % DASHES.len()].1
}

/// Marker of its points, by plotly's name; that of a hollow one ends in `-open`.
pub(super) fn marker(place: usize) -> &'static str {
    MARKERS[turn(place) % MARKERS.len()].0
}

/// The same marker as SVG path in a box of 12 by 12.
pub(super) fn marker_path(place: usize) -> &'static str {
    MARKERS[turn(place) % MARKERS.len()].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_thirty_backends_look_alike() {
        let looks = (0..30).map(|place| (colour(place), marker(place), dash(place)));
        let different: std::collections::BTreeSet<_> = looks.collect();
        assert_eq!(different.len(), 30);
    }
}
