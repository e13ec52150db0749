//! From a loaded config and the loaded plugins to a run that can start:
//! everything that can be known to be wrong is reported here, before anything is
//! launched.

pub mod kv_forecast;
mod located;
mod model;
mod prepared;
mod serve;
mod shard;
mod trace;

use std::sync::Arc;

use inferbench_model::config::{BackendConfig, Loaded, options_errors};
use inferbench_model::plan::RunPlan;
use inferbench_model::text::nearest::nearest;
use inferbench_model::yaml::{PathStep, YamlError};
use inferbench_plugin_api::{EnvVar, OpenContext};

use crate::http::Target;
use crate::load::model_files::ModelFiles;
use crate::os::limits;
use crate::plugins::backend::OpenBackend;
use crate::plugins::host::PluginHost;
use crate::secrets::Secrets;
use crate::worker::note_plugin;
pub use located::at_backend_key;
use located::{at_backend, key};
use model::{check_model, find_vocabulary, make_prompts};
pub use prepared::{NoLaunch, NoLaunchPlan, PreparedBackend, PreparedRun};
pub use serve::ServePlan;
pub use shard::{ShardPlan, StartTogether};

/// Prepares a run.
///
/// # Errors
/// Everything that is wrong, each with its place in the config.
pub fn prepare(loaded: &Loaded, host: &PluginHost) -> Result<PreparedRun, Vec<YamlError>> {
    // The kernel takes a moment to begin; the time until the load is enough.
    crate::http::stamps::switch_on();
    let mut config = loaded.config.clone();
    let secrets = Secrets::of_config(&config);
    let mut errors = Vec::new();
    let mut backends = Vec::new();
    for (index, backend) in config.backends.iter().enumerate() {
        match prepare_backend(loaded, host, &secrets, (index, backend)) {
            Ok(prepared) => backends.push(prepared),
            Err(found) => errors.extend(found),
        }
    }
    let files = ModelFiles::find(&config.model.id);
    errors.extend(check_model(loaded, &files, &backends));
    errors.extend(check_open_files(loaded));
    if !errors.is_empty() {
        return Err(errors);
    }
    let vocabulary = find_vocabulary(loaded, &files, &backends).map_err(|error| vec![error])?;
    let prompts = make_prompts(loaded, vocabulary, &backends).map_err(|error| vec![error])?;
    let trace = trace::times(loaded, &prompts).map_err(|error| vec![error])?;
    if let Some(trace) = &trace {
        trace::set_requests(&mut config.load, trace);
    }
    let mut prepared = PreparedRun {
        plan: RunPlan::new(&config),
        secrets,
        config,
        backends,
        prompts: Arc::new(prompts),
        trace,
        shard: None,
        serve: None,
    };
    prepared.add_planned_secrets();
    let errors = prepared.check_launch_methods(loaded);
    if errors.is_empty() {
        Ok(prepared)
    } else {
        Err(errors)
    }
}

fn prepare_backend(
    loaded: &Loaded,
    host: &PluginHost,
    secrets: &Secrets,
    (index, backend): (usize, &BackendConfig),
) -> Result<PreparedBackend, Vec<YamlError>> {
    let one = |key: Option<&str>, words: String, hint: Option<String>| {
        vec![at_backend(loaded, index, key, words, hint)]
    };
    let Some(plugin) = host.get(&backend.plugin) else {
        let words = format!(
            "is \"{}\", but no loaded plugin has that name",
            backend.plugin
        );
        let hint = other_plugins(&backend.plugin, host);
        return Err(one(Some("plugin"), words, Some(hint)));
    };
    let found = options_errors(&loaded.tree, index, &plugin.description.options_schema);
    if !found.is_empty() {
        return Err(found);
    }
    let can = &plugin.description.capabilities;
    if backend.attach.is_some() && !can.can_attach {
        let words = format!("is set, but {} can only be launched", backend.plugin);
        return Err(one(Some("attach"), words, None));
    }
    let attach = match Target::attached(backend) {
        Ok(attach) => attach,
        Err(error) => return Err(one(Some(error.key()), format!("is wrong: {error}"), None)),
    };
    let context = OpenContext {
        options: backend.options.clone(),
        attached: !attach.is_empty(),
    };
    note_plugin(&plugin.file, Some(backend.label()));
    let opened = OpenBackend::open(plugin, &context);
    let opened =
        opened.map_err(|error| one(Some("options"), format!("is refused: {error}"), None))?;
    Ok(PreparedBackend {
        label: backend.label().to_owned(),
        plugin: plugin.clone(),
        opened,
        context,
        attach,
        env: environment(backend, secrets),
    })
}

/// The plugin for servers that have none of their own, as a hint names it.
const ANY_SERVER: &str = "openai";

/// What to write in place of a name that no loaded plugin has.
fn other_plugins(name: &str, host: &PluginHost) -> String {
    let known: Vec<&str> = host.names().collect();
    if let Some(near) = nearest(name, host.names()) {
        return format!("did you mean `{near}`?");
    }
    if known.is_empty() {
        return "no plugin is loaded at all: see inferbench plugins".to_owned();
    }
    let any = match known.contains(&ANY_SERVER) {
        true => format!("`{ANY_SERVER}` measures any server with OpenAI's API; "),
        false => String::new(),
    };
    format!(
        "{any}loaded are {}: see inferbench plugins",
        known.join(", ")
    )
}

/// Variables of the config; those named like secrets are never shown.
fn environment(backend: &BackendConfig, secrets: &Secrets) -> Vec<EnvVar> {
    let vars = backend.env.iter();
    vars.map(|(name, value)| EnvVar {
        name: name.clone(),
        value: value.clone(),
        secret: secrets.hides(name, value),
    })
    .collect()
}

/// Levels that need more connections than this process may have files.
fn check_open_files(loaded: &Loaded) -> Vec<YamlError> {
    // A system that does not say may have room.
    let Ok(limit) = limits::open_files() else {
        return Vec::new();
    };
    let levels = loaded.config.load.concurrency.iter().flatten().enumerate();
    let refused = levels.filter_map(|(index, level)| Some((index, limit.refuses(*level)?)));
    let hint = "raise it first, with ulimit -Hn or LimitNOFILE, or measure fewer at once";
    let load = &loaded.config.load;
    let searched = load.most_in_flight().filter(|_| load.search.is_some());
    let searched = searched.and_then(|most| limit.refuses(most)).map(|words| {
        let path = [key("load"), key("search"), key("to")];
        loaded.tree.error_at(&path, words, Some(hint.to_owned()))
    });
    refused
        .map(|(index, words)| {
            let path = [key("load"), key("concurrency"), PathStep::Index(index)];
            loaded.tree.error_at(&path, words, Some(hint.to_owned()))
        })
        .chain(searched)
        .collect()
}
