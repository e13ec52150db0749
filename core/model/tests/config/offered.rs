//! What is refused of the load.

use super::*;

#[test]
fn keys_of_one_kind_of_load_are_refused_beside_another() {
    let ramp = "shape: {ramp: {from: 0.1, to: 1, over: 1m}}";
    for (load, error) in [
        (
            format!("request_rate: [inf]\n  {ramp}"),
            "`load.request_rate[0]` is inf, but `load.shape` needs a rate that it is a factor of",
        ),
        (
            format!("concurrency: [1]\n  {ramp}"),
            "`load.shape` is set, but a closed loop has no rate: it sends when an answer has ended",
        ),
        (
            "request_rate: [1]\n  ramp_up: 10s".to_owned(),
            "`load.ramp_up` is set, but only a closed loop has slots that begin one after the other",
        ),
        (
            "concurrency: [1]\n  ramp_up: 0s".to_owned(),
            "`load.ramp_up` is 0, must be above 0",
        ),
        (
            "request_rate: [1]\n  max_in_flight: 0".to_owned(),
            "`load.max_in_flight` is 0, must be 1 or more",
        ),
        (
            "concurrency: [1]\n  max_in_flight: 4".to_owned(),
            "`load.max_in_flight` is 4, but a closed loop never has more in flight than `concurrency` says",
        ),
        (
            "speed: 2\n  arrivals: trace".to_owned(),
            "`load.arrivals` is trace, but `synthetic` prompts are no rows of a file that have times",
        ),
        (
            "speed: [1, 2]".to_owned(),
            "`load.speed` is set, but only the times of a trace can be replayed faster",
        ),
        (
            "arrivals: trace".to_owned(),
            "`load` has no `speed`, arrivals of a trace need it",
        ),
        (
            "request_rate: [1]\n  arrivals: trace".to_owned(),
            "`load.arrivals` is trace, but how many requests there are at a time is set too",
        ),
        (
            "speed: [1]\n  request_rate: [1]\n  arrivals: trace".to_owned(),
            "`load` has both `request_rate` and `speed`, must have one: a run is a closed loop or an open one",
        ),
        (
            "speed: [1, 0]\n  arrivals: trace".to_owned(),
            "`load.speed[1]` is 0, must be above 0 and finite",
        ),
        (
            "speed: []\n  arrivals: trace".to_owned(),
            "`load.speed` is empty, must list at least one level",
        ),
        (
            "speed: fast\n  arrivals: trace".to_owned(),
            "`load.speed` is \"fast\", must be a number such as 2, or a list of them",
        ),
        (
            "speed: 1\n  arrivals: trace\n  burstiness: 0.5".to_owned(),
            "`load.burstiness` is set, but only gamma arrivals have one",
        ),
        (
            format!("speed: 1\n  arrivals: trace\n  {ramp}"),
            "`load.shape` is set, but a trace has the shape of its own times",
        ),
    ] {
        let found = refused_open(&load);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn a_trace_needs_a_speed_and_ends_by_itself() {
    let trace = with_load("speed: 2\n  arrivals: trace")
        .replace("output_tokens: 128", "prompts: trace\n  file: t.csv")
        .replace("  requests: 64\n", "");
    let config = read(&trace).unwrap().config;
    assert_eq!(config.load.levels(), [Level::TraceSpeed(Speed(2.0))]);
    let several = read(&trace.replace("speed: 2", "speed: [0.5, 4]")).unwrap();
    let levels = [0.5, 4.0].map(|speed| Level::TraceSpeed(Speed(speed)));
    assert_eq!(several.config.load.levels(), levels);
}

fn with_load(load: &str) -> String {
    SMALL.replace("concurrency: [1, 2]", load)
}

/// All that is wrong with a config with that load, a line each.
fn refused_open(load: &str) -> String {
    let errors = refused(&with_load(load)).into_iter();
    errors
        .map(|(error, _)| error)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_load_that_cannot_be_offered_is_refused() {
    for (from, to, error) in [
        (
            "concurrency: [1, 2]",
            "arrivals: poisson",
            "9:1: `load` has neither `concurrency` nor `request_rate` nor `search`, must have one",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: [1, 2]\n  request_rate: [1.5]",
            "9:1: `load` has both `concurrency` and `request_rate`, must have one: a run is a closed loop or an open one",
        ),
        (
            "requests: 64",
            "warmup_requests: 1",
            "9:1: `load` has neither `requests` nor `duration`, must have one to end",
        ),
        (
            "requests: 64",
            "duration: 0s",
            "11:13: `load.duration` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  timeout: 0s",
            "12:12: `load.timeout` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  idle_timeout: 0ms",
            "12:17: `load.idle_timeout` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  arrivals: gamma",
            "9:1: `load.burstiness` is missing, gamma arrivals need it",
        ),
        (
            "requests: 64",
            "requests: 64\n  arrivals: gamma\n  burstiness: 0",
            "13:15: `load.burstiness` is 0, must be above 0",
        ),
        (
            "requests: 64",
            "requests: 64\n  burstiness: 0.5",
            "12:15: `load.burstiness` is set, but only gamma arrivals have one",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: []",
            "10:3: `load.concurrency` is empty, must list at least one level",
        ),
        (
            "concurrency: [1, 2]",
            "request_rate: []",
            "10:3: `load.request_rate` is empty, must list at least one level",
        ),
        (
            "concurrency: [1, 2]",
            "request_rate: [1, 0]",
            "10:21: `load.request_rate[1]` is 0, must be above 0 requests/s",
        ),
        (
            "concurrency: [1, 2]\n  requests: 64",
            "request_rate: [inf]\n  duration: 30s",
            "10:18: `load.request_rate[0]` is inf, which needs `load.requests`: how many to send at once",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 0}",
            "11:24: `load.requests.per_slot` is 0, must be 1 or more",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 16, min: 0}",
            "11:33: `load.requests.min` is 0, must be 1 or more",
        ),
        (
            "requests: 64",
            "requests: {per_slot: 16, max: 90}",
            "11:28: unknown key `max` in `load.requests`, must be one of `per_slot`, `min`",
        ),
        (
            "requests: 64",
            "requests: {min: 64}",
            "11:13: `load.requests.per_slot` is missing",
        ),
        (
            "requests: 64",
            "requests: many",
            "11:13: `load.requests` is \"many\", must be a whole number, or `{per_slot: 16, min: 64}`",
        ),
        (
            "concurrency: [1, 2]\n  requests: 64",
            "request_rate: [2]\n  requests: {per_slot: 16}",
            "11:3: `load.requests` has `per_slot`, but a request rate has no slots",
        ),
        (
            "concurrency: [1, 2]",
            "concurrency: [2, 2]",
            "10:20: `load.concurrency[1]` is 2, which is already in the list",
        ),
    ] {
        assert_eq!(changed(from, to), format!("bench.yaml:{error}"));
    }
}

#[test]
fn limits_out_of_range_are_refused() {
    for (extra, error) in [
        ("repeats: 0", "9:10: `repeats` is 0, must be 1 or more"),
        (
            "slo: {ttft_ms: 0}",
            "9:16: `slo.ttft_ms` is 0, must be above 0 ms",
        ),
        (
            "slo: {tpot_ms: -1}",
            "9:16: `slo.tpot_ms` is -1, must be above 0 ms",
        ),
        (
            "slo: {e2e_latency_ms: .inf}",
            "9:23: `slo.e2e_latency_ms` is inf, must be above 0 ms",
        ),
        (
            "gpu: {sample_every: 9ms}",
            "9:21: `gpu.sample_every` is 9ms, must be 10ms or more",
        ),
    ] {
        let to = format!("\n{extra}\nload:");
        assert_eq!(changed("\nload:", &to), format!("bench.yaml:{error}"));
    }
}

#[test]
fn a_shape_that_cannot_be_sent_is_refused() {
    let rate = "request_rate: [2]";
    for (shape, error) in [
        (
            "{steps: []}",
            "`load.shape.steps` is empty, must list at least one step",
        ),
        (
            "{steps: [{for: 1s, rate: 0}, {for: 1s, rate: 1}]}",
            "`load.shape.steps[0].rate` is 0, must be above 0",
        ),
        (
            "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: 0}]}",
            "`load.shape.steps[1].rate` is 0, must be above 0",
        ),
        (
            "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: -1}, {for: 1s, rate: 1}]}",
            "`load.shape.steps[1].rate` is -1, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{steps: [{for: 0s, rate: 1}]}",
            "`load.shape.steps[0].for` is 0, must be above 0",
        ),
        (
            "{ramp: {from: 0.1, to: 0, over: 1m}}",
            "`load.shape.ramp.to` is 0, must be above 0, a factor of the level's rate",
        ),
        (
            "{ramp: {from: -1, to: 1, over: 1m}}",
            "`load.shape.ramp.from` is -1, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{spike: {at: 1s, for: 1s, rate: -2}}",
            "`load.shape.spike.rate` is -2, must be 0 or more, a factor of the level's rate",
        ),
        (
            "{on_off: {on: 1s, off: 0s}}",
            "`load.shape.on_off.off` is 0, must be above 0",
        ),
        ("{on_off: {on: 1s}}", "`load.shape.on_off.off` is missing"),
    ] {
        let found = refused_open(&format!("{rate}\n  shape: {shape}"));
        assert!(found.contains(error), "{found}");
    }
    for shape in [
        "{steps: [{for: 1s, rate: 1}, {for: 1s, rate: 0}, {for: 1s, rate: 2}]}",
        "{ramp: {from: 0, to: 1, over: 1m}}",
        "{spike: {at: 1s, for: 1s, rate: 0}}",
        "{on_off: {on: 1s, off: 2s}}",
    ] {
        let text = with_load(&format!("{rate}\n  shape: {shape}"));
        assert!(read(&text).is_ok(), "{shape}");
    }
}

#[test]
fn a_backend_that_takes_less_than_a_search_begins_with_is_refused() {
    let search = |over: &str| {
        let search = format!("search: {{over: {over}, find: bend, from: 8}}");
        with_load(&search).replace("plugin: sim", "plugin: sim\n    max_concurrency: 4")
    };
    let found: Vec<String> = refused(&search("concurrency"))
        .into_iter()
        .map(|(error, _)| error)
        .collect();
    assert_eq!(
        found,
        [
            "bench.yaml:6:22: `backends[0].max_concurrency` is 4, must be `load.search.from`, 8, or more"
        ]
    );
    // A rate has no slots.
    assert!(read(&search("request_rate")).is_ok());
}
