//! Tunings of simulated backends: what is best is known, a look scatters the more the
//! shorter it is, and every fresh server is a little faster or slower than the last.

use inferbench_model::config::{Config, load};
use inferbench_model::plan::RunPlan;
use inferbench_model::plan::tune::{Found, Race, Start, TuneStep};
use inferbench_model::stats::best_of::{BestVerdict, best_of};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::draw::normal;

/// Scatter of a full measurement, and of servers, as shares.
const MEASURED: f64 = 0.01;
const SERVERS: f64 = 0.005;
const MARGIN: f64 = 0.03;

/// Four by three by two settings.
const GRID: &str = "options.a: [1, 2, 3, 4], options.b: [1, 2, 3], options.c: [false, true]";

fn config(sweep: &str, more: &str) -> Config {
    let text = format!(
        "name: a\nmodel: {{ id: m }}\nbackends:\n  - plugin: sim\n    sweep: {{ {sweep} }}\nload: {{ concurrency: [8], requests: 400 }}\ntune: {{ objective: throughput{more} }}\nrepeats: 3\n"
    );
    load("a.yaml", &text, &|_| None).unwrap().config
}

/// A tuning of points with these true values; each start takes a second for its own and
/// ten for a full measurement. `scatter`: how many times as much as usual.
fn tuned(config: &Config, (truth, scatter): (&[f64], f64), rng: &mut ChaCha8Rng) -> Vec<Start> {
    let stages = RunPlan::new(config).stages;
    let looks = config.look_blocks();
    let mut starts = Vec::new();
    while let TuneStep::Start(place) = Race::new(config, &starts).next(&stages) {
        let stage = &stages[place];
        let share = 0.5_f64.powi(looks.saturating_sub(stage.block) as i32);
        let off = SERVERS * normal(rng) + MEASURED / share.sqrt() * normal(rng);
        starts.push(Start {
            backend: stage.backend_index,
            block: stage.block,
            found: Found::Value(truth[stage.backend_index] * (scatter * off).exp()),
            seconds: 1.0 + 10.0 * share,
        });
    }
    starts
}

/// The point that was found, and whether it is sure.
fn answer(config: &Config, starts: &[Start]) -> (usize, BestVerdict) {
    let looks = config.look_blocks();
    let mut points: Vec<usize> = starts
        .iter()
        .filter(|start| start.block == looks)
        .map(|start| start.backend)
        .collect();
    points.sort_unstable();
    let values = |point: &usize| {
        let own = starts
            .iter()
            .filter(|start| start.backend == *point && start.block >= looks);
        own.filter_map(|start| start.found.value()).collect()
    };
    let values: Vec<Vec<f64>> = points.iter().map(values).collect();
    let found = best_of(&values, MARGIN.ln_1p()).unwrap();
    (points[found.order[0]], found.verdict)
}

/// Full measurements that the looks and finals of these starts are worth.
fn cost(config: &Config, starts: &[Start]) -> f64 {
    let looks = config.look_blocks();
    let share = |start: &Start| 0.5_f64.powi(looks.saturating_sub(start.block) as i32);
    starts.iter().map(share).sum()
}

/// What the settings do: each step of `a` gives 6 % more, `b` has its best in the middle,
/// `c` gives 5 %. The best is the last value of `a`, the middle of `b`, and `c`.
fn truth(config: &Config) -> Vec<f64> {
    let backends = config.backends.iter();
    let values = backends.map(|backend| {
        let own = |name: &str| backend.options[name].as_f64().unwrap_or(0.0);
        let b = [0.95, 1.0, 0.93][own("b") as usize - 1];
        let c = if backend.options["c"] == true {
            1.05
        } else {
            1.0
        };
        1000.0 * (1.0 + 0.06 * own("a")) * b * c
    });
    values.collect()
}

#[test]
fn the_best_point_is_found_at_a_third_of_what_the_grid_costs() {
    let config = config(GRID, "");
    let truth = truth(&config);
    let best = (0..24)
        .max_by(|a, b| truth[*a].total_cmp(&truth[*b]))
        .unwrap();
    let grid = 24.0 * 3.0;
    let mut found = 0;
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let starts = tuned(&config, (&truth, 1.0), &mut rng);
        found += u32::from(answer(&config, &starts).0 == best);
        // 24 eighths, 12 quarters, 6 halves and 3 times 3 in full.
        let cost = cost(&config, &starts);
        assert!((cost - 18.0).abs() < 1e-9 && cost <= grid / 3.0, "{cost}");
    }
    assert!(found >= 95, "{found}");
}

#[test]
fn equal_points_are_called_equal_and_never_one_of_them_better() {
    let config = config(GRID, "");
    let (mut equal, mut better) = (0, 0);
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
        // Full measurements that scatter by 0.5 %.
        let starts = tuned(&config, (&[1000.0; 24], 0.45), &mut rng);
        match answer(&config, &starts).1 {
            BestVerdict::Equal => equal += 1,
            BestVerdict::Better => better += 1,
            BestVerdict::Open => {}
        }
    }
    assert_eq!(better, 0);
    assert!(equal >= 95, "{equal}");
}

#[test]
fn a_noisy_machine_makes_no_best_out_of_equal_points() {
    let config = config(GRID, "");
    let mut better = 0;
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(2000 + seed);
        let starts = tuned(&config, (&[1000.0; 24], 10.0), &mut rng);
        better += u32::from(answer(&config, &starts).1 == BestVerdict::Better);
    }
    // One in twenty is what may be claimed wrongly.
    assert!(better <= 10, "{better}");
}

#[test]
fn a_point_that_does_not_start_is_left_out_and_the_others_go_on() {
    let config = config(GRID, "");
    let stages = RunPlan::new(&config).stages;
    let mut starts: Vec<Start> = Vec::new();
    while let TuneStep::Start(place) = Race::new(&config, &starts).next(&stages) {
        let stage = &stages[place];
        let is_lost = stage.backend_index.is_multiple_of(2);
        starts.push(Start {
            backend: stage.backend_index,
            block: stage.block,
            found: match is_lost {
                true => Found::NotStarted,
                false => Found::Value(1.0 + stage.backend_index as f64),
            },
            seconds: 1.0,
        });
    }
    let in_block = |block: u32| starts.iter().filter(|start| start.block == block).count();
    // Twelve of 24 are left, which is as many as the second look has; then 6, then 3.
    let blocks: Vec<usize> = (0..6).map(in_block).collect();
    assert_eq!(blocks, [24, 12, 6, 3, 3, 3]);
    let finals = starts.iter().filter(|start| start.block == 3);
    let mut finals: Vec<usize> = finals.map(|start| start.backend).collect();
    finals.sort_unstable();
    assert_eq!(finals, [19, 21, 23]);
}

#[test]
fn what_is_spent_on_looks_is_half_of_the_budget_at_most() {
    // 24 looks take 1 + 10 / 8 s, 12 take 3.5 s, 6 take 6 s: 54, 42 and 36 s. Of 100 s
    // looks may take 50: 21 of them, the next one would end at 49.5 s.
    let config = config(GRID, ", budget: 100s");
    let truth = truth(&config);
    let starts = tuned(&config, (&truth, 0.0), &mut ChaCha8Rng::seed_from_u64(1));
    let looks = starts.iter().filter(|start| start.block < 3);
    assert_eq!(looks.count(), 22);
    // 49.5 s and then 11 s each, with room for the longest: four more.
    let finals: Vec<&Start> = starts.iter().filter(|start| start.block >= 3).collect();
    assert_eq!(finals.len(), 4);
    let best_seen = starts.iter().filter(|start| start.block == 0);
    let mut seen: Vec<usize> = best_seen.map(|start| start.backend).collect();
    seen.sort_by(|a, b| truth[*b].total_cmp(&truth[*a]));
    assert!(
        finals
            .iter()
            .all(|start| seen[..3].contains(&start.backend))
    );
}

#[test]
fn a_budget_of_a_second_still_makes_one_start() {
    let config = config(GRID, ", budget: 1s");
    let starts = tuned(
        &config,
        (&[1.0; 24], 1.0),
        &mut ChaCha8Rng::seed_from_u64(1),
    );
    assert_eq!(starts.len(), 1);
    let stages = RunPlan::new(&config).stages;
    let step = Race::new(&config, &starts).next(&stages);
    assert_eq!(step, TuneStep::OutOfTime);
}
