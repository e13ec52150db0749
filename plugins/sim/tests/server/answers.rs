//! Shapes of answers, usage, and what `/truth` says about them.

use super::*;

#[test]
fn a_streamed_completion_has_one_event_per_token_then_usage_then_done() {
    let sim = Sim::fast(&[]);
    let reply = sim.complete(&streamed(5));
    assert_eq!(reply.status(), 200);
    assert!(reply.head.contains("content-type: text/event-stream"));
    assert!(reply.whole);
    let (events, done) = reply.events();
    assert!(done);
    assert_eq!(events.len(), 6);
    for (i, event) in events[..5].iter().enumerate() {
        let choice = &event["choices"][0];
        let ids = choice["token_ids"].as_array().unwrap();
        assert_eq!(choice["text"], format!(" w{}", ids[0]));
        assert_eq!(ids.len(), 1);
        assert_eq!(choice["prompt_token_ids"].is_array(), i == 0);
        assert_eq!(
            choice["finish_reason"],
            if i == 4 { "length".into() } else { Value::Null }
        );
        assert_eq!(event["id"], events[0]["id"]);
        assert_eq!(event["object"], "text_completion");
        assert!(event.get("usage").is_none());
    }
    assert_eq!(events[5]["choices"].as_array().unwrap().len(), 0);
    let usage = r#"{"prompt_tokens":3,"total_tokens":8,"completion_tokens":5}"#;
    assert_eq!(events[5]["usage"].to_string(), usage);
}

#[test]
fn a_streamed_chat_begins_with_the_role_and_an_empty_content() {
    let sim = Sim::start(&["--step-base-us", "100"]);
    let body = r#"{"model":"simulated","messages":[{"role":"user","content":"a b"}],"max_tokens":3,"ignore_eos":true,"stream":true}"#;
    let reply = sim.ask("POST", "/v1/chat/completions", body);
    let (events, done) = reply.events();
    assert!(done && reply.whole);
    assert_eq!(events.len(), 4);
    let delta = &events[0]["choices"][0]["delta"];
    assert_eq!(delta.to_string(), r#"{"role":"assistant","content":""}"#);
    assert!(
        events[1]["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap()
            .starts_with(" w")
    );
    assert_eq!(events[3]["choices"][0]["finish_reason"], "length");
    // Words + 4 per message.
    assert_eq!(sim.truth()[0]["prompt_tokens"], 6);
}

#[test]
fn continuous_usage_counts_up_in_every_event() {
    let sim = Sim::fast(&[]);
    let body = r#"{"prompt":[7,8],"max_tokens":3,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
    let (events, _) = sim.complete(body).events();
    let counts: Vec<u64> = events
        .iter()
        .map(|e| e["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 2, 3, 3]);
}

#[test]
fn whole_and_streamed_answers_have_the_same_text() {
    let sim = Sim::start(&["--step-base-us", "0", "--seed", "9"]);
    let (events, _) = sim.complete(&streamed(20)).events();
    let text: String = events
        .iter()
        .filter_map(|e| e["choices"][0]["text"].as_str())
        .collect();
    let body = r#"{"prompt":"a b c","max_tokens":20,"ignore_eos":true}"#;
    let whole = sim.complete(body).json();
    assert_eq!(whole["choices"][0]["text"], text);
    assert_eq!(whole["usage"]["completion_tokens"], 20);
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    // The same from another process, in another mode.
    let other = Sim::fast(&["--seed", "9"]).complete(body).json();
    assert_eq!(other["choices"], whole["choices"]);
    assert_eq!(
        sim.truth()[1]["token_write_ns"].as_array().unwrap().len(),
        20
    );
}

#[test]
fn several_tokens_share_an_event_when_asked() {
    let sim = Sim::fast(&["--tokens-per-event", "4"]);
    let (events, _) = sim.complete(&streamed(10)).events();
    let sizes: Vec<usize> = events
        .iter()
        .filter_map(|e| Some(e["choices"][0]["token_ids"].as_array()?.len()))
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(sim.truth()[0]["output_tokens"], 10);
}

#[test]
fn the_truth_has_one_write_time_per_token_in_order() {
    let sim = Sim::start(&["--step-base-us", "1000"]);
    sim.complete(&streamed(7));
    let truth = sim.truth();
    assert_eq!(truth.len(), 1);
    let record = &truth[0];
    assert_eq!(record["x_request_id"], "r-1");
    assert_eq!(record["endpoint"], "/v1/completions");
    assert_eq!(record["aborted"], false);
    assert_eq!(record["fault"], Value::Null);
    assert_eq!(record["output_tokens"], 7);
    let at = |name: &str| record[name].as_u64().unwrap();
    let tokens: Vec<u64> = record["token_write_ns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.as_u64().unwrap())
        .collect();
    assert_eq!(tokens.len(), 7);
    assert!(tokens.is_sorted());
    assert_eq!(
        (at("first_write_ns"), at("last_write_ns")),
        (tokens[0], tokens[6])
    );
    assert!(at("received_ns") <= at("read_ns") && at("read_ns") <= at("head_write_ns"));
    assert!(at("head_write_ns") <= tokens[0] && tokens[6] <= at("done_ns"));
    sim.ask("POST", "/truth/reset", "");
    assert!(sim.truth().is_empty());
}

#[test]
fn fixed_pacing_keeps_an_absolute_schedule() {
    let sim = Sim::start(&["--fixed-ttft-ms", "30", "--fixed-itl-ms", "5"]);
    sim.complete(&streamed(20));
    let record = &sim.truth()[0];
    let received = record["received_ns"].as_u64().unwrap();
    for (i, token) in record["token_write_ns"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let due = received + 30_000_000 + 5_000_000 * i as u64;
        let late_ns = token
            .as_u64()
            .unwrap()
            .checked_sub(due)
            .expect("before it was due");
        assert!(late_ns < 200_000_000, "token {i} was {late_ns} ns late");
    }
}

#[test]
fn an_equal_prompt_is_found_in_the_prefix_cache_until_it_is_reset() {
    let sim = Sim::start(&["--prefix-caching", "--step-base-us", "100"]);
    let prompt: Vec<u32> = (0..40).collect();
    let body = format!(r#"{{"prompt":{prompt:?},"max_tokens":1,"ignore_eos":true}}"#);
    let cached =
        || sim.complete(&body).json()["usage"]["prompt_tokens_details"]["cached_tokens"].clone();
    assert_eq!(cached(), 0);
    // Two full blocks of 16.
    assert_eq!(cached(), 32);
    assert_eq!(sim.metric("prefix_cache_hits_total"), 32.0);
    assert_eq!(
        sim.ask("POST", "/reset_prefix_cache", "").text(),
        r#"{"success":true}"#
    );
    assert_eq!(cached(), 0);
}

#[test]
fn wrong_requests_get_vllm_shaped_errors() {
    let sim = Sim::fast(&["--max-model-len", "100"]);
    for (body, status, kind) in [
        (r#"{"model":"other","prompt":"a"}"#, 404, "NotFoundError"),
        (
            r#"{"prompt":"a b","max_tokens":99}"#,
            400,
            "BadRequestError",
        ),
        (
            r#"{"prompt":"a b","max_tokens":-1}"#,
            400,
            "BadRequestError",
        ),
        (r#"{"prompt":"#, 400, "BadRequestError"),
    ] {
        let reply = sim.complete(body);
        assert_eq!(reply.status(), status, "{body}");
        assert_eq!(reply.json()["error"]["type"], kind);
        assert_eq!(reply.json()["error"]["code"], status);
    }
    assert_eq!(
        sim.ask("GET", "/nope", "").text(),
        r#"{"detail":"Not Found"}"#
    );
    assert_eq!(sim.ask("DELETE", "/health", "").status(), 405);
}

#[test]
fn nothing_it_says_about_itself_looks_like_a_real_engine() {
    let sim = Sim::fast(&[]);
    assert_eq!(
        sim.ask("GET", "/v1/models", "").json()["data"][0]["owned_by"],
        "inferbench-sim"
    );
    let info = sim.ask("GET", "/server_info", "").json();
    assert_eq!(info["simulated"], true);
    assert_eq!(info["fixed_itl_ms"], 0.0);
    assert!(
        sim.ask("GET", "/version", "")
            .text()
            .contains("inferbench-sim")
    );
    assert!(
        sim.ask("GET", "/metrics", "")
            .text()
            .contains("inferbench_sim_info")
    );
}

#[test]
fn a_streamed_response_has_named_events_and_says_all_of_its_text_again() {
    let sim = Sim::fast(&[]);
    let body = r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a b"}]}],"max_output_tokens":3,"ignore_eos":true,"stream":true}"#;
    let reply = sim.ask("POST", "/v1/responses", body);
    let (events, done) = reply.events();
    assert!(reply.whole && !done);
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    let delta = "response.output_text.delta";
    let wanted = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        delta,
        delta,
        delta,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ];
    assert_eq!(kinds, wanted);
    for kind in wanted {
        assert!(reply.text().contains(&format!("event: {kind}\ndata: ")));
    }
    let pieces = events[4..7].iter().map(|e| e["delta"].as_str().unwrap());
    let text: String = pieces.collect();
    assert_eq!(events[7]["text"], text);
    let response = &events[10]["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], text);
    let usage = &response["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"]),
        (&6.into(), &3.into())
    );
    let whole = sim.ask(
        "POST",
        "/v1/responses",
        &body.replace(",\"stream\":true", ""),
    );
    let content = |response: &Value| response["output"][0]["content"].clone();
    assert_eq!(content(&whole.json()), content(response));
    assert_eq!(
        whole.json()["incomplete_details"]["reason"],
        "max_output_tokens"
    );
}

#[test]
fn images_are_refused_in_words() {
    let sim = Sim::fast(&[]);
    let body = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}},{"type":"text","text":"a"}]}]}"#;
    let reply = sim.ask("POST", "/v1/chat/completions", body);
    assert_eq!(reply.status(), 400);
    assert!(reply.text().contains("this simulator takes no images"));
}
