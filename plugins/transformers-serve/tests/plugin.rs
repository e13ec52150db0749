//! The conformance suite, and recorded answers of `transformers serve` 5.24.0.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::{
    Backend, EvidenceSource, OutputKind, PromptContent, PromptForm, RequestSpec, Served, Usage,
};
use inferbench_testkit::trial::Trial;
use inferbench_testkit::{Replayed, text_of};
use inferbench_transformers_serve::TransformersServe;
use serde_json::{Value, json};

const PLUGIN: Trial<Served<TransformersServe>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat", "continuous_batching": false}),
    ]);
}

#[test]
fn options_become_flags_of_transformers_serve() {
    let line = PLUGIN.plan(json!({"device": "cpu", "cb_num_blocks": 64, "extra_args": ["--x"]}));
    assert_eq!(
        line.command.join(" "),
        "transformers serve org/model --host 127.0.0.1 --port 8100 --default-seed 42 --log-level \
         info --continuous-batching --dtype float16 --device cpu --cb-num-blocks 64 --x"
    );
    let package = line.package.unwrap();
    assert_eq!(package.name, "transformers[serving]");
    let serial = PLUGIN.plan(json!({"continuous_batching": false, "quantization": "bnb-4bit"}));
    let line = serial.command.join(" ");
    assert!(line.ends_with("--log-level info --dtype float16 --quantization bnb-4bit"));
}

#[test]
fn a_length_is_forced_by_a_config_without_an_end_token() {
    let mut spec = RequestSpec::one_token("m", PromptContent::Text("hi".to_owned()));
    spec.output_tokens = 16;
    let free = PLUGIN.body(json!({}), &spec);
    assert_eq!(
        free,
        json!({"model": "m", "prompt": "hi", "max_tokens": 16, "temperature": 0.0, "stream": true})
    );
    spec.force_output = true;
    let forced = PLUGIN.body(json!({}), &spec);
    let config = |body: &Value| -> Value {
        serde_json::from_str(body["generation_config"].as_str().unwrap()).unwrap()
    };
    assert_eq!(
        config(&forced),
        json!({"max_new_tokens": 16, "do_sample": false})
    );
    spec.temperature = Some(0.7);
    assert_eq!(config(&PLUGIN.body(json!({}), &spec))["do_sample"], true);
    let own = json!({"extra_body": {"generation_config": "{}"}});
    assert_eq!(PLUGIN.body(own, &spec)["generation_config"], "{}");
}

#[test]
fn prompts_are_text_or_messages() {
    let form = |value| PLUGIN.open(value).prompt_form();
    assert_eq!(form(json!({})), PromptForm::Text);
    assert_eq!(form(json!({"endpoint": "chat"})), PromptForm::Messages);
    let refusal = PLUGIN.refusal(json!({"endpoint": "responses"}));
    assert!(refusal.starts_with("options.endpoint"), "{refusal}");
}

fn replayed(bytes: &[u8]) -> Vec<Replayed> {
    let spec = RequestSpec::one_token("m", PromptContent::Text("x".to_owned()));
    PLUGIN.replay_sse(json!({}), &spec, bytes)
}

#[test]
fn four_tokens_came_in_three_texts_and_were_counted_at_the_end() {
    let events = replayed(include_bytes!("captures/completions.sse"));
    assert_eq!(
        text_of(&events, OutputKind::Text),
        "local\u{fffd}blockuration"
    );
    let usage = Usage {
        input_tokens: Some(7),
        output_tokens: Some(4),
        ..Usage::default()
    };
    assert!(events.contains(&Replayed::Usage(usage)), "{events:?}");
    assert_eq!(events.last(), Some(&Replayed::Finish("length".to_owned())));
}

#[test]
fn the_role_that_opens_a_chat_is_no_output() {
    let events = replayed(include_bytes!("captures/chat.sse"));
    let Some(Replayed::Output(OutputKind::Text, first, None)) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!(first, "angle");
    assert_eq!(events.last(), Some(&Replayed::Finish("length".to_owned())));
}

#[test]
fn the_log_says_when_the_model_is_loaded() {
    let plugin = PLUGIN.open(json!({}));
    let read = |line: &str| plugin.evidence(&EvidenceSource::LogLine, line.as_bytes());
    let started = read("INFO:     Application startup complete.").unwrap();
    assert_eq!(started.weights_loaded, Some(true));
    assert_eq!(
        read("INFO:     Waiting for application startup.")
            .unwrap()
            .weights_loaded,
        None
    );
}
