//! `validate`: checks a config and shows the run, without starting anything.

use std::path::Path;

use inferbench_engine::plugins::host::SearchPath;
use inferbench_engine::prepare::kv_forecast::{
    KvForecast, kv_forecasts, kv_warnings, smallest_gpu_bytes,
};
use inferbench_engine::prepare::{PreparedBackend, PreparedRun, prepare};
use inferbench_engine::server::launch::command_text;
use inferbench_engine::server::method::Launch;
use inferbench_model::config::Level;
use inferbench_model::facts::warning::Warning;
use inferbench_model::kv_cache::KvEstimate;
use inferbench_model::plan::sample_size;
use inferbench_model::report::{warning_line, warning_words};
use inferbench_model::text::number::{counted, grouped};
use serde::Serialize;
use serde_json::Value;

use super::inputs::{load_config, load_plugins};
use super::kv_cache::dtype_source;
use super::output::print_json;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};

#[derive(Serialize)]
struct Preview {
    /// The resolved config: defaults filled in, secrets masked.
    config: Value,
    cells: usize,
    measured_requests: Option<u64>,
    estimated_input_tokens: Option<u64>,
    estimated_output_tokens: Option<u64>,
    backends: Vec<BackendPreview>,
    skipped: Vec<String>,
    /// Levels whose KV cache will not fit, what there are too few requests or
    /// repeats for; most severe first.
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct BackendPreview {
    label: String,
    plugin: String,
    prompt_form: String,
    starts: usize,
    launch: String,
    /// Command that downloads what the launch needs; absent if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch: Option<String>,
    /// Commands that stop what is not a child process, such as a container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop: Vec<String>,
    /// Size of its KV cache; absent if the model is not on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_estimate: Option<KvEstimate>,
    /// Why its KV cache cannot be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_absence: Option<String>,
}

pub(super) fn validate(
    path: &Path,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let loaded = load_config(path)?;
    let host = load_plugins(search, output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    let launches = prepared.preview(&loaded).map_err(CliError::Config)?;
    let preview = preview(&prepared, launches);
    if output.json {
        print_json(&preview)?;
    } else {
        show(&prepared, &preview);
        if output.verbose {
            println!(
                "\nthe resolved config:\n\n{}",
                serde_yaml::to_string(&preview.config)?
            );
        }
    }
    Ok(Code::Done)
}

fn preview(prepared: &PreparedRun, launches: Vec<Option<Launch>>) -> Preview {
    let config = &prepared.config;
    let cells = prepared.plan.cells();
    let measured = prepared.plan.requests(&config.load);
    let tokens = |length: f64| measured.map(|n| (n as f64 * length).round() as u64);
    let forecasts = kv_forecasts(prepared);
    let has_forecast = forecasts.iter().any(Option::is_some);
    let gpu_bytes = has_forecast.then(smallest_gpu_bytes).flatten();
    let sample = sample_size::forecast(config).into_iter();
    let sample = sample.map(|finding| Warning::about_run(finding.into()));
    let mut warnings: Vec<Warning> = sample.collect();
    warnings.extend(kv_warnings(prepared, &forecasts, gpu_bytes));
    for warning in &mut warnings {
        warning.text = warning_words(&warning.kind);
    }
    warnings.sort_by_key(|warning| warning.severity);
    let pairs = prepared.backends.iter().zip(launches).zip(forecasts);
    let backends = pairs
        .map(|((backend, launch), forecast)| backend_preview(prepared, backend, launch, forecast));
    let skipped = prepared.plan.skipped.iter();
    Preview {
        config: prepared.secrets.masked_json(config),
        cells,
        measured_requests: measured,
        estimated_input_tokens: tokens(config.workload.input_tokens.mean()),
        estimated_output_tokens: tokens(config.workload.output_tokens.mean()),
        backends: backends.collect(),
        skipped: skipped
            .map(|s| format!("{} at {}: {}", s.backend, s.level, s.reason))
            .collect(),
        warnings,
    }
}

fn backend_preview(
    prepared: &PreparedRun,
    backend: &PreparedBackend,
    launch: Option<Launch>,
    forecast: Option<KvForecast>,
) -> BackendPreview {
    let secrets = &prepared.secrets;
    let launch_text = match (&backend.attach, &launch) {
        (Some(target), _) => format!("attach to {}", target.base_url()),
        (None, Some(launch)) => command_text(&launch.plan, &[], secrets),
        (None, None) => "in this process".to_owned(),
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
        launch: launch_text,
        fetch: launch
            .fetch
            .map(|fetch| command_text(&fetch.plan, &[], secrets)),
        stop: launch.stop_commands.iter().map(|c| c.join(" ")).collect(),
        kv_estimate,
        kv_absence,
    }
}

fn show(prepared: &PreparedRun, preview: &Preview) {
    let config = &prepared.config;
    let levels: Vec<String> = config.load.levels().iter().map(Level::to_string).collect();
    println!("{}: the config is valid", config.name);
    println!("model: {}", config.model.id);
    println!("levels: {}", levels.join(", "));
    println!(
        "measurements: {} ({}, {}, order of backends from seed {})",
        preview.cells,
        counted(preview.backends.len() as u64, "backend"),
        counted(config.repeats.into(), "repeat"),
        config.seed
    );
    if let (Some(requests), Some(input), Some(output)) = (
        preview.measured_requests,
        preview.estimated_input_tokens,
        preview.estimated_output_tokens,
    ) {
        println!(
            "measured requests: {requests}, about {input} prompt tokens and {output} answer tokens"
        );
    } else if let Some(duration) = config.load.duration {
        println!("each measurement lasts {duration}");
    }
    preview.backends.iter().for_each(show_backend);
    for skipped in &preview.skipped {
        println!("\nskipped: {skipped}");
    }
    for warning in &preview.warnings {
        let word = warning.severity.word();
        eprintln!("{word}: {}", warning_line(warning, &[]));
    }
}

fn show_backend(backend: &BackendPreview) {
    println!(
        "\n{} (plugin {}, prompts as {}, started {} times)\n  {}",
        backend.label, backend.plugin, backend.prompt_form, backend.starts, backend.launch
    );
    if let Some(fetch) = &backend.fetch {
        println!("  first, outside all measured time: {fetch}");
    }
    if !backend.stop.is_empty() {
        println!("  stopped by: {}", backend.stop.join("; "));
    }
    if let Some(line) = kv_line(backend) {
        println!("  KV cache: {line}");
    }
}

/// The size of a backend's KV cache, in one line.
fn kv_line(backend: &BackendPreview) -> Option<String> {
    if let Some(reason) = &backend.kv_absence {
        return Some(format!("not predicted: {reason}"));
    }
    let estimate = backend.kv_estimate.as_ref()?;
    let mut sizes = vec![format!("{} B per token", grouped(estimate.bytes_per_token))];
    if estimate.bytes_per_sequence > 0 {
        sizes.push(format!(
            "{} B per sequence",
            grouped(estimate.bytes_per_sequence)
        ));
    }
    let gpus = match estimate.gpus() {
        1 => "",
        _ => " on each GPU",
    };
    let ranks = match estimate.data_parallel {
        1 => String::new(),
        ranks => format!(", a cache on each of {ranks} ranks"),
    };
    Some(format!(
        "{}{gpus}, in {}{}{ranks}",
        sizes.join(" and "),
        estimate.dtype,
        dtype_source(estimate)
    ))
}
