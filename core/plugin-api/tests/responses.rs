//! Requests and odd answers of `/v1/responses`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::openai::{DELTAS, Endpoint, OpenAiWire, ResponsesDecoder};
use inferbench_plugin_api::{
    Decoder, Events, Framing, Message, OutputKind, PromptContent, PromptForm, RequestSpec, Usage,
};
use inferbench_testkit::{Replayed, sse, text_of};
use serde_json::{Map, Value, json};

fn read(messages: &[Message<'_>]) -> Vec<Replayed> {
    let mut decoder = ResponsesDecoder::new();
    let mut buffer = EventBuf::default();
    for message in messages {
        let mut out = Events::new(&mut buffer);
        decoder.feed(*message, &mut out).unwrap();
    }
    decoder.finish(&mut Events::new(&mut buffer)).unwrap();
    decoded(&buffer).map(Replayed::from).collect()
}

/// A stream of events, each with the name that its type gives.
fn stream(events: &[Value]) -> String {
    let lines = events.iter().map(|event| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    });
    lines.collect()
}

fn read_stream(text: &str) -> Vec<Replayed> {
    let events = sse::split_named(text.as_bytes());
    let messages: Vec<_> = events.iter().map(sse::Event::message).collect();
    read(&messages)
}

fn read_events(events: &[Value]) -> Vec<Replayed> {
    read_stream(&stream(events))
}

fn out(kind: OutputKind, text: &str) -> Replayed {
    Replayed::Output(kind, text.to_owned(), None)
}

fn finish(word: &str) -> Replayed {
    Replayed::Finish(word.to_owned())
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "sequence_number": 4, "item_id": "m",
        "output_index": 0, "content_index": 0, "delta": text, "logprobs": []})
}

fn completed(usage: &Value) -> Value {
    json!({"type": "response.completed", "response": {
        "object": "response", "status": "completed", "error": null, "incomplete_details": null,
        "output": [{"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "Hi!", "annotations": []}]}],
        "usage": usage}})
}

const USAGE: Usage = Usage {
    input_tokens: Some(11),
    output_tokens: Some(2),
    cached_tokens: Some(4),
    reasoning_tokens: Some(1),
    image_tokens: None,
};

fn usage() -> Value {
    json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 13})
}

/// A whole stream in the order of OpenAI's documentation.
fn usual() -> Vec<Value> {
    let begun = json!({"object": "response", "status": "in_progress", "output": [], "usage": null,
        "error": null, "incomplete_details": null});
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |content: Value| json!({"type": "message", "role": "assistant", "content": content});
    vec![
        json!({"type": "response.created", "sequence_number": 0, "response": begun}),
        json!({"type": "response.in_progress", "sequence_number": 1, "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item(json!([]))}),
        json!({"type": "response.content_part.added", "part": part("")}),
        delta("Hi"),
        delta("!"),
        json!({"type": "response.output_text.done", "text": "Hi!"}),
        json!({"type": "response.content_part.done", "part": part("Hi!")}),
        json!({"type": "response.output_item.done", "item": item(json!([part("Hi!")]))}),
        completed(&usage()),
    ]
}

fn usual_events() -> [Replayed; 5] {
    [
        out(OutputKind::Text, "Hi"),
        out(OutputKind::Text, "!"),
        Replayed::Usage(USAGE),
        finish("stop"),
        Replayed::End,
    ]
}

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

#[test]
fn what_the_end_repeats_is_no_output() {
    assert_eq!(read_events(&usual()), usual_events());
}

#[test]
fn a_stream_reads_the_same_with_any_line_ends_and_cuts() {
    let text = stream(&usual());
    for text in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), text] {
        assert_eq!(read_stream(&text), usual_events());
        let mut splitter = sse::Splitter::default();
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(7) {
            events.extend(splitter.push(piece));
        }
        events.extend(splitter.finish());
        let messages: Vec<_> = events.iter().map(sse::Event::message).collect();
        assert_eq!(read(&messages), usual_events());
    }
}

#[test]
fn an_event_may_have_its_type_in_its_name_or_in_its_data_alone() {
    let mut only_named = String::new();
    let mut only_typed = String::new();
    for event in usual() {
        only_typed.push_str(&format!("data: {event}\n\n"));
        let mut untyped = event.clone();
        untyped.as_object_mut().unwrap().remove("type");
        let name = event["type"].as_str().unwrap();
        only_named.push_str(&format!("event: {name}\ndata: {untyped}\n\n"));
    }
    assert_eq!(read_stream(&only_named), usual_events());
    assert_eq!(read_stream(&only_typed), usual_events());
}

#[test]
fn the_type_may_come_after_the_text() {
    let text = r#"{"delta":"a","type":"response.output_text.delta"}"#;
    let events = read(&[Message::Data(text.as_bytes())]);
    assert_eq!(events, [out(OutputKind::Text, "a")]);
}

#[test]
fn a_stream_without_its_last_event_has_no_end() {
    let mut cut = usual();
    cut.pop();
    let wanted = &usual_events()[..2];
    assert_eq!(read_events(&cut), wanted);
    // The mark of chat streams comes after a broken one, too.
    let marked = stream(&cut) + "data: [DONE]\n\n";
    assert_eq!(read_stream(&marked), wanted);
}

#[test]
fn what_follows_the_end_is_not_read() {
    let mut twice = usual();
    twice.push(completed(&json!({"input_tokens": 99, "output_tokens": 99})));
    twice.push(delta("more"));
    let text = stream(&twice) + "data: [DONE]\n\n";
    assert_eq!(read_stream(&text), usual_events());
}

#[test]
fn usage_may_be_null_or_missing() {
    for usage in [
        Value::Null,
        json!({}),
        json!([3]),
        json!({"input_tokens": null}),
    ] {
        let events = read_events(&[delta("a"), completed(&usage)]);
        let wanted = [out(OutputKind::Text, "a"), finish("stop"), Replayed::End];
        assert_eq!(events, wanted, "{usage}");
    }
}

#[test]
fn an_answer_at_its_limit_ends_by_length_whatever_the_event_is_called() {
    for (kind, status) in [
        ("response.incomplete", "incomplete"),
        // As vLLM ends every stream.
        ("response.completed", "incomplete"),
        ("response.incomplete", "completed"),
        ("response.done", "incomplete"),
    ] {
        let last = json!({"type": kind, "response": {"status": status, "usage": null,
            "incomplete_details": {"reason": "max_output_tokens"}}});
        let events = read_events(&[delta("a"), last]);
        assert_eq!(events[1..], [finish("length"), Replayed::End], "{kind}");
    }
}

#[test]
fn another_reason_of_an_incomplete_answer_is_told_as_it_is() {
    let ended = |details: Value| {
        let last = json!({"type": "response.incomplete", "response": {
            "status": "incomplete", "incomplete_details": details}});
        read_events(&[delta("a"), last])[1].clone()
    };
    let filtered = ended(json!({"reason": "content_filter"}));
    assert_eq!(filtered, finish("content_filter"));
    assert_eq!(ended(Value::Null), finish("incomplete"));
}

#[test]
fn an_answer_that_was_cancelled_says_so() {
    let last = json!({"type": "response.cancelled", "response": {"status": "cancelled"}});
    assert_eq!(read_events(&[last]), [finish("cancelled"), Replayed::End]);
}

#[test]
fn a_failed_response_is_an_error_in_its_own_words() {
    let failed = |response: Value| json!({"type": "response.failed", "response": response});
    for (event, words) in [
        (
            failed(json!({"status": "failed",
                "error": {"code": "server_error", "message": "out of memory"}})),
            "out of memory",
        ),
        (
            failed(json!({"status": "failed", "error": null})),
            "the response failed",
        ),
        (json!({"type": "response.failed"}), "the response failed"),
        (
            json!({"type": "response.completed", "response": {"status": "failed",
                "error": {"message": "late"}}}),
            "late",
        ),
    ] {
        let events = read_events(&[delta("a"), event]);
        assert_eq!(
            events,
            [
                out(OutputKind::Text, "a"),
                Replayed::Error(words.to_owned())
            ]
        );
    }
}

#[test]
fn an_error_in_the_middle_is_read_in_every_form() {
    for text in [
        "event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"boom\",\"param\":null}\n\n",
        "data: {\"type\":\"error\",\"message\":\"boom\"}\n\n",
        "data: {\"type\":\"error\",\"error\":{\"message\":\"boom\",\"code\":500}}\n\n",
        "data: {\"error\":{\"message\":\"boom\",\"type\":\"InternalServerError\"}}\n\n",
        "event: response.error\ndata: {\"message\":\"boom\"}\n\n",
        "error: boom\n\n",
    ] {
        let text = stream(&[delta("a")]) + text;
        let wanted = [
            out(OutputKind::Text, "a"),
            Replayed::Error("boom".to_owned()),
        ];
        assert_eq!(read_stream(&text), wanted, "{text}");
    }
}

#[test]
fn every_kind_of_delta_is_output_and_an_empty_one_is_not() {
    for (kind, output) in DELTAS {
        let event = |delta: Value| json!({"type": kind, "delta": delta});
        assert_eq!(read_events(&[event(json!("x"))]), [out(output, "x")]);
        for nothing in [json!(""), Value::Null, json!({}), json!([])] {
            assert_eq!(read_events(&[event(nothing)]), [], "{kind}");
        }
    }
}

#[test]
fn a_growing_text_beside_the_delta_is_not_read() {
    let event = json!({"type": "response.output_text.delta", "delta": "b", "text": "ab",
        "snapshot": "ab", "response": {"output_text": "ab"}});
    assert_eq!(read_events(&[event]), [out(OutputKind::Text, "b")]);
}

#[test]
fn a_call_is_its_name_and_its_arguments_once() {
    let item = |arguments: &str| json!({"type": "function_call", "name": "f", "call_id": "c", "arguments": arguments});
    let added = |arguments| json!({"type": "response.output_item.added", "item": item(arguments)});
    let piece = |text| json!({"type": "response.function_call_arguments.delta", "delta": text});
    let arguments_done =
        json!({"type": "response.function_call_arguments.done", "arguments": "{}"});
    let done = json!({"type": "response.output_item.done", "item": item("{}")});
    let last = json!({"type": "response.completed",
        "response": {"status": "completed", "output": [item("{}")]}});
    let call = |text| out(OutputKind::ToolCall, text);
    let end = [finish("tool_calls"), Replayed::End];
    for (events, pieces) in [
        (
            vec![
                added(""),
                piece("{"),
                piece("}"),
                arguments_done,
                done.clone(),
            ],
            vec![call("f"), call("{"), call("}")],
        ),
        (vec![added(""), done.clone()], vec![call("f"), call("{}")]),
        (vec![added("{}"), done.clone()], vec![call("f{}")]),
        (vec![done], vec![call("f{}")]),
        (vec![], vec![call("f{}")]),
    ] {
        let events = read_events(&[events, vec![last.clone()]].concat());
        assert_eq!(events, [pieces, end.to_vec()].concat());
    }
}

#[test]
fn an_answer_without_pieces_is_read_from_its_end() {
    let events = read_events(&[completed(&usage())]);
    let wanted = [
        out(OutputKind::Text, "Hi!"),
        Replayed::Usage(USAGE),
        finish("stop"),
        Replayed::End,
    ];
    assert_eq!(events, wanted);
}

#[test]
fn text_that_only_its_repetition_has_is_not_passed_over_in_silence() {
    let done = json!({"type": "response.output_text.done", "text": "Hi!"});
    let last = json!({"type": "response.completed", "response": {"status": "completed"}});
    let unread = Replayed::Unread("response.output_text.done: text".to_owned(), 1);
    let events = read_events(&[done, last]);
    assert_eq!(events, [finish("stop"), unread, Replayed::End]);
}

#[test]
fn a_whole_answer_is_read_at_once() {
    let answer = json!({"id": "r", "object": "response", "status": "completed", "error": null,
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
                "content": [{"type": "reasoning_text", "text": "t"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "a"},
                {"type": "refusal", "refusal": "r"}]}],
        "usage": usage()});
    let events = read(&[Message::Data(answer.to_string().as_bytes())]);
    assert_eq!(text_of(&events, OutputKind::Reasoning), "st");
    assert_eq!(text_of(&events, OutputKind::Text), "ar");
    assert_eq!(
        events[2..],
        [Replayed::Usage(USAGE), finish("stop"), Replayed::End]
    );
    let queued = json!({"object": "response", "status": "queued", "output": []});
    assert_eq!(read(&[Message::Data(queued.to_string().as_bytes())]), []);
}

#[test]
fn unknown_events_are_passed_over_unless_they_hold_text() {
    let quiet = json!({"type": "response.rate_limits.updated", "rate_limits": [{"n": 1}]});
    let search = json!({"type": "response.web_search_call.searching", "item_id": "w"});
    assert_eq!(read_events(&[quiet, search]), []);
    let loud = json!({"type": "response.hum.delta", "delta": "la"});
    let chat = json!({"type": "chat", "choices": [{"delta": {"content": "a"}}]});
    assert_eq!(
        read_events(&[loud.clone(), loud, chat]),
        [
            Replayed::Unread("response.hum.delta: delta".to_owned(), 2),
            Replayed::Unread("chat: choices".to_owned(), 1),
        ]
    );
}

#[test]
fn what_is_no_json_is_mended_or_malformed() {
    let mended = br#"{"type":"response.output_text.delta","delta":"a","logprobs":NaN}"#;
    assert_eq!(
        read(&[Message::Data(mended)]),
        [Replayed::Mended, out(OutputKind::Text, "a")]
    );
    for text in [
        "{\"type\":\"response.output_text.delta\",\"delta\":\"a",
        "[]",
        "<html>",
    ] {
        assert_eq!(
            read(&[Message::Data(text.as_bytes())]),
            [Replayed::Malformed],
            "{text}"
        );
    }
}
