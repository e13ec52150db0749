//! The conformance suite, recorded answers of SGLang 0.5.23, and the troublesome
//! streams of its own API.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::Path;

use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::{
    Backend, Decoder, Events, Evidence, EvidenceSource, Message, OutputKind, PromptContent,
    PromptForm, RequestSpec, Served, Usage,
};
use inferbench_sglang::{NativeDecoder, Sglang, Streaming};
use inferbench_test_support::streams;
use inferbench_testkit::trial::{Trial, info};
use inferbench_testkit::{Replayed, replay, text_of};
use serde_json::{Value, json};

const PLUGIN: Trial<Served<Sglang>> = Trial::new();

fn token_ids() -> RequestSpec {
    RequestSpec {
        output_tokens: 16,
        force_output: true,
        ..RequestSpec::one_token("m", PromptContent::TokenIds(vec![5, 6]))
    }
}

/// Reads a recorded answer of `/generate` over the boundary.
fn native(body: &[u8]) -> Vec<Replayed> {
    PLUGIN.replay_sse(json!({"api": "native"}), &token_ids(), body)
}

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat", "disable_radix_cache": true}),
        json!({"endpoint": "responses"}),
        json!({"api": "native"}),
        json!({"prompt_form": "text"}),
        json!({"api": "native", "prompt_form": "text"}),
        json!({"api": "native", "incremental_streaming": true, "extra_body": {"lora_path": "l"}}),
    ]);
}

#[test]
fn troublesome_native_streams_read_as_their_sidecars_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/streams");
    let cases = streams::cases(&folder, |case| case.endpoint == "sglang-generate");
    assert_eq!(cases.len(), 3);
    for case in &cases {
        streams::check(
            &folder,
            case,
            &mut NativeDecoder::new(Streaming::Cumulative),
        );
    }
}

#[test]
fn options_become_sglang_s_flags() {
    let value = json!({
        "device": "cpu", "attention_backend": "torch_native", "sampling_backend": "pytorch",
        "max_total_tokens": 65536, "incremental_streaming": true, "extra_args": ["--x"]
    });
    let plan = PLUGIN.plan(value);
    assert_eq!(
        plan.command.join(" "),
        "python3 -m sglang.launch_server --model-path org/model --served-model-name served \
         --host 127.0.0.1 --port 8100 --random-seed 42 --sampling-defaults openai \
         --enable-metrics --dtype float16 --context-length 4096 --max-total-tokens 65536 \
         --attention-backend torch_native --sampling-backend pytorch --device cpu \
         --incremental-streaming-output --x"
    );
    assert_eq!(plan.env[0].name, "SGLANG_USE_CPU_ENGINE");
}

#[test]
fn the_native_api_has_no_chat() {
    assert_eq!(
        PLUGIN.refusal(json!({"api": "native", "endpoint": "chat"})),
        "options.endpoint must be `completions` where api is `native`"
    );
}

#[test]
fn a_response_is_asked_for_with_the_two_tokens_that_sglang_takes_off() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let request = RequestSpec {
        output_tokens: 5,
        force_output: true,
        ..RequestSpec::one_token("m", PromptContent::Messages(messages.clone()))
    };
    let body = PLUGIN.body(json!({"endpoint": "responses"}), &request);
    assert_eq!(
        body,
        json!({"model": "m", "input": messages, "max_output_tokens": 7, "temperature": 0.0,
            "store": false, "stream": true})
    );
}

#[test]
fn a_native_request_picks_tokens_as_it_was_asked_to() {
    let sampling = |temperature, top_p| {
        let request = RequestSpec {
            temperature,
            top_p,
            seed: 9,
            ..token_ids()
        };
        let body = PLUGIN.body(json!({"api": "native"}), &request);
        let params = &body["sampling_params"];
        ["temperature", "top_p", "sampling_seed"].map(|key| params.get(key).cloned())
    };
    let random = [Some(json!(0.7)), Some(json!(0.9)), Some(json!(9))];
    assert_eq!(sampling(Some(0.7), Some(0.9)), random);
    assert_eq!(sampling(Some(0.0), None), [Some(json!(0.0)), None, None]);
    assert_eq!(sampling(None, None), [None, None, None]);
}

#[test]
fn a_native_request_forces_its_length() {
    let http = PLUGIN
        .open(json!({"api": "native"}))
        .encode(&token_ids())
        .unwrap();
    assert_eq!(http.path, "/generate");
    let body: Value = serde_json::from_slice(&http.body).unwrap();
    assert_eq!(
        body,
        json!({
            "input_ids": [5, 6],
            "sampling_params": {"max_new_tokens": 16, "temperature": 0.0,
                                "min_new_tokens": 16, "ignore_eos": true},
            "stream": true
        })
    );
}

const TEXT: &str = "\u{fffd} senNEtarformat=[reader needcont':ameteriter positional max Error ==";

#[test]
fn a_recorded_native_stream_gives_each_piece_once() {
    let events = native(include_bytes!("captures/generate.sse"));
    assert_eq!(text_of(&events, OutputKind::Text), TEXT);
    // The first token is an unfinished character.
    assert_eq!(
        events[0],
        Replayed::Output(OutputKind::Text, String::new(), Some(1))
    );
    let usage = Usage {
        input_tokens: Some(7),
        output_tokens: Some(16),
        cached_tokens: Some(6),
        reasoning_tokens: Some(0),
        image_tokens: None,
    };
    assert!(events.contains(&Replayed::Usage(usage)));
    assert!(events.contains(&Replayed::Finish("length".to_owned())));
    assert_eq!(events.last(), Some(&Replayed::End));
    let ids = native(include_bytes!("captures/generate-input-ids.sse"));
    assert!(ids.contains(&Replayed::Finish("length".to_owned())));
}

#[test]
fn a_recorded_whole_answer_is_one_output() {
    let body = include_bytes!("captures/generate-whole.json");
    let native = json!({"api": "native"});
    let events = PLUGIN.replay(native, &token_ids(), &[Message::Data(body)]);
    assert_eq!(
        events[0],
        Replayed::Output(OutputKind::Text, TEXT.to_owned(), Some(16))
    );
}

#[test]
fn a_recorded_error_inside_200_is_an_error() {
    let events = native(include_bytes!("captures/generate-too-long.sse"));
    let Replayed::Error(words) = &events[0] else {
        panic!("{events:?}");
    };
    assert!(words.starts_with("The input (3000 tokens) is longer"));
}

#[test]
fn an_empty_error_is_none() {
    for error in ["null", "\"\"", "{}", "0", "false", r#"{"message":null}"#] {
        let message = format!("data: {{\"text\":\"a\",\"error\":{error}}}\n\n");
        let events = native(message.as_bytes());
        let failed = |event: &Replayed| matches!(event, Replayed::Error(_));
        assert!(!events.iter().any(failed), "{error}: {events:?}");
        assert!(!events.is_empty(), "{error}");
    }
}

fn feed(streaming: Streaming, texts: &[&str]) -> Vec<String> {
    let mut decoder = NativeDecoder::new(streaming);
    let mut buffer = EventBuf::default();
    for text in texts {
        let message = json!({"text": text}).to_string();
        let mut out = Events::new(&mut buffer);
        decoder
            .feed(Message::Data(message.as_bytes()), &mut out)
            .unwrap();
    }
    let replayed = decoded(&buffer).map(Replayed::from);
    let texts = replayed.map(|event| match event {
        Replayed::Output(_, text, _) => text,
        other => panic!("{other:?}"),
    });
    texts.collect()
}

#[test]
fn a_rewritten_end_gives_what_follows_the_common_beginning() {
    let texts = ["a", "a\u{fffd}", "aé", "aé", "aéb"];
    assert_eq!(
        feed(Streaming::Cumulative, &texts),
        ["a", "\u{fffd}", "é", "b"]
    );
    assert_eq!(feed(Streaming::Incremental, &["a", "a"]), ["a", "a"]);
}

fn evidence(source: EvidenceSource, bytes: &[u8]) -> Evidence {
    PLUGIN.open(json!({})).evidence(&source, bytes).unwrap()
}

#[test]
fn recorded_metrics_add_up_over_labels() {
    // Read off the file: 34 + 98 prompt tokens, 40 + 160 generated ones.
    let found = evidence(
        EvidenceSource::Metrics,
        include_bytes!("captures/metrics.txt"),
    );
    assert_eq!(found.kv_cache_tokens, Some(65536));
    // 2 layers, 1 head, 64 + 64 wide, 4 bytes: 1,024 a token, and one spare page.
    assert_eq!(found.kv_cache_bytes, Some(65_537 * 1024));
    assert_eq!(found.prompt_tokens, Some(132.0));
    assert_eq!(found.generation_tokens, Some(200.0));
    assert_eq!(found.prefix_cache_hits, Some(81.0));
    assert_eq!(
        (found.running_requests, found.waiting_requests),
        (Some(0.0), Some(0.0))
    );
    assert_eq!(
        (found.kv_cache_usage_ratio, found.preemptions),
        (Some(0.0), None)
    );
}

/// Two ranks of attention on two GPUs each, of which each reports: 3 + 4 requests, 2 x
/// 1,000 tokens.
#[test]
fn ranks_with_a_cache_each_add_up_and_their_gpus_do_not() {
    let lines: Vec<String> = [(0, 0, 3), (0, 1, 3), (1, 2, 4), (1, 3, 4)]
        .into_iter()
        .map(|(dp, tp, running)| {
            let labels = format!("{{model_name=\"m\",tp_rank=\"{tp}\",dp_rank=\"{dp}\"}}");
            format!(
                "sglang:num_running_reqs{labels} {running}\nsglang:max_total_num_tokens{labels} 1000\n"
            )
        })
        .collect();
    let found = evidence(EvidenceSource::Metrics, lines.concat().as_bytes());
    assert_eq!(found.running_requests, Some(7.0));
    assert_eq!(found.kv_cache_tokens, Some(2000));
    let says = json!({"max_total_num_tokens": 1000, "internal_states": [
        {"memory_usage": {"kvcache": 1.5}}, {"memory_usage": {"kvcache": 1.5}}]});
    let found = evidence(info("server_info"), says.to_string().as_bytes());
    assert_eq!(found.kv_cache_tokens, Some(2000));
    assert_eq!(found.kv_cache_bytes, Some(3 << 30));
}

#[test]
fn recorded_server_info_reports_what_is_in_effect() {
    let found = evidence(
        info("server_info"),
        include_bytes!("captures/server-info.json"),
    );
    assert_eq!(found.model.as_deref(), Some("/models/tiny"));
    assert_eq!(found.dtype.as_deref(), Some("float32"));
    assert_eq!(found.version.as_deref(), Some("0.5.23"));
    assert_eq!(found.attention_backend.as_deref(), Some("torch_native"));
    assert_eq!(
        (found.max_model_len, found.kv_cache_tokens),
        (Some(2048), Some(65536))
    );
    assert_eq!(
        (found.prefix_caching, found.kv_cache_bytes),
        (Some(true), None)
    );
}

#[test]
fn ids_without_text_are_output_that_is_new_each_time() {
    for (streaming, lists, wanted) in [
        (Streaming::Cumulative, ["[7]", "[7,8,9]"], ["7", "8 9"]),
        (Streaming::Incremental, ["[7]", "[8,9]"], ["7", "8 9"]),
    ] {
        let mut decoder = NativeDecoder::new(streaming);
        for (ids, wanted) in lists.into_iter().zip(wanted) {
            let mut buffer = EventBuf::default();
            let text = format!(r#"{{"output_ids":{ids}}}"#);
            let data = Message::Data(text.as_bytes());
            decoder.feed(data, &mut Events::new(&mut buffer)).unwrap();
            let events: Vec<Replayed> = decoded(&buffer).map(Replayed::from).collect();
            let output = Replayed::Output(OutputKind::TokenIds, wanted.to_owned(), None);
            assert_eq!(events, [output], "{ids}");
        }
    }
}

#[test]
fn a_native_message_with_one_bad_value_is_read() {
    let body =
        b"data: {\"text\":\"a\",\"meta_info\":{\"queue_time\":NaN,\"completion_tokens\":1}}\n\n";
    let events = native(body);
    assert_eq!(events[0], Replayed::Mended);
    let output = Replayed::Output(OutputKind::Text, "a".to_owned(), Some(1));
    assert_eq!(events[1], output);
}

/// Text of a native answer whose two messages say `a` and `ab`, read after the
/// server has said `says` of itself.
fn text_after(options: Value, says: &Value) -> String {
    let client = PLUGIN.client(options);
    client
        .evidence(&info("server_info"), says.to_string().as_bytes())
        .unwrap();
    let messages = [json!({"text": "a"}), json!({"text": "ab"})].map(|m| m.to_string());
    let messages: Vec<_> = messages
        .iter()
        .map(|m| Message::Data(m.as_bytes()))
        .collect();
    let events = replay(&client, &token_ids(), &messages).unwrap();
    text_of(&events, OutputKind::Text)
}

#[test]
fn a_native_answer_is_read_as_the_server_says_that_it_streams() {
    let set = |incremental: bool| json!({"api": "native", "incremental_streaming": incremental});
    for wrong in [true, false] {
        let says = json!({"incremental_streaming_output": !wrong});
        let expected = if wrong { "ab" } else { "aab" };
        assert_eq!(text_after(set(wrong), &says), expected);
        let before = json!({"stream_output": !wrong});
        assert_eq!(text_after(set(wrong), &before), expected);
        // Where it says nothing, the option counts.
        let expected = if wrong { "aab" } else { "ab" };
        assert_eq!(text_after(set(wrong), &json!({"dtype": "auto"})), expected);
    }
}

#[test]
fn a_prompt_of_text_goes_out_as_text() {
    let text = RequestSpec {
        prompt: PromptContent::Text("tell me".to_owned()),
        ..token_ids()
    };
    for (api, key) in [("openai", "prompt"), ("native", "text")] {
        let plugin = PLUGIN.open(json!({"api": api, "prompt_form": "text"}));
        assert_eq!(plugin.prompt_form(), PromptForm::Text);
        let http = plugin.encode(&text).unwrap();
        let body: Value = serde_json::from_slice(&http.body).unwrap();
        assert_eq!(body[key], "tell me");
    }
}
