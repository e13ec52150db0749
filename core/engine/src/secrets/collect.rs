//! Where secrets come from: this process's variables, and a config.

use inferbench_model::config::{BackendConfig, Config};
use serde_json::{Map, Value};

use super::{MIN_CHARS_BY_CHANCE, Secrets, found, is_secret};

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
