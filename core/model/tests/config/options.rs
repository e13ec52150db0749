//! A backend's options against the schema of its plugin: place, fact, limit.

use inferbench_model::config::options_errors;
use inferbench_model::yaml::{Node, parse};
use schemars::JsonSchema;
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["endpoint"],
        "properties": {
            "endpoint": {"$ref": "#/$defs/Endpoint"},
            "gpu_memory_utilization": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
            "max_num_seqs": {"type": ["integer", "null"], "minimum": 1},
            "kv_cache_dtype": {"anyOf": [{"$ref": "#/$defs/KvDtype"}, {"type": "null"}]},
            "extra_args": {"type": "array", "items": {"type": "string"}},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "speculative": {"anyOf": [{"$ref": "#/$defs/Speculative"}, {"type": "null"}]},
            "block_size": {"type": "integer", "enum": [8, 16, 32]},
            "memory": {"anyOf": [{"type": "number", "minimum": 0}, {"const": "auto"}]},
        },
        "$defs": {
            "Endpoint": {"oneOf": [
                {"const": "completions", "description": "/v1/completions"},
                {"const": "chat", "description": "/v1/chat/completions"},
            ]},
            "KvDtype": {"type": "string", "enum": ["auto", "fp8", "bfloat16"]},
            "Speculative": {
                "type": "object",
                "additionalProperties": false,
                "required": ["model"],
                "properties": {
                    "model": {"type": "string", "minLength": 1},
                    "tokens": {"type": "integer", "minimum": 1, "maximum": 16},
                },
            },
        },
    })
}

/// A config whose backend has `options`, the first of them on line 9.
fn tree(options: &str) -> Node {
    let mut text = String::from(
        "name: a\nmodel: {id: m}\nload:\n  concurrency: [1]\n  requests: 1\nbackends:\n  - plugin: vllm\n    options:\n",
    );
    for line in options.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    parse("bench.yaml", &text, &|_| None).unwrap()
}

fn errors(options: &str) -> Vec<String> {
    let found = options_errors(&tree(options), 0, &schema());
    found.iter().map(ToString::to_string).collect()
}

fn error(option: &str) -> String {
    let mut found = errors(&format!("{option}\nendpoint: chat"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn good_options_have_no_errors() {
    let good = "endpoint: chat\ngpu_memory_utilization: 0.90\nmax_num_seqs:\nkv_cache_dtype: fp8\n\
        extra_args: [\"--a\", \"1\"]\nheaders: {x-api-key: k}\nspeculative: {model: d, tokens: 4}\n\
        x-note: mine\nblock_size: 16\nmemory: auto";
    assert_eq!(errors(good), Vec::<String>::new());
}

#[test]
fn a_value_out_of_range_names_its_limit() {
    assert_eq!(
        error("gpu_memory_utilization: 1.5"),
        "bench.yaml:9:31: `backends[0].options.gpu_memory_utilization` is 1.5, must be at most 1"
    );
    assert_eq!(
        error("gpu_memory_utilization: 0"),
        "bench.yaml:9:31: `backends[0].options.gpu_memory_utilization` is 0, must be above 0"
    );
    assert_eq!(
        error("max_num_seqs: 0"),
        "bench.yaml:9:21: `backends[0].options.max_num_seqs` is 0, must be at least 1"
    );
    assert_eq!(
        error("memory: -1"),
        "bench.yaml:9:15: `backends[0].options.memory` is -1, must be at least 0"
    );
}

#[test]
fn an_unknown_option_names_the_nearest() {
    let found = options_errors(
        &tree("endpoint: chat\ngpu_memory_utilisation: 0.9\nfoo: 1"),
        0,
        &schema(),
    );
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "bench.yaml:10:7: unknown option `gpu_memory_utilisation` in `backends[0].options`, did you mean `gpu_memory_utilization`?",
            "bench.yaml:11:7: unknown option `foo` in `backends[0].options`",
        ]
    );
    assert_eq!(found[0].hint(), None);
    assert_eq!(
        found[1].hint(),
        Some("`inferbench plugins show vllm` lists the options")
    );
}

#[test]
fn an_unknown_option_inside_an_option_is_found_through_references() {
    assert_eq!(
        error("speculative: {model: d, tokns: 4}"),
        "bench.yaml:9:31: unknown option `tokns` in `backends[0].options.speculative`, did you mean `tokens`?"
    );
    assert_eq!(
        error("speculative: {tokens: 4}"),
        "bench.yaml:9:7: `backends[0].options.speculative.model` is missing"
    );
    assert_eq!(
        error("speculative: {model: \"\"}"),
        "bench.yaml:9:28: `backends[0].options.speculative.model` has 0 characters, must have 1 or more"
    );
}

#[test]
fn a_wrong_type_names_the_right_one() {
    assert_eq!(
        error("gpu_memory_utilization: high"),
        "bench.yaml:9:31: `backends[0].options.gpu_memory_utilization` is \"high\", must be a number"
    );
    assert_eq!(
        error("extra_args: --foo"),
        "bench.yaml:9:19: `backends[0].options.extra_args` is \"--foo\", must be a list"
    );
    assert_eq!(
        error("extra_args: [\"--port\", 80]"),
        "bench.yaml:9:30: `backends[0].options.extra_args[1]` is 80, must be text"
    );
    assert_eq!(
        error("headers: {a: 1}"),
        "bench.yaml:9:20: `backends[0].options.headers.a` is 1, must be text"
    );
    assert_eq!(
        error("extra_args:"),
        "bench.yaml:9:7: `backends[0].options.extra_args` is empty, must be a list"
    );
    assert_eq!(
        error("memory: most"),
        "bench.yaml:9:15: `backends[0].options.memory` is \"most\", must be a number or `auto`"
    );
}

#[test]
fn a_value_not_in_the_list_names_the_list() {
    let found = options_errors(&tree("endpoint: chatt\nkv_cache_dtype: fp9"), 0, &schema());
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "bench.yaml:9:17: `backends[0].options.endpoint` is \"chatt\", must be one of `completions`, `chat`",
            "bench.yaml:10:23: `backends[0].options.kv_cache_dtype` is \"fp9\", must be one of `auto`, `fp8`, `bfloat16`",
        ]
    );
    assert_eq!(found[0].hint(), Some("did you mean `chat`?"));
    assert_eq!(
        error("block_size: 7"),
        "bench.yaml:9:19: `backends[0].options.block_size` is 7, must be one of 8, 16, 32"
    );
}

#[test]
fn a_missing_option_points_at_the_backend_where_there_are_no_options() {
    let text = "backends:\n  - plugin: vllm\n";
    let tree = parse("bench.yaml", text, &|_| None).unwrap();
    let found = options_errors(&tree, 0, &schema());
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["bench.yaml:2:5: `backends[0].options.endpoint` is missing"]
    );
    assert_eq!(options_errors(&tree, 1, &schema()), []);
}

#[test]
fn a_schema_that_is_none_is_the_plugins_fault() {
    let bad = json!({"type": "nonsense"});
    let found = options_errors(&tree("endpoint: chat"), 0, &bad);
    let text = found[0].to_string();
    assert!(
        text.starts_with("bench.yaml:7:13: `backends[0].plugin` names a plugin whose schema"),
        "{text}"
    );
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, default)]
#[derive(Default)]
#[allow(dead_code, reason = "only its schema is wanted")]
struct Derived {
    /// Share of the GPU's memory.
    #[schemars(range(max = 1.0))]
    gpu_memory_utilization: Option<f64>,
    /// How it is asked.
    api: Option<Api>,
    #[schemars(flatten)]
    common: Common,
}

#[derive(JsonSchema, Default)]
#[allow(dead_code, reason = "only its schema is wanted")]
struct Common {
    command: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is wanted")]
enum Api {
    /// The one of OpenAI.
    Openai,
    /// The server's own.
    Native,
}

#[test]
fn schemas_of_derived_structs_give_the_same_words() {
    let schema = schemars::schema_for!(Derived).to_value();
    let tree = tree("gpu_memory_utilization: 1.5\napi: natve\ncomand: [vllm]\ncommand: 1");
    let found = options_errors(&tree, 0, &schema);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "bench.yaml:9:31: `backends[0].options.gpu_memory_utilization` is 1.5, must be at most 1",
            "bench.yaml:10:12: `backends[0].options.api` is \"natve\", must be one of `openai`, `native`",
            "bench.yaml:11:7: unknown option `comand` in `backends[0].options`, did you mean `command`?",
            "bench.yaml:12:16: `backends[0].options.command` is 1, must be a list",
        ]
    );
}
