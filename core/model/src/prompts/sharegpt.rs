//! Conversations as ShareGPT has them: lists of `from` and `value`.

use serde_json::Value;

use crate::prompts::row::{Content, Row, RowFault, Turn, kind, object};

/// A conversation without a question that was answered.
pub const NO_ANSWER: &str = "no question with an answer";
/// A message that is no text.
pub const NO_TEXT: &str = "a message is no text";

/// Reads one element of the file.
///
/// # Errors
/// `Wrong` if it is no conversation at all, `Dropped` for the odd ones that the public
/// file has.
pub fn read(element: &[u8]) -> Result<Row, RowFault> {
    const EXPECTED: &str = "an object with `conversations`, a list of `from` and `value`";
    let fields = object(element, EXPECTED)?;
    match fields.get("conversations") {
        Some(list) => Ok(Row::new(conversation("conversations", list)?)),
        None => {
            let names: Vec<&str> = fields.keys().take(5).map(String::as_str).collect();
            let found = format!("has no `conversations` but `{}`", names.join("`, `"));
            Err(RowFault::wrong(&found, EXPECTED))
        }
    }
}

/// The questions of a conversation and their answers; what comes before the first
/// question is passed over.
pub(crate) fn conversation(name: &str, list: &Value) -> Result<Content, RowFault> {
    let Value::Array(messages) = list else {
        let found = format!("`{name}` is {}", kind(list));
        return Err(RowFault::wrong(&found, "a list of `from` and `value`"));
    };
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        let Some(text) = message.get("value").and_then(Value::as_str) else {
            return Err(RowFault::Dropped(NO_TEXT.to_owned()));
        };
        let open = turns.last_mut().filter(|turn| turn.answer.is_none());
        match (speaker(message), open) {
            (Speaker::User, None) => turns.push(Turn {
                question: text.to_owned(),
                answer: None,
            }),
            (Speaker::User, Some(turn)) => {
                turn.question.push_str("\n\n");
                turn.question.push_str(text);
            }
            (Speaker::Model, Some(turn)) => turn.answer = Some(text.to_owned()),
            // An answer to nothing, or a second one.
            (Speaker::Model, None) | (Speaker::Other, _) => {}
        }
    }
    turns.retain(|turn| turn.answer.is_some() && !turn.question.trim().is_empty());
    match turns.is_empty() {
        true => Err(RowFault::Dropped(NO_ANSWER.to_owned())),
        false => Ok(Content::Conversation(turns)),
    }
}

enum Speaker {
    User,
    Model,
    Other,
}

fn speaker(message: &Value) -> Speaker {
    match message.get("from").and_then(Value::as_str) {
        Some("human" | "user") => Speaker::User,
        Some("gpt" | "chatgpt" | "bing" | "bard" | "assistant" | "model") => Speaker::Model,
        _ => Speaker::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(json: &str) -> Result<Vec<(String, String)>, RowFault> {
        let row = read(json.as_bytes())?;
        let Content::Conversation(turns) = row.content else {
            panic!("{row:?}");
        };
        let pairs = turns
            .into_iter()
            .map(|turn| (turn.question, turn.answer.unwrap()));
        Ok(pairs.collect())
    }

    fn pair(question: &str, answer: &str) -> (String, String) {
        (question.to_owned(), answer.to_owned())
    }

    #[test]
    fn questions_go_with_their_answers() {
        let json = r#"{"id": "x", "conversations": [
            {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
            {"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]}"#;
        assert_eq!(turns(json).unwrap(), [pair("a", "b"), pair("c", "d")]);
    }

    #[test]
    fn odd_conversations_keep_what_was_asked_and_answered() {
        // Begins with an answer, a system message, two questions in a row, two answers,
        // and a question without one.
        let json = r#"{"conversations": [
            {"from": "gpt", "value": "x"}, {"from": "system", "value": "s"},
            {"from": "user", "value": "a"}, {"from": "human", "value": "b"},
            {"from": "bing", "value": "c"}, {"from": "gpt", "value": "d"},
            {"from": "human", "value": "e"}]}"#;
        assert_eq!(turns(json).unwrap(), [pair("a\n\nb", "c")]);
    }

    #[test]
    fn conversations_without_an_answer_or_text_are_left_out() {
        for (json, why) in [
            (r#"{"conversations": []}"#, NO_ANSWER),
            (
                r#"{"conversations": [{"from": "human", "value": "a"}]}"#,
                NO_ANSWER,
            ),
            (
                r#"{"conversations": [{"from": "human", "value": " "}, {"from": "gpt", "value": "b"}]}"#,
                NO_ANSWER,
            ),
            (
                r#"{"conversations": [{"from": "human", "value": null}]}"#,
                NO_TEXT,
            ),
        ] {
            assert_eq!(
                turns(json),
                Err(RowFault::Dropped(why.to_owned())),
                "{json}"
            );
        }
    }

    #[test]
    fn another_format_is_named() {
        let error = turns(r#"{"prompt": "a", "completion": "b"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "has no `conversations` but `prompt`, `completion`, expected an object with `conversations`, a list of `from` and `value`"
        );
    }
}
