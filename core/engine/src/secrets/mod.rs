//! What must never be written down: values of variables, headers and options
//! that are named like secrets, and the masks that take their place in every
//! text that leaves the engine.

mod found;
mod names;

use inferbench_model::config::{BackendConfig, Config};
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::samples::Evidence;
use inferbench_model::facts::warning::Warning;
use inferbench_plugin_api::LaunchPlan;
use serde::Serialize;
use serde_json::{Map, Value};

pub use names::is_secret;

/// What stands where a secret was.
pub const MASK: &str = "***";
/// Shorter values are no secrets, and would be found everywhere.
const MIN_CHARS: usize = 4;
/// The same for a variable of the environment, which may be named by chance.
const MIN_CHARS_BY_CHANCE: usize = 8;
/// A text that was cut short may hold the beginning of a secret: so much of it is
/// masked too.
const MIN_BEGINNING: usize = 8;
/// Values that keys of that name have by chance.
const NO_SECRETS: &[&str] = &["true", "false", "none", "null", "auto", "bearer", "basic"];

/// The secrets of a run.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Every form in which a secret may be written, the longest first.
    forms: Vec<String>,
    /// Names that the config adds, in small letters.
    names: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} forms)", self.forms.len())
    }
}

impl Secrets {
    /// Values of this process's variables that are named like secrets. What it
    /// starts inherits them, and may write them to its log.
    #[must_use]
    pub fn of_environment() -> Self {
        let mut secrets = Self::default();
        for (name, value) in std::env::vars_os() {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                continue;
            };
            if is_secret(name) && value.len() >= MIN_CHARS_BY_CHANCE && !value.starts_with('/') {
                secrets.add(value);
            }
            secrets.add_of_urls(value);
        }
        secrets
    }

    /// Those of the environment and of a config: of `env`, of headers and other
    /// options that are named like secrets, of the variables that options ending in
    /// `_env` name, and what its `secrets` add.
    #[must_use]
    pub fn of_config(config: &Config) -> Self {
        let mut secrets = Self::of_environment();
        let named = config.secrets.names.iter();
        secrets.names = named.map(|name| name.to_lowercase()).collect();
        for name in &config.secrets.names {
            if let Ok(value) = std::env::var(name) {
                secrets.add(&value);
            }
        }
        for value in &config.secrets.values {
            secrets.add(value);
        }
        for backend in &config.backends {
            secrets.add_backend(backend);
        }
        secrets
    }

    /// Takes in what a launch plan marks as secret.
    pub fn add_plan(&mut self, plan: &LaunchPlan) {
        for var in plan.env.iter().filter(|var| var.secret) {
            self.add(&var.value);
        }
    }

    /// Whether a name says that its value is a secret, by itself or by the config.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        is_secret(name) || self.names.contains(&name.to_lowercase())
    }

    fn add_backend(&mut self, backend: &BackendConfig) {
        for (name, value) in &backend.env {
            // A folder is no secret: `PWD`, `SSH_AUTH_SOCK`.
            if self.is_named(name) && !value.starts_with('/') {
                self.add(value);
            }
            self.add_of_urls(value);
        }
        for url in backend.attached_urls().iter().chain(&backend.proxy) {
            self.add_of_urls(url);
            found::random_segments(url).for_each(|part| self.add(part));
        }
        self.add_options(&backend.options);
    }

    /// Passwords and keys in the URLs of a text.
    fn add_of_urls(&mut self, text: &str) {
        found::in_url(text)
            .iter()
            .for_each(|secret| self.add(secret));
    }

    fn add_options(&mut self, options: &Map<String, Value>) {
        for (name, value) in options {
            match value {
                Value::String(text) if self.is_named(name) => self.add(text),
                Value::Array(items) if self.is_named(name) => {
                    let texts = items.iter().filter_map(Value::as_str);
                    texts.for_each(|text| self.add(text));
                }
                Value::String(variable) if name.ends_with("_env") => {
                    if let Ok(value) = std::env::var(variable) {
                        self.add(&value);
                    }
                }
                Value::String(text) => self.add_command(text),
                Value::Object(inner) => self.add_options(inner),
                Value::Array(items) => self.add_items(items),
                _ => {}
            }
        }
    }

    fn add_items(&mut self, items: &[Value]) {
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        self.add_arguments(texts.iter().copied());
        texts.iter().for_each(|text| self.add_command(text));
        let inner = items.iter().filter_map(Value::as_object);
        inner.for_each(|options| self.add_options(options));
    }

    /// What stands in a text that may be a command, or a header.
    fn add_command(&mut self, text: &str) {
        self.add_of_urls(text);
        if let Some(value) = found::named_value(text, |name| self.is_named(name)) {
            self.add(value);
        }
        if text.contains(char::is_whitespace) {
            self.add_arguments(found::words(text));
        }
    }

    /// `--api-key VALUE`, `--api-key=VALUE`, `API_KEY=VALUE`.
    fn add_arguments<'t>(&mut self, words: impl Iterator<Item = &'t str>) {
        let mut named = false;
        for word in words {
            let flag = word.starts_with('-');
            if let Some(value) = found::named_value(word, |name| self.is_named(name)) {
                self.add(value);
            } else if named && !flag {
                self.add(word);
            }
            named = flag && !word.contains('=') && self.is_named(word.trim_start_matches('-'));
        }
    }

    /// One secret. A header's value is the secret behind its scheme.
    fn add(&mut self, value: &str) {
        let value = value.trim();
        let schemes = ["Bearer ", "Basic ", "Token "];
        let bare = schemes.iter().find_map(|scheme| value.strip_prefix(scheme));
        let value = bare.unwrap_or(value).trim();
        let by_chance = NO_SECRETS
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
            || (value.len() < MIN_CHARS_BY_CHANCE && value.parse::<f64>().is_ok());
        if value.chars().count() < MIN_CHARS || by_chance {
            return;
        }
        let in_json = escaped(value);
        let twice = escaped(&in_json);
        let in_form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let in_url = in_form.replace('+', "%20");
        for form in [value.to_owned(), in_json, twice, in_form, in_url] {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        // A secret that begins with another one is masked whole.
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

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
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_json(item)),
            Value::Object(map) => {
                for (name, inner) in map {
                    match inner {
                        Value::String(text) if self.is_named(name) => MASK.clone_into(text),
                        _ => self.mask_json(inner),
                    }
                }
            }
            _ => {}
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
fn escaped(text: &str) -> String {
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
    fn secrets_of_options_headers_and_arguments_are_known() {
        let config = serde_json::json!({
            "command": ["serve", "--api-key", "flagged-secret", "--token=inline-secret", "--port", "{port}"],
            "headers": {"Authorization": "Bearer header-secret", "X-Trace": "shown-value"},
        });
        let mut secrets = Secrets::default();
        secrets.add_options(config.as_object().unwrap());
        let text = "flagged-secret inline-secret header-secret shown-value {port}";
        assert_eq!(secrets.masked(text), "*** *** *** shown-value {port}");
    }

    #[test]
    fn secrets_in_commands_of_a_shell_and_in_urls_are_known() {
        let config = serde_json::json!({
            "command": ["sh", "-c", "API_KEY=in-shell exec serve --hf-token 'after-flag' --db postgres://u:in-url-1@h/x"],
            "env_file": "-H 'Authorization: Bearer in-header'",
            "list": ["KEY=plain-argument", {"x-auth": "in-list-auth"}],
            "tokens": ["one-token", "two-token"],
        });
        let mut secrets = Secrets::default();
        secrets.add_options(config.as_object().unwrap());
        let text =
            "in-shell after-flag in-url-1 plain-argument in-list-auth one-token two-token serve";
        assert_eq!(secrets.masked(text), "*** *** *** *** *** *** *** serve");
    }

    #[test]
    fn the_config_adds_names_values_and_keys_in_addresses() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "name": "a", "model": {"id": "m"},
            "backends": [{
                "plugin": "openai",
                "attach": "https://h/9f86d081884c7d659a2feaa0c55ad015/v1",
                "options": {"headers": {"X-Tenant": "tenant-name"}},
            }],
            "load": {"concurrency": [1], "requests": 1},
            "secrets": {"names": ["x-tenant"], "values": ["my-cluster"]},
        }))
        .unwrap();
        let secrets = Secrets::of_config(&config);
        let text = "tenant-name my-cluster https://h/9f86d081884c7d659a2feaa0c55ad015/v1";
        assert_eq!(secrets.masked(text), "*** *** https://h/***/v1");
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
}
