//! Answers of real servers, read with the decoder of OpenAI's API. What is
//! wanted was read off the recorded bytes by eye: every request asked for 16
//! tokens.

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_plugin_api::{Decoder, Events, OutputKind, Usage};
use inferbench_testkit::sse::{Event, Kind, split};
use inferbench_testkit::{Replayed, text_of};

fn read(events: &[Event]) -> Vec<Replayed> {
    let mut decoder = OpenAiDecoder::new();
    let mut buffer = EventBuf::default();
    for event in events {
        let mut out = Events::new(&mut buffer);
        decoder.feed(event.message(), &mut out).unwrap();
    }
    decoder.finish(&mut Events::new(&mut buffer)).unwrap();
    decoded(&buffer).map(Replayed::from).collect()
}

fn whole(body: &[u8]) -> Vec<Replayed> {
    read(&[Event {
        kind: Kind::Data,
        name: Vec::new(),
        data: body.to_vec(),
    }])
}

fn usage(events: &[Replayed]) -> Vec<Usage> {
    let found = events.iter().filter_map(|event| match event {
        Replayed::Usage(usage) => Some(*usage),
        _ => None,
    });
    found.collect()
}

fn counts(input: u32, output: u32) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

/// Texts and running counts of the output events.
fn output(events: &[Replayed]) -> Vec<(&str, Option<u32>)> {
    let output = events.iter().filter_map(|event| match event {
        Replayed::Output(_, text, tokens) => Some((text.as_str(), *tokens)),
        _ => None,
    });
    output.collect()
}

const CHAT: &str = "\u{fffd}lingCREisoblankshutdownortedproperty()[bu'sbu AP havegit would";
const COMPLETION: &str =
    " opcodeCRElibauthISO bitsCalargumentscordingObjectstderrSSkenvariatelogicalName";

#[test]
fn vllm_counts_the_tokens_of_every_event() {
    let events = read(&split(include_bytes!(
        "../captures/vllm-completions-continuous-usage.sse"
    )));
    let output = output(&events);
    assert_eq!(output[0], (" opcode", Some(1)));
    assert_eq!(output[15], ("Name", Some(16)));
    assert_eq!(output.len(), 16);
    assert_eq!(text_of(&events, OutputKind::Text), COMPLETION);
    assert_eq!(usage(&events).last(), Some(&counts(8, 16)));
    assert!(events.contains(&Replayed::Finish("length".into())));
    assert_eq!(events.last(), Some(&Replayed::End));
}

#[test]
fn vllm_chat_has_sixteen_tokens_and_fifteen_texts() {
    let events = read(&split(include_bytes!("../captures/vllm-chat.sse")));
    assert_eq!(output(&events).len(), 15);
    assert_eq!(text_of(&events, OutputKind::Text), CHAT);
    assert_eq!(usage(&events), [counts(16, 16)]);
}

#[test]
fn vllm_answers_that_are_not_streamed_hold_all_in_one() {
    let chat = whole(include_bytes!("../captures/vllm-chat-whole.json"));
    assert_eq!(output(&chat), [(CHAT, Some(16))]);
    assert_eq!(chat.last(), Some(&Replayed::Finish("length".into())));
    let completion = whole(include_bytes!("../captures/vllm-completions-whole.json"));
    assert_eq!(output(&completion), [(COMPLETION, Some(16))]);
}

#[test]
fn an_answer_without_usage_has_no_counts() {
    let events = read(&split(include_bytes!(
        "../captures/vllm-completions-no-usage.sse"
    )));
    assert_eq!(usage(&events), []);
    assert!(output(&events).iter().all(|(_, tokens)| tokens.is_none()));
    assert_eq!(text_of(&events, OutputKind::Text), COMPLETION);
}

#[test]
fn logprobs_change_nothing() {
    let events = read(&split(include_bytes!("../captures/vllm-chat-logprobs.sse")));
    assert!(!events.contains(&Replayed::Malformed));
    assert_eq!(usage(&events).last().unwrap().output_tokens, Some(16));
}

#[test]
fn sglang_counts_a_token_that_has_no_text_yet() {
    let events = read(&split(include_bytes!(
        "../captures/sglang-completions-continuous-usage.sse"
    )));
    let output = output(&events);
    assert_eq!(output[0], ("", Some(1)));
    assert_eq!(output[1], ("\u{fffd} sen", Some(2)));
    assert_eq!(output.len(), 16);
    let last = usage(&events).last().copied().unwrap();
    assert_eq!((last.input_tokens, last.output_tokens), (Some(7), Some(16)));
    assert_eq!(last.reasoning_tokens, Some(0));
}

#[test]
fn transformers_sends_usage_with_the_finish_and_no_end_marker() {
    for body in [
        include_bytes!("../captures/transformers-completions.sse").as_slice(),
        include_bytes!("../captures/transformers-chat.sse"),
    ] {
        let events = read(&split(body));
        assert_eq!(usage(&events).last().unwrap().output_tokens, Some(16));
        assert_eq!(events.last(), Some(&Replayed::Finish("length".into())));
    }
}

#[test]
fn llama_reports_cached_tokens() {
    let events = read(&split(include_bytes!("../captures/llama-completions.sse")));
    let last = usage(&events).last().copied().unwrap();
    assert_eq!(last.cached_tokens, Some(6));
    assert_eq!((last.input_tokens, last.output_tokens), (Some(7), Some(16)));
    let chat = read(&split(include_bytes!("../captures/llama-chat.sse")));
    assert_eq!(output(&chat)[0], (" {}\n", None));
    assert_eq!(output(&chat).len(), 16);
}

#[test]
fn every_server_s_refusal_is_an_error_with_its_words() {
    let refusals: [(&[u8], &str); 4] = [
        (
            include_bytes!("../captures/vllm-error-too-long.json"),
            "maximum context length is 2048",
        ),
        (
            include_bytes!("../captures/sglang-error-too-long.json"),
            "The input (5000 tokens) is longer",
        ),
        (
            include_bytes!("../captures/llama-error-too-long.json"),
            "exceeds the available context size",
        ),
        (
            include_bytes!("../captures/transformers-error-refused-fields.json"),
            "Unexpected fields in the request",
        ),
    ];
    for (body, words) in refusals {
        let events = whole(body);
        let [Replayed::Error(message)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert!(message.contains(words), "{message}");
    }
}
