//! From a loaded config and the loaded plugins to a run that can start:
//! everything that can be known to be wrong is told here, before anything is
//! launched.

pub mod kv_forecast;
mod model;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use inferbench_model::config::{BackendConfig, Config, Loaded, options_errors};
use inferbench_model::plan::RunPlan;
use inferbench_model::text::nearest::nearest;
use inferbench_model::yaml::{PathStep, YamlError};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    EnvVar, LaunchContext, LaunchPlan, ModelSpec, OpenContext, Probes, PromptForm,
};
use thiserror::Error;

use crate::http::Target;
use crate::load::requests::PromptMaker;
use crate::load::tokenizer::ModelFiles;
use crate::os::limits;
use crate::plugins::host::{Plugin, PluginHost};
use crate::secrets::{Secrets, is_secret};
use crate::server::method::{self, Launch, Place, WayError};
use model::{check_model, find_vocabulary, make_prompts};

/// Address that launched servers listen on.
pub(crate) const HOST: &str = "127.0.0.1";

/// One backend, opened and understood.
#[derive(Debug)]
pub struct PreparedBackend {
    /// Label.
    pub label: String,
    /// Its plugin.
    pub plugin: Plugin,
    /// The open backend.
    pub client: Arc<BackendClient>,
    /// What it was opened with.
    pub context: OpenContext,
    /// The form in which it wants its prompts.
    pub form: PromptForm,
    /// Where it can be asked about itself.
    pub probes: Probes,
    /// The server to attach to; absent if it is launched.
    pub attach: Option<Target>,
    /// Environment from the config.
    pub env: Vec<EnvVar>,
    /// What its start needs was fetched in this run.
    pub(crate) fetched: Arc<AtomicBool>,
}

/// A backend that cannot be launched as the config says.
#[derive(Debug, Error)]
pub enum NoLaunch {
    /// Its plugin has no plan for it.
    #[error("{0}")]
    NoPlan(String),
    /// Not in the way that the config names.
    #[error(transparent)]
    Way(#[from] WayError),
}

/// A run that can start.
pub struct PreparedRun {
    /// The config.
    pub config: Config,
    /// Its steps.
    pub plan: RunPlan,
    /// Backends in the config's order.
    pub backends: Vec<PreparedBackend>,
    /// Makes the prompts.
    pub prompts: Arc<PromptMaker>,
    /// What must not be written down.
    pub secrets: Secrets,
}

impl std::fmt::Debug for PreparedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedRun")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl PreparedRun {
    /// What a launch plan of this run is made from.
    #[must_use]
    pub fn launch_context(&self, port: u16, work_dir: &Path) -> LaunchContext {
        let model = &self.config.model;
        let levels = self.config.load.concurrency.iter().flatten();
        LaunchContext {
            model: ModelSpec {
                id: model.id.clone(),
                dtype: model.dtype.clone(),
                max_model_len: model.max_model_len,
                tokenizer: model.tokenizer.clone(),
            },
            served_name: self.served_name().to_owned(),
            host: HOST.to_owned(),
            port,
            seed: self.config.seed,
            work_dir: work_dir.to_owned(),
            max_concurrency: levels.copied().max(),
        }
    }

    /// Name under which servers serve the model.
    #[must_use]
    pub fn served_name(&self) -> &str {
        &self.config.model.id
    }

    /// How a backend is started; `None` for an attached one or one inside this
    /// process.
    ///
    /// `port`: that it will listen on. `folder`: of its files, absolute if it is
    /// to be mounted. `container`: name of its container.
    ///
    /// # Errors
    /// See [`NoLaunch`].
    pub fn launch(
        &self,
        index: usize,
        port: u16,
        folder: &Path,
        container: String,
    ) -> Result<Option<Launch>, NoLaunch> {
        let (backend, entry) = (&self.backends[index], &self.config.backends[index]);
        let mut context = self.launch_context(port, folder);
        if entry.container.is_some()
            && let Some(path) = method::local(&context.model.id)
        {
            // The container's working folder is another.
            context.model.id = path.to_string_lossy().into_owned();
        }
        let Some(plan) = launch_plan(backend, &context).map_err(NoLaunch::NoPlan)? else {
            return Ok(None);
        };
        let mut place = Place::here(entry, &self.config.model, container, folder);
        let description = &backend.plugin.description;
        let package = description.options_schema.pointer("/properties/package");
        place.has_package_option = package.is_some();
        if description.simulated {
            place.hub_cache = None;
        }
        Ok(Some(method::launch(entry, plan, &backend.env, &place)?))
    }

    /// How each backend is started, with port 0 and a stand-in folder, to be
    /// shown; `None` for an attached one or one inside this process.
    ///
    /// # Errors
    /// A located error for each backend that cannot be.
    pub fn preview(&self, loaded: &Loaded) -> Result<Vec<Option<Launch>>, Vec<YamlError>> {
        let mut errors = Vec::new();
        let mut launches = Vec::new();
        for index in 0..self.backends.len() {
            match self.preview_of(index) {
                Ok(launch) => launches.push(launch),
                Err(error) => errors.push(no_launch(loaded, index, &error)),
            }
        }
        if errors.is_empty() {
            Ok(launches)
        } else {
            Err(errors)
        }
    }

    /// Takes in what the plugins' plans mark as secret.
    fn note_planned_secrets(&mut self) {
        let context = self.launch_context(0, Path::new("RUN_FOLDER/logs"));
        for backend in &self.backends {
            if let Ok(Some(plan)) = launch_plan(backend, &context) {
                self.secrets.add_plan(&plan);
            }
        }
    }

    pub(crate) fn preview_of(&self, index: usize) -> Result<Option<Launch>, NoLaunch> {
        let name = method::container_name("RUN", &self.backends[index].label, 0);
        self.launch(index, 0, Path::new("RUN_FOLDER/logs"), name)
    }

    /// What is wrong with the ways to launch that the config names.
    fn check_ways(&self, loaded: &Loaded) -> Vec<YamlError> {
        let entries = self.config.backends.iter().enumerate();
        let named = entries.filter(|(_, b)| b.version.is_some() || b.container.is_some());
        let refused = named.filter_map(|(index, entry)| {
            let description = &self.backends[index].plugin.description;
            let launch = match description.capabilities.in_process {
                true => Err(NoLaunch::Way(WayError::InProcess {
                    plugin: entry.plugin.clone(),
                })),
                false => self.preview_of(index),
            };
            Some(no_launch(loaded, index, &launch.err()?))
        });
        refused.collect()
    }
}

fn no_launch(loaded: &Loaded, index: usize, error: &NoLaunch) -> YamlError {
    let words = error.to_string();
    match error {
        NoLaunch::NoPlan(_) => located(loaded, index, None, words, None),
        NoLaunch::Way(way) => {
            let key = way.key(&loaded.config.backends[index]);
            located(
                loaded,
                index,
                Some(key),
                words,
                way.hint().map(str::to_owned),
            )
        }
    }
}

/// The plan that starts `backend`; `None` if nothing is to be started.
///
/// # Errors
/// The plugin's words, or that it can only be attached to.
pub fn launch_plan(
    backend: &PreparedBackend,
    context: &LaunchContext,
) -> Result<Option<LaunchPlan>, String> {
    if backend.attach.is_some() || backend.plugin.description.capabilities.in_process {
        return Ok(None);
    }
    match backend.client.launch_plan(context) {
        Ok(Some(plan)) => Ok(Some(plan)),
        Ok(None) => {
            Err("cannot be launched by its plugin, needs `attach: http://HOST:PORT`".into())
        }
        Err(error) => Err(format!("has no launch plan: {error}")),
    }
}

/// Prepares a run.
///
/// # Errors
/// Everything that is wrong, each with its place in the config.
pub fn prepare(loaded: &Loaded, host: &PluginHost) -> Result<PreparedRun, Vec<YamlError>> {
    // The kernel takes a moment to begin; the time until the load is enough.
    crate::http::stamps::switch_on();
    let config = loaded.config.clone();
    let mut errors = Vec::new();
    let mut backends = Vec::new();
    for (index, backend) in config.backends.iter().enumerate() {
        match prepare_backend(loaded, host, index, backend) {
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
    let mut prepared = PreparedRun {
        plan: RunPlan::new(&config),
        secrets: Secrets::of_config(&config),
        config,
        backends,
        prompts: Arc::new(prompts),
    };
    prepared.note_planned_secrets();
    let errors = prepared.check_ways(loaded);
    if errors.is_empty() {
        Ok(prepared)
    } else {
        Err(errors)
    }
}

fn prepare_backend(
    loaded: &Loaded,
    host: &PluginHost,
    index: usize,
    backend: &BackendConfig,
) -> Result<PreparedBackend, Vec<YamlError>> {
    let one = |key: Option<&str>, words: String, hint: Option<String>| {
        vec![located(loaded, index, key, words, hint)]
    };
    let Some(plugin) = host.get(&backend.plugin) else {
        let known: Vec<&str> = host.names().collect();
        let words = format!("is \"{}\", which no loaded plugin is", backend.plugin);
        let hint = match nearest(&backend.plugin, host.names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if known.is_empty() => {
                "no plugin is loaded at all: see inferbench plugins".to_owned()
            }
            None => format!("loaded are {}: see inferbench plugins", known.join(", ")),
        };
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
        attached: attach.is_some(),
    };
    let opened = BackendClient::open(plugin.module, &backend.plugin, &context)
        .and_then(|client| Ok((client.prompt_form()?, client.probes()?, client)));
    let (form, probes, client) =
        opened.map_err(|error| one(Some("options"), format!("is refused: {error}"), None))?;
    Ok(PreparedBackend {
        label: backend.label().to_owned(),
        plugin: plugin.clone(),
        client: Arc::new(client),
        context,
        form,
        probes,
        attach,
        env: environment(backend),
        fetched: Arc::default(),
    })
}

/// Variables of the config; those named like secrets are never shown.
fn environment(backend: &BackendConfig) -> Vec<EnvVar> {
    let vars = backend.env.iter();
    vars.map(|(name, value)| EnvVar {
        name: name.clone(),
        value: value.clone(),
        secret: is_secret(name),
    })
    .collect()
}

/// Levels that need more connections than this process may have files.
fn check_open_files(loaded: &Loaded) -> Vec<YamlError> {
    // A system that does not tell may have room.
    let Ok(limit) = limits::open_files() else {
        return Vec::new();
    };
    let levels = loaded.config.load.concurrency.iter().flatten().enumerate();
    let refused = levels.filter_map(|(index, level)| Some((index, limit.refuses(*level)?)));
    let hint = "raise it first, with ulimit -Hn or LimitNOFILE, or measure fewer at once";
    refused
        .map(|(index, words)| {
            let path = [key("load"), key("concurrency"), PathStep::Index(index)];
            loaded.tree.error_at(&path, words, Some(hint.to_owned()))
        })
        .collect()
}

fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}

fn located(
    loaded: &Loaded,
    index: usize,
    option: Option<&str>,
    words: String,
    hint: Option<String>,
) -> YamlError {
    let mut path = vec![key("backends"), PathStep::Index(index)];
    path.extend(option.iter().flat_map(|keys| keys.split('.')).map(key));
    loaded.tree.error_at(&path, words, hint)
}
