//! When an attached server is ready, and what ends the wait for one that never
//! will be.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::server::{
    Peer, Request, SSE_HEAD, TestServer, answer, chunk, ending, event, good_answer,
};
use inferbench_engine::prepare::prepare;
use inferbench_engine::run::{self, Stops};
use inferbench_model::config::load;
use inferbench_model::facts::manifest::Manifest;
use inferbench_model::facts::warning::WarningCode;
use serde_json::{Value, json};

/// What became of a run of one request.
struct Ran {
    manifest: Manifest,
    took: Duration,
}

impl Ran {
    fn failure(&self) -> &str {
        self.manifest.stages[0].failure.as_deref().unwrap_or("none")
    }

    /// Neither a failure, nor a wait until `ready_timeout`.
    fn ended_at_once(&self) {
        assert!(self.took < Duration::from_secs(30), "{:?}", self.took);
    }

    fn codes(&self) -> Vec<WarningCode> {
        self.manifest.warnings.iter().map(|w| w.code()).collect()
    }
}

/// A run of one request against `server`, with more keys of the backend and of the
/// workload.
async fn run_with(server: &TestServer, backend: Value, workload: Value) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"prompt\": \"tell me\"}\n").unwrap();
    let mut config = json!({
        "name": "t",
        "model": {"id": "m"},
        "backends": [{
            "plugin": "openai",
            "attach": server.url(),
            "ready_timeout": "60s",
        }],
        "workload": {"prompts": "jsonl", "file": prompts, "output_tokens": 7},
        "load": {"concurrency": [1], "requests": 1},
        "repeats": 1,
        "gpu": {"devices": "none"}
    });
    let add = |into: &mut Value, more: Value| {
        for (key, value) in more.as_object().unwrap() {
            into[key] = value.clone();
        }
    };
    add(&mut config["backends"][0], backend);
    add(&mut config["workload"], workload);
    let loaded = load("t.yaml", &config.to_string(), &|_| None).unwrap();
    let prepared = prepare(&loaded, crate::common::host()).unwrap();
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let began = Instant::now();
    let output = folder.path().join("results");
    let stops = Stops::default();
    let to = run::Destination::New(&output);
    let finished = run::run(&prepared, to, "0.0.0", sender, &stops).await;
    let manifest = std::fs::read(finished.unwrap().folder.file("run.json")).unwrap();
    Ran {
        manifest: serde_json::from_slice(&manifest).unwrap(),
        took: began.elapsed(),
    }
}

async fn run_of(server: &TestServer) -> Ran {
    run_with(server, json!({}), json!({})).await
}

/// A server that lists `models` and gives its answer to each POST.
fn serving(
    models: Value,
    answer_to: impl Fn(&Request, &mut Peer) + Send + Sync + 'static,
) -> TestServer {
    let models: Vec<Value> = models.as_array().unwrap().clone();
    let list: Vec<Value> = models.iter().map(|id| json!({"id": id})).collect();
    let list = answer(
        "200 OK",
        "application/json",
        "",
        &json!({ "data": list }).to_string(),
    );
    TestServer::start(move |peer| {
        while let Some(request) = peer.request() {
            match request.line() {
                "GET /v1/models" => {
                    peer.write(&list);
                }
                line if line.starts_with("GET") => {
                    peer.write(answer("404 Not Found", "text/plain", "", ""));
                }
                _ => answer_to(&request, peer),
            }
        }
    })
}

fn good(_: &Request, peer: &mut Peer) {
    peer.write(good_answer());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_ends_the_wait_wherever_it_is_met() {
    let to = "Location: https://llm.example/v1\r\n";
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 X"] {
        let redirect = answer(status, "text/html", to, "<html>moved</html>");
        let everywhere = TestServer::always(redirect.clone());
        let to_posts = serving(json!(["m"]), move |_, peer| {
            peer.write(&redirect);
        });
        let health = json!({"options": {"health": "/health"}});
        for (server, backend) in [(&everywhere, health), (&to_posts, json!({}))] {
            let ran = run_with(server, backend, json!({})).await;
            ran.ended_at_once();
            let failure = ran.failure();
            assert!(
                failure.contains("redirects to https://llm.example/v1"),
                "{failure}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_without_a_body_ends_the_wait() {
    let chunked = format!("{SSE_HEAD}0\r\n\r\n");
    let closed = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned();
    let of_length_0 = answer("200 OK", "text/event-stream", "", "");
    for bytes in [chunked, closed, of_length_0] {
        let server = serving(json!(["m"]), move |_, peer| {
            peer.write(&bytes);
            peer.close();
        });
        let ran = run_of(&server).await;
        ran.ended_at_once();
        let expected = "a request failed: no_body: the server answered 200 without a body";
        assert_eq!(ran.failure(), expected);
    }
    let server = serving(json!(["m"]), |_, peer| {
        peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    let ran = run_of(&server).await;
    ran.ended_at_once();
    assert!(ran.failure().contains("http_204"), "{}", ran.failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_yet_is_waited_for() {
    let turn = Mutex::new(0);
    let server = serving(json!(["m"]), move |_, peer| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        peer.write(match *turn {
            1 => answer("503 Loading", "text/plain", "", "loading the model"),
            2 => answer("429 Busy", "text/plain", "", ""),
            3 => answer("200 OK", "text/event-stream", "", ": starting\n\n"),
            _ => good_answer(),
        });
    });
    assert_eq!(run_of(&server).await.failure(), "none");
}

/// The bodies of the POSTs to a server that answers `422` to those that `refuses`.
async fn refusing(
    refuses: fn(&Value) -> bool,
    backend: Value,
    workload: Value,
) -> (Ran, Vec<Value>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let server = serving(json!(["m"]), move |request, peer| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let words = r#"{"detail": "Extra inputs are not permitted"}"#;
        peer.write(match refuses(&body) {
            true => answer("422 Unprocessable", "application/json", "", words),
            false => good_answer(),
        });
        seen.lock().unwrap().push(body);
    });
    let ran = run_with(&server, backend, workload).await;
    let bodies = bodies.lock().unwrap().clone();
    (ran, bodies)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readiness_request_carries_what_the_real_ones_carry() {
    let options = json!({"options": {"extra_body": {"top_k": 1}, "headers": {"X-Own": "1"}}});
    let (ran, bodies) = refusing(|_| false, options, json!({})).await;
    assert_eq!(ran.failure(), "none");
    let [first, .., last] = &bodies[..] else {
        panic!("{bodies:?}");
    };
    assert_eq!(first, last, "the same prompt, of the only line");
    assert_eq!(first["max_tokens"], 7);
    assert_eq!(
        (&first["min_tokens"], &first["ignore_eos"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(first["top_k"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_a_forced_length_is_found_at_once_with_what_to_do() {
    let refuses = |body: &Value| body.get("ignore_eos").is_some();
    let (ran, bodies) = refusing(refuses, json!({}), json!({})).await;
    ran.ended_at_once();
    assert_eq!(
        ran.failure(),
        "refuses requests that force the answer's length (`ignore_eos`, `min_tokens`): http_422: \
         Extra inputs are not permitted; set workload.force_output: false, or the backend's \
         options.ignore_eos: false"
    );
    assert_eq!(bodies.len(), 2, "with it, and without");
    for (backend, workload) in [
        (json!({"options": {"ignore_eos": false}}), json!({})),
        (json!({}), json!({"force_output": false})),
    ] {
        let (ran, _) = refusing(refuses, backend, workload).await;
        assert_eq!(ran.failure(), "none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_something_else_is_quoted() {
    let (ran, _) = refusing(|body| body["max_tokens"] == 7, json!({}), json!({})).await;
    ran.ended_at_once();
    let expected = "a request failed: http_422: Extra inputs are not permitted";
    assert_eq!(ran.failure(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_key_is_told_with_the_option_for_it() {
    let wants_key = || {
        serving(json!(["m"]), |_, peer| {
            peer.write(answer("401 Unauthorized", "text/plain", "", "who?"));
        })
    };
    let ran = run_of(&wants_key()).await;
    ran.ended_at_once();
    let none = "a request failed: http_401: who?; set options.api_key_env to the name of the variable \
                that holds the key";
    assert_eq!(ran.failure(), none);
    let named = json!({"options": {"api_key_env": "PATH"}});
    let ran = run_with(&wants_key(), named, json!({})).await;
    let wrong = "a request failed: http_401: who?; it was asked with the key in the variable PATH \
                 (options.api_key_env)";
    assert_eq!(ran.failure(), wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_path_that_the_server_has_not_is_named_with_its_option() {
    let server = TestServer::start(|peer| {
        while let Some(request) = peer.request() {
            peer.write(match request.line().starts_with("GET /healthz") {
                true => answer("404 Not Found", "text/plain", "", "nope"),
                false => good_answer(),
            });
        }
    });
    let options = json!({"options": {"health": "/healthz"}});
    let ran = run_with(&server, options, json!({})).await;
    ran.ended_at_once();
    let expected = "`GET /healthz` answered 404: nope; leave options.health out, or set it to a path \
                    that answers 200";
    assert_eq!(ran.failure(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_listed_is_asked_for_and_noted() {
    for list in [json!(["*"]), json!(["openai/*", "x"]), json!(["unknown"])] {
        let ran = run_of(&serving(list, good)).await;
        assert_eq!(ran.failure(), "none");
        assert_eq!(ran.codes(), [WarningCode::ModelNotListed]);
    }
    for list in [json!(["m"]), json!(["*", "m"]), json!([])] {
        let ran = run_of(&serving(list, good)).await;
        assert_eq!((ran.failure(), ran.codes()), ("none", Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_neither_listed_nor_answered_to_is_named_with_those_that_are() {
    let server = serving(json!(["a", "b"]), |_, peer| {
        let words = r#"{"error": {"message": "no such model"}}"#;
        peer.write(answer("404 Not Found", "application/json", "", words));
    });
    let ran = run_of(&server).await;
    ran.ended_at_once();
    let expected = "lists a, b, not `m`, and refuses a request to that name: http_404: no such model; \
                    set model.id to the name that it serves, and model.tokenizer to that model's own";
    assert_eq!(ran.failure(), expected);
}

/// As of a router before `transformers serve`: it lists `unknown`, and adds fields that the
/// server behind it does not take. The model's name is not what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_not_about_the_name_gives_no_advice_about_names() {
    let server = serving(json!(["unknown"]), |_, peer| {
        let words = r#"{"error": {"message": "Unexpected fields: no_stop_trim"}}"#;
        peer.write(answer(
            "422 Unprocessable Entity",
            "application/json",
            "",
            words,
        ));
    });
    let ran = run_of(&server).await;
    ran.ended_at_once();
    let expected = "lists unknown, not `m`, and refuses a request to that name: http_422: Unexpected \
                    fields: no_stop_trim";
    assert_eq!(ran.failure(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_under_way_when_its_time_is_over_is_one() {
    let turn = Mutex::new(0);
    let server = serving(json!(["m"]), move |_, peer| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        if *turn > 1 {
            peer.write(good_answer());
            return;
        }
        peer.write(SSE_HEAD);
        peer.write(chunk(event("a")));
        // The client has left before this can be written.
        std::thread::sleep(Duration::from_millis(1_500));
        peer.write(chunk(ending(3, 7)));
    });
    let soon = json!({"ready_timeout": "1s"});
    let ran = run_with(&server, soon, json!({})).await;
    assert_eq!(ran.failure(), "none");
    let ready_s = ran.manifest.stages[0].ready_s.unwrap();
    assert!(ready_s < 0.9, "it began to answer at once: {ready_s} s");
}
