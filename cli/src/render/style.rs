//! How each backend is told from the others: colour, marker and dash, by its
//! place in the report.

use plotly::common::{DashType, MarkerSymbol};

/// Okabe and Ito's colours without black and yellow, which vanish on a dark or
/// a light page. Source: Okabe & Ito 2008, Color Universal Design.
const COLOURS: [&str; 6] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00",
];

/// Colour of the backend at `place`.
pub(super) fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// Dash of its lines. Changes again where colours repeat.
pub(super) fn dash(place: usize) -> DashType {
    match (place + place / COLOURS.len()) % 5 {
        0 => DashType::Solid,
        1 => DashType::Dash,
        2 => DashType::Dot,
        3 => DashType::DashDot,
        _ => DashType::LongDash,
    }
}

/// Marker of its points.
pub(super) fn marker(place: usize) -> MarkerSymbol {
    match (place + place / COLOURS.len()) % 6 {
        0 => MarkerSymbol::Circle,
        1 => MarkerSymbol::Square,
        2 => MarkerSymbol::Diamond,
        3 => MarkerSymbol::TriangleUp,
        4 => MarkerSymbol::Cross,
        _ => MarkerSymbol::X,
    }
}

/// The same marker for text, as SVG path in a box of 12 by 12.
pub(super) fn marker_path(place: usize) -> &'static str {
    match (place + place / COLOURS.len()) % 6 {
        0 => "M6 2a4 4 0 1 0 .01 0z",
        1 => "M2 2h8v8h-8z",
        2 => "M6 1l5 5-5 5-5-5z",
        3 => "M6 1.5l5 9h-10z",
        4 => "M4.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
        _ => "M1.5 3.5l2-2 2.5 2.5 2.5-2.5 2 2-2.5 2.5 2.5 2.5-2 2-2.5-2.5-2.5 2.5-2-2 2.5-2.5z",
    }
}
