//! Ten config files that loaders are known to get wrong, each with what a
//! user must see.

use inferbench_model::yaml::{self, YamlError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Flat {
    model: String,
    concurrency: u32,
}

fn load<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    yaml::from_str("bench.yaml", text, &|_| None)
}

fn refused<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> (String, Option<String>) {
    let error = load::<T>(text).unwrap_err();
    (error.to_string(), error.hint().map(str::to_owned))
}

#[test]
fn c01_typo_names_the_nearest_key_and_its_place() {
    let (error, _) = refused::<Flat>(include_str!("../cases/config/c01_typo.yaml"));
    assert_eq!(
        error,
        "bench.yaml:2:1: unknown key `concurency`, did you mean `concurrency`?"
    );
}

#[test]
fn c02_duplicate_key_names_both_lines() {
    let (error, _) = refused::<Flat>(include_str!("../cases/config/c02_duplicate.yaml"));
    assert_eq!(
        error,
        "bench.yaml:3:1: `concurrency` is set twice, first on line 2"
    );
}

#[test]
fn c03_no_and_off_are_text_and_yes_is_not_true() {
    #[derive(Debug, Deserialize)]
    struct Texts {
        model: String,
        tag: String,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Norway {
        model: String,
        tag: String,
        stream: bool,
    }
    let text = include_str!("../cases/config/c03_norway.yaml");
    let texts: Texts = load(text).unwrap();
    assert_eq!((&*texts.model, &*texts.tag), ("no", "off"));
    let (error, hint) = refused::<Norway>(text);
    assert_eq!(
        error,
        "bench.yaml:3:9: `stream` is \"yes\", must be true or false"
    );
    assert_eq!(hint.as_deref(), Some("write true"));
}

#[test]
fn c04_exponents_without_a_point_are_numbers() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Exponents {
        request_rate: f64,
        timeout_s: f64,
    }
    let text = include_str!("../cases/config/c04_exponent.yaml");
    let wanted = Exponents {
        request_rate: 1000.0,
        timeout_s: 0.6,
    };
    assert_eq!(load::<Exponents>(text).unwrap(), wanted);
    let json = yaml::parse("bench.yaml", text, &|_| None)
        .unwrap()
        .to_json()
        .unwrap();
    assert_eq!(
        json,
        serde_json::json!({"request_rate": 1000.0, "timeout_s": 0.6})
    );
}

#[test]
fn c05_tab_is_called_a_tab() {
    let (error, _) = refused::<serde_json::Value>(include_str!("../cases/config/c05_tab.yaml"));
    assert_eq!(
        error,
        "bench.yaml:2:1: a TAB indents this line, YAML allows spaces only"
    );
}

#[test]
fn c06_merge_keeps_the_maps_own_key() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Run {
        concurrency: u32,
        duration_s: u32,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Merge {
        base: Run,
        runs: Vec<Run>,
    }
    let merge: Merge = load(include_str!("../cases/config/c06_merge.yaml")).unwrap();
    let run = |concurrency| Run {
        concurrency,
        duration_s: 30,
    };
    assert_eq!((merge.base, merge.runs), (run(8), vec![run(16)]));
}

#[test]
fn c07_free_keys_may_hold_anchors() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Prompts {
        prompts: Vec<String>,
    }
    let loaded: Prompts = load(include_str!("../cases/config/c07_anchor_store.yaml")).unwrap();
    assert_eq!(loaded.prompts, ["one", "two"]);
}

#[test]
fn c08_version_like_texts_stay_as_written() {
    #[derive(Debug, Deserialize)]
    struct Versions {
        model_version: String,
        run_id: String,
    }
    let loaded: Versions = load(include_str!("../cases/config/c08_version_like.yaml")).unwrap();
    assert_eq!((&*loaded.model_version, &*loaded.run_id), ("1.10", "007"));
}

#[test]
fn c09_an_empty_model_is_an_error() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Nulls {
        model: String,
        endpoint: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    struct Optional {
        model: Option<String>,
        endpoint: Option<String>,
    }
    let text = include_str!("../cases/config/c09_nulls.yaml");
    let (error, _) = refused::<Nulls>(text);
    assert_eq!(error, "bench.yaml:1:1: `model` is empty, must be text");
    let optional: Optional = load(text).unwrap();
    assert_eq!((optional.model, optional.endpoint), (None, None));
}

#[test]
fn c10_infinity_is_a_rate_and_nan_is_nothing() {
    #[derive(Debug, Deserialize)]
    struct Rate {
        request_rate: f64,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Limits {
        request_rate: f64,
        timeout_s: f64,
    }
    let text = include_str!("../cases/config/c10_inf_nan.yaml");
    assert_eq!(load::<Rate>(text).unwrap().request_rate, f64::INFINITY);
    let (error, _) = refused::<Limits>(text);
    assert_eq!(
        error,
        "bench.yaml:2:12: `timeout_s` is .nan, must be a number"
    );
}
