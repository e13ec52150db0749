//! What a run would do, in words on the terminal.

use std::time::Duration;

use indicatif::HumanDuration;
use inferbench_engine::prepare::{PreparedBackend, PreparedRun};
use inferbench_model::config::{Config, Level, SearchConfig, SearchOver};
use inferbench_model::report::warning_line;
use inferbench_model::text::number::{counted, grouped};

use super::preview::{BackendPreview, Preview};
use super::rows;
use crate::commands::kv_cache::dtype_source;

pub(super) fn show(prepared: &PreparedRun, preview: &Preview) {
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
    if let Some(line) = requests_line(preview) {
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

/// `measured requests: 96, about 46 080 prompt tokens and 6 144 answer tokens`, as far
/// as the lengths are known.
fn requests_line(preview: &Preview) -> Option<String> {
    let parts = [
        (preview.estimated_input_tokens, "prompt"),
        (preview.estimated_output_tokens, "answer"),
    ];
    let parts = parts.into_iter().filter_map(|(tokens, what)| {
        let tokens = tokens?;
        Some(format!("{} {what} tokens", grouped(tokens)))
    });
    let parts: Vec<String> = parts.collect();
    let about = match parts.is_empty() {
        true => String::new(),
        false => format!(", about {}", parts.join(" and ")),
    };
    let requests = grouped(preview.measured_requests?);
    Some(format!("measured requests: {requests}{about}"))
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
            "levels: chosen while measuring, from {} {what} to where throughput stops growing, {} at most; closer together where it bends",
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
