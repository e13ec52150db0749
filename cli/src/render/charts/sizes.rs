//! Sizes and colours that all charts share.

/// Height of a chart, and the margins around its axes, px.
pub(super) const HEIGHT: usize = 250;
pub(super) const TOP: usize = 16;
pub(super) const BOTTOM: usize = 44;
pub(super) const LEFT: usize = 54;
/// Distance of the ticks' names from the axis, px: a marker may lie on it.
pub(super) const TICK_AWAY: usize = 4;
/// Distance from a line's end to its name, px.
pub(super) const NAME_RIGHT: f64 = 12.0;
/// Width of a still image in its own units; the page scales it.
pub(super) const STILL_WIDTH: usize = 440;
pub(super) const WIDE_STILL_WIDTH: usize = 820;

/// Colour of the band of best points and of the part that breaks the SLO: visible
/// on white and on black, and not the colour of a backend.
pub(super) const BEST: &str = "#8a8f98";
pub(super) const BEST_OPACITY: f64 = 0.35;
pub(super) const SHADE: &str = "#8a8f98";
pub(super) const SHADE_OPACITY: f64 = 0.16;
