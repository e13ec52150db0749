//! Recorded exchanges that a plugin ships: what was asked, what the server
//! answered, and what must be read out of it.
//!
//! A folder holds one `NAME.json` for each, and beside it the file with the
//! body of the answer, byte for byte as it came:
//!
//! ```json
//! {
//!   "request": { "prompt": { "text": "Say hi" }, "output_tokens": 2 },
//!   "http": { "path": "/v1/completions", "body": { "max_tokens": 2 } },
//!   "response": "hello.sse",
//!   "expected": { "text": "Hi!", "finish_reason": "stop", "output_tokens": 2 }
//! }
//! ```
//!
//! What `http` and `expected` do not name is not compared.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Progress, Replayed, Report, replay, sse, text_of};
use inferbench_plugin_api::abi::PluginModuleRef;
use inferbench_plugin_api::client::{BackendClient, descriptions};
use inferbench_plugin_api::{
    Framing, HttpRequest, Message, OpenContext, OutputKind, PromptContent, RequestSpec, Usage,
};

/// One recorded exchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    /// Backend of the library; its only one if absent.
    backend: Option<String>,
    /// Options that the backend is opened with.
    #[serde(default)]
    options: Map<String, Value>,
    /// What is asked.
    request: Asked,
    /// What the HTTP request must hold.
    #[serde(default)]
    http: Option<ExpectedHttp>,
    /// File with the body of the answer, beside this one.
    response: String,
    /// What must be read out of the answer.
    expected: Expected,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "model")]
    model: String,
    prompt: PromptContent,
    output_tokens: u32,
    #[serde(default)]
    force_output: bool,
    #[serde(default = "yes")]
    stream: bool,
    /// Null leaves it out.
    #[serde(default = "greedy")]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    extra_body: Map<String, Value>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde calls it")]
fn greedy() -> Option<f64> {
    Some(0.0)
}

fn model() -> String {
    "model".to_owned()
}

fn yes() -> bool {
    true
}

impl From<Asked> for RequestSpec {
    fn from(asked: Asked) -> Self {
        Self {
            model: asked.model,
            prompt: asked.prompt,
            output_tokens: asked.output_tokens,
            force_output: asked.force_output,
            stream: asked.stream,
            temperature: asked.temperature,
            top_p: asked.top_p,
            seed: asked.seed,
            extra_body: asked.extra_body,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedHttp {
    method: Option<String>,
    path: Option<String>,
    /// Fields of the JSON body; those that are not named may be there too.
    #[serde(default)]
    body: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expected {
    text: Option<String>,
    reasoning: Option<String>,
    output_events: Option<usize>,
    finish_reason: Option<String>,
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    /// Words that the error reported in the answer holds.
    error: Option<String>,
    end_marker: Option<bool>,
    malformed: Option<usize>,
}

/// Checks every recorded exchange of `folder` against the library.
///
/// ```ignore
/// let report = replay_folder(this_library(), "exchanges");
/// assert!(report.passed(), "{report}");
/// ```
///
/// A folder that cannot be read, or that holds no exchange, is a check that
/// does not hold.
#[must_use]
pub fn replay_folder(module: PluginModuleRef, folder: impl AsRef<Path>) -> Report {
    replay_folder_watched(module, folder.as_ref(), &mut |_| ())
}

/// As [`replay_folder`], and calls `watch` before and after each exchange.
#[must_use]
pub fn replay_folder_watched(
    module: PluginModuleRef,
    folder: &Path,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Report {
    let mut report = Report::default();
    let mut files = Vec::new();
    report.run("there are recorded exchanges", watch, || {
        files = exchange_files(folder)?;
        Ok(())
    });
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let claim = format!("the recorded exchange `{name}` is encoded and read as it says");
        report.run(claim, watch, || check(module, &file));
    }
    report
}

fn exchange_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path).map_err(at)?;
            // An answer that came as one JSON body lies beside its exchange.
            if serde_json::from_str::<Value>(&text).is_ok_and(|v| v.get("expected").is_none()) {
                continue;
            }
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(format!(
            "{}: no NAME.json with `expected`",
            folder.display()
        ));
    }
    files.sort();
    Ok(files)
}

fn check(module: PluginModuleRef, file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let recorded: Recorded = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let answer = file.with_file_name(&recorded.response);
    let answer = fs::read(&answer).map_err(|e| format!("{}: {e}", answer.display()))?;
    let client = open(module, &recorded)?;
    let request = RequestSpec::from(recorded.request);
    let http = client
        .encode(&request)
        .map_err(|e| format!("encode: {e}"))?;
    if let Some(expected) = &recorded.http {
        compare_http(expected, &http)?;
    }
    let events = read(&client, &request, http.framing, &answer)?;
    compare(&recorded.expected, &events)
}

fn open(module: PluginModuleRef, recorded: &Recorded) -> Result<BackendClient, String> {
    let name = match &recorded.backend {
        Some(name) => name.clone(),
        None => {
            let all = descriptions(module).map_err(|error| error.message)?;
            match all.as_slice() {
                [one] => one.name.clone(),
                all => {
                    return Err(format!(
                        "the library has {} backends: set `backend`",
                        all.len()
                    ));
                }
            }
        }
    };
    let context = OpenContext {
        options: recorded.options.clone(),
        attached: true,
    };
    BackendClient::open(module, &name, &context).map_err(|error| format!("open: {error}"))
}

fn read(
    client: &BackendClient,
    request: &RequestSpec,
    framing: Framing,
    answer: &[u8],
) -> Result<Vec<Replayed>, String> {
    let events = match framing {
        Framing::NamedSse => sse::split_named(answer),
        _ => sse::split(answer),
    };
    let messages: Vec<Message<'_>> = match framing {
        Framing::Sse | Framing::NamedSse => events.iter().map(sse::Event::message).collect(),
        Framing::Ndjson => answer
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .map(Message::Data)
            .collect(),
        Framing::Body => vec![Message::Data(answer)],
    };
    replay(client, request, &messages).map_err(|error| format!("decode: {error}"))
}

fn compare_http(expected: &ExpectedHttp, http: &HttpRequest) -> Result<(), String> {
    same("http.method", expected.method.as_deref(), &http.method)?;
    same("http.path", expected.path.as_deref(), &http.path)?;
    if expected.body.is_empty() {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(&http.body)
        .map_err(|error| format!("http.body is not JSON: {error}"))?;
    for (key, wanted) in &expected.body {
        let found = body.get(key).unwrap_or(&Value::Null);
        same(&format!("http.body.{key}"), Some(wanted), found)?;
    }
    Ok(())
}

fn compare(expected: &Expected, events: &[Replayed]) -> Result<(), String> {
    let count = |wanted: fn(&Replayed) -> bool| events.iter().filter(|e| wanted(e)).count();
    let text = |kind| text_of(events, kind);
    same("text", expected.text.as_ref(), &text(OutputKind::Text))?;
    same(
        "reasoning",
        expected.reasoning.as_ref(),
        &text(OutputKind::Reasoning),
    )?;
    // An event without text shows the reader nothing.
    let outputs = count(|e| matches!(e, Replayed::Output(_, text, _) if !text.is_empty()));
    same("output_events", expected.output_events, outputs)?;
    let finish = events.iter().rev().find_map(|event| match event {
        Replayed::Finish(reason) => Some(reason.as_str()),
        _ => None,
    });
    same(
        "finish_reason",
        expected.finish_reason.as_deref().map(Some),
        finish,
    )?;
    let usage = usage(events);
    same(
        "input_tokens",
        expected.input_tokens.map(Some),
        usage.input_tokens,
    )?;
    same(
        "output_tokens",
        expected.output_tokens.map(Some),
        usage.output_tokens,
    )?;
    same(
        "cached_tokens",
        expected.cached_tokens.map(Some),
        usage.cached_tokens,
    )?;
    let ended = count(|event| *event == Replayed::End) > 0;
    same("end_marker", expected.end_marker, ended)?;
    let malformed = count(|event| *event == Replayed::Malformed);
    same("malformed", expected.malformed, malformed)?;
    let found = events.iter().find_map(|event| match event {
        Replayed::Error(message) => Some(message.as_str()),
        _ => None,
    });
    match (&expected.error, found) {
        (Some(wanted), found) if !found.unwrap_or_default().contains(wanted.as_str()) => {
            Err(format!("error: expected `{wanted}` in it, found {found:?}"))
        }
        (None, Some(found)) => Err(format!("error: expected none, found `{found}`")),
        _ => Ok(()),
    }
}

/// The last reported count of each kind; the running count of a piece of output
/// counts as one of output tokens.
fn usage(events: &[Replayed]) -> Usage {
    let mut last = Usage::default();
    for event in events {
        match event {
            Replayed::Usage(usage) => {
                last.input_tokens = usage.input_tokens.or(last.input_tokens);
                last.output_tokens = usage.output_tokens.or(last.output_tokens);
                last.cached_tokens = usage.cached_tokens.or(last.cached_tokens);
            }
            Replayed::Output(_, _, Some(tokens)) => last.output_tokens = Some(*tokens),
            _ => {}
        }
    }
    last
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: Option<T>,
    found: T,
) -> Result<(), String> {
    match expected {
        Some(wanted) if wanted != found => {
            Err(format!("{what}: expected {wanted:?}, found {found:?}"))
        }
        _ => Ok(()),
    }
}
