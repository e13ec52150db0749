//! Checks of `workload.classes`: names, weights, and what goes with them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check_slo;
use super::found::Found;
use crate::config::{ClassConfig, PromptSource, WorkloadConfig};

/// Classes that a run may have, and the largest weight of one.
const MOST_CLASSES: usize = 32;
const MOST_WEIGHT: u32 = 1000;

/// Checks the classes of a workload.
pub(super) fn check(workload: &WorkloadConfig, found: &mut Found) {
    let classes = &workload.classes;
    if classes.len() > MOST_CLASSES {
        let fact = format!(
            "has {} classes, must be {MOST_CLASSES} at most",
            classes.len()
        );
        found.add("workload.classes", fact);
        return;
    }
    check_names(classes, found);
    for (index, class) in classes.iter().enumerate() {
        let path = |key: &str| format!("workload.classes.{index}.{key}");
        check_slo(&path("slo"), class.slo.unwrap_or_default(), found);
        if !(1..=MOST_WEIGHT).contains(&class.weight) {
            let fact = format!("is {}, must be 1 to {MOST_WEIGHT}", class.weight);
            found.add(&path("weight"), fact);
        }
        match &class.workload {
            Some(own) => check_own(&path("workload"), own, found),
            None => check_of_rows(&path, class, workload, found),
        }
    }
    if workload.is_mixture() {
        check_beside(workload, found);
    }
}

fn check_names(classes: &[ClassConfig], found: &mut Found) {
    let mut seen = BTreeSet::new();
    for (index, class) in classes.iter().enumerate() {
        let path = format!("workload.classes.{index}.name");
        let name = class.name.as_str();
        if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control)
        {
            let fact = format!("is {name:?}, must have 1 to 64 characters");
            found.add(&path, fact);
        } else if !seen.insert(name) {
            found.add(&path, format!("is {name:?}, like an earlier class"));
        }
    }
}

/// A class that has a workload of its own.
fn check_own(path: &str, own: &WorkloadConfig, found: &mut Found) {
    if !own.classes.is_empty() {
        let fact = "is set, but a class has no classes of its own";
        found.add(&format!("{path}.classes"), fact);
    }
    if !own.prefix_cache.is_reset() {
        let fact = "is set, but all classes share the cache";
        let hint = "set workload.prefix_cache";
        found.add_hint(&format!("{path}.prefix_cache"), fact, Some(hint));
    }
}

/// A class whose requests are those rows that name it.
fn check_of_rows(
    path: &dyn Fn(&str) -> String,
    class: &ClassConfig,
    workload: &WorkloadConfig,
    found: &mut Found,
) {
    if workload.is_mixture() {
        let fact = "is missing, and other classes have one: either all do, or none";
        found.add(&path("workload"), fact);
        return;
    }
    if workload.prompts != PromptSource::Jsonl {
        let fact = format!(
            "is missing: only rows of `jsonl` name their class, and prompts are `{}`",
            workload.prompts.name()
        );
        found.add(&path("workload"), fact);
    } else if class.weight != 1 {
        let fact = format!(
            "is {}, but the file's rows say which class they are of",
            class.weight
        );
        found.add(&path("weight"), fact);
    }
}

/// Keys beside classes that no request would be made from.
fn check_beside(workload: &WorkloadConfig, found: &mut Found) {
    let left = WorkloadConfig {
        classes: workload.classes.clone(),
        seed: workload.seed,
        prefix_cache: workload.prefix_cache,
        ..WorkloadConfig::default()
    };
    let json = |workload| serde_json::to_value(workload).unwrap_or(Value::Null);
    let (set, left) = (json(workload), json(&left));
    for (key, value) in set.as_object().into_iter().flatten() {
        if left.get(key) != Some(value) {
            found.add_hint(
                &format!("workload.{key}"),
                "is set, but every request is one of a class with a workload of its own",
                Some("move it into the workload of the classes that it is for"),
            );
        }
    }
}
