//! Puts masks in the place of secrets, in texts and in what is written as JSON.

use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::Evidence;
use inferbench_model::facts::warning::Warning;
use serde::Serialize;
use serde_json::Value;

use super::{MASK, MIN_CHARS_BY_CHANCE, Secrets, found};

/// A text that was cut short may hold the beginning of a secret: so much of it is
/// masked too.
const MIN_BEGINNING: usize = 8;

impl Secrets {
    /// Masks every secret in a text, and the beginning of one that was cut short.
    pub fn mask(&self, text: &mut String) {
        for form in &self.forms {
            mask_form(text, form);
        }
    }

    /// The text, masked.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.mask(&mut text);
        text
    }

    /// A value as JSON with every text in it masked; texts under a key that is
    /// named like a secret are masked whole.
    #[must_use]
    pub fn masked_json(&self, value: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.mask_json(&mut value);
        value
    }

    fn mask_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.mask(text),
            Value::Array(items) => self.mask_items(items),
            Value::Object(map) => {
                for (name, inner) in map {
                    self.mask_named(name, inner);
                }
            }
            _ => {}
        }
    }

    fn mask_named(&self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if self.hides(name, text) => MASK.clone_into(text),
            Value::Number(_) if self.hides_number(name) => *value = Value::from(MASK),
            Value::Array(items) => {
                let texts = items.iter_mut().filter(|item| {
                    let text = item.as_str();
                    text.is_some_and(|text| self.hides(name, text))
                });
                texts.for_each(|text| *text = Value::from(MASK));
                self.mask_items(items);
            }
            _ => self.mask_json(value),
        }
    }

    /// A list, which may be a command: what stands behind a flag may be short.
    fn mask_items(&self, items: &mut [Value]) {
        let mut before = String::new();
        for item in items {
            let Value::String(text) = item else {
                self.mask_json(item);
                continue;
            };
            let masked = self.masked_word(&before, text);
            before = std::mem::replace(text, masked);
        }
    }

    /// The words of a command line, masked.
    #[must_use]
    pub fn masked_words(&self, words: &[String]) -> Vec<String> {
        let before = std::iter::once("").chain(words.iter().map(String::as_str));
        let each = before.zip(words);
        each.map(|(before, word)| self.masked_word(before, word))
            .collect()
    }

    /// A word of a command line behind another, masked.
    fn masked_word(&self, before: &str, word: &str) -> String {
        if self.is_flag_of(before, word) {
            return MASK.to_owned();
        }
        let hidden = found::named_value(word).filter(|(name, value)| self.hides(name, value));
        // What is long is masked by its value, and a header's scheme is no secret.
        match hidden {
            Some((_, value)) if value.chars().count() < MIN_CHARS_BY_CHANCE => {
                let kept = word.split_inclusive(['=', ':']).next().unwrap_or_default();
                format!("{kept}{MASK}")
            }
            _ => self.masked(word),
        }
    }

    /// Masks what a server said in an answer.
    pub fn mask_record(&self, record: &mut RequestRecord) {
        let RequestRecord {
            message,
            finish_reason,
            malformed_example,
            mended_example,
            unread_field,
            text,
            reasoning_text,
            ..
        } = record;
        let broken = [malformed_example, mended_example, unread_field];
        let answer = [text, reasoning_text].into_iter().chain(broken);
        let texts = [message, finish_reason].into_iter().chain(answer);
        texts.into_iter().flatten().for_each(|text| self.mask(text));
    }

    /// Masks what comes from outside in a warning.
    pub fn mask_warning(&self, warning: &mut Warning) {
        let masked = serde_json::from_value(self.masked_json(warning));
        // Masking changes strings alone, which every kind of warning takes.
        if let Ok(masked) = masked {
            *warning = masked;
        }
    }

    /// Masks what a server said of itself.
    pub fn mask_evidence(&self, evidence: &mut Evidence) {
        let Evidence {
            model,
            dtype,
            version,
            attention_backend,
            kv_cache_dtype,
            ..
        } = evidence;
        let texts = [model, dtype, version, attention_backend, kv_cache_dtype];
        texts.into_iter().flatten().for_each(|text| self.mask(text));
    }
}

/// A text as it stands between the quotes of JSON.
pub(super) fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Masks wherever the first half of `form`, at least, stands, and as much of the
/// rest as follows.
fn mask_form(text: &mut String, form: &str) {
    let least = form.len().min(MIN_BEGINNING.max(form.len() / 2));
    let least = (least..=form.len()).find(|end| form.is_char_boundary(*end));
    let beginning = &form[..least.unwrap_or(form.len())];
    let mut from = 0;
    while let Some(found) = text[from..].find(beginning) {
        let start = from + found;
        let same = text[start..].bytes().zip(form.bytes());
        let mut end = start + same.take_while(|(a, b)| a == b).count();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.replace_range(start..end, MASK);
        from = start + MASK.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets_of(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        values.iter().for_each(|value| secrets.add(value));
        secrets
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let secrets = secrets_of(&["hunter2-hunter2", "Bearer s3cr3t\"q"]);
        for (text, masked) in [
            (
                "key hunter2-hunter2, again hunter2-hunter2.",
                "key ***, again ***.",
            ),
            (
                "Authorization: Bearer s3cr3t\"q",
                "Authorization: Bearer ***",
            ),
            (r#"{"a":"s3cr3t\"q"}"#, r#"{"a":"***"}"#),
            ("?key=s3cr3t%22q&x=1", "?key=***&x=1"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(secrets.masked(text), masked);
        }
    }

    #[test]
    fn a_secret_is_masked_in_json_inside_of_json() {
        let secrets = secrets_of(&["a\"b\\c-secret"]);
        let inner = serde_json::json!({"key": "a\"b\\c-secret"}).to_string();
        let outer = serde_json::json!({"body": inner}).to_string();
        assert_eq!(secrets.masked(&outer), r#"{"body":"{\"key\":\"***\"}"}"#);
    }

    #[test]
    fn the_beginning_of_a_secret_in_a_text_that_was_cut_is_masked() {
        let secrets = secrets_of(&["hunter2-hunter2"]);
        assert_eq!(secrets.masked("said hunter2-hu"), "said ***");
        assert_eq!(
            secrets.masked("said hunter2-hu (retry)"),
            "said *** (retry)"
        );
        assert_eq!(secrets.masked("said hunt"), "said hunt");
    }

    #[test]
    fn a_secret_that_begins_with_another_is_masked_whole() {
        let secrets = secrets_of(&["abcdefgh", "abcdefgh-ijkl"]);
        assert_eq!(secrets.masked("x abcdefgh-ijkl y"), "x *** y");
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        let secrets = secrets_of(&["true", "8192", "abc", "  "]);
        assert_eq!(secrets.masked("true 8192 abc"), "true 8192 abc");
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        let secrets = secrets_of(&["ééééééé-ü"]);
        assert_eq!(secrets.masked("a ééééééé-ö b"), "a ***ö b");
    }

    #[test]
    fn json_is_masked_by_name_and_by_value() {
        let secrets = secrets_of(&["hunter2-hunter2"]);
        let masked = secrets.masked_json(&serde_json::json!({
            "HF_TOKEN": "abc", "api_key_env": "NAME", "list": ["x hunter2-hunter2"], "n": 4,
        }));
        let expected = serde_json::json!({
            "HF_TOKEN": "***", "api_key_env": "NAME", "list": ["x ***"], "n": 4,
        });
        assert_eq!(masked, expected);
    }

    #[test]
    fn a_value_too_short_to_be_looked_for_is_masked_where_its_name_stands() {
        let secrets = Secrets::default();
        let masked = secrets.masked_json(&serde_json::json!({
            "pin": 1234, "otp": "77", "max_tokens": 16,
            "command": ["--pin", "1234", "--pin=1234", "-n", "1234", "--port", "80", "PIN=12"],
        }));
        let expected = serde_json::json!({
            "pin": "***", "otp": "***", "max_tokens": 16,
            "command": ["--pin", "***", "--pin=***", "-n", "1234", "--port", "80", "PIN=***"],
        });
        assert_eq!(masked, expected);
    }
}
