//! The checks of the conformance suite.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Check, Replayed, Report, replay};
use crate::abi::{EventBuf, PluginModuleRef};
use crate::client::{BackendClient, descriptions};
use crate::{
    ControlRequest, Description, EvidenceSource, LaunchContext, LaunchPlan, Message, ModelSpec,
    OpenContext, PluginError, PromptContent, PromptForm, RequestSpec,
};

type Outcome = Result<(), String>;
type CheckFn = fn(&Subject) -> Outcome;

const CHECKS: [(&str, CheckFn); 15] = [
    ("the description is complete", description_is_complete),
    ("the options schema explains every option", schema_explains),
    (
        "the options schema takes its own defaults",
        schema_takes_defaults,
    ),
    (
        "an option that does not exist is refused",
        unknown_option_refused,
    ),
    ("requests are valid HTTP", requests_are_valid),
    (
        "the prompt arrives in the form that was asked for",
        prompt_arrives,
    ),
    ("the decoder survives any bytes", decoder_survives),
    (
        "an answer without messages has no events",
        nothing_from_nothing,
    ),
    ("decoders do not share state", decoders_are_independent),
    (
        "the same messages give the same events",
        decoding_is_repeatable,
    ),
    ("probes are valid requests", probes_are_valid),
    ("the launch plan can be carried out", launch_plan_is_sound),
    ("what it can do fits its hooks", capabilities_fit),
    ("unreadable evidence does no harm", evidence_survives),
    (
        "a prompt in a wrong form does no harm",
        wrong_form_does_no_harm,
    ),
];

/// Messages of kinds that servers send, and some that none should.
const MESSAGES: [&[u8]; 15] = [
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

pub(super) fn run(module: PluginModuleRef, name: &str, options: &Map<String, Value>) -> Report {
    let mut report = Report::default();
    let (subject, opened) = match open_subject(module, name, options) {
        Ok(subject) => (Some(subject), Ok(())),
        Err(reason) => (None, Err(reason)),
    };
    report.checks.push(Check {
        name: "the library opens the backend",
        outcome: opened,
    });
    for (name, check) in CHECKS {
        if let Some(subject) = &subject {
            let outcome = check(subject);
            report.checks.push(Check { name, outcome });
        }
    }
    report
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
            temperature: 0.0,
            seed: u64::MAX,
        })
    }

    /// Requests with each switch on and off.
    fn requests(&self) -> Result<Vec<RequestSpec>, String> {
        let mut requests = Vec::new();
        for bits in 0..8 {
            requests.push(RequestSpec {
                stream: bits & 1 == 0,
                force_output: bits & 2 == 0,
                temperature: if bits & 4 == 0 { 0.0 } else { 0.7 },
                ..self.request()?
            });
        }
        Ok(requests)
    }

    fn launch_plan(&self) -> Result<Option<LaunchPlan>, String> {
        let context = LaunchContext {
            model: ModelSpec {
                id: "kit/model".to_owned(),
                dtype: Some("float32".to_owned()),
                max_model_len: Some(2048),
                tokenizer: None,
            },
            served_name: "kit-model".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 45_678,
            seed: 9,
            work_dir: "/kit".into(),
            max_concurrency: Some(4),
        };
        self.client.launch_plan(&context).map_err(words)
    }
}

fn description_is_complete(subject: &Subject) -> Outcome {
    let description = &subject.description;
    let can = &description.capabilities;
    must(!description.version.is_empty(), "no version")?;
    must(!description.summary.is_empty(), "no summary")?;
    must(
        !description.summary.contains('\n'),
        "summary has several lines",
    )?;
    let name = &description.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    must(
        name.chars().all(plain),
        format!("name `{name}` must be of a-z, 0-9, `-` and `_`"),
    )?;
    must(
        can.can_launch || can.can_attach || can.in_process,
        "can neither launch, attach nor generate in the process",
    )?;
    must(
        can.in_process || !can.endpoints.is_empty(),
        "names no endpoint",
    )
}

fn properties(subject: &Subject) -> Result<&Map<String, Value>, String> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let schema = &subject.description.options_schema;
    must(
        schema.get("type").and_then(Value::as_str) == Some("object"),
        "schema is not of type object",
    )?;
    match schema.get("properties") {
        Some(Value::Object(properties)) => Ok(properties),
        None => Ok(&NONE),
        Some(_) => Err("`properties` of the schema is not an object".to_owned()),
    }
}

fn schema_explains(subject: &Subject) -> Outcome {
    for (name, property) in properties(subject)? {
        let description = property.get("description").and_then(Value::as_str);
        let explained = description.is_some_and(|text| !text.trim().is_empty());
        must(explained, format!("option `{name}` has no description"))?;
    }
    let closed = subject.description.options_schema["additionalProperties"] == json!(false);
    must(
        closed,
        "schema allows unknown options: set additionalProperties to false",
    )
}

fn schema_takes_defaults(subject: &Subject) -> Outcome {
    let mut options = Map::new();
    for (name, property) in properties(subject)? {
        if let Some(default) = property.get("default") {
            options.insert(name.clone(), default.clone());
        }
    }
    options.extend(subject.options.clone());
    open(subject.module, &subject.name, &options)
        .map(drop)
        .map_err(words)
}

fn unknown_option_refused(subject: &Subject) -> Outcome {
    let mut options = subject.options.clone();
    options.insert("no_such_option".to_owned(), json!(1));
    let opened = open(subject.module, &subject.name, &options);
    must(
        no_panic("open", opened)?.is_none(),
        "opened with `no_such_option`",
    )
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

fn requests_are_valid(subject: &Subject) -> Outcome {
    if subject.description.capabilities.in_process {
        return Ok(());
    }
    for request in subject.requests()? {
        let http = subject.client.encode(&request).map_err(words)?;
        let method = &http.method;
        let known = method.bytes().all(|byte| byte.is_ascii_uppercase()) && !method.is_empty();
        must(known, format!("method is `{method}`"))?;
        let path = &http.path;
        must(
            is_path(path),
            format!("path is `{path}`, must begin with `/`"),
        )?;
        headers_are_valid(&http.headers)?;
        let is_json = http.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.starts_with("application/json")
        });
        if is_json {
            let body = serde_json::from_slice::<Value>(&http.body);
            body.map_err(|error| format!("body is not JSON: {error}"))?;
        }
    }
    Ok(())
}

fn prompt_arrives(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let form = subject.client.prompt_form().map_err(words)?;
    must(
        form != PromptForm::TokenIds || can.accepts_token_ids,
        "wants token ids but does not say that it accepts them",
    )?;
    if can.in_process {
        return Ok(());
    }
    let http = subject.client.encode(&subject.request()?).map_err(words)?;
    let body = String::from_utf8_lossy(&http.body);
    let wanted: &[&str] = match form {
        PromptForm::TokenIds => &["31337", "271", "828"],
        PromptForm::Text | PromptForm::Messages => &["marmalade 31337"],
    };
    let all = wanted.iter().all(|part| body.contains(part));
    must(all, "body does not hold the prompt")
}

fn wrong_form_does_no_harm(subject: &Subject) -> Outcome {
    for form in [PromptForm::TokenIds, PromptForm::Text, PromptForm::Messages] {
        let request = RequestSpec {
            prompt: prompt(form),
            ..subject.request()?
        };
        no_panic(form.name(), subject.client.encode(&request))?;
    }
    Ok(())
}

fn decoder_survives(subject: &Subject) -> Outcome {
    let huge = format!("{{\"choices\":[{{\"text\":\"{}\"}}]}}", "x".repeat(8 << 20));
    let nested = "[".repeat(100_000);
    let request = subject.request()?;
    let mut decoder = subject.client.decoder(&request).map_err(words)?;
    let mut buffer = EventBuf::default();
    let big = [huge.as_bytes(), nested.as_bytes()];
    for bytes in MESSAGES.into_iter().chain(big) {
        for message in [
            Message::Data(bytes),
            Message::ErrorEvent(bytes),
            Message::ErrorField(bytes),
        ] {
            buffer.clear();
            no_panic("feed", decoder.feed(message, &mut buffer))?;
            no_panic(
                "feed of one message",
                replay(&subject.client, &request, &[message]),
            )?;
        }
    }
    no_panic("finish", decoder.finish(&mut buffer)).map(drop)
}

fn nothing_from_nothing(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let events = no_panic("finish", replay(&subject.client, &request, &[]))?;
    let invented = events.unwrap_or_default();
    let invented = invented
        .iter()
        .find(|event| !matches!(event, Replayed::Error(_)));
    must(
        invented.is_none(),
        format!("an empty answer gave {invented:?}"),
    )
}

fn messages() -> Vec<Message<'static>> {
    MESSAGES.into_iter().map(Message::Data).collect()
}

fn decoding_is_repeatable(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let once = replay(&subject.client, &request, &messages());
    let again = replay(&subject.client, &request, &messages());
    must(
        once == again,
        "two decoders read the same answer differently",
    )
}

fn decoders_are_independent(subject: &Subject) -> Outcome {
    let request = subject.request()?;
    let mut first = subject.client.decoder(&request).map_err(words)?;
    let mut second = subject.client.decoder(&request).map_err(words)?;
    let (mut of_first, mut of_second) = (EventBuf::default(), EventBuf::default());
    for bytes in MESSAGES {
        let one = first.feed(Message::Data(bytes), &mut of_first);
        let other = second.feed(Message::Data(bytes), &mut of_second);
        let same = one == other && of_first.events == of_second.events;
        must(same, "one decoder changed what another read")?;
    }
    drop(first);
    let after = second.feed(Message::Data(b"{}"), &mut of_second);
    no_panic("feed after another decoder was dropped", after).map(drop)
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

fn launch_plan_is_sound(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let Some(plan) = subject.launch_plan()? else {
        let other_way = !can.can_launch || can.can_attach;
        return must(
            other_way,
            "says it can launch but has no plan and cannot attach",
        );
    };
    must(can.can_launch, "has a plan but does not say it can launch")?;
    let program = plan.command.first().map_or("", String::as_str);
    must(!program.is_empty(), "the plan has no program")?;
    for file in &plan.files {
        let path = file.path.display();
        must(
            file.is_inside(),
            format!("file `{path}` lies outside the work folder"),
        )?;
    }
    for variable in &plan.env {
        let name = &variable.name;
        let sound = !name.is_empty() && !name.contains(['=', '\0']);
        must(sound, format!("`{name}` cannot name a variable"))?;
    }
    let signal = plan.stop.signal.as_str();
    must(
        matches!(signal, "TERM" | "INT"),
        format!("stop signal is `{signal}`, must be TERM or INT"),
    )?;
    let words = plan.command.iter().chain(plan.env.iter().map(|v| &v.value));
    let port = words
        .chain(plan.files.iter().map(|f| &f.contents))
        .any(|word| word.contains("45678"));
    must(port, "the plan does not tell the server its port")
}

fn capabilities_fit(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let resets = !subject.client.reset().map_err(words)?.is_empty();
    must(
        can.can_reset_prefix_cache == resets,
        format!(
            "can_reset_prefix_cache is {}, reset has requests: {resets}",
            can.can_reset_prefix_cache
        ),
    )?;
    let metrics = subject.client.probes().map_err(words)?.metrics.is_some();
    must(
        can.exposes_metrics == metrics,
        format!(
            "exposes_metrics is {}, there is a metrics probe: {metrics}",
            can.exposes_metrics
        ),
    )
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
