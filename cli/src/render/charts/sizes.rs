//! Sizes and colours that all charts share.

/// Height of a chart, px, and what its axis titles and ticks take of it.
pub(super) const HEIGHT: usize = 250;
pub(super) const TOP: usize = 16;
pub(super) const BOTTOM: usize = 44;
pub(super) const LEFT: usize = 54;
/// How far right of a line's end its name begins, px.
pub(super) const NAME_RIGHT: f64 = 12.0;
/// Width of a still picture, px of its own box: the page scales it.
pub(super) const STILL_WIDTH: usize = 440;
pub(super) const WIDE_STILL_WIDTH: usize = 820;

/// The band of the best points, and the part that breaks the SLO: seen on white
/// and on black, and no backend's colour.
pub(super) const BEST: &str = "#8a8f98";
pub(super) const BEST_OPACITY: f64 = 0.35;
pub(super) const SHADE: &str = "#8a8f98";
pub(super) const SHADE_OPACITY: f64 = 0.16;
