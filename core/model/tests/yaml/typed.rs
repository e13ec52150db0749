//! What types ask for: wrong types, unknown and missing keys, enums, numbers.

use super::*;

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
