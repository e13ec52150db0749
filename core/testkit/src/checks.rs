//! The checks of the conformance suite, and those of probes and launches.

mod description;
mod engine;
mod headers;
mod launch;
mod wire;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Check, Progress, Report};
use inferbench_plugin_api::abi::PluginModuleRef;
use inferbench_plugin_api::client::{BackendClient, descriptions};
use inferbench_plugin_api::{
    ControlRequest, Description, EvidenceSource, OpenContext, PluginError, PromptContent,
    PromptForm, RequestSpec,
};

type Outcome = Result<(), String>;
type CheckFn = fn(&Subject) -> Outcome;

const CHECKS: [(&str, CheckFn); 20] = [
    (
        "the description is complete",
        description::description_is_complete,
    ),
    (
        "the options schema explains every option",
        description::schema_explains,
    ),
    (
        "the options schema takes its own defaults",
        description::schema_takes_defaults,
    ),
    (
        "an option that does not exist is refused",
        description::unknown_option_refused,
    ),
    ("requests are valid HTTP", wire::requests_are_valid),
    (
        "the prompt arrives in the form that was asked for",
        wire::prompt_arrives,
    ),
    (
        "a message does not give more events than it can hold",
        wire::events_are_bounded,
    ),
    ("the decoder survives any bytes", wire::decoder_survives),
    (
        "an answer without messages has no events",
        wire::nothing_from_nothing,
    ),
    (
        "decoders do not share state",
        wire::decoders_are_independent,
    ),
    (
        "the same messages give the same events",
        wire::decoding_is_repeatable,
    ),
    ("probes are valid requests", probes_are_valid),
    (
        "the headers of a real request go with every other one",
        headers::go_with_every_request,
    ),
    ("the launch plan can be carried out", launch::plan_is_sound),
    (
        "other models and ports have launch plans too",
        launch::plans_follow_the_config,
    ),
    (
        "every value that the options schema names is taken or refused in words",
        launch::options_are_taken_or_refused,
    ),
    (
        "what it can do fits its hooks",
        description::capabilities_fit,
    ),
    (
        "an engine in the process answers, and ends when it is asked to",
        engine::engine_answers,
    ),
    ("unreadable evidence does no harm", evidence_survives),
    (
        "a prompt in a wrong form does no harm",
        wire::wrong_form_does_no_harm,
    ),
];

/// Messages of kinds that servers send, and some that none should.
const MESSAGES: [&[u8]; 18] = [
    b"",
    b" \n",
    b"[DONE]",
    b"null",
    b"[]",
    b"{}",
    b"{\"choices\":null,\"usage\":null,\"error\":null}",
    b"{\"choices\":[{}]}",
    b"{\"choices\":[{\"text\":\"a\",\"finish_reason\":null}],\"usage\":{\"completion_tokens\":1}}",
    b"{\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
    b"{\"text\":\"ab\",\"meta_info\":{\"completion_tokens\":2,\"finish_reason\":{\"type\":\"stop\"}}}",
    b"{\"error\":{\"message\":\"no\"}}",
    b"{\"type\":\"response.output_text.delta\",\"delta\":\"c\"}",
    b"{\"type\":\"response.output_item.added\",\"item\":null}",
    b"{\"type\":\"response.completed\",\"response\":{\"output\":[[]],\"usage\":{\"output_tokens\":1}}}",
    b"{\"choices\":[{\"text\":\"\xf0\x9f\"}]}",
    b"\xff\xfe\x00{",
    b"{\"choices\":[{\"text\":\"\\ud83d\"}]}",
];

struct Subject {
    module: PluginModuleRef,
    name: String,
    options: Map<String, Value>,
    description: Description,
    client: BackendClient,
}

pub(super) fn run(
    module: PluginModuleRef,
    name: &str,
    options: &Map<String, Value>,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Report {
    let mut report = Report::default();
    let mut subject = None;
    report.run("the library opens the backend", watch, || {
        subject = Some(open_subject(module, name, options)?);
        Ok(())
    });
    let Some(subject) = subject else {
        return report;
    };
    for (name, check) in CHECKS {
        report.run(name, watch, || check(&subject));
    }
    report
}

impl Report {
    /// Runs one check and keeps its outcome.
    pub(super) fn run(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        watch: &mut dyn FnMut(Progress<'_>),
        check: impl FnOnce() -> Outcome,
    ) {
        let name = name.into();
        watch(Progress::Begins(&name));
        let outcome = check();
        let check = Check { name, outcome };
        watch(Progress::Ended(&check));
        self.checks.push(check);
    }
}

fn open_subject(
    module: PluginModuleRef,
    name: &str,
    options: &Map<String, Value>,
) -> Result<Subject, String> {
    let all = descriptions(module).map_err(words)?;
    let description = all.into_iter().find(|description| description.name == name);
    let description = description.ok_or_else(|| format!("the library has no backend `{name}`"))?;
    let client = open(module, name, options).map_err(words)?;
    Ok(Subject {
        module,
        name: name.to_owned(),
        options: options.clone(),
        description,
        client,
    })
}

fn open(
    module: PluginModuleRef,
    name: &str,
    options: &Map<String, Value>,
) -> Result<BackendClient, PluginError> {
    let context = OpenContext {
        options: options.clone(),
        attached: false,
    };
    BackendClient::open(module, name, &context)
}

fn words(error: PluginError) -> String {
    error.message
}

fn must(holds: bool, otherwise: impl Into<Cow<'static, str>>) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(otherwise.into().into_owned())
    }
}

/// An error is a plugin's right; a panic is not.
fn no_panic<T>(what: &str, result: Result<T, PluginError>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.panicked => Err(format!("{what}: {}", error.message)),
        Err(_) => Ok(None),
    }
}

fn prompt(form: PromptForm) -> PromptContent {
    match form {
        PromptForm::TokenIds => PromptContent::TokenIds(vec![31_337, 271, 828]),
        PromptForm::Text => PromptContent::Text("marmalade 31337".to_owned()),
        PromptForm::Messages => PromptContent::Messages(json!([
            {"role": "user", "content": "marmalade 31337"}
        ])),
    }
}

impl Subject {
    fn request(&self) -> Result<RequestSpec, String> {
        let form = self.client.prompt_form().map_err(words)?;
        Ok(RequestSpec {
            model: "kit-model".to_owned(),
            prompt: prompt(form),
            output_tokens: 17,
            force_output: true,
            stream: true,
            temperature: Some(0.0),
            top_p: None,
            seed: u64::MAX,
            extra_body: Map::new(),
        })
    }

    /// Requests with each switch on and off.
    fn requests(&self) -> Result<Vec<RequestSpec>, String> {
        let mut requests = Vec::new();
        for bits in 0..8 {
            requests.push(RequestSpec {
                stream: bits & 1 == 0,
                force_output: bits & 2 == 0,
                temperature: Some(if bits & 4 == 0 { 0.0 } else { 0.7 }),
                ..self.request()?
            });
        }
        requests.push(RequestSpec {
            temperature: None,
            top_p: Some(0.9),
            extra_body: Map::from_iter([("user".to_owned(), json!("kit"))]),
            ..self.request()?
        });
        Ok(requests)
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

fn headers_are_valid(headers: &[(String, String)]) -> Outcome {
    const OF_THE_HOST: [&str; 4] = ["host", "content-length", "accept-encoding", "connection"];
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        must(
            !OF_THE_HOST.contains(&lower.as_str()),
            format!("header `{name}` is the host's to set"),
        )?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let sound = !name.is_empty() && name.bytes().all(token);
        let clean = value.bytes().all(|byte| byte == b'\t' || byte >= b' ');
        must(sound && clean, format!("header `{name}` is not valid"))?;
    }
    Ok(())
}

fn control_is_valid(what: &str, request: &ControlRequest) -> Outcome {
    let path = &request.path;
    must(
        is_path(path),
        format!("{what}: path is `{path}`, must begin with `/`"),
    )?;
    must(!request.method.is_empty(), format!("{what}: no method"))?;
    headers_are_valid(&request.headers)?;
    match &request.body {
        Some(body) => serde_json::from_str::<Value>(body)
            .map(drop)
            .map_err(|error| format!("{what}: body is not JSON: {error}")),
        None => Ok(()),
    }
}

fn probes_are_valid(subject: &Subject) -> Outcome {
    let probes = subject.client.probes().map_err(words)?;
    let named = [
        ("health", &probes.health),
        ("models", &probes.models),
        ("metrics", &probes.metrics),
    ];
    for (what, request) in named {
        if let Some(request) = request {
            control_is_valid(what, request)?;
        }
    }
    for probe in &probes.info {
        must(!probe.name.is_empty(), "an info probe has no name")?;
        control_is_valid(&probe.name, &probe.request)?;
    }
    for request in subject.client.reset().map_err(words)? {
        control_is_valid("reset", &request)?;
    }
    Ok(())
}

fn evidence_survives(subject: &Subject) -> Outcome {
    let probes = subject.client.probes().map_err(words)?;
    let mut sources = vec![EvidenceSource::Metrics, EvidenceSource::LogLine];
    let named = probes.info.into_iter().map(|probe| probe.name);
    sources.extend(
        named
            .chain(["no-such-probe".to_owned()])
            .map(EvidenceSource::Info),
    );
    for source in &sources {
        for bytes in MESSAGES {
            let what = format!("{source:?}");
            no_panic(&what, subject.client.evidence(source, bytes))?;
        }
    }
    Ok(())
}
