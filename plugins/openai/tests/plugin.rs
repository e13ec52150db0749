//! The conformance suite, and what the options do on the wire.

use inferbench_openai::OpenAi;
use inferbench_plugin_api::{Backend, PromptForm, Served};
use inferbench_testkit::trial::Trial;
use serde_json::json;

const PLUGIN: Trial<Served<OpenAi>> = Trial::new();

#[test]
fn it_passes_the_conformance_suite() {
    assert_eq!(<Served<OpenAi>>::describe().name, "openai");
    PLUGIN.passes_conformance(&[
        json!({}),
        json!({"endpoint": "chat", "health": "/health", "ignore_eos": false}),
        json!({"endpoint": "responses"}),
        json!({"prompt_form": "token_ids", "continuous_usage": true,
               "headers": {"X-Team": "a"}, "extra_body": {"top_k": 1}}),
        json!({"command": ["serve", "{model}"], "extra_args": ["--port", "{port}"]}),
    ]);
}

#[test]
fn chat_takes_no_token_ids() {
    let refusal = PLUGIN.refusal(json!({"endpoint": "chat", "prompt_form": "token_ids"}));
    assert!(refusal.contains("options.prompt_form"), "{refusal}");
    let chat = PLUGIN.open(json!({"endpoint": "chat"}));
    assert_eq!(chat.prompt_form(), PromptForm::Messages);
}

#[test]
fn a_missing_key_and_a_bad_path_are_refused_by_name() {
    let refusal = PLUGIN.refusal(json!({"api_key_env": "INFERBENCH_NO_SUCH_KEY"}));
    assert!(refusal.contains("`INFERBENCH_NO_SUCH_KEY` is not set"));
    assert_eq!(
        PLUGIN.refusal(json!({"health": "health"})),
        "options.health is `health`, must begin with `/`"
    );
}
