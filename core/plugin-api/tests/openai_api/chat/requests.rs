//! Requests.

use super::*;

fn spec(prompt: PromptContent) -> RequestSpec {
    RequestSpec {
        model: "m".to_owned(),
        prompt,
        output_tokens: 5,
        force_output: true,
        stream: true,
        temperature: Some(0.0),
        top_p: None,
        seed: 7,
        extra_body: serde_json::Map::new(),
    }
}

fn body(wire: &OpenAiWire, spec: &RequestSpec) -> Value {
    serde_json::from_slice(&wire.encode(spec).unwrap().body).unwrap()
}

#[test]
fn a_forced_streamed_request_asks_for_all_it_needs() {
    let wire = OpenAiWire {
        continuous_usage: true,
        forces_length: true,
        headers: vec![("Authorization".into(), "Bearer k".into())],
        ..OpenAiWire::default()
    };
    let spec = spec(PromptContent::TokenIds(vec![3, 4]));
    let http = wire.encode(&spec).unwrap();
    assert_eq!(
        (http.method.as_str(), http.path.as_str()),
        ("POST", "/v1/completions")
    );
    assert_eq!(http.framing, Framing::NamedSse);
    assert_eq!(http.headers[1].1, "Bearer k");
    assert_eq!(
        serde_json::from_slice::<Value>(&http.body).unwrap(),
        json!({
            "model": "m", "prompt": [3, 4], "max_tokens": 5, "temperature": 0.0,
            "ignore_eos": true, "min_tokens": 5, "stream": true,
            "stream_options": {"include_usage": true, "continuous_usage_stats": true}
        })
    );
}

#[test]
fn a_plain_server_gets_only_what_every_server_knows() {
    let wire = OpenAiWire {
        endpoint: Endpoint::Chat,
        ..OpenAiWire::default()
    };
    let messages = json!([{"role": "user", "content": "hi"}]);
    let spec = RequestSpec {
        stream: false,
        temperature: Some(0.5),
        seed: u64::MAX,
        ..spec(PromptContent::Messages(messages.clone()))
    };
    let http = wire.encode(&spec).unwrap();
    assert_eq!(http.path, "/v1/chat/completions");
    assert_eq!(http.framing, Framing::Body);
    assert_eq!(
        body(&wire, &spec),
        json!({
            "model": "m", "messages": messages, "max_tokens": 5, "temperature": 0.5,
            "seed": 0x7fff_ffff, "stream": false
        })
    );
}

#[test]
fn extra_body_has_the_last_word() {
    let extra = json!({"max_tokens": null, "max_completion_tokens": 5, "temperature": 1});
    let wire = OpenAiWire {
        extra_body: extra.as_object().unwrap().clone(),
        ..OpenAiWire::default()
    };
    let body = body(&wire, &spec(PromptContent::Text("a".into())));
    assert_eq!(body.get("max_tokens"), None);
    assert_eq!(body["max_completion_tokens"], 5);
    assert_eq!(body["temperature"], 1);
}

#[test]
fn a_prompt_in_another_form_is_refused() {
    let chat = OpenAiWire {
        endpoint: Endpoint::Chat,
        ..OpenAiWire::default()
    };
    let error = chat.encode(&spec(PromptContent::Text("a".into())));
    assert_eq!(
        error.unwrap_err().message,
        "/v1/chat/completions: prompt is text, must be messages"
    );
    assert_eq!(chat.prompt_form(true), PromptForm::Messages);
    assert_eq!(
        OpenAiWire::default().prompt_form(true),
        PromptForm::TokenIds
    );
}
