//! How long a run will likely take, before anything was measured: a guess from what
//! the plan asks for and from how fast servers commonly are.

use crate::config::{Config, Level, LoadConfig};

use super::rate_curve::RateCurve;
use super::trace_times::TraceTimes;
use super::{RunPlan, Stage, levels_of};

/// How fast a backend is taken to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// From its start to its first answer, and its end, s.
    pub start_s: f64,
    /// To a first token, s.
    pub first_token_s: f64,
    /// Between tokens of one answer, s.
    pub token_s: f64,
    /// It answers one request at a time: more only wait longer.
    pub one_at_a_time: bool,
}

impl Pace {
    /// A server that loads a model: a minute for its start, 20 ms a token.
    pub const SERVER: Self = Self {
        start_s: 60.0,
        first_token_s: 0.1,
        token_s: 0.02,
        one_at_a_time: false,
    };
    /// One that runs already.
    pub const ATTACHED: Self = Self {
        start_s: 1.0,
        ..Self::SERVER
    };
    /// A simulated one.
    pub const SIMULATED: Self = Self {
        start_s: 2.0,
        first_token_s: 0.01,
        token_s: 0.005,
        one_at_a_time: false,
    };
}

/// Seconds that the run will likely take. `paces`: of each backend, in the order of
/// the config; `trace`: times of the rows that are replayed, if they are.
#[must_use]
pub fn expected_s(
    config: &Config,
    plan: &RunPlan,
    paces: &[Pace],
    trace: Option<&TraceTimes>,
) -> f64 {
    let answer_tokens = config
        .workload
        .mean_tokens(|part| part.output_tokens.mean());
    let chances = chances(config, plan);
    let stages = plan.stages.iter().zip(&chances).map(|(stage, chance)| {
        let pace = paces
            .get(stage.backend_index)
            .copied()
            .unwrap_or(Pace::SERVER);
        let request_s = pace.first_token_s + answer_tokens * pace.token_s;
        let load = config.load_in(stage.block);
        let levels = match config.tune {
            Some(_) => levels_of(config, stage.backend_index),
            None => stage.levels.clone(),
        };
        let cells = levels.iter();
        let cells = cells.map(|planned| cell_s((&load, planned.level), trace, request_s, pace));
        chance * (pace.start_s + cells.sum::<f64>())
    });
    let pauses = (chances.iter().sum::<f64>() - 1.0).max(0.0);
    let pause_s = config.load.cooldown.map_or(0.0, |pause| pause.as_s());
    stages.sum::<f64>() + pauses * pause_s
}

/// How likely each stage is started: in a tuning as many points of a sweep are as its
/// block keeps.
fn chances(config: &Config, plan: &RunPlan) -> Vec<f64> {
    let (all, looks) = (config.entrants(), config.look_blocks());
    let chance = |stage: &Stage| {
        let mut own = all.iter();
        let own = own.find(|own| own.points.contains(&stage.backend_index));
        own.map_or(1.0, |own| {
            own.kept_in(stage.block, looks) as f64 / own.points.len() as f64
        })
    };
    plan.stages.iter().map(chance).collect()
}

/// Seconds of a cell whose requests take `request_s` each.
fn cell_s(
    (load, level): (&LoadConfig, Level),
    trace: Option<&TraceTimes>,
    request_s: f64,
    pace: Pace,
) -> f64 {
    let at_once = |slots: f64| match pace.one_at_a_time {
        true => request_s,
        false => request_s / slots.max(1.0),
    };
    let least_s = if pace.one_at_a_time { request_s } else { 0.0 };
    let each_s = match level {
        Level::Concurrency(slots) => at_once(f64::from(slots)),
        Level::RequestRate(rate) if rate.0.is_finite() => (1.0 / rate.0).max(least_s),
        Level::TraceSpeed(speed) => {
            let gap_s = trace.map_or(0.0, |trace| 1.0 / (trace.mean_rate() * speed.0));
            gap_s.max(least_s)
        }
        // All of them at once.
        Level::RequestRate(_) => at_once(load.requests_at(level).unwrap_or(1) as f64),
    };
    let counted_s = load.requests_at(level).map(|n| {
        let even_s = n as f64 * each_s;
        let shape = load.shape.as_ref();
        shape.map_or(even_s, |shape| RateCurve::new(shape).time_at(even_s))
    });
    let timed_s = load.duration.map(|duration| duration.as_s());
    let measured_s = match (counted_s, timed_s) {
        (Some(counted_s), Some(timed_s)) => counted_s.min(timed_s),
        (counted_s, timed_s) => counted_s.or(timed_s).unwrap_or(0.0),
    };
    // The last requests are under way when the rest has ended.
    let ramp_s = load.ramp_up.map_or(0.0, |ramp_up| ramp_up.as_s());
    ramp_s + load.warmup_requests as f64 * each_s + measured_s + request_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn expected(load_text: &str, pace: Pace) -> f64 {
        let text = format!(
            "name: x\nmodel: {{ id: m }}\nbackends:\n  - plugin: a\nworkload: {{ output_tokens: 100 }}\nload: {load_text}\nrepeats: 2\n"
        );
        let config = load("x.yaml", &text, &|_| None).unwrap().config;
        expected_s(&config, &RunPlan::new(&config), &[pace], None)
    }

    /// 2.1 s a request, of which the last one is counted apart.
    const REQUEST_S: f64 = 2.1;

    #[test]
    fn a_closed_loop_takes_its_requests_divided_among_its_slots() {
        let found = expected("{ concurrency: [1, 10], requests: 30 }", Pace::SERVER);
        let cells = (30.0 + 1.0) * REQUEST_S + (3.0 + 1.0) * REQUEST_S;
        assert!((found - 2.0 * (60.0 + cells)).abs() < 1e-6, "{found}");
    }

    #[test]
    fn a_backend_that_takes_one_at_a_time_is_no_faster_at_higher_levels() {
        let naive = Pace {
            one_at_a_time: true,
            ..Pace::SERVER
        };
        let found = expected("{ concurrency: [10], requests: 30 }", naive);
        assert!(
            (found - 2.0 * (60.0 + 31.0 * REQUEST_S)).abs() < 1e-6,
            "{found}"
        );
        let too_fast = expected("{ request_rate: [10], requests: 30 }", naive);
        assert!(
            (too_fast - found).abs() < 1e-6,
            "it cannot keep up: {too_fast}"
        );
    }

    #[test]
    fn time_and_rate_are_taken_as_they_are_asked_for() {
        let attached = |text: &str| expected(text, Pace::ATTACHED) / 2.0 - 1.0 - REQUEST_S;
        assert!((attached("{ request_rate: [2], requests: 30 }") - 15.0).abs() < 1e-6);
        assert!(
            (attached("{ request_rate: [2], duration: 10s, requests: 30 }") - 10.0).abs() < 1e-6
        );
        assert!((attached("{ concurrency: [4], duration: 60s }") - 60.0).abs() < 1e-6);
    }

    #[test]
    fn a_shape_and_slots_that_begin_one_by_one_take_their_time() {
        let attached = |text: &str| expected(text, Pace::ATTACHED) / 2.0 - 1.0 - REQUEST_S;
        // 20 requests at 2 a second are 10 s at an even rate: the first step is 5 s of
        // them, the rest takes half of its 5 s.
        let steps = "[{ for: 10s, rate: 0.5 }, { for: 1s, rate: 2 }]";
        let load = format!("{{ request_rate: [2], requests: 20, shape: {{ steps: {steps} }} }}");
        assert!((attached(&load) - 12.5).abs() < 1e-6);
        let ramp = "{ concurrency: [4], duration: 60s, ramp_up: 8s }";
        assert!((attached(ramp) - 68.0).abs() < 1e-6);
    }

    #[test]
    fn a_tuning_takes_what_its_rounds_take() {
        // Four points have a look of half the requests, three are measured twice in full.
        let text = "name: x\nmodel: { id: m }\nbackends:\n  - plugin: a\n    sweep: { options.x: [1, 2, 3, 4] }\nworkload: { output_tokens: 100 }\nload: { concurrency: [1], requests: 100 }\ntune: { objective: throughput }\nrepeats: 2\n";
        let config = load("x.yaml", text, &|_| None).unwrap().config;
        assert_eq!(config.starts_in_blocks(), [4, 3, 3]);
        let found = expected_s(&config, &RunPlan::new(&config), &[Pace::SERVER; 4], None);
        let looks = 4.0 * (60.0 + 51.0 * REQUEST_S);
        let finals = 6.0 * (60.0 + 101.0 * REQUEST_S);
        assert!((found - looks - finals).abs() < 1e-6, "{found}");
    }

    #[test]
    fn pauses_lie_between_starts() {
        let load = |pause: &str| format!("{{ concurrency: [1], requests: 1{pause} }}");
        let with = expected(&load(", cooldown: 30s"), Pace::SERVER);
        let without = expected(&load(""), Pace::SERVER);
        assert!((with - without - 30.0).abs() < 1e-6);
    }
}
