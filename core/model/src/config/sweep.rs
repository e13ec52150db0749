//! Sweeps: a backend with several values of its settings becomes several backends, before
//! anything else is read. Each value keeps its place in the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wording::shown;
use crate::yaml::{KeyNode, Kind, Node, PathStep, YamlError};

/// Backends that one backend may become.
const MOST_POINTS: usize = 100;
/// Settings that may be swept.
const SETTINGS: &str = "options.NAME, env.NAME, version or max_concurrency";

/// Settings of a backend with the values that they take: every combination of them is a
/// backend of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sweep {
    /// Settings whose values go together: the first of each, the second of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub zip: BTreeMap<String, Vec<Value>>,
    /// Settings by name, `options.max_num_seqs`, with their values.
    #[serde(flatten)]
    pub grid: BTreeMap<String, Vec<Value>>,
}

/// One point of a sweep: a backend of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// Label of the swept backend.
    pub of: String,
    /// The settings that were swept, with the values of this point.
    pub settings: BTreeMap<String, Value>,
}

/// One value of one setting.
type Setting<'n> = (&'n KeyNode, &'n Node);

/// Puts in the place of each backend that has a `sweep` one backend for each combination
/// of its values.
///
/// # Errors
/// Everything that is wrong with the sweeps.
pub(super) fn expand(tree: &mut Node) -> Result<(), Vec<YamlError>> {
    let root = tree.clone();
    let mut errors = Vec::new();
    let Some(backends) = child_mut(tree, "backends") else {
        return Ok(());
    };
    let Kind::Sequence(items) = &mut backends.kind else {
        return Ok(());
    };
    let mut expanded = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match points(&root, index, item) {
            Ok(points) => expanded.extend(points),
            Err(error) => errors.push(error),
        }
    }
    *items = expanded;
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}

/// The backends that one becomes.
fn points(root: &Node, index: usize, backend: &Node) -> Result<Vec<Node>, YamlError> {
    let at = |keys: &[&str]| {
        let mut path = vec![PathStep::Key("backends".to_owned()), PathStep::Index(index)];
        path.extend(keys.iter().map(|key| PathStep::Key((*key).to_owned())));
        path
    };
    let Some(sweep) = child(backend, "sweep") else {
        return Ok(vec![backend.clone()]);
    };
    let refuse = |keys: &[&str], fact: String| root.error_at(&at(keys), fact, None);
    let Kind::Mapping(entries) = &sweep.kind else {
        let fact = format!("is no map of settings to lists of values: {SETTINGS}");
        return Err(refuse(&["sweep"], fact));
    };
    let mut axes: Vec<Vec<Vec<Setting<'_>>>> = Vec::new();
    for (key, value) in entries {
        match (&*key.text, &value.kind) {
            ("zip", Kind::Mapping(zipped)) => axes.push(zip(zipped, &refuse)?),
            _ => axes.push(axis(key, value, &refuse, &["sweep"])?),
        }
    }
    let lengths = axes.iter().map(Vec::len);
    let all = lengths.fold(1_usize, usize::saturating_mul);
    if axes.is_empty() || all > MOST_POINTS {
        let fact = format!("gives {all} backends, must give 1 to {MOST_POINTS}");
        let fact = if axes.is_empty() {
            "is empty, must have a setting".to_owned()
        } else {
            fact
        };
        return Err(refuse(&["sweep"], fact));
    }
    let mut combined: Vec<Vec<Setting<'_>>> = vec![Vec::new()];
    for axis in &axes {
        let mut longer = Vec::with_capacity(combined.len() * axis.len());
        for before in &combined {
            longer.extend(axis.iter().map(|more| [before.as_slice(), more].concat()));
        }
        combined = longer;
    }
    Ok(combined
        .iter()
        .map(|settings| point(backend, settings))
        .collect())
}

/// The values of one setting, each by itself.
fn axis<'n>(
    key: &'n KeyNode,
    value: &'n Node,
    refuse: &dyn Fn(&[&str], String) -> YamlError,
    above: &[&str],
) -> Result<Vec<Vec<Setting<'n>>>, YamlError> {
    let keys: Vec<&str> = above.iter().copied().chain([&*key.text]).collect();
    let is_known = ["options.", "env."].iter().any(|root| {
        key.text
            .strip_prefix(root)
            .is_some_and(|rest| !rest.is_empty())
    }) || ["version", "max_concurrency"].contains(&&*key.text);
    if !is_known {
        return Err(refuse(
            &keys,
            format!("is no setting that can be swept, must be {SETTINGS}"),
        ));
    }
    match &value.kind {
        Kind::Sequence(values) if !values.is_empty() => {
            Ok(values.iter().map(|value| vec![(key, value)]).collect())
        }
        _ => Err(refuse(
            &keys,
            "must be a list of one value or more".to_owned(),
        )),
    }
}

/// Settings whose values go together.
fn zip<'n>(
    entries: &'n [(KeyNode, Node)],
    refuse: &dyn Fn(&[&str], String) -> YamlError,
) -> Result<Vec<Vec<Setting<'n>>>, YamlError> {
    let above = ["sweep", "zip"];
    let axes = entries
        .iter()
        .map(|(key, value)| axis(key, value, refuse, &above));
    let axes: Vec<Vec<Vec<Setting<'_>>>> = axes.collect::<Result<_, _>>()?;
    let lengths: Vec<usize> = axes.iter().map(Vec::len).collect();
    match lengths.iter().max() {
        Some(most) if lengths.iter().all(|length| length == most) => {
            let each = (0..*most).map(|at| axes.iter().flat_map(|axis| axis[at].clone()).collect());
            Ok(each.collect())
        }
        _ => Err(refuse(
            &above,
            format!("has lists of {lengths:?} values, must have lists of one length"),
        )),
    }
}

/// A backend with these settings, and a label that names them.
fn point(backend: &Node, settings: &[Setting<'_>]) -> Node {
    let mut point = backend.clone();
    if let Kind::Mapping(entries) = &mut point.kind {
        entries.retain(|(key, _)| &*key.text != "sweep");
    }
    let mut names = Vec::new();
    for (key, value) in settings {
        let steps: Vec<&str> = key.text.split('.').collect();
        set(&mut point, key, &steps, value);
        let name = steps.last().copied().unwrap_or_default();
        names.push(format!("{name} {}", words(value)));
    }
    let of_backend = ["label", "plugin"]
        .iter()
        .find_map(|key| scalar(child(backend, key)?));
    let label = format!(
        "{} {}",
        of_backend.as_deref().unwrap_or_default(),
        names.join(" + ")
    );
    if let Some((key, _)) = settings.first() {
        let text = |text: String| {
            let mut node = backend.clone();
            node.mark = key.mark;
            node.kind = Kind::Scalar {
                text: text.into(),
                plain: false,
            };
            node
        };
        set(&mut point, key, &["label"], &text(label));
        let of_backend = of_backend.unwrap_or_default();
        set(&mut point, key, &["point", "of"], &text(of_backend));
        for (key, value) in settings {
            set(&mut point, key, &["point", "settings", &*key.text], value);
        }
    }
    point
}

/// Sets the value at these keys; what is not there is made, at the place of `from`.
fn set(node: &mut Node, from: &KeyNode, steps: &[&str], value: &Node) {
    let Some((first, rest)) = steps.split_first() else {
        *node = value.clone();
        return;
    };
    if !matches!(node.kind, Kind::Mapping(_)) {
        node.kind = Kind::Mapping(Vec::new());
    }
    let mut empty = node.clone();
    let Kind::Mapping(entries) = &mut node.kind else {
        return;
    };
    match entries
        .iter_mut()
        .find(|(key, _)| key.text == (*first).into())
    {
        Some((_, inner)) => set(inner, from, rest, value),
        None => {
            empty.kind = Kind::Mapping(Vec::new());
            empty.mark = from.mark;
            set(&mut empty, from, rest, value);
            let key = KeyNode {
                mark: from.mark,
                text: (*first).into(),
                plain: true,
            };
            entries.push((key, empty));
        }
    }
}

/// A value as a label has it: letters, digits and what a folder's name may have.
fn words(value: &Node) -> String {
    let text = match (scalar(value), value.to_json()) {
        (Some(text), _) => text,
        (None, Ok(json)) => shown(&json),
        (None, Err(_)) => String::new(),
    };
    let safe = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    text.chars().take(40).map(safe).collect()
}

fn scalar(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar { text, .. } => Some(text.to_string()),
        _ => None,
    }
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(&[PathStep::Key(key.to_owned())])
}

fn child_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.kind {
        Kind::Mapping(entries) => {
            let mut entries = entries.iter_mut();
            entries
                .find(|(own, _)| &*own.text == key)
                .map(|(_, value)| value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, load};

    fn config(sweep: &str) -> Result<Config, Vec<String>> {
        let text = format!(
            "name: a\nmodel: {{id: m}}\nbackends:\n  - plugin: vllm\n    options: {{x: 1, max_num_seqs: 8}}\n    sweep: {sweep}\n  - plugin: hf\nload: {{concurrency: [1], requests: 8}}\n"
        );
        let loaded = load("a.yaml", &text, &|_| None);
        loaded
            .map(|loaded| loaded.config)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn labels(sweep: &str) -> Vec<String> {
        let config = config(sweep).unwrap();
        let labels = config
            .backends
            .iter()
            .map(|backend| backend.label().to_owned());
        labels.collect()
    }

    #[test]
    fn every_combination_is_a_backend_whose_label_names_it() {
        let sweep = "{options.max_num_seqs: [64, 128], options.kv_cache_dtype: [auto, fp8]}";
        assert_eq!(
            labels(sweep),
            [
                "vllm max_num_seqs 64 + kv_cache_dtype auto",
                "vllm max_num_seqs 64 + kv_cache_dtype fp8",
                "vllm max_num_seqs 128 + kv_cache_dtype auto",
                "vllm max_num_seqs 128 + kv_cache_dtype fp8",
                "hf",
            ]
        );
        let backends = config(sweep).unwrap().backends;
        assert_eq!(backends[3].options["max_num_seqs"], 128);
        assert_eq!(backends[3].options["kv_cache_dtype"], "fp8");
        assert_eq!(backends[3].options["x"], 1);
        assert_eq!(backends[4].options.len(), 0);
        let point = backends[3].point.as_ref().unwrap();
        assert_eq!(point.of, "vllm");
        let settings = serde_json::to_value(&point.settings).unwrap();
        assert_eq!(
            settings,
            serde_json::json!({"options.max_num_seqs": 128, "options.kv_cache_dtype": "fp8"})
        );
        assert_eq!(backends[4].point, None);
    }

    #[test]
    fn zipped_values_go_together() {
        let sweep =
            "{zip: {options.max_num_seqs: [64, 128], env.A: [\"1\", \"2\"]}, version: [\"0.1\"]}";
        assert_eq!(
            labels(sweep),
            [
                "vllm max_num_seqs 64 + A 1 + version 0.1",
                "vllm max_num_seqs 128 + A 2 + version 0.1",
                "hf"
            ]
        );
        assert_eq!(config(sweep).unwrap().backends[1].env["A"], "2");
    }

    #[test]
    fn what_cannot_be_swept_is_refused_at_its_place() {
        for (sweep, error) in [
            (
                "3",
                "a.yaml:6:12: `backends[0].sweep` is no map of settings to lists of values",
            ),
            ("{}", "`backends[0].sweep` is empty, must have a setting"),
            (
                "{plugin: [a]}",
                "is no setting that can be swept, must be options.NAME, env.NAME, version or max_concurrency",
            ),
            ("{options.x: 3}", "must be a list of one value or more"),
            ("{options.x: []}", "must be a list of one value or more"),
            (
                "{zip: {options.x: [1], options.y: [1, 2]}}",
                "has lists of [1, 2] values, must have lists of one length",
            ),
        ] {
            let errors = config(sweep).unwrap_err();
            assert!(errors[0].contains(error), "{sweep}: {errors:?}");
        }
        let values = (0..101)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        // More than a number can hold: 101 to the power of ten.
        let axes: Vec<String> = (0..10)
            .map(|n| format!("options.x{n}: [{values}]"))
            .collect();
        let errors = config(&format!("{{{}}}", axes.join(", "))).unwrap_err();
        assert!(errors[0].contains("must give 1 to 100"), "{errors:?}");
        let hundred = values.rsplit_once(", ").unwrap().0;
        let square = format!("{{options.x: [{hundred}], options.y: [{hundred}]}}");
        let errors = config(&square).unwrap_err();
        assert!(
            errors[0].contains("gives 10000 backends, must give 1 to 100"),
            "{errors:?}"
        );
        let errors = config(&format!("{{options.x: [{values}]}}")).unwrap_err();
        assert!(
            errors[0].contains("gives 101 backends, must give 1 to 100"),
            "{errors:?}"
        );
    }
}
