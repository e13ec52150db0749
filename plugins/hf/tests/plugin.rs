//! The conformance suite, and the server for real where there is a Python for it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use inferbench_hf::Hf;
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{
    EvidenceSource, LaunchContext, Message, ModelSpec, OutputKind, PromptContent, RequestSpec,
    Served,
};
use inferbench_testkit::trial::{Trial, launch_context};
use inferbench_testkit::{Replayed, replay, sse, text_of};
use serde_json::{Value, json};

const PLUGIN: Trial<Served<Hf>> = Trial::new();

fn context(model: &str, port: u16, work_dir: &Path) -> LaunchContext {
    LaunchContext {
        model: ModelSpec {
            id: model.to_owned(),
            dtype: Some("float32".to_owned()),
            max_model_len: Some(512),
            tokenizer: None,
        },
        port,
        seed: 1,
        work_dir: work_dir.to_owned(),
        ..launch_context()
    }
}

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat", "python": "/venv/bin/python"}),
    ]);
}

#[test]
fn it_has_no_responses() {
    assert_eq!(
        PLUGIN.refusal(json!({"endpoint": "responses"})),
        "options.endpoint is `responses`, must be `completions` or `chat`"
    );
}

/// What `generate` is told of requests, by the server's own code, without a model.
const OPTIONS_OF_REQUESTS: &str = r#"
import json, sys, types
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import inferbench_hf_generation as generation

engine = object.__new__(generation.Engine)
engine.eos = {2}
engine.defaults = types.SimpleNamespace(temperature=0.6, max_length=20, min_length=3, eos_token_id=2)
told = []
for body in json.load(sys.stdin):
    job = types.SimpleNamespace(
        max_tokens=7, forced=False,
        temperature=generation.number(body, "temperature", 0, None),
        top_p=generation.number(body, "top_p", 0, 1))
    told.append(engine.options(job))
print(json.dumps(told, default=vars))
"#;

#[test]
#[ignore = "needs python3"]
fn tokens_are_picked_as_the_request_says_and_else_as_the_model_s_config_does() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut python = Command::new("python3")
        .args(["-c", OPTIONS_OF_REQUESTS])
        .arg(source)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let bodies = json!([{"temperature": 0}, {"temperature": 0.7, "top_p": 0.9}, {}]);
    let mut input = python.stdin.take().unwrap();
    input.write_all(bodies.to_string().as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        told,
        json!([
            {"max_new_tokens": 7, "do_sample": false, "eos_token_id": [2]},
            {"max_new_tokens": 7, "do_sample": true, "temperature": 0.7, "top_k": 0, "top_p": 0.9,
                "eos_token_id": [2]},
            {"max_new_tokens": 7, "eos_token_id": [2], "generation_config": {
                "temperature": 0.6, "max_length": null, "min_length": 0, "eos_token_id": null}},
        ])
    );
}

#[test]
fn the_plan_starts_the_written_script_with_the_chosen_python() {
    let client =
        PLUGIN.client(json!({"python": "/venv/bin/python", "attn_implementation": "eager"}));
    let context = context("org/model", 8300, Path::new("/run"));
    let plan = client.launch_plan(&context).unwrap().unwrap();
    assert_eq!(
        plan.command.join(" "),
        "/venv/bin/python /run/inferbench_hf_server.py --model org/model --served-model-name \
         served --host 127.0.0.1 --port 8300 --device auto --dtype float32 --max-model-len 512 \
         --attn-implementation eager"
    );
    let files: Vec<_> = plan.files.iter().map(|file| file.path.clone()).collect();
    let names = ["inferbench_hf_server.py", "inferbench_hf_generation.py"];
    assert_eq!(files, names.map(std::path::PathBuf::from));
    let package = plan.package.unwrap();
    assert_eq!(
        (&*package.name, &*package.program),
        ("transformers", "python")
    );
    assert_eq!(package.with, ["torch"]);
    assert_eq!(package.python.as_deref(), Some("/venv/bin/python"));
}

#[test]
fn a_model_is_divided_among_devices_or_quantized_where_asked() {
    let plan = |value| {
        PLUGIN
            .client(value)
            .launch_plan(&context("org/model", 8300, Path::new("/run")))
    };
    let divided = plan(json!({"device_map": "auto", "quantization": "bnb-8bit"}));
    let divided = divided.unwrap().unwrap();
    let line = divided.command.join(" ");
    assert!(
        line.contains("--device auto --device-map auto --quantization bnb-8bit --dtype"),
        "{line}"
    );
    let with = divided.package.unwrap().with;
    assert_eq!(with, ["torch", "accelerate", "bitsandbytes"]);
    let error = plan(json!({"device_map": "auto", "device": "cuda:1"})).unwrap_err();
    assert_eq!(
        error.message,
        "options.device_map is `auto` and options.device is `cuda:1`: remove one of the two"
    );
}

/// A running server, killed when dropped.
struct Server {
    child: Child,
    port: u16,
    client: BackendClient,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts the planned server and waits until it is ready.
    fn start(endpoint: &str) -> Self {
        let python = std::env::var("INFERBENCH_TEST_HF_PYTHON").unwrap();
        let model = std::env::var("INFERBENCH_TEST_MODEL").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let client =
            PLUGIN.client(json!({"python": python, "device": "cpu", "endpoint": endpoint}));
        let context = context(&model, port, folder.path());
        let plan = client.launch_plan(&context).unwrap().unwrap();
        for file in &plan.files {
            std::fs::write(folder.path().join(&file.path), &file.contents).unwrap();
        }
        let env = plan.env.iter().map(|v| (&v.name, &v.value));
        let child = Command::new(&plan.command[0])
            .args(&plan.command[1..])
            .envs(env)
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            client,
            _folder: folder,
        };
        let start = Instant::now();
        while server
            .get("/health")
            .is_none_or(|(status, _)| status != 200)
        {
            assert!(start.elapsed() < Duration::from_secs(120), "not ready");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn exchange(&self, head: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let length = body.len();
        let head = format!(
            "{head} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut chunked = false;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok()?;
            chunked |= line.eq_ignore_ascii_case("transfer-encoding: chunked\r\n");
        }
        let mut body = Vec::new();
        if !chunked {
            reader.read_to_end(&mut body).ok()?;
            return Some((status, body));
        }
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            if size == 0 {
                return Some((status, body));
            }
            let start = body.len();
            body.resize(start + size, 0);
            reader.read_exact(&mut body[start..]).ok()?;
            reader.read_line(&mut line).ok()?;
        }
    }

    fn get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        self.exchange(&format!("GET {path}"), b"")
    }

    /// Sends the request as the plugin encodes it and decodes the answer.
    fn ask(&self, spec: &RequestSpec) -> (u16, Vec<Replayed>) {
        let http = self.client.encode(spec).unwrap();
        let head = format!("{} {}", http.method, http.path);
        let (status, body) = self.exchange(&head, &http.body).unwrap();
        let events = if spec.stream && status == 200 {
            sse::split(&body)
        } else {
            let data = body.clone();
            vec![sse::Event {
                name: Vec::new(),
                kind: sse::Kind::Data,
                data,
            }]
        };
        let messages: Vec<Message<'_>> = events.iter().map(sse::Event::message).collect();
        (status, replay(&self.client, spec, &messages).unwrap())
    }
}

fn spec(prompt: PromptContent) -> RequestSpec {
    RequestSpec {
        output_tokens: 16,
        force_output: true,
        ..RequestSpec::one_token("served", prompt)
    }
}

fn counts(events: &[Replayed]) -> Vec<Option<u32>> {
    let output = events.iter().filter_map(|event| match event {
        Replayed::Output(_, _, tokens) => Some(*tokens),
        _ => None,
    });
    output.collect()
}

#[test]
#[ignore = "needs HF: INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL"]
fn the_server_sends_an_event_for_each_token() {
    let server = Server::start("completions");
    let streamed = spec(PromptContent::TokenIds(vec![300, 301, 302]));
    let (status, events) = server.ask(&streamed);
    assert_eq!(status, 200);
    let expected: Vec<_> = (1..=16).map(Some).collect();
    assert_eq!(counts(&events), expected);
    assert!(events.contains(&Replayed::Finish("length".to_owned())));
    assert_eq!(events.last(), Some(&Replayed::End));
    let whole = RequestSpec {
        stream: false,
        ..streamed
    };
    let (_, answer) = server.ask(&whole);
    let text = |events: &[Replayed]| text_of(events, OutputKind::Text);
    assert_eq!(text(&answer), text(&events));
    assert_eq!(counts(&answer), [Some(16)]);
}

#[test]
#[ignore = "needs HF: INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL"]
fn the_server_refuses_what_does_not_fit_and_reports_about_itself() {
    let server = Server::start("completions");
    let long = spec(PromptContent::TokenIds(vec![300; 500]));
    let (status, events) = server.ask(&long);
    assert_eq!(status, 400);
    let [Replayed::Error(words)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(words.contains("maximum context length is 512"), "{words}");
    let (status, _) = server.ask(&spec(PromptContent::TokenIds(vec![4_000_000])));
    assert_eq!(status, 400);
    let evidence = |path: &str, source| {
        let (_, body) = server.get(path).unwrap();
        server.client.evidence(&source, &body).unwrap()
    };
    let info = evidence("/server_info", EvidenceSource::Info("server_info".into()));
    assert_eq!(info.dtype.as_deref(), Some("float32"));
    assert_eq!(info.max_model_len, Some(512));
    let metrics = evidence("/metrics", EvidenceSource::Metrics);
    assert_eq!(metrics.running_requests, Some(0.0));
    assert_eq!(metrics.generation_tokens, Some(0.0));
}

#[test]
#[ignore = "needs HF: INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL"]
fn it_listens_on_one_loopback_address_alone() {
    let server = Server::start("completions");
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_ok());
    // A server on all addresses would answer here too.
    assert!(TcpStream::connect(("127.0.0.2", server.port)).is_err());
}

#[test]
#[ignore = "needs HF: INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL"]
fn a_client_that_goes_away_ends_its_generation() {
    let server = Server::start("completions");
    let endless = RequestSpec {
        output_tokens: 500,
        ..spec(PromptContent::TokenIds(vec![300]))
    };
    let http = server.client.encode(&endless).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n",
        http.path,
        http.body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&http.body).unwrap();
    let mut some = [0; 600];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    let (status, _) = server.ask(&spec(PromptContent::TokenIds(vec![300])));
    assert_eq!(status, 200);
    let (_, body) = server.get("/metrics").unwrap();
    let found = server
        .client
        .evidence(&EvidenceSource::Metrics, &body)
        .unwrap();
    assert!(found.generation_tokens.unwrap() < 400.0, "{found:?}");
}

#[test]
#[ignore = "needs HF: INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL"]
fn chat_goes_through_the_model_s_template() {
    let server = Server::start("chat");
    let messages = json!([{"role": "user", "content": "hello there"}]);
    let (status, events) = server.ask(&spec(PromptContent::Messages(messages)));
    assert_eq!(status, 200);
    assert_eq!(counts(&events).len(), 16);
    assert!(!text_of(&events, OutputKind::Text).is_empty());
}
