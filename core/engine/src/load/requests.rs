//! Makes the prompts of a run, and the requests of a cell from them. When they are
//! sent is for the loops.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inferbench_model::config::WorkloadConfig;
use inferbench_model::facts::exchange::{Asked, hex};
use inferbench_model::plan::prompt::{Prompt, PromptError, PromptKey, Vocabulary, synthetic};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{PluginError, PromptContent, PromptForm, RequestSpec};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::http::Target;
use crate::load::encoded::{EncodedRequest, Wire};
use crate::load::error::RequestError;
use crate::load::supply::RequestSource;

/// A file of prompts that cannot be used.
#[derive(Debug, Error)]
pub enum PromptFileError {
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Unreadable { file: String, reason: String },
    /// One of its lines is wrong.
    #[error("{file}:{line}: {reason}")]
    Line {
        file: String,
        /// Line, from 1.
        line: usize,
        reason: String,
    },
    /// It has no prompt.
    #[error("{file}: has no prompt, needs at least one line")]
    Empty { file: String },
}

/// One line of a prompt file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedPrompt {
    /// Text of the prompt.
    pub prompt: String,
    /// Answer length, tokens; `workload.output_tokens` if absent.
    #[serde(default)]
    pub output_tokens: Option<u32>,
}

/// Reads a file of prompts, one JSON object a line.
///
/// # Errors
/// See [`PromptFileError`].
pub fn read_jsonl(
    path: &Path,
    workload: &WorkloadConfig,
) -> Result<Vec<ListedPrompt>, PromptFileError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| PromptFileError::Unreadable {
        file: file.clone(),
        reason: error.to_string(),
    })?;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |reason: String| PromptFileError::Line {
            file: file.clone(),
            line: index + 1,
            reason,
        };
        let row: ListedPrompt = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        if row.prompt.is_empty() {
            return Err(wrong("`prompt` is empty".to_owned()));
        }
        if row.output_tokens == Some(0) {
            return Err(wrong("`output_tokens` is 0, must be 1 or more".to_owned()));
        }
        rows.push(ListedPrompt {
            output_tokens: row
                .output_tokens
                .or(Some(workload.output_tokens.bounds().1)),
            ..row
        });
    }
    if rows.is_empty() {
        return Err(PromptFileError::Empty { file });
    }
    Ok(rows)
}

/// Makes the prompt of every request of a run.
pub struct PromptMaker {
    workload: WorkloadConfig,
    vocabulary: Option<Arc<dyn Vocabulary + Send + Sync>>,
    listed: Vec<ListedPrompt>,
}

impl PromptMaker {
    /// Synthetic prompts from a vocabulary.
    #[must_use]
    pub fn synthetic(
        workload: WorkloadConfig,
        vocabulary: Arc<dyn Vocabulary + Send + Sync>,
    ) -> Self {
        Self {
            workload,
            vocabulary: Some(vocabulary),
            listed: Vec::new(),
        }
    }

    /// Prompts from a list, in its order, from the start again at its end.
    #[must_use]
    pub fn listed(
        workload: WorkloadConfig,
        listed: Vec<ListedPrompt>,
        vocabulary: Option<Arc<dyn Vocabulary + Send + Sync>>,
    ) -> Self {
        Self {
            workload,
            vocabulary,
            listed,
        }
    }

    /// Whether the prompts are those of a list, and not made without end.
    #[must_use]
    pub fn come_from_a_list(&self) -> bool {
        !self.listed.is_empty()
    }

    /// The prompt of one request.
    ///
    /// # Errors
    /// If none of the asked length can be made.
    pub fn make(&self, key: PromptKey) -> Result<Prompt, PromptError> {
        if self.listed.is_empty() {
            let vocabulary = self.vocabulary.as_deref();
            let vocabulary = vocabulary.ok_or(PromptError::NoOrdinaryTokens)?;
            return synthetic(&self.workload, vocabulary, key);
        }
        let row = &self.listed[(key.index % self.listed.len() as u64) as usize];
        let ids = self.vocabulary.as_ref().and_then(|v| v.encode(&row.prompt));
        Ok(Prompt {
            input_tokens: ids.as_ref().map(|ids| ids.len() as u32),
            token_ids: ids,
            text: Some(row.prompt.clone()),
            output_tokens: row.output_tokens.unwrap_or(1),
        })
    }

    /// SHA-256 over the first `n` prompts of the first level of block 0, hex:
    /// equal for equal workloads.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn fingerprint(&self, n: u64) -> Result<String, PromptError> {
        let mut hash = Sha256::new();
        for index in 0..n {
            let prompt = self.make(PromptKey {
                block: 0,
                level: 0,
                index,
            })?;
            for id in prompt.token_ids.iter().flatten() {
                hash.update(id.to_le_bytes());
            }
            hash.update(prompt.text.unwrap_or_default());
            hash.update(prompt.output_tokens.to_le_bytes());
        }
        Ok(hex(&hash.finalize()))
    }
}

/// A prompt in the form that a backend wants; `None` if it is not available.
#[must_use]
pub fn content(prompt: &Prompt, form: PromptForm) -> Option<PromptContent> {
    match form {
        PromptForm::TokenIds => prompt.token_ids.clone().map(PromptContent::TokenIds),
        PromptForm::Text => prompt.text.clone().map(PromptContent::Text),
        PromptForm::Messages => {
            let text = prompt.text.as_ref()?;
            let messages: Value = json!([{"role": "user", "content": text}]);
            Some(PromptContent::Messages(messages))
        }
    }
}

/// Makes the requests of one cell.
pub struct CellSource {
    /// Makes the prompts.
    pub prompts: Arc<PromptMaker>,
    /// The backend that encodes.
    pub client: Arc<BackendClient>,
    /// The form it wants.
    pub form: PromptForm,
    /// Where requests go; absent for an engine in this process.
    pub target: Option<Target>,
    /// Name of the model.
    pub model: String,
    pub block: u32,
    /// Index of the level in the config.
    pub level: usize,
    /// Force the answers' length.
    pub force_output: bool,
}

impl RequestSource for CellSource {
    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        let key = PromptKey {
            block: self.block,
            level: self.level,
            index,
        };
        let prompt = self.prompts.make(key)?;
        let content = content(&prompt, self.form).ok_or(RequestError::NoForm {
            form: self.form.name(),
        })?;
        let spec = RequestSpec {
            model: self.model.clone(),
            prompt: content,
            output_tokens: prompt.output_tokens,
            force_output: self.force_output,
            stream: true,
            temperature: 0.0,
            seed: 0,
        };
        let wire = match &self.target {
            None => None,
            Some(target) => Some(wire(&self.client, target, &spec)?),
        };
        Ok(EncodedRequest {
            index,
            asked: Asked {
                input_tokens: prompt.input_tokens,
                output_tokens: prompt.output_tokens,
            },
            spec,
            wire,
        })
    }
}

/// As [`wire`], on a thread of its own: a plugin that hangs blocks that thread,
/// and not the caller's.
///
/// # Errors
/// See [`RequestError`]: `Plugin`, `Slow` after `limit`, or `ThreadGone`.
pub async fn wire_within(
    limit: Duration,
    client: &Arc<BackendClient>,
    target: &Target,
    spec: &RequestSpec,
) -> Result<Wire, RequestError> {
    let (send, made) = tokio::sync::oneshot::channel();
    let (client, target, spec) = (Arc::clone(client), target.clone(), spec.clone());
    std::thread::spawn(move || {
        // Nobody waits any more after `limit`.
        drop(send.send(wire(&client, &target, &spec)));
    });
    let made = tokio::time::timeout(limit, made).await;
    let made = made.map_err(|_| RequestError::Slow {
        limit_s: limit.as_secs_f64(),
    })?;
    Ok(made.map_err(|_| RequestError::ThreadGone)??)
}

/// The HTTP form of a request, and the decoder of its answer.
///
/// # Errors
/// What the plugin refuses.
pub fn wire(
    client: &BackendClient,
    target: &Target,
    spec: &RequestSpec,
) -> Result<Wire, PluginError> {
    let request = client.encode(spec)?;
    Ok(Wire {
        bytes: target.request_bytes(&request),
        framing: request.framing,
        decoder: client.decoder(spec)?,
    })
}
