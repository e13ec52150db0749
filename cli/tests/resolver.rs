//! A resolver that never answers: neither a wait nor an end of a run depends on it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::place::{Place, ended, send};
use common::preload;
use nix::sys::signal::Signal;

/// Answers nothing for names that end in `.silent`, however long one waits.
const SILENT: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    const char *end = node ? strstr(node, ".silent") : 0;
    while (end) sleep(3600);
    return real(node, service, hints, found);
}
"#;

/// A server whose name is asked for; it is never known whether there is one.
fn place(more: &str) -> Place {
    let place = Place::new(&format!(
        "
name: silent
model: {{ id: m }}
backends:
  - plugin: openai
    attach: http://server.silent:8000
    options: {{ endpoint: chat }}
    {more}
workload: {{ prompts: jsonl, file: prompts.jsonl, output_tokens: 2 }}
load: {{ concurrency: [1], requests: 2, timeout: 2s }}
repeats: 1
"
    ));
    fs::write(place.path("prompts.jsonl"), "{\"prompt\": \"hello\"}\n").unwrap();
    place
}

#[test]
fn a_wait_for_a_name_that_is_never_answered_for_ends_in_its_time() {
    for (more, words) in [
        (
            "ready_timeout: 2s",
            "the resolver does not answer for its name",
        ),
        ("ready_check: none", "2 of 2 requests failed"),
    ] {
        let place = place(more);
        let library = preload::built(&place.path("."), SILENT);
        let began = Instant::now();
        let mut run = place.run();
        run.current_dir(place.path(".")).env("LD_PRELOAD", library);
        let ran = common::said(&mut run);
        assert_eq!(ran.code, Some(3), "{more}: {}", ran.err);
        assert!(began.elapsed() < Duration::from_secs(40), "{more}");
        let all = format!("{}{}", ran.out, ran.err);
        let all: Vec<&str> = all.split_whitespace().collect();
        assert!(
            all.join(" ").contains(words),
            "{more}: {}{}",
            ran.out,
            ran.err
        );
    }
}

#[test]
fn an_interruption_does_not_wait_for_the_resolver() {
    let place = place("ready_timeout: 10m");
    let library = preload::built(&place.path("."), SILENT);
    let log = fs::File::create(place.path("stderr")).unwrap();
    let mut run = place.run();
    run.current_dir(place.path(".")).env("LD_PRELOAD", library);
    let mut child = run.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let began = Instant::now();
    while !place.said().contains("waiting for") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{}",
            place.said()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Instant::now();
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130), "{}", place.said());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}
