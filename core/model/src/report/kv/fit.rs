//! A straight line through points by least squares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line through points of (tokens, bytes).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Bytes per token.
    pub slope: f64,
    /// Bytes at no token.
    pub intercept: f64,
    /// Points it goes through.
    pub points: u32,
    /// Largest distance of a point from the line, bytes.
    pub worst_residual: f64,
}

/// The line with the least sum of squared distances in bytes; `None` for fewer
/// than two different numbers of tokens.
///
/// Source: slope = sum((x - mean x) (y - mean y)) / sum((x - mean x)^2), through
/// the point of both means.
#[must_use]
pub fn least_squares(points: &[(u64, u64)]) -> Option<Line> {
    let n = points.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| points.iter().map(|p| of(p) as f64).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut cross, mut square) = (0.0, 0.0);
    for (x, y) in points {
        let from_mean = *x as f64 - mean_x;
        cross += from_mean * (*y as f64 - mean_y);
        square += from_mean * from_mean;
    }
    if points.len() < 2 || square <= 0.0 {
        return None;
    }
    let slope = cross / square;
    let intercept = mean_y - slope * mean_x;
    let residuals = points
        .iter()
        .map(|(x, y)| (*y as f64 - slope * *x as f64 - intercept).abs());
    Some(Line {
        slope,
        intercept,
        points: u32::try_from(points.len()).unwrap_or(u32::MAX),
        worst_residual: residuals.fold(0.0, f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_give_that_line() {
        let line = least_squares(&[(16, 16_484), (32, 32_868), (48, 49_252)]).unwrap();
        assert_eq!((line.slope, line.intercept), (1024.0, 100.0));
        assert!(line.worst_residual < 1e-9);
    }

    #[test]
    fn points_off_a_line_are_balanced() {
        // Means 1 and 2; slope (1 * 2 + 1 * 1) / 2 = 1.5; intercept 0.5.
        let line = least_squares(&[(0, 0), (1, 3), (2, 3)]).unwrap();
        assert!((line.slope - 1.5).abs() < 1e-12);
        assert!((line.intercept - 0.5).abs() < 1e-12);
        assert!((line.worst_residual - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_length_gives_no_line() {
        assert_eq!(least_squares(&[]), None);
        assert_eq!(least_squares(&[(16, 1), (16, 2)]), None);
    }
}
