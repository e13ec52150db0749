//! The scale of an axis: linear or logarithmic, and where its ticks stand.

use inferbench_model::text::number::{grouped, three_digits};

/// Ratio of largest to smallest value above which an axis is logarithmic.
const LOG_FROM: f64 = 30.0;
/// An axis need not start at zero if the smallest value is more than this share of
/// the largest.
const FAR: f64 = 0.4;
/// Least range of such an axis, as a share of the largest value, so that small
/// differences look small; and the room below the smallest value, as a share of
/// the range.
const LEAST_RANGE: f64 = 0.3;
const BELOW: f64 = 0.25;
/// Least number of ticks on a linear axis.
const TICKS: f64 = 5.0;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) title: String,
    /// Ends, in the coordinates of `at`.
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    /// Fixed ticks, as value and text; `None` if they follow from the range.
    pub(super) ticks: Option<Vec<(f64, String)>>,
    /// Draw grid lines at the ticks.
    pub(super) grid: bool,
}

impl Scale {
    /// From zero to the largest value, or logarithmic if allowed and the values
    /// range widely.
    pub(super) fn of_values(values: impl Iterator<Item = f64>, may_be_log: bool) -> Self {
        let (low, high) = ends(values);
        let log = may_be_log && low > 0.0 && high / low > LOG_FROM;
        Self {
            title: String::new(),
            low: 0.0,
            high: 1.0,
            log,
            ticks: log.then(decades),
            grid: true,
        }
        .spanning(low, high)
    }

    /// From zero to `high`, without grid lines.
    pub(super) fn from_zero_to(high: f64) -> Self {
        Self {
            title: String::new(),
            low: 0.0,
            high,
            log: false,
            ticks: None,
            grid: false,
        }
    }

    /// From zero, or from below the smallest value where most of the axis would be
    /// empty otherwise.
    pub(super) fn near_values(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        let mut scale = Self::of_values([low, high].into_iter(), false);
        if low > FAR * high {
            scale.low = low - BELOW * (high - low).max(LEAST_RANGE * high);
        }
        scale
    }

    /// The same kind of scale, for other values.
    pub(super) fn over(&self, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values);
        self.clone().spanning(low, high)
    }

    /// Equal steps, one per name.
    pub(super) fn of_steps(title: &str, names: Vec<String>) -> Self {
        let last = names.len().saturating_sub(1) as f64;
        Self {
            title: title.to_owned(),
            low: -0.15,
            high: last + 0.15,
            log: false,
            ticks: Some((0..).map(f64::from).zip(names).collect()),
            grid: false,
        }
    }

    fn spanning(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = if self.log {
            ((low / 1.3).log10(), (high * 1.3).log10())
        } else {
            (0.0, if high > 0.0 { high * 1.08 } else { 1.0 })
        };
        self
    }

    pub(super) fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// Position of a value in the coordinates of the ends, which plotly also uses
    /// for annotations.
    pub(super) fn at(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// Position of a value as a share of the axis.
    pub(super) fn share(&self, value: f64) -> f64 {
        (self.at(value) - self.low) / (self.high - self.low)
    }

    /// Ticks within the range, as value and text.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let own = self.ticks.clone();
        let all = own.unwrap_or_else(|| steps(self.low, self.high));
        let inside = |(value, _): &(f64, String)| (-1e-9..=1.0).contains(&self.share(*value));
        all.into_iter().filter(inside).collect()
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0f64), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Ticks at 1, 2 and 5 of each decade.
fn decades() -> Vec<(f64, String)> {
    (-4..7)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)))
        .map(|value| (value, plain(value, 4)))
        .collect()
}

/// Ticks of a linear axis, at a step of 1, 2 or 5 of some decade.
fn steps(low: f64, high: f64) -> Vec<(f64, String)> {
    let widest = (high - low) / TICKS;
    let decade = 10f64.powf(widest.log10().floor());
    let fits = [5.0, 2.0, 1.0].map(|step| step * decade);
    let step = fits
        .into_iter()
        .find(|step| *step <= widest)
        .unwrap_or(decade);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last)
        .map(|n| n as f64 * step)
        .map(|value| (value, plain(value, decimals)))
        .collect()
}

/// A round number: with thousands separators if whole, else without trailing zeros.
fn plain(value: f64, decimals: usize) -> String {
    if value.fract() == 0.0 && value >= 0.0 {
        return grouped(value as u64);
    }
    if value < 0.0 {
        return three_digits(value);
    }
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_ticks() {
        // 500 * 1.08 / 5 = 108: the step below it is 100
        let scale = Scale::of_values([200.0, 500.0].into_iter(), true);
        assert_eq!((scale.low, scale.log), (0.0, false));
        assert_eq!(texts(&scale), ["0", "100", "200", "300", "400", "500"]);
        // 0.9 * 1.08 / 5 = 0.194: the step below it is 0.1
        let small = Scale::of_values([0.9].into_iter(), false);
        assert_eq!(texts(&small)[..3], ["0", "0.1", "0.2"]);
    }

    #[test]
    fn an_axis_is_logarithmic_only_beyond_a_range_of_thirty() {
        assert!(!Scale::of_values([1.0, 30.0].into_iter(), true).log);
        let wide = Scale::of_values([1.0, 31.0].into_iter(), true);
        assert!(wide.log);
        // 1 / 1.3 to 31 * 1.3
        assert_eq!(texts(&wide), ["1", "2", "5", "10", "20"]);
        assert!(!Scale::of_values([1.0, 31.0].into_iter(), false).log);
        assert!(!Scale::of_values([0.0, 31.0].into_iter(), true).log);
    }

    #[test]
    fn values_far_from_zero_need_no_zero() {
        let near = |low, high| Scale::near_values([low, high].into_iter()).low;
        assert_eq!(near(39.0, 100.0), 0.0);
        // a quarter of the range of 50, and of the least range, 30, below the least
        assert!((near(50.0, 100.0) - 37.5).abs() < 1e-9);
        assert!((near(99.0, 100.0) - 91.5).abs() < 1e-9);
    }

    #[test]
    fn a_share_is_linear_in_the_logarithm() {
        let scale = Scale::of_values([1.0, 100.0].into_iter(), true);
        // from 1 / 1.3 to 130, 10 lies in the middle
        assert!((scale.share(10.0) - 0.5).abs() < 1e-9);
        assert!(scale.over([3.0].into_iter()).log);
    }
}
