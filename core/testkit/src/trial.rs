//! A plugin in its own tests: opened with options that are written down as JSON, planned
//! for a place that is always the same, and fed with answers as they came. Whatever goes
//! wrong fails the test that asked.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests alone"
)]

use std::marker::PhantomData;

use inferbench_plugin_api::abi::this_library;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    Backend, Evidence, EvidenceSource, LaunchContext, LaunchPlan, Message, ModelSpec, OpenContext,
    PluginError, RequestSpec,
};
use serde_json::{Map, Value};

use crate::{Replayed, conformance, replay, sse};

/// The backend `B` of this library:
///
/// ```ignore
/// const PLUGIN: Trial<Served<Mine>> = Trial::new();
/// PLUGIN.passes_conformance(&[json!({}), json!({"endpoint": "chat"})]);
/// assert_eq!(PLUGIN.plan(json!({})).command, ["mine", "--port", "8100"]);
/// ```
#[derive(Debug)]
pub struct Trial<B>(PhantomData<fn() -> B>);

impl<B> Trial<B> {
    /// Of that backend.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Default for Trial<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> Trial<B> {
    /// Opens it, to be launched.
    #[must_use]
    pub fn open(&self, options: Value) -> B {
        B::open(&context(options)).unwrap()
    }

    /// Why it refuses these options.
    #[must_use]
    pub fn refusal(&self, options: Value) -> String {
        match B::open(&context(options.clone())) {
            Ok(_) => panic!("{options} are taken"),
            Err(error) => error.message,
        }
    }

    /// Runs the conformance suite with each of these options.
    pub fn passes_conformance(&self, each: &[Value]) {
        for options in each {
            let name = B::describe().name;
            let report = conformance(this_library(), &name, &object(options.clone()));
            assert!(report.passed(), "{options}:\n{report}");
        }
    }

    /// Its plan for [`launch_context`].
    #[must_use]
    pub fn plan(&self, options: Value) -> LaunchPlan {
        self.plan_for(options, &launch_context()).unwrap()
    }

    /// Its plan for another place.
    ///
    /// # Errors
    /// Its own.
    pub fn plan_for(
        &self,
        options: Value,
        context: &LaunchContext,
    ) -> Result<LaunchPlan, PluginError> {
        let plan = self.open(options).launch(context)?;
        Ok(plan.expect("a plan: it is not only attached to"))
    }

    /// The JSON body of a request.
    #[must_use]
    pub fn body(&self, options: Value, request: &RequestSpec) -> Value {
        let http = self.open(options).encode(request).unwrap();
        serde_json::from_slice(&http.body).unwrap()
    }

    /// It, opened over the boundary as the host opens it.
    #[must_use]
    pub fn client(&self, options: Value) -> BackendClient {
        BackendClient::open(this_library(), &B::describe().name, &context(options)).unwrap()
    }

    /// What it reads from a server's log, through the lines that its plan asks for.
    #[must_use]
    pub fn read_log(&self, options: Value, log: &str) -> Evidence {
        let patterns = self.plan(options.clone()).log_patterns;
        let plugin = self.open(options);
        let mut found = Evidence::default();
        for line in log.lines() {
            if patterns.iter().any(|part| line.contains(part)) {
                let said = plugin.evidence(&EvidenceSource::LogLine, line.as_bytes());
                found.absorb(said.unwrap());
            }
        }
        found
    }

    /// The events of an answer, given as its messages.
    #[must_use]
    pub fn replay(
        &self,
        options: Value,
        request: &RequestSpec,
        messages: &[Message<'_>],
    ) -> Vec<Replayed> {
        replay(&self.client(options), request, messages).unwrap()
    }

    /// The events of an answer, given as the bytes of its event stream.
    #[must_use]
    pub fn replay_sse(&self, options: Value, request: &RequestSpec, body: &[u8]) -> Vec<Replayed> {
        let events = sse::split(body);
        let messages: Vec<_> = events.iter().map(sse::Event::message).collect();
        self.replay(options, request, &messages)
    }
}

fn context(options: Value) -> OpenContext {
    OpenContext {
        options: object(options),
        attached: false,
    }
}

fn object(options: Value) -> Map<String, Value> {
    match options {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// Where plans are made for: the model `org/model` in `float16` of 4,096 tokens, served as
/// `served` at 127.0.0.1:8100, with the seed 42 and the work folder `/w`.
#[must_use]
pub fn launch_context() -> LaunchContext {
    LaunchContext {
        model: ModelSpec {
            id: "org/model".to_owned(),
            dtype: Some("float16".to_owned()),
            max_model_len: Some(4096),
            tokenizer: None,
        },
        served_name: "served".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 8100,
        seed: 42,
        work_dir: "/w".into(),
        max_concurrency: None,
    }
}

/// The answer to the info probe `name`, as a source of evidence.
#[must_use]
pub fn info(name: &str) -> EvidenceSource {
    EvidenceSource::Info(name.to_owned())
}
