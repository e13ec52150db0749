//! The YAML loader from outside: what loads, what is refused and in which
//! words.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;

use inferbench_model::yaml::{self, Mark, Node, PathStep, YamlError};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Bench {
    model: String,
    load: Load,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Load {
    requests: u16,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    range: Option<(f64, f64)>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Closed,
    Constant,
    Gamma(f64),
    Normal {
        mean: f64,
        std: f64,
    },
}

fn env(name: &str) -> Option<String> {
    match name {
        "N" => Some("64".to_owned()),
        "WORD" => Some("many".to_owned()),
        "NOTHING" => Some(String::new()),
        _ => None,
    }
}

fn load<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    yaml::from_str("b.yaml", text, &env)
}

fn tree(text: &str) -> Node {
    yaml::parse("b.yaml", text, &env).unwrap()
}

fn json_of(text: &str) -> Value {
    tree(text).to_json().unwrap()
}

#[track_caller]
fn refuses<T: DeserializeOwned + std::fmt::Debug>(text: &str, message: &str) -> Option<String> {
    let error = load::<T>(text).unwrap_err();
    assert_eq!(error.to_string(), message, "for {text:?}");
    error.hint
}

fn key(name: &str) -> PathStep {
    PathStep::Key(name.to_owned())
}

#[test]
fn a_bound_that_only_the_type_sets_is_named_from_the_side_that_was_broken() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wide {
        #[allow(dead_code, reason = "only its reading is tested")]
        n: u64,
    }
    for (n, fact) in [
        ("-1", "is -1, must be a whole number, 0 or more"),
        (
            "18446744073709551616",
            "is 18446744073709551616, must be a whole number, 18446744073709551615 or less",
        ),
    ] {
        refuses::<Wide>(&format!("n: {n}\n"), &format!("b.yaml:1:4: `n` {fact}"));
    }
}

#[test]
fn wrong_types_name_value_and_limit() {
    for (requests, fact) in [
        ("many", "is \"many\", must be a whole number"),
        ("\"64\"", "is \"64\" in quotes, must be a whole number"),
        ("'many'", "is \"many\" in quotes, must be a whole number"),
        ("-1", "is -1, must be a whole number from 0 to 65535"),
        ("65536", "is 65536, must be a whole number from 0 to 65535"),
        ("1.5", "is 1.5, must be a whole number"),
        ("[1]", "is a list, must be a whole number"),
        ("{a: 1}", "is a map, must be a whole number"),
        ("true", "is true, must be a whole number"),
    ] {
        let text = format!("model: m\nload:\n  requests: {requests}\n");
        refuses::<Bench>(&text, &format!("b.yaml:3:13: `load.requests` {fact}"));
    }
    for empty in ["", " ~", " null", " ${NOTHING}"] {
        let error = load::<Bench>(&format!("model: m\nload:\n  requests:{empty}\n")).unwrap_err();
        assert_eq!(
            error.message,
            "`load.requests` is empty, must be a whole number"
        );
        assert_eq!((error.line, &*error.path), (3, "load.requests"));
    }
}

#[test]
fn a_whole_number_with_an_exponent_is_spelled_out() {
    let hint = refuses::<Vec<u32>>("[1e3]", "b.yaml:1:2: `[0]` is 1e3, must be a whole number");
    assert_eq!(hint.as_deref(), Some("write 1000"));
}

#[test]
fn every_empty_value_is_an_error_but_for_an_option() {
    refuses::<Bench>(
        "load: {requests: 1}\nmodel: null\n",
        "b.yaml:2:8: `model` is empty, must be text",
    );
    refuses::<Bench>(
        "model: m\nload:\n",
        "b.yaml:2:1: `load` is empty, must be a map",
    );
    refuses::<Bench>(
        "model: m\nload: {requests: 1}\ntags:\n",
        "b.yaml:3:1: `tags` is empty, must be a map",
    );
    refuses::<Vec<u8>>("---\n", "b.yaml:2:1: the document is empty, must be a list");
    assert_eq!(load::<Option<Vec<u8>>>("~").unwrap(), None);
    assert_eq!(load::<Option<String>>("\"\"").unwrap().as_deref(), Some(""));
    assert_eq!(load::<String>("'null'").unwrap(), "null");
}

#[test]
fn unknown_keys_name_the_nearest_or_all() {
    refuses::<Bench>(
        "model: m\nload:\n  requests: 1\n  rnage: [1, 2]\n",
        "b.yaml:4:3: unknown key `rnage` in `load`, did you mean `range`?",
    );
    refuses::<Bench>(
        "model: m\nload:\n  wholly_different: 1\n",
        "b.yaml:3:3: unknown key `wholly_different` in `load`, must be one of `requests`, `kind`, `range`",
    );
    refuses::<Bench>(
        "Model: m\n",
        "b.yaml:1:1: unknown key `Model`, did you mean `model`?",
    );
}

#[test]
fn missing_keys_point_at_their_map() {
    refuses::<Bench>("model: m\n", "b.yaml:1:1: `load` is missing");
    refuses::<Bench>(
        "model: m\nload:\n  kind: closed\n",
        "b.yaml:3:3: `load.requests` is missing",
    );
}

#[test]
fn duplicates_are_found_at_every_depth_and_spelling() {
    refuses::<Value>(
        "a:\n  - b: 1\n    \"b\": 2\n",
        "b.yaml:3:5: `a[0].b` is set twice, first on line 2",
    );
    refuses::<Value>(
        "{a: 1, a: 1}",
        "b.yaml:1:8: `a` is set twice, first on line 1",
    );
}

#[test]
fn enums_read_names_and_maps_of_one_key() {
    let kind = |text: &str| load::<Kind>(text);
    assert_eq!(kind("constant").unwrap(), Kind::Constant);
    assert_eq!(kind("gamma: 2").unwrap(), Kind::Gamma(2.0));
    assert_eq!(kind("closed:").unwrap(), Kind::Closed);
    let normal = Kind::Normal {
        mean: 1.0,
        std: 0.5,
    };
    assert_eq!(
        kind("normal: {mean: 1, std: 0.5, x-note: a}").unwrap(),
        normal
    );
}

#[test]
fn enum_errors_name_the_variants() {
    let all = "one of `closed`, `constant`, `gamma`, `normal`";
    let hint = refuses::<Kind>(
        "closd",
        &format!("b.yaml:1:1: the document is \"closd\", must be {all}"),
    );
    assert_eq!(hint.as_deref(), Some("did you mean `closed`?"));
    let in_load = |kind: &str| format!("model: m\nload:\n  requests: 1\n  kind: {kind}\n");
    refuses::<Bench>(
        &in_load("{gama: 1}"),
        &format!("b.yaml:4:10: `load.kind` is \"gama\", must be {all}"),
    );
    refuses::<Bench>(
        &in_load("gamma"),
        "b.yaml:4:9: `load.kind` is \"gamma\" alone, must have a value",
    );
    refuses::<Bench>(
        &in_load("{gamma: many}"),
        "b.yaml:4:17: `load.kind.gamma` is \"many\", must be a number",
    );
    refuses::<Bench>(
        &in_load("{closed: 1}"),
        "b.yaml:4:18: `load.kind.closed` is 1, must be empty",
    );
    refuses::<Bench>(
        &in_load("{gamma: 1, closed: 1}"),
        &format!("b.yaml:4:9: `load.kind` is a map of 2 keys, must have one: {all}"),
    );
    refuses::<Bench>(
        &in_load("[]"),
        &format!("b.yaml:4:9: `load.kind` is a list, must be {all}"),
    );
}

#[test]
fn tuples_have_their_length() {
    refuses::<Bench>(
        "model: m\nload: {requests: 1, range: [1, 2, 3]}\n",
        "b.yaml:2:28: `load.range` has 3 items, must have 2",
    );
    let bench: Bench = load("{model: m, load: {requests: 1, range: [1, .inf]}}").unwrap();
    assert_eq!(bench.load.range, Some((1.0, f64::INFINITY)));
}

#[test]
fn variables_are_expanded_before_typing() {
    let text = "model: \"${N}\"\nload:\n  requests: ${N}\n  range: [\"${A:-1}\", 2]\n";
    refuses::<Bench>(
        text,
        "b.yaml:4:11: `load.range[0]` is \"1\" in quotes, must be a number",
    );
    let bench: Bench = load("model: $${N} is ${N}\nload:\n  requests: ${UNSET:-8}\n").unwrap();
    assert_eq!((&*bench.model, bench.load.requests), ("${N} is 64", 8));
    refuses::<Bench>(
        "model: m\nload:\n  requests: ${WORD}\n",
        "b.yaml:3:13: `load.requests` is \"many\", must be a whole number",
    );
}

#[test]
fn an_unset_variable_is_an_error_with_its_place() {
    let hint = refuses::<Value>(
        "a:\n  - \"x ${HF_TOKEN}\"\n",
        "b.yaml:2:5: `a[0]` needs the environment variable `HF_TOKEN`, which is not set",
    );
    assert_eq!(
        hint.as_deref(),
        Some("set HF_TOKEN, or give a default: ${HF_TOKEN:-value}")
    );
    let error = load::<Value>("a: {b: ${N}}\n").unwrap_err();
    assert_eq!(
        error.hint(),
        Some("put ${...} in quotes inside [ ] and { }")
    );
}

#[test]
fn free_keys_are_skipped_in_structs_and_kept_in_maps() {
    let text = "x-note: ${UNSET}\nmodel: m\nload: {requests: 1, x-a: {x-b: 1}}\ntags: {x-c: d}\n";
    let bench: Bench = load(text).unwrap();
    assert_eq!(bench.tags["x-c"], "d");
    refuses::<Bench>(
        "model: m\nload: {requests: 1}\ntags:\n  x-key: ${UNSET}\n",
        "b.yaml:4:10: `tags.x-key` needs the environment variable `UNSET`, which is not set",
    );
    refuses::<Bench>(
        "x-n: &n ${UNSET}\nmodel: m\nload:\n  requests: *n\n",
        "b.yaml:4:13: `load.requests` needs the environment variable `UNSET`, which is not set",
    );
}

#[test]
fn merged_maps_yield_to_own_keys_and_to_earlier_maps() {
    let text = "
x-a: &a {k: 1, l: 1}
x-b: &b {k: 2, l: 2, m: 2}
one: {l: 0, <<: *b}
two: {<<: [*a, *b], m: 0}
text: {\"<<\": 1}
";
    let json = json_of(text);
    assert_eq!(json["one"], json!({"k": 2, "l": 0, "m": 2}));
    assert_eq!(json["two"], json!({"k": 1, "l": 1, "m": 0}));
    assert_eq!(json["text"], json!({"<<": 1}));
}

#[test]
fn only_maps_can_be_merged() {
    refuses::<Value>(
        "a: {<<: 1}",
        "b.yaml:1:9: `a.<<` is 1, must be a map or a list of maps",
    );
    refuses::<Value>(
        "a: {<<: [1]}",
        "b.yaml:1:9: `a.<<` is a list of other things, must be a map or a list of maps",
    );
}

#[test]
fn tabs_are_named_only_where_they_indent() {
    let tab = "a TAB indents this line, YAML allows spaces only";
    refuses::<Value>("a: b\n\tc: d\n", &format!("b.yaml:2:1: {tab}"));
    refuses::<Value>("a:\n  b: c\n \td: e\n", &format!("b.yaml:3:2: {tab}"));
    refuses::<Value>("a: b\n\tc\n", &format!("b.yaml:2:1: {tab}"));
    assert_eq!(json_of("a: |\n  b\n  \tc\n"), json!({"a": "b\n\tc\n"}));
    assert_eq!(json_of("a: \"b\n  \tc\"\n"), json!({"a": "b c"}));
    assert_eq!(json_of("a: b\tc\n"), json!({"a": "b\tc"}));
    let error = load::<Value>("a: |\n  b\n  \tc\nd: [\n").unwrap_err();
    assert!(error.message.starts_with("not YAML: "), "{error}");
}

#[test]
fn a_file_holds_exactly_one_document() {
    let none = "b.yaml:1:1: the file is empty, must hold one YAML document";
    for text in ["", "# nothing\n", "\u{feff}", "\n\n"] {
        refuses::<Option<u8>>(text, none);
    }
    refuses::<Value>(
        "a: 1\n---\nb: 1\n",
        "b.yaml:2:1: a second document starts here, a file must hold one",
    );
    assert_eq!(json_of("\u{feff}---\na: 1\n...\n"), json!({"a": 1}));
}

#[test]
fn keys_are_text() {
    let odd = "has a list or map as a key, must be text";
    refuses::<Value>("? [a]\n: b\n", &format!("b.yaml:1:3: the document {odd}"));
    refuses::<Value>("a: {{b: c}: d}\n", &format!("b.yaml:1:5: `a` {odd}"));
    refuses::<Value>(
        ": a\n",
        "b.yaml:1:1: the document has an empty key, must be text",
    );
    assert_eq!(json_of("a: &k b\n*k : c\n"), json!({"a": "b", "b": "c"}));
    let ports: BTreeMap<u16, String> = load("8000: a\n").unwrap();
    assert_eq!(ports[&8000], "a");
    refuses::<BTreeMap<u16, String>>("a: b\n", "b.yaml:1:1: `a` is \"a\", must be a whole number");
}

#[test]
fn only_core_tags_are_known() {
    assert_eq!(
        json_of("a: !!str 1\nb: !!int 1\n"),
        json!({"a": "1", "b": 1})
    );
    refuses::<Value>(
        "a: !env HOME\n",
        "b.yaml:1:4: `a` has the tag `!env`, must be one of the core schema",
    );
}

#[test]
fn json_follows_the_core_schema() {
    let text = "[1, 0x10, 1.5, 1e3, true, ~, 'true', no, 1.2.3, -0, 18446744073709551615]";
    let wanted = json!([
        1,
        16,
        1.5,
        1000.0,
        true,
        null,
        "true",
        "no",
        "1.2.3",
        0,
        u64::MAX
    ]);
    assert_eq!(json_of(text), wanted);
    assert_eq!(load::<Value>(text).unwrap(), wanted);
}

#[test]
fn what_json_cannot_hold_is_an_error() {
    for (value, fact) in [
        (".inf", "is .inf, must be finite: JSON cannot hold it"),
        (
            "18446744073709551616",
            "is 18446744073709551616, must fit 64 bits",
        ),
        ("1e999", "is 1e999, must fit 64 bits"),
    ] {
        let text = format!("a:\n  b: {value}\n");
        let message = format!("b.yaml:2:6: `a.b` {fact}");
        refuses::<Value>(&text, &message);
        assert_eq!(tree(&text).to_json().unwrap_err().to_string(), message);
    }
    let error = tree("a: .nan").to_json().unwrap_err();
    assert_eq!(
        error.to_string(),
        "b.yaml:1:4: `a` is .nan, must be finite: JSON cannot hold it"
    );
    refuses::<Value>("a: .nan", "b.yaml:1:4: `a` is .nan, must be a number");
}

#[test]
fn floats_refuse_what_they_cannot_hold() {
    refuses::<f32>(
        "1e39",
        "b.yaml:1:1: the document is 1e39, must fit a 32-bit float",
    );
    refuses::<f64>(
        "-1e999",
        "b.yaml:1:1: the document is -1e999, must fit 64 bits",
    );
    // 2^128 exactly: a whole number that only a float can hold.
    let value: f64 = load("340282366920938463463374607431768211456").unwrap();
    assert_eq!(value, 2.0_f64.powi(128));
}

#[test]
fn buffered_types_still_name_the_unknown_key() {
    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind", deny_unknown_fields)]
    #[allow(dead_code)]
    enum Tagged {
        Open { rate: f64 },
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Either {
        Number(u64),
        Text(String),
    }
    refuses::<Vec<Tagged>>(
        "- kind: Open\n  rate: 1\n  raet: 1\n",
        "b.yaml:3:3: unknown key `raet` in `[0]`, did you mean `rate`?",
    );
    refuses::<Vec<Either>>(
        "- 1\n- a\n- []\n",
        "b.yaml:3:3: `[2]` is a list, which is none of the allowed forms",
    );
}

#[test]
fn custom_refusals_follow_the_grammar() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "f64")]
    struct Rate;
    impl TryFrom<f64> for Rate {
        type Error = &'static str;
        fn try_from(_: f64) -> Result<Self, Self::Error> {
            Err("must be above 0 requests/s")
        }
    }
    refuses::<BTreeMap<String, Rate>>(
        "rate: 0\n",
        "b.yaml:1:7: `rate` is 0, must be above 0 requests/s",
    );
    refuses::<Vec<std::num::NonZeroU8>>("[0]", "b.yaml:1:2: `[0]` is 0, must be a nonzero u8");
}

#[test]
fn any_key_can_be_located() {
    let node = tree("a: 1\nlist:\n  - b:\n      c: 2\n  - é: {d: 3}\n");
    let at = |path: &[PathStep]| {
        node.locate(path)
            .map(|Mark { line, column }| (line, column))
    };
    assert_eq!(at(&[]), Some((1, 1)));
    assert_eq!(at(&[key("a")]), Some((1, 1)));
    assert_eq!(at(&[key("list")]), Some((2, 1)));
    let c = [key("list"), PathStep::Index(0), key("b"), key("c")];
    assert_eq!(at(&c), Some((4, 7)));
    let d = [key("list"), PathStep::Index(1), key("é"), key("d")];
    assert_eq!(at(&d), Some((5, 9)));
    assert_eq!(at(&[key("list"), PathStep::Index(2)]), None);
    assert_eq!(at(&[key("b")]), None);
    let error = |path: &[PathStep]| node.error_at(path, "is odd", None).to_string();
    assert_eq!(error(&c), "b.yaml:4:10: `list[0].b.c` is odd");
    assert_eq!(error(&c[..1]), "b.yaml:2:1: `list` is odd");
    let absent = [key("list"), PathStep::Index(0), key("x"), key("y")];
    assert_eq!(error(&absent), "b.yaml:3:5: `list[0].x.y` is odd");
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(load::<Value>(&nested(64)).is_ok());
    let deep = "nested deeper than 64 levels, which is the limit";
    refuses::<Value>(&nested(65), &format!("b.yaml:1:65: {deep}"));
    for text in [
        nested(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
    ] {
        assert!(load::<Value>(&text).is_err());
    }
    let mut chain = "a0: &a0 [1]\n".to_owned();
    for level in 1..80 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(load::<Value>(&chain).unwrap_err().message.ends_with(deep));
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..9 {
        let inside = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{inside}]\n");
    }
    let limit = "more than 100000 values with aliases expanded, which is the limit";
    assert_eq!(load::<Value>(&bomb).unwrap_err().message, limit);
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(1000)
    );
    assert_eq!(load::<Value>(&long).unwrap_err().message, limit);
    refuses::<Value>(
        "a: &a [*a]\n",
        "b.yaml:1:8: `a[0]` is an alias of the anchor that it is in: a value cannot contain itself",
    );
}

#[test]
fn broken_yaml_has_a_place() {
    for text in [
        "a: [1", "a: 'b", "a: b: c", "*a", "a: }", "%YAML 9", "- a\nb",
    ] {
        let error = load::<Value>(text).unwrap_err();
        assert!(error.message.starts_with("not YAML: "), "{text:?}: {error}");
        assert!(error.line >= 1 && error.column >= 1);
    }
}

fn no_nul(text: &str) -> bool {
    !text.contains('\0')
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "(0x|0o|0b|\\+)?[0-9.e_]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z ]{1,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text_loads_or_is_refused(text in any::<String>().prop_filter("nul", |t| no_nul(t))) {
        let _ = load::<Value>(&text);
        let _ = load::<Bench>(&text);
    }

    #[test]
    fn any_yaml_like_text_loads_or_is_refused(
        text in "([a-c:\\-\\[\\]{},&*!|>'\"#%?~<$ \t\r\n0]|: |- |\n  |<<: |\\*a|&a |!!str |---\n|\\.\\.\\.\n|model: |load: |\\$\\{|x-){0,40}"
    ) {
        let _ = load::<Value>(&text);
        let _ = load::<Bench>(&text);
        let _ = load::<Kind>(&text);
        let _ = yaml::parse("b.yaml", &text, &env).map(|node| node.to_json());
    }

    #[test]
    fn what_serde_yaml_writes_reads_as_the_same_json(value in json_value()) {
        let text = serde_yaml::to_string(&value).unwrap().replace("${", "$${");
        prop_assert_eq!(&json_of(&text), &value, "{}", &text);
        prop_assert_eq!(&load::<Value>(&text).unwrap(), &value, "{}", &text);
    }
}
