//! `inferbench-sim` over raw sockets: what it sends, what it says it sent, and
//! each fault on demand.

#![allow(clippy::unwrap_used, reason = "a step that fails fails its test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

struct Sim {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Sim {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inferbench-sim"))
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("inferbench-sim listening on http://")
            .unwrap()
            .to_owned();
        Self {
            child,
            stderr,
            address,
        }
    }

    /// No pacing: tokens as fast as the socket takes them.
    fn fast(options: &[&str]) -> Self {
        Self::start(&[&["--fixed-ttft-ms", "0", "--fixed-itl-ms", "0"], options].concat())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let mut stream = self.connect();
        stream
            .write_all(request(method, path, body, true).as_bytes())
            .unwrap();
        Reply::read(&mut stream)
    }

    fn complete(&self, body: &str) -> Reply {
        self.ask("POST", "/v1/completions", body)
    }

    fn truth(&self) -> Vec<Value> {
        let reply = self.ask("GET", "/truth", "");
        reply
            .text()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    /// The truth once it has `count` records.
    fn truth_of(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let truth = self.truth();
            if truth.len() >= count {
                return truth;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{} of {count} records",
                truth.len()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.ask("GET", "/metrics", "").text();
        let line = text
            .lines()
            .find(|l| l.starts_with(&format!("vllm:{name}{{")))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    fn wait(&mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(method: &str, path: &str, body: &str, close: bool) -> String {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-1\r\n{connection}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// All that came until the connection ended.
struct Reply {
    head: String,
    body: Vec<u8>,
    /// The chunked body had its end marker, or was as long as declared.
    whole: bool,
    reset: bool,
}

impl Reply {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut buffer = [0; 65536];
        let reset = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break false,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break true,
                Err(e) => panic!("{e}, after {} bytes", bytes.len()),
            }
        };
        Self::parse(&bytes, reset)
    }

    fn parse(bytes: &[u8], reset: bool) -> Self {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return Self {
                head: String::new(),
                body: Vec::new(),
                whole: false,
                reset,
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let raw = &bytes[end + 4..];
        if !head.contains("transfer-encoding: chunked") {
            let whole = head.contains(&format!("content-length: {}\r\n", raw.len()));
            return Self {
                head,
                body: raw.to_vec(),
                whole,
                reset,
            };
        }
        let (mut body, mut at, mut whole) = (Vec::new(), 0, false);
        while let Some(line) = raw[at..].windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&raw[at..at + line]).unwrap(), 16)
                .unwrap();
            at += line + 2;
            body.extend_from_slice(&raw[at..at + size]);
            at += size + 2;
            if size == 0 {
                whole = at == raw.len();
                break;
            }
        }
        Self {
            head,
            body,
            whole,
            reset,
        }
    }

    fn status(&self) -> u16 {
        assert!(
            self.head.contains("server: inferbench-sim"),
            "{}",
            self.head
        );
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON events, and whether `[DONE]` closed them.
    fn events(&self) -> (Vec<Value>, bool) {
        let text = self.text();
        let mut data: Vec<&str> = text.split("\n\n").filter(|e| !e.is_empty()).collect();
        let done = data.last() == Some(&"data: [DONE]");
        if done {
            data.pop();
        }
        // An event with a name has a line for it, before its data.
        let parse = |event: &&str| {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            serde_json::from_str(data.unwrap()).unwrap()
        };
        (data.iter().map(parse).collect(), done)
    }

    fn token_events(&self) -> usize {
        self.events()
            .0
            .iter()
            .filter(|e| e["choices"][0]["text"].is_string())
            .count()
    }
}

fn streamed(max_tokens: u32) -> String {
    format!(
        r#"{{"prompt":"a b c","max_tokens":{max_tokens},"ignore_eos":true,"stream":true,"stream_options":{{"include_usage":true}},"return_token_ids":true}}"#
    )
}

mod answers;
mod conduct;
mod faults;
