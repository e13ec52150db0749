//! Checks of launch plans, for several configs and for each option alone.

use serde_json::{Map, Value, json};

use super::{Outcome, Subject, must, no_panic, open, words};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{LaunchContext, LaunchPlan, ModelSpec};

pub(super) fn usual() -> LaunchContext {
    LaunchContext {
        model: ModelSpec {
            id: "kit/model".to_owned(),
            dtype: Some("float32".to_owned()),
            max_model_len: Some(2048),
            tokenizer: None,
        },
        served_name: "kit-model".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 45_678,
        seed: 9,
        work_dir: "/kit".into(),
        max_concurrency: Some(4),
    }
}

/// The config's other corners: a model in a folder with a space, nothing set
/// that may be left out, the highest values.
fn others() -> [LaunchContext; 3] {
    let folder = LaunchContext {
        model: ModelSpec {
            id: "/models/my model".to_owned(),
            tokenizer: Some("/models/other".to_owned()),
            ..usual().model
        },
        port: 1024,
        ..usual()
    };
    let bare = LaunchContext {
        model: ModelSpec {
            id: "kit/model".to_owned(),
            ..ModelSpec::default()
        },
        port: 8000,
        max_concurrency: None,
        ..usual()
    };
    let highest = LaunchContext {
        model: ModelSpec {
            dtype: Some("bfloat16".to_owned()),
            max_model_len: Some(u32::MAX),
            ..usual().model
        },
        port: u16::MAX,
        seed: u64::MAX,
        max_concurrency: Some(100_000),
        ..usual()
    };
    [folder, bare, highest]
}

pub(super) fn plan_is_sound(subject: &Subject) -> Outcome {
    let can = &subject.description.capabilities;
    let context = usual();
    let Some(plan) = subject.client.launch_plan(&context).map_err(words)? else {
        let other_way = !can.can_launch || can.can_attach;
        return must(
            other_way,
            "says it can launch but has no plan and cannot attach",
        );
    };
    must(can.can_launch, "has a plan but does not say it can launch")?;
    is_sound(&plan, &context)
}

fn is_sound(plan: &LaunchPlan, context: &LaunchContext) -> Outcome {
    let program = plan.command.first().map_or("", String::as_str);
    must(!program.is_empty(), "the plan has no program")?;
    for file in &plan.files {
        let path = file.path.display();
        must(
            file.is_inside(),
            format!("file `{path}` lies outside the work folder"),
        )?;
    }
    for variable in &plan.env {
        let name = &variable.name;
        let sound = !name.is_empty() && !name.contains(['=', '\0']);
        must(sound, format!("`{name}` cannot name a variable"))?;
    }
    let signal = plan.stop.signal.as_str();
    must(
        matches!(signal, "TERM" | "INT"),
        format!("stop signal is `{signal}`, must be TERM or INT"),
    )?;
    let port = context.port.to_string();
    let words = plan.command.iter().chain(plan.env.iter().map(|v| &v.value));
    let names_port = words
        .chain(plan.files.iter().map(|f| &f.contents))
        .any(|word| word.contains(&port));
    must(names_port, "the plan does not give the server its port")
}

pub(super) fn plans_follow_the_config(subject: &Subject) -> Outcome {
    for context in others() {
        let about = format!("model `{}`, port {}", context.model.id, context.port);
        plan_for(&subject.client, &context).map_err(|why| format!("{about}: {why}"))?;
    }
    Ok(())
}

/// A plan may be refused in words; if there is one it must be sound, and the
/// same when it is asked for again, as `validate` shows what `run` will do.
fn plan_for(client: &BackendClient, context: &LaunchContext) -> Outcome {
    let Some(Some(plan)) = no_panic("launch", client.launch_plan(context))? else {
        return Ok(());
    };
    is_sound(&plan, context)?;
    let again = client.launch_plan(context).map_err(words)?;
    must(
        again.as_ref() == Some(&plan),
        "the same config gave two launch plans",
    )
}

pub(super) fn options_are_taken_or_refused(subject: &Subject) -> Outcome {
    let properties = subject.description.options_schema.get("properties");
    for (name, schema) in properties.and_then(Value::as_object).into_iter().flatten() {
        for value in values(schema) {
            let mut options: Map<String, Value> = subject.options.clone();
            options.insert(name.clone(), value.clone());
            let at = |why: String| format!("{name} = {value}: {why}");
            let opened = open(subject.module, &subject.name, &options);
            if let Some(client) = no_panic("open", opened).map_err(at)? {
                plan_for(&client, &usual()).map_err(at)?;
                let encoded = client.encode(&subject.request()?);
                no_panic("encode", encoded).map_err(at)?;
            }
        }
    }
    Ok(())
}

/// The values that a schema names: those of an enumeration, both truths, the
/// ends of a range.
fn values(schema: &Value) -> Vec<Value> {
    let mut values = Vec::new();
    let list = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    values.extend(list("enum").cloned());
    values.extend(schema.get("const").cloned());
    values.extend(
        ["minimum", "maximum"]
            .iter()
            .filter_map(|key| schema.get(*key).cloned()),
    );
    let is_truth = |kind: &Value| kind == "boolean";
    if schema.get("type").is_some_and(is_truth) || list("type").any(is_truth) {
        values.extend([json!(false), json!(true)]);
    }
    for key in ["anyOf", "oneOf"] {
        values.extend(list(key).flat_map(self::values));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_schema_are_its_named_ones_and_its_ends() {
        let schema = json!({"anyOf": [
            {"enum": ["a", "b"]},
            {"type": ["boolean", "null"]},
            {"type": "integer", "minimum": 1, "maximum": 9},
        ]});
        let expected = [
            json!("a"),
            json!("b"),
            json!(false),
            json!(true),
            json!(1),
            json!(9),
        ];
        assert_eq!(values(&schema), expected);
    }
}
