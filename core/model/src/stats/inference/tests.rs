use super::*;

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}

#[test]
fn the_interval_is_students_over_log_ratios() {
    // ratios 2 and 8: logs ln 2 and 3 ln 2, mean 2 ln 2, standard error ln 2,
    // t(0.975, 1) = 12.7062 (table), so 4 * 2^±12.7062
    let interval = paired_ratio(&[(2.0, 1.0), (8.0, 1.0)]).unwrap();
    near(interval.ratio, 4.0, 1e-9);
    near(interval.high / (4.0 * 2f64.powf(12.7062)), 1.0, 1e-3);
    near(interval.low * 2f64.powf(12.7062) / 4.0, 1.0, 1e-3);
    // of the four exchanges ++ and -- are as far from 0
    assert_eq!(interval.permutation_p, Some(0.5));
}

#[test]
fn one_pair_or_a_value_of_nothing_has_no_interval() {
    assert_eq!(paired_ratio(&[(2.0, 1.0)]), None);
    assert_eq!(paired_ratio(&[(2.0, 1.0), (0.0, 1.0)]), None);
}

#[test]
fn three_repeats_cannot_do_without_a_distribution() {
    let interval = paired_ratio(&[(2.0, 1.0), (2.1, 1.0), (1.9, 1.0)]).unwrap();
    assert_eq!(interval.permutation_p, Some(2.0 / 8.0));
}

#[test]
fn a_p_value_beyond_the_margin_is_below_a_fortieth_just_when_the_interval_clears_it() {
    let interval = paired_ratio(&[(1.10, 1.0), (1.12, 1.0), (1.08, 1.0)]).unwrap();
    for margin in [interval.low - 1e-6, interval.low + 1e-6] {
        let clears = interval.low > margin;
        assert_eq!(interval.p_above(margin.ln()) < 0.025, clears);
    }
    let equal = paired_ratio(&[(1.5, 1.0), (1.5, 1.0)]).unwrap();
    assert!(equal.p_above(0.03) < 1e-6);
}

#[test]
fn holm_steps_down_from_the_smallest() {
    // 0.01 <= 0.05 / 4, 0.015 <= 0.05 / 3, 0.03 > 0.05 / 2: it ends there
    let holds = holm(&[0.03, 0.01, 0.04, 0.015], 0.05);
    assert_eq!(holds, [false, true, false, true]);
    assert!(holm(&[], 0.05).is_empty());
    // 0.03 was held against 0.05 / 2, the other open one waits behind it
    assert_eq!(holm_next(&holds, 0.05), 0.025);
    assert_eq!(holm_next(&[true], 0.05), 0.05);
}

#[test]
fn repeats_to_clear_follow_from_scatter_and_distance() {
    // logs 0.10 and 0.14: scatter 0.0283; with n = 3 the error is 0.01633, t(2) is 4.303
    // for 0.025 and 1.061 for 0.2 (tables): 5.364 * 0.01633 = 0.0876; with n = 2 it is
    // (12.706 + 1.376) * 0.02 = 0.282
    let pairs = [(0.10_f64.exp(), 1.0), (0.14_f64.exp(), 1.0)];
    let interval = paired_ratio(&pairs).unwrap();
    assert_eq!(interval.blocks_to_clear(0.09, 0.025), Some(3));
    assert_eq!(interval.blocks_to_clear(0.283, 0.025), Some(2));
    assert_eq!(interval.blocks_to_clear(0.0, 0.025), None);
}

/// Hours of sleep gained with two drugs (Student 1908): R's data set `sleep`.
const SLEEP: [[f64; 10]; 2] = [
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
];

#[test]
fn two_runs_are_held_against_each_other_by_welchs_t() {
    // R's own example, t.test(extra ~ group, data = sleep): t = -1.8608,
    // df = 17.776, 95 % interval -3.3654832 to 0.2054832, p = 0.07939.
    let [a, b] = SLEEP.map(|values| values.map(f64::exp));
    let interval = unpaired_ratio(&a, &b).unwrap();
    near(interval.ratio.ln(), -1.58, 1e-9);
    near(interval.low.ln(), -3.365_483_2, 1e-4);
    near(interval.high.ln(), 0.205_483_2, 1e-4);
    near(interval.unpaired.unwrap().freedom, 17.776, 1e-3);
    near(interval.ratio.ln() / interval.std_error, -1.8608, 1e-4);
    near(interval.p_below(0.0), 0.07939 / 2.0, 1e-4);
    near(interval.p_above(0.0), 1.0 - 0.07939 / 2.0, 1e-4);
    assert_eq!(interval.permutation_p, None);
}

#[test]
fn groups_of_other_sizes_have_the_error_of_both() {
    // logs 0, 2 and 4, 5, 6: means 1 and 5, squared errors 2 / 2 and 1 / 3
    let first = [0.0_f64, 2.0].map(f64::exp);
    let second = [4.0_f64, 5.0, 6.0].map(f64::exp);
    let interval = unpaired_ratio(&first, &second).unwrap();
    near(interval.ratio.ln(), -4.0, 1e-9);
    near(interval.std_error, (4.0_f64 / 3.0).sqrt(), 1e-9);
    // Cochran and Cox: t(1) = 12.7062 and t(2) = 4.3027 (table), weighted 1 to 1/3
    let t = (12.7062 + 4.3027 / 3.0) / (4.0 / 3.0);
    near(interval.high.ln(), -4.0 + t * (4.0_f64 / 3.0).sqrt(), 1e-3);
    let unpaired = interval.unpaired.unwrap();
    assert!((1.0..2.0).contains(&unpaired.freedom));
    assert_eq!((unpaired.blocks, interval.blocks), ([2, 3], 2));
    // of 10 ways to deal two of five only this one lies 4 apart: the next,
    // {5, 6}, has 5.5 against 2
    assert_eq!(interval.permutation_p, Some(0.1));
}

#[test]
fn groups_of_one_value_or_with_nothing_have_no_interval() {
    assert_eq!(unpaired_ratio(&[1.0], &[1.0, 2.0]), None);
    assert_eq!(unpaired_ratio(&[1.0, 2.0], &[1.0, 0.0]), None);
    let equal = unpaired_ratio(&[1.1, 1.1], &[1.0, 1.0]).unwrap();
    near(equal.low, 1.1, 1e-9);
    near(equal.unpaired.unwrap().freedom, 2.0, 1e-9);
}

#[test]
fn repeats_of_each_run_to_decide_follow_from_both_scatters() {
    // variances 0.0008 and 0.0008. With 3 of each, error 0.0231 and t(4) = 2.776 +
    // 0.941 (for 0.2) give 0.0858; with 4, 0.0200 and t(6) = 2.447 + 0.906, 0.0671;
    // with 2, 0.0283 and t(2) = 4.303 + 1.061, 0.152
    let around = |middle: f64| [middle - 0.02, middle + 0.02].map(f64::exp);
    let interval = unpaired_ratio(&around(0.10), &around(0.0)).unwrap();
    assert_eq!(interval.blocks_to_clear(0.10, 0.025), Some(3));
    assert_eq!(interval.blocks_to_clear(0.07, 0.025), Some(4));
    assert_eq!(interval.blocks_to_clear(0.16, 0.025), Some(2));
    // one of five tests leaves 0.005 on each side: t(4) = 4.604 + 0.941 gives 0.128
    // with 3, t(6) = 3.707 + 0.906 times 0.0200 gives 0.0923 with 4
    assert_eq!(interval.blocks_to_clear(0.10, 0.005), Some(4));
}

#[test]
fn a_mean_is_held_against_0_by_students_t() {
    // R, t.test of the differences of `sleep`: t = -4.0621 with 9 degrees, p = 0.002833
    let [a, b] = SLEEP;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    near(p_of_mean(&differences).unwrap(), 0.002_833, 1e-6);
    assert_eq!(p_of_mean(&[1.0]), None);
    assert_eq!(p_of_mean(&[1.0, 1.0]), Some(0.0));
}
