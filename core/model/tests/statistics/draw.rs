//! Random experiments, and what their counts allow to say.

use indexmap::IndexMap;
use inferbench_model::config::Level;
use inferbench_model::facts::key::Counts;
use inferbench_model::report::{BlockValue, Figure, Row};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A metric of which more is better.
pub(crate) const THROUGHPUT: &str = "output_token_throughput";

/// A standard normal value (Box and Muller 1958).
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Ends of the 95 % interval of a share (Wilson, Journal of the American Statistical
/// Association 22 (1927), pages 209 to 212).
fn wilson(found: usize, of: usize) -> (f64, f64) {
    let (n, z) = (of as f64, 1.96);
    let share = found as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let end = |side: f64| (middle + side * half) / (1.0 + z * z / n);
    (end(-1.0), end(1.0))
}

/// Fails if a true share of `most` is refuted from below: the lower end of the found
/// one lies above it.
pub(crate) fn assert_at_most(most: f64, found: usize, of: usize, what: &str) {
    let (low, _) = wilson(found, of);
    assert!(
        low <= most,
        "{what}: {found} of {of}, at most {most} wanted"
    );
}

/// Fails if a true share of `least` is refuted from above.
pub(crate) fn assert_at_least(least: f64, found: usize, of: usize, what: &str) {
    let (_, high) = wilson(found, of);
    assert!(
        high >= least,
        "{what}: {found} of {of}, at least {least} wanted"
    );
}

/// The percentages of a row of the book's page, as shares; `head` is how it begins.
pub(crate) fn of_book(head: &str) -> Vec<f64> {
    let page = include_str!("../../../../docs/src/concepts/how-sure.md");
    let row = page.lines().find(|line| line.starts_with(head));
    let row = row.unwrap_or_else(|| panic!("no row {head}"));
    let rest = row[head.len()..].split(['|', ',']);
    let shares = rest.filter_map(|cell| cell.trim().strip_suffix(" %")?.parse::<f64>().ok());
    shares.map(|percent| percent / 100.0).collect()
}

/// Fails if the book says something else than was found.
pub(crate) fn assert_published(published: f64, found: usize, of: usize, what: &str) {
    let share = found as f64 / of as f64;
    let is_it = (published - share).abs() <= 0.05;
    assert!(is_it, "{what}: {published} in the book, {share} found");
}

/// A backend at a level whose repeats gave these values of a metric.
pub(crate) fn row(backend: &str, level: u32, metric: &str, values: &[f64]) -> Row {
    let each = (0..).zip(values);
    let per_block = each.map(|(block, value)| BlockValue {
        block,
        value: Some(*value),
    });
    let figure = Figure {
        typical: Some(values.iter().sum::<f64>() / values.len() as f64),
        per_block: per_block.collect(),
        ..Figure::default()
    };
    Row {
        backend: backend.to_owned(),
        run: None,
        level: Level::Concurrency(level),
        blocks: (0..values.len() as u32).collect(),
        counts: Counts::default(),
        absence: None,
        client_was_limit: false,
        breaches: Vec::new(),
        events_per_arrival: None,
        pace: None,
        unsteady: Vec::new(),
        maybe_unsteady: Vec::new(),
        figures: IndexMap::from([(metric.to_owned(), figure)]),
    }
}

#[test]
fn the_interval_of_a_share_is_wilsons() {
    // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 gives 0.2553 to
    // 0.3662
    let (low, high) = wilson(81, 263);
    assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
}
