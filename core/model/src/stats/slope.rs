//! Whether groups rise or fall together, each from its own level. Pure statistics;
//! what follows for backends is up to the report.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::stats::inference::CONFIDENCE;

/// Degrees of freedom from which on a slope is shown: with one, the interval holds
/// nearly everything.
const MIN_FREEDOM: usize = 2;

/// The slope that several groups have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Change of the value for each step of the place.
    pub slope: f64,
    /// Half the width of its 95 % interval, by Student's t.
    pub half: f64,
    /// Degrees of freedom: values less groups less one.
    pub freedom: usize,
}

/// The common slope of groups of (place, value) by least squares, each group with a
/// level of its own: the analysis of covariance (Snedecor and Cochran, Statistical
/// Methods, chapter on it). `None` if all places of each group are equal, or with less
/// than two degrees of freedom.
#[must_use]
pub fn common_slope(groups: &[Vec<(f64, f64)>]) -> Option<Slope> {
    let groups: Vec<&Vec<(f64, f64)>> = groups.iter().filter(|group| group.len() > 1).collect();
    let (mut of_places, mut of_both, mut of_values) = (0.0, 0.0, 0.0);
    for group in &groups {
        let n = group.len() as f64;
        let place = group.iter().map(|(place, _)| place).sum::<f64>() / n;
        let value = group.iter().map(|(_, value)| value).sum::<f64>() / n;
        for (own_place, own) in group.iter() {
            let (x, y) = (own_place - place, own - value);
            of_places += x * x;
            of_both += x * y;
            of_values += y * y;
        }
    }
    let values: usize = groups.iter().map(|group| group.len()).sum();
    let freedom = values.checked_sub(groups.len() + 1)?;
    if freedom < MIN_FREEDOM || of_places == 0.0 {
        return None;
    }
    let slope = of_both / of_places;
    let left = (of_values - slope * of_both).max(0.0);
    let std_error = (left / freedom as f64 / of_places).sqrt();
    let t = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
    Some(Slope {
        slope,
        half: t.inverse_cdf((1.0 + CONFIDENCE) / 2.0) * std_error,
        freedom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn one_group_has_the_line_of_least_squares() {
        // places 0, 1, 2, 3, values 0, 1, 1, 2: sums of squares 5, of products 3, of
        // values 2; slope 0.6, left over 2 - 1.8 = 0.2, error sqrt(0.1 / 5) = 0.1414,
        // t(2) = 4.303 (table)
        let group = vec![(0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (3.0, 2.0)];
        let found = common_slope(&[group]).unwrap();
        near(found.slope, 0.6, 1e-12);
        near(found.half, 4.3027 * 0.02_f64.sqrt(), 1e-4);
        assert_eq!(found.freedom, 2);
    }

    #[test]
    fn groups_keep_their_own_levels() {
        // both rise by 1 and 2 over two places: slope 1.5, left over 2 * 0.125; three
        // groups would leave 2 degrees, two leave 1
        let line = |from: f64, to: f64| vec![(0.0, from), (1.0, to)];
        assert_eq!(common_slope(&[line(0.0, 1.0), line(100.0, 102.0)]), None);
        let found = common_slope(&[line(0.0, 1.0), line(100.0, 102.0), line(7.0, 8.5)]).unwrap();
        near(found.slope, 1.5, 1e-12);
        // as a paired t of the differences 1, 2, 1.5: error 0.5 / sqrt(3)
        near(found.half, 4.3027 * 0.5 / 3.0_f64.sqrt(), 1e-4);
    }

    #[test]
    fn one_value_or_one_place_has_no_slope() {
        assert_eq!(common_slope(&[vec![(0.0, 1.0)]]), None);
        assert_eq!(common_slope(&[vec![(1.0, 1.0); 5]]), None);
        assert_eq!(common_slope(&[]), None);
    }
}
