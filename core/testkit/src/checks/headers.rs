//! The check that a key, or whatever else a server wants to see on a real request,
//! goes with every request.

use serde_json::{Map, Value, json};

use super::{Outcome, Subject, must, no_panic, open, words};
use inferbench_plugin_api::ControlRequest;
use inferbench_plugin_api::client::BackendClient;

/// Headers that belong to a body, and to no other request.
const OF_THE_BODY: [&str; 2] = ["content-type", "accept"];

pub(super) fn go_with_every_request(subject: &Subject) -> Outcome {
    if subject.description.capabilities.in_process {
        return Ok(());
    }
    go_with_every_request_of(&subject.client, subject)?;
    for options in with_headers_of_the_users(subject) {
        let opened = open(subject.module, &subject.name, &options);
        if let Some(client) = no_panic("open", opened)? {
            go_with_every_request_of(&client, subject)?;
        }
    }
    Ok(())
}

/// Options by which a user adds headers, by their names: a variable that holds a
/// key, and headers themselves.
fn with_headers_of_the_users(subject: &Subject) -> Vec<Map<String, Value>> {
    let properties = subject.description.options_schema.get("properties");
    let names = properties.and_then(Value::as_object).into_iter().flatten();
    let values = names.filter_map(|(name, _)| {
        let value = match name.as_str() {
            // A variable that is set everywhere.
            name if name.ends_with("_env") => json!("PATH"),
            "headers" => json!({"x-kit": "marmalade"}),
            _ => return None,
        };
        let mut options = subject.options.clone();
        options.insert(name.clone(), value);
        Some(options)
    });
    values.collect()
}

fn go_with_every_request_of(client: &BackendClient, subject: &Subject) -> Outcome {
    let real = client.encode(&subject.request()?).map_err(words)?;
    let probes = client.probes().map_err(words)?;
    let named = [probes.health, probes.models, probes.metrics];
    let info = probes.info.into_iter().map(|probe| probe.request);
    let reset = client.reset().map_err(words)?;
    for request in named.into_iter().flatten().chain(info).chain(reset) {
        for (name, value) in &real.headers {
            let of_the_body = OF_THE_BODY.iter().any(|of| name.eq_ignore_ascii_case(of));
            must(
                of_the_body || has(&request, name, value),
                format!("`{} {}` is without {name}", request.method, request.path),
            )?;
        }
    }
    Ok(())
}

fn has(request: &ControlRequest, name: &str, value: &str) -> bool {
    let mut headers = request.headers.iter();
    headers.any(|(known, is)| known.eq_ignore_ascii_case(name) && is == value)
}
