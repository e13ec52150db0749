//! From options to a command line, for servers that a command can start.

use inferbench_plugin_api::{LaunchContext, LaunchPlan, PluginError, PythonPackage};

use crate::describe::OpenAiOptions;

/// The plan, if there is a command.
///
/// # Errors
/// If no part of the command holds `{port}`, or a part holds a field that the
/// config does not set.
pub(crate) fn plan(
    options: &OpenAiOptions,
    context: &LaunchContext,
) -> Result<Option<LaunchPlan>, PluginError> {
    let Some(command) = options.command.as_deref() else {
        return Ok(None);
    };
    let parts = || command.iter().chain(&options.extra_args);
    if !parts().any(|part| part.contains("{port}")) {
        let words = "options.command: no argument holds `{port}`, which the server must listen on";
        return Err(PluginError::new(words));
    }
    let command: Result<Vec<String>, PluginError> =
        parts().map(|part| filled(part, context)).collect();
    let command = command?;
    let package = options.package.as_ref().zip(command.first());
    let package = package.map(|(package, program)| PythonPackage {
        with: package.with.clone(),
        ..PythonPackage::new(&package.name, program)
    });
    Ok(Some(LaunchPlan {
        command,
        package,
        ..LaunchPlan::default()
    }))
}

fn filled(part: &str, context: &LaunchContext) -> Result<String, PluginError> {
    let model = &context.model;
    let fields = [
        ("{model}", Some(model.id.clone())),
        ("{host}", Some(context.host.clone())),
        ("{port}", Some(context.port.to_string())),
        ("{served_name}", Some(context.served_name.clone())),
        ("{seed}", Some(context.seed.to_string())),
        ("{dtype}", model.dtype.clone()),
        (
            "{max_model_len}",
            model.max_model_len.map(|n| n.to_string()),
        ),
    ];
    let mut filled = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let field = fields.iter().find(|(field, _)| rest.starts_with(field));
        let Some((field, value)) = field else {
            filled.push('{');
            rest = &rest[1..];
            continue;
        };
        let missing = || {
            let key = field.trim_matches(['{', '}']);
            PluginError::new(format!(
                "options.command holds `{field}`, but model.{key} is not set"
            ))
        };
        filled.push_str(value.as_deref().ok_or_else(missing)?);
        rest = &rest[field.len()..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> LaunchContext {
        LaunchContext {
            model: inferbench_plugin_api::ModelSpec {
                id: "/m/{port}".to_owned(),
                ..Default::default()
            },
            served_name: "served".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 4321,
            seed: 1,
            work_dir: "/w".into(),
            max_concurrency: None,
        }
    }

    fn command(parts: &[&str]) -> Result<Option<LaunchPlan>, PluginError> {
        let options = OpenAiOptions {
            command: Some(parts.iter().map(|part| (*part).to_owned()).collect()),
            ..OpenAiOptions::default()
        };
        plan(&options, &context())
    }

    #[test]
    fn fields_are_filled_in_once_and_other_braces_stay() {
        let parts = [
            "llama-server",
            "-m={model}",
            "--port",
            "{port}",
            "{\"a\":{}}",
        ];
        let plan = command(&parts).unwrap().unwrap();
        assert_eq!(
            plan.command,
            [
                "llama-server",
                "-m=/m/{port}",
                "--port",
                "4321",
                "{\"a\":{}}"
            ]
        );
    }

    #[test]
    fn a_command_without_a_port_is_refused() {
        let error = command(&["serve", "{model}"]).unwrap_err();
        assert!(error.message.contains("no argument holds `{port}`"));
    }

    #[test]
    fn a_field_that_the_config_leaves_out_is_refused() {
        let error = command(&["serve", "{port}", "{dtype}"]).unwrap_err();
        assert_eq!(
            error.message,
            "options.command holds `{dtype}`, but model.dtype is not set"
        );
    }

    #[test]
    fn the_package_s_program_is_the_command_s_first_part() {
        let options = OpenAiOptions {
            command: Some(["lmdeploy", "{port}"].map(str::to_owned).to_vec()),
            package: Some(crate::describe::PackageOption {
                name: "lmdeploy".to_owned(),
                with: vec!["timm".to_owned()],
            }),
            ..OpenAiOptions::default()
        };
        let package = plan(&options, &context())
            .unwrap()
            .unwrap()
            .package
            .unwrap();
        assert_eq!(package.name, "lmdeploy");
        assert_eq!(package.program, "lmdeploy");
        assert_eq!(package.with, ["timm"]);
    }

    #[test]
    fn without_a_command_there_is_no_plan() {
        let options = OpenAiOptions::default();
        assert_eq!(plan(&options, &context()).unwrap(), None);
    }
}
