//! Where secrets come from: this process's variables, and a config.

use inferbench_model::config::{BackendConfig, Config};
use serde_json::{Map, Value};

use super::{MIN_CHARS_BY_CHANCE, Secrets, found};

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
            if value.len() >= MIN_CHARS_BY_CHANCE && secrets.hides(name, value) {
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

    fn add_backend(&mut self, backend: &BackendConfig) {
        for (name, value) in &backend.env {
            if self.hides(name, value) {
                self.add(value);
            }
            self.add_text(value);
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
                Value::String(text) if self.hides(name, text) => self.add(text),
                Value::String(variable) if name.ends_with("_env") => {
                    if let Ok(value) = std::env::var(variable) {
                        self.add(&value);
                    }
                }
                Value::String(text) => self.add_text(text),
                Value::Number(number) if self.hides_number(name) => self.add(&number.to_string()),
                Value::Array(items) => {
                    let texts = items.iter().filter_map(Value::as_str);
                    let hidden: Vec<&str> = texts.filter(|text| self.hides(name, text)).collect();
                    hidden.into_iter().for_each(|text| self.add(text));
                    self.add_items(items);
                }
                Value::Object(inner) => self.add_options(inner),
                _ => {}
            }
        }
    }

    fn add_items(&mut self, items: &[Value]) {
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        self.add_arguments(&texts);
        texts.iter().for_each(|text| self.add_text(text));
        for item in items {
            match item {
                Value::Object(options) => self.add_options(options),
                Value::Array(inner) => self.add_items(inner),
                _ => {}
            }
        }
    }

    /// What stands in a text that may be a command, a header, a connection string or JSON.
    fn add_text(&mut self, text: &str) {
        self.add_of_urls(text);
        match found::json_in(text) {
            Some(Value::Object(options)) => return self.add_options(&options),
            Some(Value::Array(items)) => return self.add_items(&items),
            _ => {}
        }
        if let Some(value) = self.value_in(text) {
            self.add(value);
        }
        let words: Vec<&str> = found::words(text).collect();
        if words.len() > 1 {
            self.add_arguments(&words);
        }
    }

    /// `--api-key VALUE`, `--api-key=VALUE`, `API_KEY=VALUE`.
    fn add_arguments(&mut self, words: &[&str]) {
        let mut before = "";
        for word in words {
            if let Some(value) = self.value_in(word) {
                self.add(value);
            } else if self.is_flag_of(before, word) {
                self.add(word);
            } else if let Some((_, json)) = word.split_once('=')
                && let Some(Value::Object(options)) = found::json_in(json)
            {
                self.add_options(&options);
            }
            before = word;
        }
    }

    /// The secret in `NAME=value`, `--name=value` or `Name: value`.
    fn value_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (name, value) = found::named_value(text)?;
        self.hides(name, value).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn secrets_in_connection_strings_and_in_json_are_known() {
        let config = serde_json::json!({
            "store": "Server=db;User=me;Password=in-string;Encrypt=yes",
            "blobs": "Endpoint=https://h/;AccountKey=aB/c+d==;Suffix=abc",
            "command": ["serve", "--extra", "{\"api_key\": \"first-json\", \"size\": \"large\"}", "--more={\"a\":{\"pin\":\"second-json\"}}"],
            "pin": 12_345_678,
        });
        let mut secrets = Secrets::default();
        secrets.add_options(config.as_object().unwrap());
        let text = "in-string aB/c+d== first-json second-json 12345678 db large yes";
        assert_eq!(secrets.masked(text), "*** *** *** *** *** db large yes");
    }

    #[test]
    fn options_that_have_to_do_with_tokens_keys_and_pins_stay_readable() {
        let config = serde_json::json!({
            "token_ids": "as-text-1", "tokenizer": "some-tokenizer", "key_value_cache": "fp8_e4m3",
            "pin_memory": "always-1", "eos_token": "<|end|>", "ssl_certfile": "/etc/a.pem",
            "ssl_cert": "./client-1.pem", "auth_type": "kerberos", "session_affinity": "prefix-1",
            "command": ["--pin-cpu-memory", "when-it-fits", "--hf-token", "true", "--tokenizer-mode=mistral"],
        });
        let mut secrets = Secrets::default();
        secrets.add_options(config.as_object().unwrap());
        assert!(secrets.forms.is_empty(), "{:?}", secrets.forms);
        assert_eq!(secrets.masked_json(&config), config);
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
}
