//! `validate`: checks a config and shows the run, without starting anything.

mod lengths;
mod preview;
mod rows;
mod show;

use std::path::Path;

use inferbench_engine::doctor::needs::{BackendNeed, needs};
use inferbench_engine::plugins::search::SearchPath;
use inferbench_engine::prepare::kv_forecast::{kv_errors, kv_forecasts};
use inferbench_engine::prepare::{at_backend_key, prepare};
use inferbench_model::config::Loaded;
use inferbench_model::yaml::YamlError;

use super::inputs::{load_config, load_plugins, plugin_names};
use super::output::{print_json, width};
use super::schedule;
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use preview::preview;
use show::show;

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
        let hint = Some("give the cache more memory, or shorten the workload".to_owned());
        Some(at_backend_key(loaded, index, &CACHE, words, hint))
    });
    let mut found: Vec<YamlError> = missing.chain(too_small).collect();
    found.sort_by_key(|error| (error.line, error.column));
    found
}
