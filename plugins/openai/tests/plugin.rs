//! The conformance suite, and what the options do on the wire.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_openai::OpenAi;
use inferbench_plugin_api::abi::this_library;
use inferbench_plugin_api::{Backend, OpenContext, PluginError, PromptForm};
use inferbench_testkit::conformance;
use serde_json::{Map, Value, json};

fn options(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn open(value: Value) -> Result<OpenAi, PluginError> {
    OpenAi::open(&OpenContext {
        options: options(value),
        attached: true,
    })
}

#[test]
fn it_passes_the_conformance_suite() {
    assert_eq!(OpenAi::describe().name, "openai");
    for value in [
        json!({}),
        json!({"endpoint": "chat", "health": "/health", "ignore_eos": false}),
        json!({"endpoint": "responses"}),
        json!({"prompt_form": "token_ids", "continuous_usage": true,
               "headers": {"X-Team": "a"}, "extra_body": {"top_k": 1}}),
        json!({"command": ["serve", "{model}"], "extra_args": ["--port", "{port}"]}),
    ] {
        let report = conformance(this_library(), "openai", &options(value));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn chat_takes_no_token_ids() {
    let error = open(json!({"endpoint": "chat", "prompt_form": "token_ids"})).unwrap_err();
    assert!(error.message.contains("options.prompt_form"), "{error}");
    let chat = open(json!({"endpoint": "chat"})).unwrap();
    assert_eq!(chat.prompt_form(), PromptForm::Messages);
}

#[test]
fn a_missing_key_and_a_bad_path_are_refused_by_name() {
    let error = open(json!({"api_key_env": "INFERBENCH_NO_SUCH_KEY"})).unwrap_err();
    assert!(
        error
            .message
            .contains("`INFERBENCH_NO_SUCH_KEY` is not set")
    );
    let error = open(json!({"health": "health"})).unwrap_err();
    assert_eq!(
        error.message,
        "options.health is `health`, must begin with `/`"
    );
}
