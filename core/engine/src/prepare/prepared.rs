//! A run that can start, and how each of its backends is launched. What makes it
//! out of a config is for [`prepare`](super::prepare).

use std::path::Path;
use std::sync::Arc;

use inferbench_model::config::{Config, Loaded};
use inferbench_model::plan::RunPlan;
use inferbench_model::plan::trace_times::TraceTimes;
use inferbench_model::yaml::YamlError;
use inferbench_plugin_api::{
    EnvVar, LaunchContext, LaunchPlan, ModelSpec, OpenContext, PluginError,
};
use thiserror::Error;

use super::located::at_backend;
use super::serve::ServePlan;
use super::shard::ShardPlan;
use crate::event::with_causes;
use crate::http::Target;
use crate::plugins::backend::OpenBackend;
use crate::plugins::host::Plugin;
use crate::prompts::PromptMaker;
use crate::secrets::Secrets;
use crate::server::method::{
    self, Launch, LaunchEnvironment, LaunchMethodError, container_name, local_model,
};

/// Address that launched servers listen on.
const HOST: &str = "127.0.0.1";
/// Stands for a start's folder where a launch is only shown.
const SHOWN_FOLDER: &str = "RUN_FOLDER/logs";

/// One backend of the config, opened.
#[derive(Debug)]
pub struct PreparedBackend {
    /// Label.
    pub label: String,
    /// Its plugin.
    pub plugin: Plugin,
    /// The open backend.
    pub opened: OpenBackend,
    /// What it was opened with.
    pub context: OpenContext,
    /// The servers to attach to, several if they are replicas; none if it is launched.
    pub attach: Vec<Target>,
    /// Environment from the config.
    pub env: Vec<EnvVar>,
}

/// A backend whose plugin has no launch plan.
#[derive(Debug, Error)]
pub enum NoLaunchPlan {
    /// It can only be attached to.
    #[error("cannot be launched by its plugin, needs `attach: http://HOST:PORT`")]
    OnlyAttached,
    /// The plugin refuses.
    #[error("has no launch plan")]
    Refused(#[source] PluginError),
}

/// A backend that cannot be launched as the config says.
#[derive(Debug, Error)]
pub enum NoLaunch {
    /// Its plugin has no plan for it.
    #[error(transparent)]
    NoPlan(#[from] NoLaunchPlan),
    /// Not by the launch method that the config names.
    #[error(transparent)]
    Method(#[from] LaunchMethodError),
}

impl PreparedBackend {
    /// The plan that starts it; `None` if nothing is to be started.
    ///
    /// # Errors
    /// See [`NoLaunchPlan`].
    pub fn launch_plan(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, NoLaunchPlan> {
        if !self.attach.is_empty() || self.plugin.description.capabilities.in_process {
            return Ok(None);
        }
        let plan = self.opened.client.launch_plan(context);
        let plan = plan.map_err(NoLaunchPlan::Refused)?;
        plan.map(Some).ok_or(NoLaunchPlan::OnlyAttached)
    }
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
    /// Times of the rows that prompts come from, where they are replayed.
    pub trace: Option<TraceTimes>,
    /// What this process does of it; absent if all.
    pub shard: Option<ShardPlan>,
    /// How its backend is started for others, in place of being measured.
    pub serve: Option<ServePlan>,
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
        LaunchContext {
            model: ModelSpec {
                id: model.id.clone(),
                dtype: model.dtype.clone(),
                max_model_len: model.max_model_len,
                tokenizer: model.tokenizer.clone(),
            },
            served_name: self.served_name().to_owned(),
            host: self.host().to_owned(),
            port,
            seed: self.config.seed,
            work_dir: work_dir.to_owned(),
            max_concurrency: self.config.load.most_in_flight(),
        }
    }

    /// Address that launched servers listen on.
    #[must_use]
    pub fn host(&self) -> &str {
        self.serve.as_ref().map_or(HOST, |serve| &serve.host)
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
            && let Some(path) = local_model(&context.model.id)
        {
            // The container's working folder is another.
            context.model.id = path.to_string_lossy().into_owned();
        }
        let Some(plan) = backend.launch_plan(&context)? else {
            return Ok(None);
        };
        let mut environment =
            LaunchEnvironment::detect(entry, &self.config.model, container, folder);
        let description = &backend.plugin.description;
        let package = description.options_schema.pointer("/properties/package");
        environment.has_package_option = package.is_some();
        if description.simulated {
            environment.hub_cache = None;
        }
        Ok(Some(method::launch(
            entry,
            plan,
            &backend.env,
            &environment,
        )?))
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
            match self.preview_one(index) {
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

    /// The [`preview`](Self::preview) of one backend.
    pub(super) fn preview_one(&self, index: usize) -> Result<Option<Launch>, NoLaunch> {
        let name = container_name("RUN", &self.backends[index].label, 0);
        self.launch(index, 0, Path::new(SHOWN_FOLDER), name)
    }

    /// Takes in what the plugins' plans mark as secret.
    pub(super) fn add_planned_secrets(&mut self) {
        let context = self.launch_context(0, Path::new(SHOWN_FOLDER));
        for backend in &self.backends {
            if let Ok(Some(plan)) = backend.launch_plan(&context) {
                self.secrets.add_plan(&plan);
            }
        }
    }

    /// What is wrong with the launch methods that the config names.
    pub(super) fn check_launch_methods(&self, loaded: &Loaded) -> Vec<YamlError> {
        let entries = self.config.backends.iter().enumerate();
        let named = entries.filter(|(_, b)| b.version.is_some() || b.container.is_some());
        let refused = named.filter_map(|(index, entry)| {
            let description = &self.backends[index].plugin.description;
            let launch = match description.capabilities.in_process {
                true => Err(NoLaunch::Method(LaunchMethodError::InProcess {
                    plugin: entry.plugin.clone(),
                })),
                false => self.preview_one(index),
            };
            Some(no_launch(loaded, index, &launch.err()?))
        });
        refused.collect()
    }
}

fn no_launch(loaded: &Loaded, index: usize, error: &NoLaunch) -> YamlError {
    let words = with_causes(error);
    match error {
        NoLaunch::NoPlan(_) => at_backend(loaded, index, None, words, None),
        NoLaunch::Method(method) => {
            let key = method.key(&loaded.config.backends[index]);
            let hint = method.hint().map(str::to_owned);
            at_backend(loaded, index, Some(key), words, hint)
        }
    }
}
