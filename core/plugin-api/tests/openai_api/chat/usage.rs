//! Counts of tokens.

use super::*;

#[test]
fn null_usage_is_not_reported() {
    assert_eq!(data(r#"{"choices":[],"usage":null}"#), []);
    assert_eq!(data(r#"{"choices":[],"usage":{"prompt_tokens":null}}"#), []);
}

#[test]
fn details_of_usage_are_reported() {
    let events = data(
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":4}}}"#,
    );
    let usage = Usage {
        input_tokens: Some(9),
        output_tokens: Some(0),
        cached_tokens: Some(8),
        reasoning_tokens: Some(4),
        image_tokens: None,
    };
    assert_eq!(events, [Replayed::Usage(usage)]);
}

#[test]
fn cached_tokens_are_read_wherever_servers_tell_them() {
    let cached = |fields: &str| {
        let text = format!(r#"{{"choices":[],{fields}}}"#);
        data(&text).into_iter().find_map(|event| match event {
            Replayed::Usage(usage) => usage.cached_tokens,
            _ => None,
        })
    };
    for fields in [
        r#""usage":{"prompt_tokens":32,"prompt_tokens_details":{"cached_tokens":31}}"#,
        r#""usage":{"prompt_tokens":32,"input_tokens_details":{"cached_tokens":31}}"#,
        r#""usage":{"prompt_tokens":32,"prompt_cache_hit_tokens":31}"#,
        r#""usage":{"prompt_tokens":32,"cached_tokens":31}"#,
        r#""usage":{"prompt_tokens":"32","cached_tokens":"31"}"#,
        r#""usage":{"input_tokens":32,"cache_read_input_tokens":31}"#,
        r#""usage":{"prompt_tokens":32},"timings":{"cache_n":31,"prompt_n":1}"#,
    ] {
        assert_eq!(cached(fields), Some(31), "{fields}");
    }
    for fields in [
        r#""usage":{"prompt_tokens":32,"prompt_tokens_details":null}"#,
        r#""usage":{"prompt_tokens":32,"cached_tokens":-1}"#,
        r#""usage":{"prompt_tokens":32,"cached_tokens":"some"}"#,
        r#""usage":[31]"#,
    ] {
        assert_eq!(cached(fields), None, "{fields}");
    }
}

#[test]
fn counts_of_llama_cpp_and_of_a_choice_stand_in_for_usage() {
    let usage = |text: &str| {
        data(text).into_iter().find_map(|event| match event {
            Replayed::Usage(usage) => Some((usage.input_tokens, usage.output_tokens)),
            _ => None,
        })
    };
    let timed = r#"{"choices":[],"timings":{"cache_n":6,"prompt_n":1,"predicted_n":4}}"#;
    assert_eq!(usage(timed), Some((Some(7), Some(4))));
    let inside = r#"{"choices":[{"delta":{},"usage":{"prompt_tokens":9,"completion_tokens":2}}]}"#;
    assert_eq!(usage(inside), Some((Some(9), Some(2))));
}

#[test]
fn image_tokens_are_read_wherever_servers_tell_them() {
    let image = |details: &str| {
        let text = format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":32,"prompt_tokens_details":{details}}}}}"#
        );
        data(&text).into_iter().find_map(|event| match event {
            Replayed::Usage(usage) => usage.image_tokens,
            _ => None,
        })
    };
    // SGLang's, then vLLM's.
    assert_eq!(image(r#"{"image_tokens":20,"cached_tokens":0}"#), Some(20));
    assert_eq!(
        image(r#"{"cached_tokens":null,"multimodal_tokens":{"image":20,"audio":3}}"#),
        Some(20)
    );
    for none in [
        r#"{"multimodal_tokens":{"audio":3}}"#,
        r#"{"multimodal_tokens":null}"#,
        "null",
    ] {
        assert_eq!(image(none), None, "{none}");
    }
}
