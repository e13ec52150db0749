//! What the integration tests share: the built plugins, a server that does
//! exactly what a test says, and one request through the real exchange.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared test code, of which each test uses a part"
)]

pub mod cell;
pub mod runs;
pub mod secure;
pub mod server;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use inferbench_engine::http::{Connection, Target};
use inferbench_engine::load::exchange;
use inferbench_engine::load::outcome::{ExchangeOutcome, Timeouts};
use inferbench_engine::load::requests;
use inferbench_engine::plugins::host::{Plugin, PluginHost};
use inferbench_engine::plugins::search::SearchPath;
use inferbench_model::config::Level;
use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{OpenContext, PromptContent, RequestSpec};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Folder of the test program, then the one above it: where cargo puts what
/// it has built.
fn built_folders() -> [PathBuf; 2] {
    let deps = std::env::current_exe().unwrap();
    let deps = deps.parent().unwrap().to_owned();
    let above = deps.parent().unwrap().to_owned();
    [deps, above]
}

/// The built library of the plugin `name`, if there is one.
pub fn find_plugin(name: &str) -> Option<PathBuf> {
    let file = match name {
        // Named so that no search takes it for a plugin of the user's.
        "fixture" => "libfixture_plugin.so".to_owned(),
        name => format!("libinferbench_{name}.so"),
    };
    let files = built_folders().map(|folder| folder.join(&file));
    files.into_iter().find(|file| file.is_file())
}

/// The built library of the plugin `name`.
pub fn plugin_file(name: &str) -> PathBuf {
    find_plugin(name)
        .unwrap_or_else(|| panic!("no built plugin {name}: run `cargo build --workspace` first"))
}

/// The built stand-in for NVML.
pub fn standin_nvml() -> PathBuf {
    let files = built_folders().map(|folder| folder.join("libstandin_nvml.so"));
    let found = files.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no stand-in for NVML: run `cargo build --workspace` first"))
}

/// The built program `name`, if there is one.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let [_, above] = built_folders();
    Some(above.join(name)).filter(|file| file.is_file())
}

/// Every built plugin, loaded once for the whole test program.
pub fn host() -> &'static PluginHost {
    static HOST: OnceLock<PluginHost> = OnceLock::new();
    HOST.get_or_init(|| {
        let names = ["hf", "openai", "sglang", "sim", "vllm", "fixture"];
        PluginHost::load(&SearchPath {
            files: names.into_iter().filter_map(find_plugin).collect(),
            dirs: Vec::new(),
            trust_dirs: true,
        })
    })
}

/// The loaded plugin for backends of that name.
pub fn plugin(name: &str) -> &'static Plugin {
    host()
        .get(name)
        .unwrap_or_else(|| panic!("backend {name} is not loaded: run `cargo build --workspace`"))
}

/// A backend opened with these options, as one that runs already.
pub fn open(name: &str, options: Value) -> BackendClient {
    let context = OpenContext {
        options: options.as_object().unwrap().clone(),
        attached: true,
    };
    BackendClient::open(plugin(name).module, name, &context).unwrap()
}

/// `openai` at its completions endpoint.
pub fn completions() -> BackendClient {
    open("openai", json!({"endpoint": "completions"}))
}

/// A request of eight tokens for a text prompt.
pub fn text_request() -> RequestSpec {
    RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::Text("tell me".to_owned()))
    }
}

pub fn chat_request() -> RequestSpec {
    let messages = json!([{"role": "user", "content": "tell me"}]);
    RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::Messages(messages))
    }
}

pub fn id_request() -> RequestSpec {
    RequestSpec {
        output_tokens: 8,
        ..RequestSpec::one_token("m", PromptContent::TokenIds(vec![5, 6, 7]))
    }
}

pub fn limits(total: Duration, idle: Option<Duration>) -> Timeouts {
    Timeouts { total, idle }
}

/// Limits that no test should reach.
pub fn patient() -> Timeouts {
    limits(Duration::from_secs(30), None)
}

pub fn key() -> RequestKey {
    RequestKey {
        backend: "b".to_owned(),
        block: 0,
        level: Level::Concurrency(1),
        phase: Phase::Measured,
        index: 0,
    }
}

pub fn record(outcome: ExchangeOutcome) -> RequestRecord {
    outcome
        .exchange
        .finish_record(key(), &outcome.end, outcome.end_ns, true)
}

/// One request over the connection in `slot`.
pub async fn exchange_over(
    slot: &mut Option<Connection>,
    target: &Target,
    client: &BackendClient,
    spec: &RequestSpec,
    timeouts: Timeouts,
) -> ExchangeOutcome {
    let wire = requests::wire(client, target, spec).unwrap();
    let cancel = CancellationToken::new();
    exchange::run(slot, target, wire, Exchange::default(), timeouts, &cancel).await
}

/// One completions request over the connection in `slot`.
pub async fn ask_over(
    slot: &mut Option<Connection>,
    target: &Target,
    timeouts: Timeouts,
) -> RequestRecord {
    let client = completions();
    record(exchange_over(slot, target, &client, &text_request(), timeouts).await)
}

/// One completions request over a connection of its own.
pub async fn ask(target: &Target, timeouts: Timeouts) -> RequestRecord {
    ask_over(&mut None, target, timeouts).await
}
