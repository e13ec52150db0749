use super::*;

fn limits() -> Limits {
    Limits {
        model: "simulated".into(),
        max_model_len: 100,
        vocab_size: 1000,
        parts_at_token: None,
        seed: 1,
        mean_output_tokens: 8,
    }
}

fn job(endpoint: Endpoint, body: &str) -> Result<Job, ApiError> {
    parse_job(endpoint, body.as_bytes(), &limits())
}

fn refusal(body: &str) -> ApiError {
    job(Endpoint::Completions, body).unwrap_err()
}

#[test]
fn ignore_eos_gives_exactly_max_tokens() {
    for words in ["a", "b", "c d", "e f g"] {
        let body = format!(r#"{{"prompt":"{words}","max_tokens":90,"ignore_eos":true}}"#);
        let job = job(Endpoint::Completions, &body).unwrap();
        assert_eq!((job.output_tokens, job.finish_reason), (90, "length"));
    }
}

#[test]
fn without_ignore_eos_answers_end_by_themselves_but_not_below_min_tokens() {
    let mut stops = 0;
    for word in 0..50 {
        let body = format!(r#"{{"prompt":"w{word}","max_tokens":90,"min_tokens":5}}"#);
        let job = job(Endpoint::Completions, &body).unwrap();
        assert!((5..=90).contains(&job.output_tokens));
        stops += usize::from(job.finish_reason == "stop");
    }
    // Mean 8: an answer reaches 90 tokens with probability (7/8)^89 < 1e-5.
    assert_eq!(stops, 50);
}

#[test]
fn prompts_come_as_text_ids_or_a_list_of_one_of_them() {
    for prompt in [
        r#""one two three""#,
        "[1,2,3]",
        r#"["one two three"]"#,
        "[[1,2,3]]",
    ] {
        let job = job(Endpoint::Completions, &format!(r#"{{"prompt":{prompt}}}"#)).unwrap();
        assert_eq!(job.prompt_ids.len(), 3, "{prompt}");
    }
}

#[test]
fn a_chat_prompt_has_its_words_and_four_tokens_per_message() {
    let body = r#"{"messages":[{"role":"system","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"hello there you"}]}],"max_completion_tokens":7,"max_tokens":9,"ignore_eos":true}"#;
    let job = job(Endpoint::Chat, body).unwrap();
    assert_eq!(job.prompt_ids.len(), 2 + 4 + 3 + 4);
    assert_eq!(job.output_tokens, 7);
}

#[test]
fn another_model_is_404_in_vllm_s_words() {
    let error = refusal(r#"{"model":"no-such-model","prompt":"a"}"#);
    assert_eq!(
        error.body().to_string(),
        r#"{"error":{"message":"The model `no-such-model` does not exist. Valid aliases: simulated.","type":"NotFoundError","param":"model","code":404}}"#
    );
}

#[test]
fn prompt_and_output_above_the_context_are_400() {
    let error = refusal(r#"{"prompt":[1,2],"max_tokens":99}"#);
    assert_eq!(error.status, 400);
    let body = error.body();
    assert_eq!(body["error"]["type"], "BadRequestError");
    assert_eq!(body["error"]["param"], Value::Null);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("99 output tokens")
    );
    assert!(job(Endpoint::Completions, r#"{"prompt":[1,2],"max_tokens":98}"#).is_ok());
}

#[test]
fn bad_bodies_are_400_in_words() {
    let long = format!(r#"{{"prompt":"{}"}}"#, "a ".repeat(100));
    for body in [
        r#"{"prompt":"#,
        "",
        "[]",
        "\u{0}",
        r#"{"prompt":"a","max_tokens":-5}"#,
        r#"{"prompt":"a","max_tokens":0}"#,
        r#"{"prompt":"a","max_tokens":1.5}"#,
        r#"{"prompt":"a","max_tokens":99999999999999}"#,
        r#"{"prompt":"a","min_tokens":-1}"#,
        r#"{"prompt":"a","max_tokens":4,"min_tokens":5}"#,
        r#"{"prompt":"a","n":2}"#,
        r#"{"prompt":{}}"#,
        r#"{"prompt":[]}"#,
        r#"{"prompt":[1,"a"]}"#,
        r#"{"prompt":["a","b"]}"#,
        r#"{"prompt":[1000]}"#,
        r#"{"prompt":[-1]}"#,
        "{}",
        &long,
    ] {
        let error = refusal(body);
        assert_eq!(error.status, 400, "{body}");
        assert!(!error.message.is_empty());
    }
    for body in [
        "{}",
        r#"{"messages":[]}"#,
        r#"{"messages":[{"role":"user","content":3}]}"#,
    ] {
        assert_eq!(job(Endpoint::Chat, body).unwrap_err().status, 400, "{body}");
    }
}

#[test]
fn negative_max_tokens_is_named_in_the_message() {
    assert!(
        refusal(r#"{"prompt":"a","max_tokens":-5}"#)
            .message
            .contains("got -5")
    );
}

#[test]
fn deeply_nested_json_is_refused_not_followed() {
    let body = format!(r#"{{"prompt":{}"#, "[".repeat(100_000));
    assert_eq!(refusal(&body).status, 400);
}
