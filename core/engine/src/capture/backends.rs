//! The backends of a run as they were asked: by which request a question is known on the
//! wire, and who reads its answer.

use std::collections::HashMap;
use std::sync::Arc;

use inferbench_model::config::{BackendConfig, Config};
use inferbench_model::plan::prompt::Prompt;
use inferbench_plugin_api::client::{BackendClient, DecoderClient};
use inferbench_plugin_api::{Framing, OpenContext, PluginError, RequestSpec};

use super::error::CaptureError;
use crate::load::requests::content;
use crate::plugins::backend::OpenBackend;
use crate::plugins::host::{Plugin, PluginHost};

/// A backend whose requests a capture shows.
#[derive(Debug)]
pub(super) struct AskedBackend {
    client: Arc<BackendClient>,
    /// Any request: the answers of all are read alike.
    spec: RequestSpec,
    method: String,
    path: String,
    /// Framing of its answers.
    pub(super) framing: Framing,
}

/// All backends whose requests a capture shows, by label.
#[derive(Debug, Default)]
pub(super) struct Backends {
    asked: HashMap<String, AskedBackend>,
}

impl AskedBackend {
    fn open(plugin: &Plugin, backend: &BackendConfig, model: &str) -> Result<Self, PluginError> {
        let context = OpenContext {
            options: backend.options.clone(),
            attached: backend.attach.is_some(),
        };
        let opened = OpenBackend::open(plugin, &context)?;
        let prompt = Prompt {
            input_tokens: Some(1),
            token_ids: Some(vec![1]),
            text: Some("a".to_owned()),
            output_tokens: 1,
            ..Prompt::default()
        };
        let asked = content(&prompt, opened.form);
        let asked = asked.ok_or_else(|| PluginError::new("it takes no prompt"))?;
        let spec = RequestSpec::one_token(model, asked);
        let request = opened.client.encode(&spec)?;
        Ok(Self {
            client: opened.client,
            spec,
            method: request.method,
            path: request.path,
            framing: request.framing,
        })
    }

    /// Whether a request with this line is one of a load. What comes before the path is
    /// the prefix of the server, or all of a proxy's URL.
    pub(super) fn is_asked_by(&self, method: &str, path: &str) -> bool {
        method == self.method && path.ends_with(&self.path)
    }

    /// A reader for one answer; `None` if the plugin refuses.
    pub(super) fn decoder(&self) -> Option<DecoderClient> {
        self.client.decoder(&self.spec).ok()
    }
}

impl Backends {
    /// Opens every backend of the run that speaks plain HTTP.
    ///
    /// # Errors
    /// If there is none, or one cannot be opened.
    pub(super) fn open(config: &Config, host: &PluginHost) -> Result<Self, CaptureError> {
        let mut asked = HashMap::new();
        let mut unreadable = None;
        for backend in &config.backends {
            let label = backend.label().to_owned();
            let Some(plugin) = host.get(&backend.plugin) else {
                return Err(CaptureError::NoPlugin {
                    backend: label,
                    plugin: backend.plugin.clone(),
                });
            };
            if let Some(why) = why_unreadable(backend, plugin) {
                unreadable.get_or_insert((label, why));
                continue;
            }
            let opened = AskedBackend::open(plugin, backend, &config.model.id);
            let opened = opened.map_err(|source| CaptureError::Refused {
                backend: label.clone(),
                plugin: backend.plugin.clone(),
                source,
            })?;
            asked.insert(label, opened);
        }
        match unreadable {
            Some((backend, why)) if asked.is_empty() => {
                Err(CaptureError::NoPlainHttp { backend, why })
            }
            _ => Ok(Self { asked }),
        }
    }

    pub(super) fn get(&self, label: &str) -> Option<&AskedBackend> {
        self.asked.get(label)
    }
}

/// Why no capture shows all that a backend is asked.
fn why_unreadable(backend: &BackendConfig, plugin: &Plugin) -> Option<&'static str> {
    let urls = backend.attached_urls().iter();
    let urls: Vec<String> = urls.map(|url| url.to_ascii_lowercase()).collect();
    let any_begins = |scheme| urls.iter().any(|url| url.starts_with(scheme));
    match urls.is_empty() {
        false if any_begins("https:") => {
            Some("is asked over TLS, and what is inside cannot be read")
        }
        false if any_begins("unix:") => {
            Some("is asked over a Unix-domain socket, which has no packets")
        }
        true if plugin.description.capabilities.in_process => {
            Some("runs inside this program, which has no packets")
        }
        _ => None,
    }
}
