//! Marked secrets, searched for in everything that a run leaves, prints and
//! shows of itself while it goes on, against servers that give them back in
//! every way.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Said, inferbench, run_folder, said};
use serde_json::{Map, Value, json};

/// In the variable that `api_key_env` names.
const KEY: &str = "sk-marked-api-key-4d7f1c";
/// In a header of the config.
const HEADER: &str = "marked-header-9b2e6a";
/// In `env:` of a launched backend.
const ENV: &str = "marked-env-token-c05d83";
/// In InferBench's own environment, which servers inherit.
const INHERITED: &str = "hf_marked_inherited_71ae";
const MARKS: [&str; 4] = [KEY, HEADER, ENV, INHERITED];

/// A server that answers each request, given its head, and then closes.
fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            respond(stream, &answer);
        }
    });
    url
}

fn respond(mut stream: TcpStream, answer: &impl Fn(&str) -> String) {
    let mut read = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                // Whoever asked may have gone.
                drop(stream.write_all(answer(head).as_bytes()));
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => read.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
}

fn http(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The headers that hold secrets, as one line.
fn secrets_of(head: &str) -> String {
    let named = ["authorization", "x-api-key"];
    let lines = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        named.iter().any(|n| name.eq_ignore_ascii_case(n))
    });
    lines.collect::<Vec<_>>().join(", ")
}

fn stream(events: &[Value]) -> String {
    let events: String = events.iter().map(|e| format!("data: {e}\n\n")).collect();
    http(
        "200 OK",
        "text/event-stream",
        &format!("{events}data: [DONE]\n\n"),
    )
}

/// Ways to give a secret back: a name, and the answer to a request.
type Way = (&'static str, fn(&str) -> String);
const WAYS: [Way; 8] = [
    ("says-401", |head| {
        let body = json!({"error": {"message": format!("not allowed: {}", secrets_of(head))}});
        http("401 Unauthorized", "application/json", &body.to_string())
    }),
    ("says-500-in-text", |head| {
        http(
            "500 Oops",
            "text/plain",
            &format!("headers were {}", secrets_of(head)),
        )
    }),
    // The text that is shown ends inside the key.
    ("says-it-cut-short", |head| {
        let body = format!("{}{}", "x".repeat(475), secrets_of(head));
        http("503 Busy", "text/plain", &body)
    }),
    ("redirects", |head| {
        let to = secrets_of(head).replace(' ', "");
        format!(
            "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/{to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }),
    ("breaks-http", |head| {
        format!("{}\r\n\r\n", secrets_of(head))
    }),
    ("errs-in-its-stream", |head| {
        stream(&[json!({"error": {"message": secrets_of(head), "code": 500}})])
    }),
    ("finishes-with-it", |head| {
        let choice = json!({"index": 0, "text": "a", "finish_reason": secrets_of(head)});
        stream(&[json!({"choices": [choice]})])
    }),
    ("answers-with-it", |head| {
        let said = secrets_of(head);
        let choice = |text: &str, finish: Option<&str>| json!({"model": said, "choices": [{"index": 0, "text": text, "finish_reason": finish}]});
        stream(&[choice(&said, None), choice("", Some("length"))])
    }),
];

fn tokenizer(folder: &Path) -> PathBuf {
    let words: Map<String, Value> = (0..100).map(|id| (format!("w{id}"), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    });
    let file = folder.join("tokenizer.json");
    fs::write(&file, tokenizer.to_string()).unwrap();
    file
}

/// A backend of each way, asked at once, one more that waits to be ready for it,
/// and launched servers that write their environment to their logs.
fn backends() -> Vec<Value> {
    let options = json!({
        "api_key_env": "MARKED_KEY", "headers": {"X-Api-Key": HEADER, "X-Plain": "plain"},
    });
    let attached = |label: &str, way: fn(&str) -> String, check: &str| json!({"label": label, "plugin": "openai", "attach": server(way), "options": options, "ready_check": check, "ready_timeout": "2s"});
    let mut backends: Vec<Value> = WAYS
        .iter()
        .map(|(label, way)| attached(label, *way, "none"))
        .collect();
    backends.push(attached("never-ready", WAYS[2].1, "request"));
    backends.push(attached("refuses", WAYS[0].1, "request"));
    let launched = |label: &str, end: &str| {
        let script = format!("env; env >&2; {end} # {{port}}");
        json!({
            "label": label, "plugin": "openai", "env": {"MY_TOKEN": ENV},
            "options": {"api_key_env": "MARKED_KEY", "command": ["sh", "-c", script]},
            "ready_timeout": "2s"
        })
    };
    backends.push(launched(
        "dies",
        "echo $MY_TOKEN $HF_TOKEN $MARKED_KEY >&2; exit 1",
    ));
    backends.push(launched("hangs", "sleep 60"));
    backends
}

fn marked(command: &mut Command) -> &mut Command {
    command.env("MARKED_KEY", KEY).env("HF_TOKEN", INHERITED)
}

fn config(folder: &Path) -> PathBuf {
    let config = json!({
        "name": "marked",
        "model": {"id": "m", "tokenizer": tokenizer(folder)},
        "backends": backends(),
        "workload": {"input_tokens": 8, "output_tokens": 4},
        "load": {"concurrency": [1], "requests": 2, "timeout": "5s"},
        "repeats": 1, "output_text": true
    });
    let file = folder.join("bench.yaml");
    fs::write(&file, config.to_string()).unwrap();
    file
}

fn assert_clean(what: &str, text: &[u8]) {
    for mark in MARKS {
        let found = text
            .windows(mark.len())
            .position(|part| part == mark.as_bytes());
        let shown = found.map(|at| {
            let from = at.saturating_sub(200);
            String::from_utf8_lossy(&text[from..text.len().min(at + 100)]).into_owned()
        });
        assert!(found.is_none(), "{mark} is in {what}: …{}…", shown.unwrap());
    }
}

/// Every file under `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Runs the command, looking at every process's command line meanwhile.
fn watched(command: &mut Command) -> Said {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let looking = std::thread::spawn(move || {
        let mut looks = 0;
        // Its own entry goes when it has been waited for.
        while Path::new(&format!("/proc/{pid}")).exists() {
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let file = entry.path().join("cmdline");
                // A process may have gone meanwhile.
                assert_clean("a command line", &fs::read(file).unwrap_or_default());
            }
            looks += 1;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        looks
    });
    let said = Said::from(child.wait_with_output().unwrap());
    assert!(looking.join().unwrap() > 1);
    said
}

#[test]
fn a_marked_secret_is_nowhere_but_in_the_logs_of_the_server_that_was_given_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path());
    let output = folder.path().join("results");
    let mut command = inferbench();
    marked(&mut command).args(["-v", "run"]).arg(&file);
    let run = watched(command.arg("--output").arg(&output));
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert_clean("stdout of run", run.out.as_bytes());
    assert_clean("stderr of run", run.err.as_bytes());
    assert!(
        run.err.contains("not allowed: ") && run.err.contains("***"),
        "{}",
        run.err
    );

    let run = run_folder(&output);
    let logs = run.join("logs");
    let given = ["stdout.log", "stderr.log"];
    for file in files(&run) {
        let is_log = file.starts_with(&logs) && given.iter().any(|name| file.ends_with(name));
        if !is_log {
            assert_clean(&file.display().to_string(), &fs::read(&file).unwrap());
        }
    }
    let log = fs::read_to_string(logs.join("dies/0/stderr.log")).unwrap();
    assert!(
        log.contains(ENV) && log.contains(INHERITED),
        "the server was not given them"
    );
    let requests = fs::read_to_string(run.join("requests.jsonl")).unwrap();
    for way in ["says-401", "says-it-cut-short", "answers-with-it"] {
        let line = requests.lines().find(|line| line.contains(way));
        assert!(
            line.is_some_and(|line| line.contains("***")),
            "{way}: {line:?}"
        );
    }

    for arguments in [vec!["report"], vec!["--json", "report"]] {
        let again = said(marked(&mut inferbench()).args(arguments).arg(&run));
        assert_clean("report", again.out.as_bytes());
        assert_clean("report", again.err.as_bytes());
    }
}

#[test]
fn what_validate_and_json_say_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path());
    for arguments in [vec!["-v", "validate"], vec!["--json", "validate"]] {
        let said = said(marked(&mut inferbench()).args(&arguments).arg(&file));
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_clean("validate", said.out.as_bytes());
        assert_clean("validate", said.err.as_bytes());
        assert!(said.out.contains("***"), "{}", said.out);
    }
}

#[test]
fn a_key_where_the_name_of_its_variable_belongs_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("MARKED_KEY", KEY)).unwrap();
    let said = said(inferbench().arg("validate").arg(&file));
    assert_eq!(said.code, Some(2));
    let words = "options.api_key_env is no name of an environment variable";
    assert!(said.err.contains(words), "{}", said.err);
    assert_clean("stderr", said.err.as_bytes());
}

#[test]
fn a_run_folder_and_all_in_it_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
name: private
model: { id: simulated }
backends: [{ plugin: sim, options: { fixed_ttft_ms: 1, fixed_itl_ms: 1 } }]
workload: { input_tokens: 4, output_tokens: 2 }
load: { concurrency: [1], requests: 2 }
repeats: 1
";
    let file = folder.path().join("bench.yaml");
    fs::write(&file, config).unwrap();
    let output = folder.path().join("results");
    let said = said(
        inferbench()
            .arg("run")
            .arg(&file)
            .arg("--output")
            .arg(&output),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = run_folder(&output);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in [&run, &run.join("logs"), &run.join("logs/sim/0")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in files(&run) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let command = fs::read_to_string(run.join("logs/sim/0/command.txt")).unwrap();
    assert!(command.contains("--host 127.0.0.1"), "{command}");
}
