//! Requests.

use super::*;

fn spec(prompt: Value) -> RequestSpec {
    RequestSpec {
        model: "m".to_owned(),
        prompt: PromptContent::Messages(prompt),
        output_tokens: 5,
        force_output: true,
        stream: true,
        temperature: Some(0.5),
        top_p: Some(0.9),
        seed: 7,
        extra_body: Map::new(),
    }
}

fn wire(forces_length: bool) -> OpenAiWire {
    OpenAiWire {
        endpoint: Endpoint::Responses,
        forces_length,
        continuous_usage: true,
        ..OpenAiWire::default()
    }
}

fn body(wire: &OpenAiWire, spec: &RequestSpec) -> Value {
    serde_json::from_slice(&wire.encode(spec).unwrap().body).unwrap()
}

#[test]
fn a_request_has_the_names_of_this_endpoint_and_what_vllm_adds() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let spec = spec(messages.clone());
    let http = wire(true).encode(&spec).unwrap();
    assert_eq!(http.path, "/v1/responses");
    assert_eq!(http.framing, Framing::NamedSse);
    assert_eq!(
        body(&wire(true), &spec),
        json!({"model": "m", "input": messages, "max_output_tokens": 5, "temperature": 0.5,
            "top_p": 0.9, "seed": 7, "ignore_eos": true, "store": false, "stream": true})
    );
    assert_eq!(wire(true).prompt_form(true), PromptForm::Messages);
}

#[test]
fn a_plain_server_gets_no_field_that_the_api_has_not() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let spec = RequestSpec {
        stream: false,
        temperature: None,
        top_p: None,
        ..spec(messages.clone())
    };
    assert_eq!(wire(false).encode(&spec).unwrap().framing, Framing::Body);
    assert_eq!(
        body(&wire(false), &spec),
        json!({"model": "m", "input": messages, "max_output_tokens": 5, "store": false,
            "stream": false})
    );
}

#[test]
fn text_is_refused_in_words() {
    let spec = RequestSpec {
        prompt: PromptContent::Text("a".to_owned()),
        ..spec(Value::Null)
    };
    assert_eq!(
        wire(true).encode(&spec).unwrap_err().message,
        "/v1/responses: prompt is text, must be messages"
    );
}

#[test]
fn chat_messages_are_put_into_the_form_of_items() {
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}});
    let spec = spec(json!([
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "text", "text": "what is it?"}]},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
        {"role": "assistant", "content": [{"type": "text", "text": "seven"}]},
    ]));
    assert_eq!(
        body(&wire(true), &spec)["input"],
        json!([
            {"role": "user", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AA==",
                    "detail": "auto"},
                {"type": "input_text", "text": "what is it?"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "7"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "seven"}]},
        ])
    );
}

#[test]
fn fields_of_a_row_in_the_form_of_chat_are_put_into_this_one() {
    let extra = json!({
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "max_tokens": 9, "user": "u"});
    let spec = RequestSpec {
        extra_body: extra.as_object().unwrap().clone(),
        ..spec(json!([]))
    };
    let body = body(&wire(true), &spec);
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "name": "f", "parameters": {}}])
    );
    let format = json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}});
    assert_eq!(body["text"], json!({"format": format}));
    assert_eq!(
        (&body["max_output_tokens"], &body["user"]),
        (&json!(9), &json!("u"))
    );
    assert_eq!(body.get("max_tokens"), None);
}
