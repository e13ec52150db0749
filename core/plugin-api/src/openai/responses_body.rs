//! The body of a request to `/v1/responses`. Messages and fields that are in the form
//! of chat are put into this endpoint's.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::RequestSpec;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    input: Value,
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    /// Servers keep what they answered unless they are told not to.
    store: bool,
    stream: bool,
}

/// The body for one request. The API itself has no seed, and refuses fields that it
/// does not know; vLLM has `seed` and `ignore_eos`, but no `min_tokens`.
/// Source: `vllm/entrypoints/openai/responses/protocol.py` of vLLM.
///
/// `extends`: the server has them. `seed`: to send, if it does.
pub(super) fn body<'a>(
    request: &'a RequestSpec,
    messages: &Value,
    extends: bool,
    seed: Option<u64>,
) -> Body<'a> {
    Body {
        model: &request.model,
        input: input(messages),
        max_output_tokens: request.output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        seed: seed.filter(|_| extends),
        ignore_eos: (extends && request.force_output).then_some(true),
        store: false,
        stream: request.stream,
    }
}

/// Chat messages as items of `input`.
fn input(messages: &Value) -> Value {
    let Value::Array(messages) = messages else {
        return messages.clone();
    };
    Value::Array(messages.iter().flat_map(items).collect())
}

/// One message: its content, and each call in it as an item of its own.
fn items(message: &Value) -> Vec<Value> {
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    let role = text("role").unwrap_or("user");
    let content = message.get("content").unwrap_or(&Value::Null);
    if let ("tool", Some(call)) = (role, text("tool_call_id")) {
        return vec![json!({"type": "function_call_output", "call_id": call, "output": content})];
    }
    let mut items = Vec::new();
    if !content.is_null() {
        items.push(json!({"role": role, "content": parts(role, content)}));
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    items.extend(calls.into_iter().flatten().map(|call| {
        json!({
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
        })
    }));
    items
}

fn parts(role: &str, content: &Value) -> Value {
    let Value::Array(parts) = content else {
        return content.clone();
    };
    Value::Array(parts.iter().map(|each| part(role, each)).collect())
}

/// One part of a message's content. What is not known stays as it is.
fn part(role: &str, part: &Value) -> Value {
    let kind = part.get("type").and_then(Value::as_str);
    match kind.unwrap_or_default() {
        "text" if role == "assistant" => json!({"type": "output_text", "text": part["text"]}),
        "text" => json!({"type": "input_text", "text": part["text"]}),
        "image_url" => {
            let image = &part["image_url"];
            let url = image.get("url").unwrap_or(image);
            let detail = image
                .get("detail")
                .cloned()
                .unwrap_or_else(|| json!("auto"));
            json!({"type": "input_image", "image_url": url, "detail": detail})
        }
        _ => part.clone(),
    }
}

/// Fields that a prompt's source gives in chat's form.
pub(super) fn extra_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut put = Map::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("tools", Value::Array(tools)) => {
                put.insert(key.clone(), tools.iter().map(tool).collect());
            }
            ("response_format", Value::Object(format)) => {
                put.insert("text".to_owned(), json!({"format": text_format(format)}));
            }
            ("max_tokens" | "max_completion_tokens", value) => {
                put.insert("max_output_tokens".to_owned(), value.clone());
            }
            _ => {
                put.insert(key.clone(), value.clone());
            }
        }
    }
    put
}

/// `{"type": "function", "function": {...}}` without its inner object.
fn tool(tool: &Value) -> Value {
    let Some(Value::Object(function)) = tool.get("function") else {
        return tool.clone();
    };
    let mut flat = Map::from_iter([("type".to_owned(), json!("function"))]);
    flat.extend(function.clone());
    Value::Object(flat)
}

/// `{"type": "json_schema", "json_schema": {...}}` without its inner object.
fn text_format(format: &Map<String, Value>) -> Value {
    let mut flat = format.clone();
    if let Some(Value::Object(schema)) = flat.shift_remove("json_schema") {
        flat.extend(schema);
    }
    Value::Object(flat)
}
