//! Requests and odd answers of OpenAI's API.

mod requests;
mod usage;

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::openai::{
    CHOICE_FIELDS, CONTENT_FIELDS, Endpoint, OpenAiDecoder, OpenAiWire,
};
use inferbench_plugin_api::{
    Decoder, Events, Framing, Message, OutputKind, PromptContent, PromptForm, RequestSpec, Usage,
};
use inferbench_testkit::Replayed;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(messages: &[Message<'_>]) -> Vec<Replayed> {
    let mut decoder = OpenAiDecoder::new();
    let mut buffer = EventBuf::default();
    for message in messages {
        let mut out = Events::new(&mut buffer);
        decoder.feed(*message, &mut out).unwrap();
    }
    decoded(&buffer).map(Replayed::from).collect()
}

fn data(text: &str) -> Vec<Replayed> {
    read(&[Message::Data(text.as_bytes())])
}

fn out(kind: OutputKind, text: &str) -> Replayed {
    Replayed::Output(kind, text.to_owned(), None)
}

#[test]
fn a_growing_message_beside_the_delta_is_skipped() {
    let events = data(
        r#"{"choices":[{"delta":{"content":" b"},"message":{"content":"a b"},"finish_reason":"stop"}]}"#,
    );
    let wanted = [out(OutputKind::Text, " b"), Replayed::Finish("stop".into())];
    assert_eq!(events, wanted);
}

#[test]
fn text_beside_an_empty_delta_is_output() {
    let events = data(r#"{"choices":[{"delta":{"role":"assistant"},"text":" b"}]}"#);
    assert_eq!(events, [out(OutputKind::Text, " b")]);
    // One that has come in the delta is no second output.
    let both = data(r#"{"choices":[{"delta":{"content":" b"},"text":" b"}]}"#);
    assert_eq!(both, [out(OutputKind::Text, " b")]);
}

#[test]
fn both_names_of_reasoning_in_one_delta_are_one_output() {
    let events = data(
        r#"{"choices":[{"delta":{"reasoning_content":"hm","reasoning":"hm","content":null}}]}"#,
    );
    assert_eq!(events, [out(OutputKind::Reasoning, "hm")]);
}

#[test]
fn a_tool_call_s_name_and_arguments_are_one_output() {
    let events = data(
        r#"{"choices":[{"delta":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#,
    );
    assert_eq!(events, [out(OutputKind::ToolCall, "f{}")]);
}

#[test]
fn errors_are_read_in_every_form() {
    let error = |text: &str| [Replayed::Error(text.to_owned())];
    assert_eq!(data(r#"{"error":{"message":"a","code":500}}"#), error("a"));
    assert_eq!(data(r#"{"error":"b"}"#), error("b"));
    assert_eq!(data(r#"{"object":"error","message":"c"}"#), error("c"));
    assert_eq!(data(r#"{"detail":"d"}"#), error("d"));
    assert_eq!(data(r#"{"error":{"code":1}}"#), error(r#"{"code":1}"#));
    let event = br#"{"message":"e"}"#;
    assert_eq!(read(&[Message::ErrorEvent(event)]), error("e"));
    let field = br#"{"code":500,"message":"f"}"#;
    assert_eq!(read(&[Message::ErrorField(field)]), error("f"));
    assert_eq!(
        read(&[Message::ErrorEvent(b"not json ")]),
        error("not json")
    );
}

#[test]
fn an_absent_error_is_none() {
    for text in [
        r#"{"choices":[],"error":null}"#,
        r#"{"choices":[],"error":""}"#,
        r#"{"choices":[],"error":false}"#,
    ] {
        assert_eq!(data(text), [], "{text}");
    }
}

#[test]
fn what_is_no_chunk_is_malformed_and_the_answer_goes_on() {
    for text in [": PING", "[]", "1", "{", "\"a\"", "{\"choices\":3}"] {
        let events = read(&[
            Message::Data(text.as_bytes()),
            Message::Data(br#"{"choices":[{"text":"x"}]}"#),
        ]);
        let wanted = [Replayed::Malformed, out(OutputKind::Text, "x")];
        assert_eq!(events, wanted, "{text}");
    }
}

#[test]
fn an_event_with_a_name_is_read_where_it_is_a_part_of_the_answer() {
    let named = |data| Message::NamedEvent {
        name: b"delta",
        data,
    };
    let events = read(&[
        named(br#"{"type":"ping"}"#),
        named(b"alive"),
        named(br#"{"choices":[{"delta":{"content":"a"}}]}"#),
        named(br#"{"choices":[{"delta":{"content":"b"}}]}"#),
        named(br#"{"choices":[{"delta":{"content":"c"},"logprobs":NaN}]}"#),
        named(br#"{"choices":[{"delta""#),
        named(br#"{"choices":[],"usage":{"completion_tokens":3}}"#),
        named(b"[DONE]"),
    ]);
    let usage = Usage {
        output_tokens: Some(3),
        ..Usage::default()
    };
    let wanted = [
        out(OutputKind::Text, "a"),
        out(OutputKind::Text, "b"),
        Replayed::Mended,
        out(OutputKind::Text, "c"),
        Replayed::Malformed,
        Replayed::Usage(usage),
        Replayed::End,
    ];
    assert_eq!(events, wanted);
}

#[test]
fn a_named_event_beside_unnamed_output_is_none_and_noted() {
    let chunk = br#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let named = |data| Message::NamedEvent {
        name: b"progress",
        data,
    };
    let events = read(&[
        Message::Data(chunk),
        named(chunk),
        named(br#"{"choices":[],"usage":{"completion_tokens":3}}"#),
        Message::Data(b"[DONE]"),
    ]);
    let usage = Usage {
        output_tokens: Some(3),
        ..Usage::default()
    };
    let wanted = [
        out(OutputKind::Text, "a"),
        Replayed::Usage(usage),
        Replayed::Unread("event: progress".to_owned(), 1),
        Replayed::End,
    ];
    assert_eq!(events, wanted);
}

#[test]
fn nothing_is_read_after_the_end_marker() {
    let events = read(&[
        Message::Data(b"[DONE]"),
        Message::Data(br#"{"error":"late"}"#),
        Message::ErrorEvent(b"late"),
    ]);
    assert_eq!(events, [Replayed::End]);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            Just("choices"),
            Just("delta"),
            Just("message"),
            Just("content"),
            Just("text"),
            Just("usage"),
            Just("completion_tokens"),
            Just("error"),
            Just("object"),
            Just("tool_calls"),
            Just("function"),
            Just("finish_reason"),
            Just("reasoning"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&[Message::Data(&bytes), Message::ErrorEvent(&bytes), Message::ErrorField(&bytes)]);
    }

    #[test]
    fn any_json_is_survived(value in json_value()) {
        data(&value.to_string());
    }

    #[test]
    fn any_text_comes_back(text in ".{1,40}") {
        let chunk = json!({"choices": [{"delta": {"content": text.clone()}}]}).to_string();
        prop_assert_eq!(data(&chunk), [out(OutputKind::Text, &text)]);
    }

    #[test]
    fn a_cut_message_is_malformed(at in 1_usize..50) {
        let whole = r#"{"choices":[{"text":"día","finish_reason":"stop"}]}"#.as_bytes();
        prop_assert_eq!(read(&[Message::Data(&whole[..at])]), [Replayed::Malformed]);
    }
}

/// A message that no strict reader takes, and then one that every reader does.
fn mended(bytes: &[u8]) -> Vec<Replayed> {
    read(&[Message::Data(bytes)])
}

#[test]
fn one_bad_value_loses_the_value_and_not_the_event() {
    for bytes in [
        br#"{"choices":[{"text":"x","logprobs":{"top":[NaN,-Infinity]}}]}"#.as_slice(),
        br#"{"choices":[{"text":"x","mark":"\ud800"}],"object":"\udc00"}"#,
        b"{\"choices\":[{\"text\":\"x\",\"mark\":\"\xff\"}]}",
        b"{\"choices\":[{\"text\":\"x\",\"mark\":\"a\nb\"}]}",
    ] {
        let wanted = [Replayed::Mended, out(OutputKind::Text, "x")];
        assert_eq!(mended(bytes), wanted, "{}", String::from_utf8_lossy(bytes));
    }
    let broken = b"{\"choices\":[{\"text\":\"a\xffb\"}]}";
    assert_eq!(mended(broken)[1], out(OutputKind::Text, "a\u{fffd}b"));
}

#[test]
fn the_last_of_a_field_that_comes_twice_is_read() {
    let text = r#"{"choices":[{"delta":{"reasoning_content":"a","reasoning_content":"b"}}]}"#;
    assert_eq!(data(text), [out(OutputKind::Reasoning, "b")]);
}

#[test]
fn every_field_of_the_tables_is_output_of_its_kind() {
    for (field, kind) in CONTENT_FIELDS {
        let text = format!(r#"{{"choices":[{{"delta":{{"{field}":"x"}}}}]}}"#);
        assert_eq!(data(&text), [out(kind, "x")], "{field}");
    }
    for (field, kind) in CHOICE_FIELDS {
        let text = format!(r#"{{"choices":[{{"{field}":"x"}}]}}"#);
        assert_eq!(data(&text), [out(kind, "x")], "{field}");
    }
}

#[test]
fn parts_that_think_are_reasoning() {
    let text = r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]}}]}"#;
    assert_eq!(
        data(text),
        [out(OutputKind::Reasoning, "t"), out(OutputKind::Text, "a")]
    );
    // OpenRouter sends one thought in two fields: it is one event.
    let twice = r#"{"choices":[{"delta":{"content":"","reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t"}]}}]}"#;
    assert_eq!(data(twice), [out(OutputKind::Reasoning, "t")]);
}

/// The events of an answer of these chunks, without its end.
fn of_answer(chunks: &[&str]) -> Vec<Replayed> {
    let mut messages: Vec<Message<'_>> =
        chunks.iter().map(|c| Message::Data(c.as_bytes())).collect();
    messages.push(Message::Data(b"[DONE]"));
    let mut events = read(&messages);
    assert_eq!(events.pop(), Some(Replayed::End));
    events
}

#[test]
fn a_field_that_nobody_knows_is_told_where_it_may_hold_output() {
    for (chunk, field) in [
        (
            r#"{"choices":[{"delta":{"thoughts":"x"}}]}"#,
            "choices[].delta.thoughts",
        ),
        (
            r#"{"choices":[{"segments":[{"x":1}],"text":""}]}"#,
            "choices[].segments",
        ),
        (
            r#"{"choices":[{"text":"","logprobs":{"a":[1]}}]}"#,
            "choices[].logprobs",
        ),
        (r#"{"choices":[],"thinking_delta":"x"}"#, "thinking_delta"),
        (r#"{"response":"x"}"#, "response"),
    ] {
        let unread = Replayed::Unread(field.to_owned(), 2);
        assert_eq!(of_answer(&[chunk, chunk]), [unread], "{chunk}");
    }
}

#[test]
fn only_the_first_of_several_answers_is_the_one_that_was_asked_for() {
    let chunk = |index: u64, text: &str| {
        let choice = json!({"index": index, "text": text, "finish_reason": null});
        json!({"id": "c", "choices": [choice]}).to_string()
    };
    let chunks = [chunk(0, "a"), chunk(1, "x"), chunk(1, "y"), chunk(0, "b")];
    let end = r#"{"choices":[{"index":1,"text":"","finish_reason":"length"}]}"#;
    let own_end = r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#;
    let mut texts: Vec<&str> = chunks.iter().map(String::as_str).collect();
    texts.extend([end, own_end]);
    let seen = of_answer(&texts);
    let text = |text: &str| out(OutputKind::Text, text);
    let other = Replayed::Unread("choices[1]".to_owned(), 3);
    let finish = Replayed::Finish("stop".to_owned());
    assert_eq!(seen, [text("a"), text("b"), finish, other]);
}

#[test]
fn marks_of_servers_and_gateways_are_no_unread_output() {
    for text in [
        r#"{"type":"ping","id":"x"}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":"","provider":"p"}}]}"#,
        r#"{"choices":[{"delta":{"thoughts":""},"index":0,"logprobs":null}]}"#,
        r#"{"choices":[],"prompt_filter_results":[{"a":1}]}"#,
        r#"{"prompt_progress":{"total":5}}"#,
    ] {
        assert_eq!(of_answer(&[text]), [], "{text}");
    }
    let ends = of_answer(&[r#"{"choices":[{"delta":{},"finish_reason":"stop","cost":"x"}]}"#]);
    assert_eq!(ends, [Replayed::Finish("stop".to_owned())]);
    // In a chunk with output it is a mark, in the others then too.
    let mark = r#"{"choices":[{"delta":{"content":"a","provider":"p"}}]}"#;
    let empty = r#"{"choices":[{"delta":{"content":"","provider":"p"}}]}"#;
    assert_eq!(
        of_answer(&[empty, mark, empty]),
        [out(OutputKind::Text, "a")]
    );
}

#[test]
fn a_finish_reason_may_be_an_object_and_an_empty_error_is_none() {
    let abort = r#"{"choices":[{"text":"","finish_reason":{"type":"abort"}}]}"#;
    assert_eq!(data(abort), [Replayed::Finish("abort".to_owned())]);
    for error in ["{}", "0", "[]", r#"{"message":null,"code":0}"#, r#""null""#] {
        let text = format!(r#"{{"choices":[{{"text":"a"}}],"error":{error}}}"#);
        assert_eq!(data(&text), [out(OutputKind::Text, "a")], "{text}");
    }
    assert_eq!(data(r#"{"status":"queued","detail":"position 3"}"#), []);
    assert_eq!(
        read(&[Message::ErrorEvent(b"boom")]),
        [Replayed::Error("boom".to_owned())]
    );
}

#[test]
fn a_delta_that_is_a_text_is_that_text() {
    for text in [
        r#"{"choices":[{"delta":"a"}]}"#,
        r#"{"choices":[{"message":"a"}]}"#,
    ] {
        assert_eq!(data(text), [out(OutputKind::Text, "a")]);
    }
    assert_eq!(data(r#"{"choices":[{"delta":7}]}"#), []);
}

#[test]
fn a_message_after_its_pieces_is_a_repetition() {
    let piece = Message::Data(br#"{"choices":[{"delta":{"content":"a"}}]}"#);
    let whole =
        Message::Data(br#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#);
    let a = out(OutputKind::Text, "a");
    let stop = Replayed::Finish("stop".to_owned());
    assert_eq!(read(&[piece, whole]), [a.clone(), stop.clone()]);
    assert_eq!(read(&[whole]), [a, stop]);
}
