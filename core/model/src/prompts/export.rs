//! A prompt as a row of `jsonl`, which gives the same prompt again.

use serde_json::{Map, Value, json};

use crate::plan::prompt::{Prompt, TurnPrompt};

/// The row of a prompt; `at_s` is when it is sent, if that is planned.
#[must_use]
pub fn row(prompt: &Prompt, at_s: Option<f64>) -> Value {
    let mut row = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(field.to_owned(), value);
        }
    };
    put("prompt", prompt.text.as_ref().map(|text| json!(text)));
    put(
        "prompt_token_ids",
        prompt.token_ids.as_ref().map(|ids| json!(ids)),
    );
    put(
        "messages",
        prompt.messages.as_ref().map(|messages| json!(messages)),
    );
    put("output_tokens", Some(json!(prompt.output_tokens)));
    put("timestamp", at_s.map(|at_s| json!(at_s)));
    let extras = &prompt.extras;
    put(
        "session",
        extras.session.as_ref().map(|session| json!(session)),
    );
    put("class", extras.class.as_ref().map(|class| json!(class)));
    put("model", extras.model.as_ref().map(|model| json!(model)));
    let has_body = !extras.body.is_empty();
    put("extra_body", has_body.then(|| json!(extras.body)));
    Value::Object(row)
}

/// The rows of a conversation: one for each turn that was recorded whole, with the name of
/// its session. Of later turns that hold what a model will have answered nothing can be
/// written; whether there are such comes second.
#[must_use]
pub fn rows(turns: &[TurnPrompt], session: &str, at_s: Option<f64>) -> (Vec<Value>, bool) {
    let named = |(turn, prompt): (usize, &TurnPrompt)| {
        let mut prompt = prompt.prompt.clone();
        if turns.len() > 1 {
            let extras = &mut prompt.extras;
            extras.session.get_or_insert_with(|| session.to_owned());
        }
        row(&prompt, at_s.filter(|_| turn == 0))
    };
    let whole = turns.iter().enumerate();
    let whole = whole.take_while(|(turn, prompt)| *turn == 0 || prompt.is_whole);
    let rows: Vec<Value> = whole.map(named).collect();
    let is_cut = rows.len() < turns.len();
    (rows, is_cut)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::WorkloadConfig;
    use crate::plan::prompt::{PromptKey, RequestExtras};
    use crate::prompts::build::from_row;
    use crate::prompts::jsonl;

    fn read_back(prompt: &Prompt) -> Prompt {
        let line = row(prompt, Some(1.5)).to_string();
        let (row, passed_over) = jsonl::read(line.as_bytes(), &BTreeMap::new()).unwrap();
        assert_eq!(passed_over, Vec::<String>::new());
        assert_eq!(row.at_s, Some(1.5));
        let key = PromptKey {
            block: 0,
            level: 0,
            index: 0,
        };
        from_row(row, &WorkloadConfig::default(), None, key).unwrap()
    }

    #[test]
    fn a_row_gives_the_same_prompt_again() {
        let body = json!({"tools": [{"type": "function"}], "top_k": 3});
        let extras = RequestExtras {
            model: Some("lora".to_owned()),
            class: Some("chat".to_owned()),
            session: Some("12".to_owned()),
            body: body.as_object().unwrap().clone(),
        };
        let ids = Prompt {
            token_ids: Some(vec![5, 6, 7]),
            text: Some("a \"b\"\n c".to_owned()),
            input_tokens: Some(3),
            output_tokens: 9,
            extras,
            ..Prompt::default()
        };
        assert_eq!(read_back(&ids), ids);
        let only_ids = Prompt {
            text: None,
            extras: RequestExtras::default(),
            ..ids
        };
        assert_eq!(read_back(&only_ids), only_ids);
        let messages = Prompt {
            messages: Some(vec![json!({"role": "user", "content": "ä", "name": "x"})]),
            output_tokens: 4,
            ..Prompt::default()
        };
        assert_eq!(read_back(&messages), messages);
    }

    #[test]
    fn turns_that_were_recorded_whole_are_rows_of_one_session() {
        let turn = |text: &str, is_whole| TurnPrompt {
            prompt: Prompt {
                text: Some(text.to_owned()),
                output_tokens: 3,
                ..Prompt::default()
            },
            is_whole,
            answer: None,
        };
        let (written, is_cut) = rows(&[turn("a", false), turn("a b c", true)], "s7", Some(2.0));
        let first = json!({"prompt": "a", "output_tokens": 3, "timestamp": 2.0, "session": "s7"});
        let second = json!({"prompt": "a b c", "output_tokens": 3, "session": "s7"});
        assert_eq!((written, is_cut), (vec![first.clone(), second], false));
        let (written, is_cut) = rows(&[turn("a", false), turn("b", false)], "s7", Some(2.0));
        assert_eq!((written, is_cut), (vec![first], true));
        let (written, _) = rows(&[turn("a", false)], "s7", None);
        assert_eq!(written, [json!({"prompt": "a", "output_tokens": 3})]);
    }
}
