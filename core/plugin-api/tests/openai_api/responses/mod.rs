//! Requests and odd answers of `/v1/responses`.

mod ends;
mod requests;

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
