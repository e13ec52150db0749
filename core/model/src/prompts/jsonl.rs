//! Rows of a user's own: one JSON object a line.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::prompts::row::{Content, Row, RowFault, beginning, kind, object, tokens};
use crate::prompts::sharegpt;

/// What a row looks like, in few words.
const EXPECTED: &str = "an object with `prompt`, `messages` or `conversations`";

/// Reads one row. `names` gives the names that fields have in this file, by those of
/// `ROW_FIELDS`. Gives the row and the fields that nothing reads.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &[u8], names: &BTreeMap<String, String>) -> Result<(Row, Vec<String>), RowFault> {
    let mut fields = object(line, EXPECTED)?;
    let mut take = |field: &str| {
        let name = names.get(field).map_or(field, String::as_str);
        let value = fields.shift_remove(name);
        value
            .filter(|value| !value.is_null())
            .map(|value| (name.to_owned(), value))
    };
    let prompt = take("prompt");
    let ids = take("prompt_token_ids");
    let messages = take("messages");
    let conversation = take("conversations");
    let mut row = Row::new(content(prompt, ids, messages, conversation, line)?);
    row.output_tokens = take("output_tokens").map(|v| answer(&v)).transpose()?;
    row.at_s = take("timestamp").map(|v| seconds(&v)).transpose()?;
    row.session = take("session").map(|v| name_or_number(&v)).transpose()?;
    row.class = take("class").map(|v| name_or_number(&v)).transpose()?;
    row.model = take("model").map(text).transpose()?;
    row.body = body(take("tools"), take("response_format"), take("extra_body"))?;
    let passed_over = fields.keys().cloned().collect();
    Ok((row, passed_over))
}

type Field = Option<(String, Value)>;

fn content(
    prompt: Field,
    ids: Field,
    messages: Field,
    conversation: Field,
    line: &[u8],
) -> Result<Content, RowFault> {
    match (prompt, ids, messages, conversation) {
        (prompt, Some(ids), None, None) => {
            let text = prompt.map(text).transpose()?;
            Ok(Content::TokenIds(token_ids(&ids)?, text))
        }
        (Some((name, Value::Array(list))), None, None, None) => {
            let ids = (name, Value::Array(list));
            Ok(Content::TokenIds(token_ids(&ids)?, None))
        }
        (Some((_, Value::String(text))), None, None, None) if !text.is_empty() => {
            Ok(Content::Text(text))
        }
        (Some((name, value)), None, None, None) => Err(RowFault::wrong(
            &match value {
                Value::String(_) => format!("`{name}` is empty"),
                other => format!("`{name}` is {}", kind(&other)),
            },
            "a text or a list of token ids",
        )),
        (None, None, Some(messages), None) => Ok(Content::Messages(message_list(messages)?)),
        (None, None, None, Some((name, list))) => sharegpt::conversation(&name, &list),
        (None, None, None, None) => Err(RowFault::wrong(
            &format!("names no prompt: {}", beginning(line)),
            EXPECTED,
        )),
        _ => Err(RowFault::wrong(
            "has more than one of `prompt`, `messages` and `conversations`",
            "one of them",
        )),
    }
}

fn text((name, value): (String, Value)) -> Result<String, RowFault> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(RowFault::wrong(
            &format!("`{name}` is {}", kind(&other)),
            "a text",
        )),
    }
}

fn name_or_number((name, value): &(String, Value)) -> Result<String, RowFault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(RowFault::wrong(
            &format!("`{name}` is {}", kind(other)),
            "a text or a number",
        )),
    }
}

fn answer((name, value): &(String, Value)) -> Result<u32, RowFault> {
    match tokens(name, value)? {
        0 => Err(RowFault::wrong(
            &format!("`{name}` is 0"),
            "1 token or more",
        )),
        n => Ok(n),
    }
}

fn seconds((name, value): &(String, Value)) -> Result<f64, RowFault> {
    let number = value.as_f64().filter(|s| s.is_finite() && *s >= 0.0);
    number.ok_or_else(|| {
        RowFault::wrong(
            &format!("`{name}` is {value}"),
            "seconds, as a number of 0 or more",
        )
    })
}

fn token_ids((name, value): &(String, Value)) -> Result<Vec<u32>, RowFault> {
    let ids: Option<Vec<u32>> = value.as_array().and_then(|list| {
        let ids = list.iter().map(|id| u32::try_from(id.as_u64()?).ok());
        ids.collect()
    });
    match ids {
        Some(ids) if !ids.is_empty() => Ok(ids),
        _ => Err(RowFault::wrong(
            &format!("`{name}` is {}", kind(value)),
            "a list of token ids, with at least one",
        )),
    }
}

fn message_list((name, value): (String, Value)) -> Result<Vec<Value>, RowFault> {
    let Value::Array(list) = value else {
        return Err(RowFault::wrong(
            &format!("`{name}` is {}", kind(&value)),
            "a list of messages",
        ));
    };
    if list.is_empty() {
        return Err(RowFault::wrong(
            &format!("`{name}` is empty"),
            "at least one message",
        ));
    }
    for (index, message) in list.iter().enumerate() {
        let has_role = message.get("role").is_some_and(Value::is_string);
        let content = message.get("content").unwrap_or(&Value::Null);
        let has_content = content.is_string()
            || content.is_array()
            || message.get("tool_calls").is_some_and(Value::is_array);
        if !(has_role && has_content) {
            return Err(RowFault::wrong(
                &format!(
                    "`{name}[{index}]` is {}",
                    beginning(message.to_string().as_bytes())
                ),
                "`role` and `content` (a text or a list of parts)",
            ));
        }
    }
    Ok(list)
}

fn body(tools: Field, format: Field, extra: Field) -> Result<Map<String, Value>, RowFault> {
    let mut body = Map::new();
    if let Some((name, value)) = tools {
        if !value.is_array() {
            return Err(RowFault::wrong(
                &format!("`{name}` is {}", kind(&value)),
                "a list of tools",
            ));
        }
        body.insert("tools".to_owned(), value);
    }
    if let Some((name, value)) = format {
        if !value.is_object() {
            return Err(RowFault::wrong(
                &format!("`{name}` is {}", kind(&value)),
                "an object",
            ));
        }
        body.insert("response_format".to_owned(), value);
    }
    match extra {
        None => {}
        Some((_, Value::Object(fields))) => body.extend(fields),
        Some((name, value)) => {
            return Err(RowFault::wrong(
                &format!("`{name}` is {}", kind(&value)),
                "an object",
            ));
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompts::row::Turn;

    fn plain(line: &str) -> Result<Row, String> {
        let read = read(line.as_bytes(), &BTreeMap::new());
        read.map(|(row, _)| row).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_text_may_have_all_that_a_request_can_say() {
        let line = r#"{"prompt": "Hi", "output_tokens": 7, "timestamp": 1.5, "session": 12,
            "class": "chat", "model": "lora-a", "tools": [], "response_format": {"type": "text"},
            "extra_body": {"top_k": 3}, "id": "x", "note": null}"#;
        let (row, passed_over) = read(line.as_bytes(), &BTreeMap::new()).unwrap();
        assert_eq!(row.content, Content::Text("Hi".to_owned()));
        assert_eq!(row.output_tokens, Some(7));
        assert_eq!(row.at_s, Some(1.5));
        assert_eq!(row.session.as_deref(), Some("12"));
        assert_eq!(row.class.as_deref(), Some("chat"));
        assert_eq!(row.model.as_deref(), Some("lora-a"));
        let body = json!({"tools": [], "response_format": {"type": "text"}, "top_k": 3});
        assert_eq!(Value::Object(row.body), body);
        assert_eq!(passed_over, ["id", "note"]);
    }

    #[test]
    fn messages_are_kept_as_they_are() {
        let line = r#"{"messages": [{"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "a"}]}"#;
        let row = plain(line).unwrap();
        let expected: Value = serde_json::from_str(line).unwrap();
        let Content::Messages(messages) = row.content else {
            panic!("{row:?}");
        };
        assert_eq!(Value::Array(messages), expected["messages"]);
    }

    #[test]
    fn conversations_and_token_ids_are_read() {
        let row = plain(
            r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#,
        );
        let turn = Turn {
            question: "a".to_owned(),
            answer: Some("b".to_owned()),
        };
        assert_eq!(row.unwrap().content, Content::Conversation(vec![turn]));
        let ids = plain(r#"{"prompt": [5, 6]}"#).unwrap();
        assert_eq!(ids.content, Content::TokenIds(vec![5, 6], None));
        let both = plain(r#"{"prompt": "x y", "prompt_token_ids": [5, 6]}"#).unwrap();
        let text = Some("x y".to_owned());
        assert_eq!(both.content, Content::TokenIds(vec![5, 6], text));
    }

    #[test]
    fn fields_may_have_other_names() {
        let names = BTreeMap::from([
            ("prompt".to_owned(), "question".to_owned()),
            ("output_tokens".to_owned(), "max_tokens".to_owned()),
        ]);
        let (row, _) = read(br#"{"question": "a", "max_tokens": 3}"#, &names).unwrap();
        assert_eq!(
            (row.content, row.output_tokens),
            (Content::Text("a".to_owned()), Some(3))
        );
    }

    #[test]
    fn a_wrong_row_says_what_it_is_and_what_it_should_be() {
        for (line, error) in [
            (
                r#"["a"]"#,
                "is `[\"a\"]`, expected an object with `prompt`, `messages` or `conversations`",
            ),
            (
                r#"{"text": "a"}"#,
                "names no prompt: `{\"text\": \"a\"}`, expected an object with `prompt`, `messages` or `conversations`",
            ),
            (
                r#"{"prompt": ""}"#,
                "`prompt` is empty, expected a text or a list of token ids",
            ),
            (
                r#"{"prompt": 5}"#,
                "`prompt` is a number, expected a text or a list of token ids",
            ),
            (
                r#"{"prompt": "a", "messages": []}"#,
                "has more than one of `prompt`, `messages` and `conversations`, expected one of them",
            ),
            (
                r#"{"prompt": "a", "output_tokens": 0}"#,
                "`output_tokens` is 0, expected 1 token or more",
            ),
            (
                r#"{"prompt": "a", "output_tokens": "9"}"#,
                "`output_tokens` is \"9\", expected a whole number of tokens",
            ),
            (
                r#"{"prompt": "a", "timestamp": -1}"#,
                "`timestamp` is -1, expected seconds, as a number of 0 or more",
            ),
            (
                r#"{"prompt": "a", "tools": {}}"#,
                "`tools` is an object, expected a list of tools",
            ),
            (
                r#"{"prompt": "a", "extra_body": []}"#,
                "`extra_body` is a list, expected an object",
            ),
            (
                r#"{"prompt": []}"#,
                "`prompt` is a list, expected a list of token ids, with at least one",
            ),
            (
                r#"{"messages": []}"#,
                "`messages` is empty, expected at least one message",
            ),
            (
                r#"{"messages": [{"role": "user"}]}"#,
                "`messages[0]` is `{\"role\":\"user\"}`, expected `role` and `content` (a text or a list of parts)",
            ),
            (
                r#"{"prompt": "a", "model": 5}"#,
                "`model` is a number, expected a text",
            ),
            (
                r#"{"prompt": "a", "session": []}"#,
                "`session` is a list, expected a text or a number",
            ),
        ] {
            assert_eq!(plain(line).unwrap_err(), error, "{line}");
        }
        let cut = plain(r#"{"prompt": "a"#).unwrap_err();
        assert!(
            cut.starts_with("is not JSON (EOF while parsing a string"),
            "{cut}"
        );
    }
}
