//! What a run would do, as data: its backends, how long it takes, and what to warn of.

use inferbench_engine::doctor::needs::BackendNeed;
use inferbench_engine::http::Target;
use inferbench_engine::prepare::kv_forecast::{KvForecast, kv_warnings, smallest_gpu_bytes};
use inferbench_engine::prepare::{PreparedBackend, PreparedRun};
use inferbench_engine::server::launch::command_text;
use inferbench_engine::server::method::Launch;
use inferbench_model::doctor::Judged;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::kv_cache::KvEstimate;
use inferbench_model::plan::asked;
use inferbench_model::plan::expected_time::{Pace, expected_s};
use inferbench_model::plan::sample_size;
use inferbench_model::report::warning_words;
use serde::Serialize;
use serde_json::Value;

use super::lengths;
use crate::commands::schedule::LevelSchedule;

#[derive(Serialize)]
pub(super) struct Preview {
    /// The resolved config: defaults filled in, secrets masked.
    pub(super) config: Value,
    pub(super) cells: usize,
    pub(super) measured_requests: Option<u64>,
    pub(super) estimated_input_tokens: Option<u64>,
    pub(super) estimated_output_tokens: Option<u64>,
    /// Seconds that the run will likely take: a guess.
    pub(super) expected_s: f64,
    pub(super) backends: Vec<BackendPreview>,
    pub(super) skipped: Vec<String>,
    /// Levels whose KV cache will not fit, what there are too few requests or
    /// repeats for; most severe first.
    pub(super) warnings: Vec<Warning>,
    /// The load of each level over time; absent if it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schedule: Option<Vec<LevelSchedule>>,
}

#[derive(Serialize)]
pub(super) struct BackendPreview {
    pub(super) label: String,
    pub(super) plugin: String,
    pub(super) prompt_form: String,
    /// Times that it is started, or visited if it is attached to: once a repeat.
    pub(super) starts: usize,
    /// It runs already, and is neither started nor stopped.
    pub(super) attached: bool,
    pub(super) launch: String,
    /// What of it was found here; absent if nothing was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) found: Option<String>,
    /// Command that downloads what the launch needs; absent if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fetch: Option<String>,
    /// Commands that stop what is not a child process, such as a container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop: Vec<String>,
    /// Size of its KV cache; absent if the model is not on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kv_estimate: Option<KvEstimate>,
    /// Why its KV cache cannot be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kv_absence: Option<String>,
}

pub(super) fn preview(
    prepared: &PreparedRun,
    launches: Vec<Option<Launch>>,
    forecasts: Vec<Option<KvForecast>>,
    needs: &[BackendNeed],
) -> Preview {
    let config = &prepared.config;
    let cells = prepared.plan.cells();
    let measured = prepared.plan.requests(&config.load);
    let (input_tokens, output_tokens) = lengths::mean_tokens(prepared);
    let tokens = |length: Option<f64>| Some((measured? as f64 * length?).round() as u64);
    let has_forecast = forecasts.iter().any(Option::is_some);
    let gpu_bytes = has_forecast.then(smallest_gpu_bytes).flatten();
    let sample = sample_size::forecast(config).into_iter();
    let sample = sample.map(|finding| Warning::about_run(finding.into()));
    let mut warnings: Vec<Warning> = sample.collect();
    warnings.extend(asked_warnings(prepared, &launches));
    warnings.extend(kv_warnings(prepared, &forecasts, gpu_bytes));
    for warning in &mut warnings {
        warning.text = warning_words(&warning.kind);
    }
    warnings.sort_by_key(|warning| warning.severity);
    let pairs = prepared.backends.iter().zip(launches).zip(forecasts);
    let backends = pairs
        .map(|((backend, launch), forecast)| backend_preview(prepared, backend, launch, forecast));
    let mut backends: Vec<BackendPreview> = backends.collect();
    for backend in needs {
        let found = prepared.secrets.masked(&backend.need.verdict().text);
        backends[backend.index].found = Some(found).filter(|_| backend.is_looked_for());
    }
    let skipped = prepared.plan.skipped.iter();
    Preview {
        config: prepared.secrets.masked_json(config),
        cells,
        measured_requests: measured,
        estimated_input_tokens: tokens(input_tokens),
        estimated_output_tokens: tokens(output_tokens),
        expected_s: expected_s(
            config,
            &prepared.plan,
            &paces(prepared),
            prepared.trace.as_ref(),
        ),
        backends,
        skipped: skipped
            .map(|s| format!("{} at {}: {}", s.backend, s.level, s.reason))
            .collect(),
        warnings,
        schedule: None,
    }
}

fn backend_preview(
    prepared: &PreparedRun,
    backend: &PreparedBackend,
    launch: Option<Launch>,
    forecast: Option<KvForecast>,
) -> BackendPreview {
    let secrets = &prepared.secrets;
    let launch_text = match (backend.attach.as_slice(), &launch) {
        ([], Some(launch)) => command_text(&launch.plan, &[], secrets),
        ([], None) => "in this process".to_owned(),
        ([one], _) => format!("attach to {}", one.base_url()),
        (several, _) => {
            let urls: Vec<String> = several.iter().map(Target::base_url).collect();
            format!("attach to {} replicas: {}", urls.len(), urls.join(", "))
        }
    };
    let launch = launch.unwrap_or_default();
    let (kv_estimate, kv_absence) = match forecast.map(|forecast| forecast.estimate) {
        Some(Ok(estimate)) => (Some(estimate), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    let stages = prepared.plan.stages.iter();
    BackendPreview {
        label: backend.label.clone(),
        plugin: backend.plugin.description.name.clone(),
        prompt_form: backend.opened.form.name().to_owned(),
        starts: stages.filter(|s| s.backend == backend.label).count(),
        attached: !backend.attach.is_empty(),
        launch: launch_text,
        found: None,
        fetch: launch
            .fetch
            .map(|fetch| command_text(&fetch.plan, &[], secrets)),
        stop: launch.stop_commands.iter().map(|c| c.join(" ")).collect(),
        kv_estimate,
        kv_absence,
    }
}

/// What backends are asked for that they cannot do, or that says little.
fn asked_warnings(prepared: &PreparedRun, launches: &[Option<Launch>]) -> Vec<Warning> {
    let config = &prepared.config;
    let mut found = Vec::new();
    for (index, backend) in prepared.backends.iter().enumerate() {
        let mut add = |kind| found.push(Warning::about(&backend.label, kind));
        let most = config.backends[index].max_concurrency;
        let levels = asked::levels_with_several(&config.load, most);
        let can = &backend.plugin.description.capabilities;
        if can.one_request_at_a_time && levels > 0 {
            add(WarningKind::OneRequestAtATime { levels });
        }
        let command = launches[index].as_ref().map(|l| l.plan.command.as_slice());
        if command.is_some_and(asked::is_speculative) && asked::is_hard_to_guess(config) {
            add(WarningKind::SpeculationOnRandomPrompts);
        }
    }
    found
}

/// How fast each backend is taken to be.
fn paces(prepared: &PreparedRun) -> Vec<Pace> {
    let each = prepared.backends.iter().map(|backend| {
        let pace = match backend.attach.is_empty() {
            _ if backend.plugin.description.simulated => Pace::SIMULATED,
            false => Pace::ATTACHED,
            true => Pace::SERVER,
        };
        let can = &backend.plugin.description.capabilities;
        Pace {
            one_at_a_time: can.one_request_at_a_time,
            ..pace
        }
    });
    each.collect()
}
