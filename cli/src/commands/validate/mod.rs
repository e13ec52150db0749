//! `validate`: checks a config and shows the run, without starting anything.

mod lengths;
mod rows;

use std::path::Path;
use std::time::Duration;

use indicatif::HumanDuration;
use inferbench_engine::doctor::needs::{BackendNeed, needs};

use inferbench_engine::http::Target;
use inferbench_engine::plugins::host::SearchPath;
use inferbench_engine::prepare::kv_forecast::{
    KvForecast, kv_errors, kv_forecasts, kv_warnings, smallest_gpu_bytes,
};
use inferbench_engine::prepare::{PreparedBackend, PreparedRun, at_backend_key, prepare};
use inferbench_engine::server::launch::command_text;
use inferbench_engine::server::method::Launch;
use inferbench_model::config::{Config, Level, Loaded};
use inferbench_model::config::{SearchConfig, SearchOver};
use inferbench_model::doctor::Judged;
use inferbench_model::facts::warning::{Warning, WarningKind};
use inferbench_model::kv_cache::KvEstimate;
use inferbench_model::plan::asked;
use inferbench_model::plan::expected_time::{Pace, expected_s};
use inferbench_model::plan::sample_size;
use inferbench_model::report::{warning_line, warning_words};
use inferbench_model::text::number::{counted, grouped};
use inferbench_model::yaml::YamlError;
use serde::Serialize;
use serde_json::Value;

use super::inputs::{load_config, load_plugins, plugin_names};
use super::kv_cache::dtype_source;
use super::output::{print_json, width};
use super::schedule::{self, LevelSchedule};
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
    /// Seconds that the run will likely take: a guess.
    expected_s: f64,
    backends: Vec<BackendPreview>,
    skipped: Vec<String>,
    /// Levels whose KV cache will not fit, what there are too few requests or
    /// repeats for; most severe first.
    warnings: Vec<Warning>,
    /// The load of each level over time; absent if it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Vec<LevelSchedule>>,
}

#[derive(Serialize)]
struct BackendPreview {
    label: String,
    plugin: String,
    prompt_form: String,
    /// Times that it is started, or visited if it is attached to: once a repeat.
    starts: usize,
    /// It runs already, and is neither started nor stopped.
    attached: bool,
    launch: String,
    /// What of it was found here; absent if nothing was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
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
    (elsewhere, show_schedule): (bool, bool),
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let loaded = load_config(path)?;
    let host = load_plugins(search, plugin_names(&loaded), output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    let launches = prepared.preview(&loaded).map_err(CliError::Config)?;
    let needs = match elsewhere {
        true => Vec::new(),
        false => needs(&prepared, &launches),
    };
    let forecasts = kv_forecasts(&prepared);
    let errors = errors(&loaded, &needs, &kv_errors(&prepared, &forecasts));
    if !errors.is_empty() {
        return Err(CliError::Config(errors));
    }
    let mut preview = preview(&prepared, launches, forecasts, &needs);
    preview.schedule = show_schedule.then(|| schedule::schedules(&prepared, width()));
    if output.json {
        print_json(&preview)?;
    } else {
        show(&prepared, &preview);
        preview.schedule.iter().flatten().for_each(schedule::show);
        if output.verbose {
            println!(
                "\nthe resolved config:\n\n{}",
                serde_yaml::to_string(&preview.config)?
            );
        }
    }
    Ok(Code::Done)
}

/// Keys of a backend that say what is started, the most telling one first.
const STARTS: [&str; 5] = [
    "container.image",
    "version",
    "options.command",
    "options.python",
    "plugin",
];
/// Those that say how large its KV cache is.
const CACHE: [&str; 2] = ["options", "plugin"];

/// What keeps backends from starting here, each at its place in the config.
fn errors(loaded: &Loaded, needs: &[BackendNeed], caches: &[Option<String>]) -> Vec<YamlError> {
    let missing = needs.iter().filter_map(|backend| {
        let (fact, hint) = backend.error()?;
        let words = format!("cannot be started here: {fact}");
        let hint = hint.map(|hint| format!("{hint}; for a run on another machine: --elsewhere"));
        Some(at_backend_key(loaded, backend.index, &STARTS, words, hint))
    });
    let too_small = caches.iter().enumerate().filter_map(|(index, detail)| {
        let detail = detail.as_ref()?;
        let words = format!("has too small a KV cache for the longest request: {detail}");
        let hint = Some("give it more, or shorten the workload".to_owned());
        Some(at_backend_key(loaded, index, &CACHE, words, hint))
    });
    let mut found: Vec<YamlError> = missing.chain(too_small).collect();
    found.sort_by_key(|error| (error.line, error.column));
    found
}

fn preview(
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

fn show(prepared: &PreparedRun, preview: &Preview) {
    let config = &prepared.config;
    let levels: Vec<String> = config.load.levels().iter().map(Level::to_string).collect();
    println!("{}: the config is valid", config.name);
    println!("model: {}", config.model.id);
    match &config.load.search {
        Some(search) => println!("{}", search_line(search)),
        None => println!("levels: {}", levels.join(", ")),
    }
    println!(
        "measurements: {} ({}, {}, order of backends from seed {})",
        match (&config.load.search, &config.tune) {
            (Some(_), _) => "as many as the search needs".to_owned(),
            (None, Some(_)) => "as many as the tuning needs".to_owned(),
            (None, None) => preview.cells.to_string(),
        },
        counted(preview.backends.len() as u64, "backend"),
        counted(config.repeats.into(), "repeat"),
        config.seed
    );
    if let Some(line) = tuning_line(config) {
        println!("{line}");
    }
    if let Some(line) = lengths::requests_line(preview) {
        println!("{line}");
    } else if let Some(duration) = config.load.duration {
        println!("each measurement lasts {duration}");
    }
    if config.load.search.is_none() {
        println!("{}", expected_line(prepared, preview.expected_s));
    }
    for (_, workload, scan) in prepared.prompts.scans() {
        let several = config.workload.is_mixture();
        let file = workload.file.as_deref().filter(|_| several);
        for line in rows::lines(scan) {
            match file {
                Some(file) => println!("{file}: {line}"),
                None => println!("{line}"),
            }
        }
    }
    let tunes = config.tune.is_some();
    preview
        .backends
        .iter()
        .for_each(|own| show_backend(own, tunes));
    for skipped in &preview.skipped {
        println!("\nskipped: {skipped}");
    }
    for warning in &preview.warnings {
        let word = warning.severity.word();
        eprintln!("{word}: {}", warning_line(warning, &[]));
    }
}

fn show_backend(backend: &BackendPreview, tunes: bool) {
    println!(
        "\n{} (plugin {}, prompts as {}, {})\n  {}",
        backend.label,
        backend.plugin,
        backend.prompt_form,
        starts(backend, tunes),
        backend.launch
    );
    if let Some(found) = &backend.found {
        println!("  found: {found}");
    }
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

/// `likely time: 12 minutes, if ...`.
fn expected_line(prepared: &PreparedRun, seconds: f64) -> String {
    let time = HumanDuration(Duration::from_secs_f64(seconds.clamp(1.0, 1e9)));
    let is_real = |backend: &PreparedBackend| !backend.plugin.description.simulated;
    let real = prepared.backends.iter().filter(|backend| is_real(backend));
    let starts = real.clone().any(|backend| backend.attach.is_empty());
    let guessed = match (real.count(), starts) {
        (0, _) => "a token takes 5 ms",
        (_, true) => "a start takes a minute and a token 20 ms",
        (_, false) => "a token takes 20 ms",
    };
    format!("likely time: {time}, if {guessed}")
}

/// What a tuning starts, and how much of each.
fn tuning_line(config: &Config) -> Option<String> {
    let tune = config.tune.as_ref()?;
    let starts = config.starts_in_blocks();
    let looks = config.look_blocks() as usize;
    let parts =
        starts
            .iter()
            .enumerate()
            .map(|(block, starts)| match looks.saturating_sub(block) {
                0 => format!("{starts} in full"),
                before => format!("{starts} with 1/{} of the requests", 1_u32 << before),
            });
    let parts: Vec<String> = parts.collect();
    let budget = tune.budget.map_or_else(String::new, |budget| {
        format!("; ends after {budget}, with the start that is under way then")
    });
    Some(format!(
        "tuning: at most {}: {}{budget}",
        counted(starts.iter().sum::<usize>() as u64, "start"),
        parts.join(", ")
    ))
}

/// What a search looks for, and how many loads that likely takes.
fn search_line(search: &SearchConfig) -> String {
    let what = match search.over {
        SearchOver::Concurrency => "requests in flight",
        SearchOver::RequestRate => "requests per second",
    };
    if !search.finds_capacity() {
        return format!(
            "levels: found by what was measured, from {} {what} to where throughput stops growing, at most {}; more of them where it bends",
            search.from, search.to
        );
    }
    let budget = search.budget.map_or_else(String::new, |budget| {
        format!(", at most {budget} of measuring each backend")
    });
    format!(
        "search: the most {what} that keep the promise, from {} to {}, to {}; about {} at the first start of a backend, 2 or more at each later one{budget}",
        search.from,
        search.to,
        search.tolerance,
        counted(search.likely_trials(), "measurement")
    )
}

/// `started 3 times`, or for a server that runs already `measured 3 times`.
fn starts(backend: &BackendPreview, tunes: bool) -> String {
    let word = match backend.attached {
        true => "measured",
        false => "started",
    };
    match backend.starts {
        n if tunes => format!("{word} at most {n} times"),
        1 => format!("{word} once"),
        n => format!("{word} {n} times"),
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
