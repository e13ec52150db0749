//! What a text says, whatever type it becomes: variables, merges, tags, limits.

use super::*;

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
