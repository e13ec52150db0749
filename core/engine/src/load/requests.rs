//! Makes the requests of a cell from its prompts. When they are sent is for the loops.

use std::sync::Arc;
use std::time::Duration;

use inferbench_model::config::{Sampling, WorkloadConfig};
use inferbench_model::facts::exchange::{Asked, TurnKey};
use inferbench_model::plan::prompt::{Prompt, PromptKey};
use inferbench_model::plan::{conversation, seed};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{PluginError, PromptContent, PromptForm, RequestSpec};
use serde_json::{Value, json};

use crate::http::Target;
use crate::load::conversations::Conversations;
use crate::load::encoded::{EncodedRequest, Wire};
use crate::load::error::RequestError;
use crate::load::outcome::Answered;
use crate::load::supply::{NextRequest, RequestSource};
use crate::prompts::PromptMaker;

/// A prompt in the form that a backend wants; `None` if it is not available.
#[must_use]
pub fn content(prompt: &Prompt, form: PromptForm) -> Option<PromptContent> {
    match form {
        PromptForm::TokenIds => prompt.token_ids.clone().map(PromptContent::TokenIds),
        PromptForm::Text => prompt.text.clone().map(PromptContent::Text),
        PromptForm::Messages => {
            let messages = match (&prompt.messages, &prompt.text) {
                (Some(messages), _) => Value::Array(messages.clone()),
                (None, Some(text)) => json!([{"role": "user", "content": text}]),
                (None, None) => return None,
            };
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
    /// Where requests go, the first of several replicas; absent for an engine in this
    /// process.
    pub target: Option<Target>,
    /// Name of the model.
    pub model: String,
    pub block: u32,
    /// Index of the level in the config.
    pub level: usize,
    /// The conversations under way; none at first.
    pub conversations: Conversations,
}

impl CellSource {
    /// Temperature, `top_p` and seed of one request.
    fn sampling(&self, workload: &WorkloadConfig, index: u64) -> (Option<f64>, Option<f64>, u64) {
        match workload.sampling {
            Sampling::Greedy => (Some(0.0), None, 0),
            Sampling::Server => (None, None, 0),
            Sampling::Random(random) => {
                let base = random.seed.unwrap_or(0);
                let path = [
                    seed::SAMPLING,
                    u64::from(self.block),
                    self.level as u64,
                    index,
                ];
                let of_request = seed::derive(base, &path);
                (Some(random.temperature), random.top_p, of_request)
            }
        }
    }
}

impl CellSource {
    fn key(&self, index: u64) -> PromptKey {
        PromptKey {
            block: self.block,
            level: self.level,
            index,
        }
    }

    /// A request with this prompt. `index` fixes its sampling, `turn` its place in a
    /// conversation.
    fn encode(
        &self,
        index: u64,
        prompt: Prompt,
        (turn, repeated_tokens): (Option<TurnKey>, Option<u32>),
    ) -> Result<EncodedRequest, RequestError> {
        let content = content(&prompt, self.form).ok_or(RequestError::NoForm {
            form: self.form.name(),
        })?;
        let workload = self.prompts.origin(self.key(index)).workload;
        let (temperature, top_p, seed) = self.sampling(workload, index);
        let class = prompt.extras.class.map(Arc::from);
        let spec = RequestSpec {
            model: prompt.extras.model.unwrap_or_else(|| self.model.clone()),
            prompt: content,
            output_tokens: prompt.output_tokens,
            force_output: workload.force_output,
            stream: true,
            temperature,
            top_p,
            seed,
            extra_body: prompt.extras.body,
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
                class,
                turn,
                repeated_tokens,
            },
            spec,
            wire,
            continues: None,
        })
    }
}

impl RequestSource for CellSource {
    fn pass_over(&mut self, index: u64) -> Result<(), RequestError> {
        if self.prompts.share_beginnings() {
            let turns = self.prompts.conversation(self.key(index))?;
            self.conversations.pass_over(&turns);
        }
        Ok(())
    }

    fn make(&mut self, index: u64) -> Result<EncodedRequest, RequestError> {
        let key = self.key(index);
        let turns = self.prompts.conversation(key)?;
        // Between conversations a single request is one, too: requests are then numbered as
        // they are sent, and only the number of a conversation fixes its prompt.
        let converses = turns.len() > 1 || self.prompts.have_turns();
        // A conversation has a turn.
        let next = self.conversations.begin(index, turns);
        let next = next.ok_or(RequestError::NoTurn)?;
        let turn = converses.then_some(TurnKey {
            session: index,
            turn: 0,
            of_tool: false,
            due_ns: None,
        });
        let mut request = self.encode(index, next.prompt, (turn, next.repeated_tokens))?;
        request.continues = next.continues.then_some(index);
        Ok(request)
    }

    fn follow(&mut self, answered: &Answered) -> Result<Option<NextRequest>, RequestError> {
        let session = answered.session;
        let prompts = Arc::clone(&self.prompts);
        let encode = |text: &str| prompts.encode(text);
        let origin = prompts.origin(self.key(session));
        let answers = origin.workload.answers;
        let Some(next) = self.conversations.follow(answered, answers, &encode) else {
            return Ok(None);
        };
        let (pause_ns, of_tool) = conversation::pause_ns(origin.workload, origin.key, next.turn);
        let turn = TurnKey {
            session,
            turn: next.turn,
            of_tool,
            due_ns: None,
        };
        let place = (Some(turn), next.repeated_tokens);
        let mut request = self.encode(session, next.prompt, place)?;
        request.continues = next.continues.then_some(session);
        Ok(Some(NextRequest { request, pause_ns }))
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
        line: (request.method, request.path),
        framing: request.framing,
        decoder: client.decoder(spec)?,
    })
}
