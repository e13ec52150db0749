//! Secrets inside of longer texts: in commands of a shell, in URLs, in headers.

use serde_json::Value;

use super::names::{Says, says};

/// Least length of a part of a path that may be a secret, characters.
const MIN_SEGMENT: usize = 16;
/// Least share of places in it at which the kind of character changes.
const MIN_CHANGES: f64 = 0.25;

/// How names of files end that keys and certificates are in.
const FILES: [&str; 6] = [".pem", ".crt", ".cer", ".key", ".json", ".sock"];

/// Words of a command, quotes taken off: `sh -c "KEY=x serve"` has a word `KEY=x`.
pub(super) fn words(command: &str) -> impl Iterator<Item = &str> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '`');
    let words = command.split(is_between);
    let bare = |c| matches!(c, '"' | '\'');
    words
        .map(move |word| word.trim_matches(bare))
        .filter(|word| !word.is_empty())
}

/// Name and value of `NAME=value`, `--name=value` or `Name: value`.
pub(super) fn named_value(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(['=', ':'])?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_one = !name.is_empty() && name.chars().all(is_name);
    let value = value.trim().trim_matches(['"', '\'']);
    (is_one && !value.starts_with("//")).then_some((name.trim_start_matches('-'), value))
}

/// The object or list that a text is as JSON.
pub(super) fn json_in(text: &str) -> Option<Value> {
    let text = text.trim();
    let may_be = text.starts_with(['{', '[']);
    may_be.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Whether a value is the path of a file: a folder or file is no secret, as in `PWD`.
pub(super) fn is_path(value: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ' ' | '@');
    let begins = ["/", "./", "../", "~/"];
    let begins = begins.iter().any(|begin| value.starts_with(begin));
    let named = FILES.iter().any(|ending| value.ends_with(ending));
    let mut parts = value.split('/');
    (begins || named) && parts.all(|part| part.chars().all(is_part) && !looks_random(part))
}

/// What a URL has of secrets: its password, or the name in its place, and values of its
/// query that are named like secrets; raw, and as the escapes in it mean.
pub(super) fn in_url(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let url = &after[..end.unwrap_or(after.len())];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        if let Some((user_info, _)) = authority.rsplit_once('@') {
            let secret = user_info.split_once(':').map(|(_, password)| password);
            found.push(secret.unwrap_or(user_info).to_owned());
        }
        if let Some((_, query)) = url.split_once('?') {
            let pairs = query.split(['&', '#']);
            let values = pairs
                .filter_map(named_value)
                .filter(|(name, value)| says(name) >= Says::SecretOrPath || looks_random(value));
            found.extend(values.map(|(_, value)| value.to_owned()));
        }
        rest = after;
    }
    let decoded: Vec<String> = found.iter().map(|secret| decoded(secret)).collect();
    found.extend(decoded);
    found
}

/// A text with its percent escapes put in.
fn decoded(text: &str) -> String {
    let escaped = format!("x={}", text.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// Parts of the path of a URL that look random: a key that stands in the address.
pub(super) fn random_segments(url: &str) -> impl Iterator<Item = &str> {
    let path = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').skip(1).filter(|part| looks_random(part))
}

/// Whether small letters, capitals and digits take turns in a text as they do in no word.
pub(super) fn looks_random(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.~=+/%".contains(c);
    if text.len() < MIN_SEGMENT || !text.chars().all(is_part) {
        return false;
    }
    let kinds: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|b| u8::from(b.is_ascii_uppercase()) + 2 * u8::from(b.is_ascii_digit()))
        .collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    kinds.contains(&2) && changes as f64 >= MIN_CHANGES * kinds.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_a_secrets_name_are_found_in_commands_and_headers() {
        let named = named_value;
        assert_eq!(named("API_KEY=abc"), Some(("API_KEY", "abc")));
        assert_eq!(named("--token='abc'"), Some(("token", "abc")));
        let header = Some(("Authorization", "Bearer abc"));
        assert_eq!(named("Authorization: Bearer abc"), header);
        assert_eq!(named("a b=abc"), None);
        assert_eq!(named("pass://x"), None, "that is a URL");
        let command = "cd /x && API_KEY='a b' exec serve";
        let all: Vec<&str> = words(command).collect();
        assert_eq!(all, ["cd", "/x", "API_KEY='a", "b", "exec", "serve"]);
    }

    #[test]
    fn a_url_has_a_password_or_a_key_in_its_query() {
        let url = "postgres://me:p%40ss-w0rd@db:5432/x?sslmode=off";
        assert_eq!(in_url(url), ["p%40ss-w0rd", "p@ss-w0rd"]);
        assert_eq!(in_url("git+https://tok3n@host/x"), ["tok3n", "tok3n"]);
        assert_eq!(in_url("see http://h/x?a=1&sig=abc'"), ["abc", "abc"]);
        assert_eq!(in_url("http://h:80/x@y"), [""; 0]);
        let code = "aB3dE5fG7hI9jK1lM3nO5pQ7";
        assert_eq!(in_url(&format!("http://h/f?code={code}")), [code, code]);
        assert_eq!(in_url("http://h/f?code=plain&max_tokens=16"), [""; 0]);
    }

    #[test]
    fn a_path_is_known_from_a_key() {
        for path in [
            "/etc/ssl/a.pem",
            "./a",
            "~/x y/z",
            "client-1.crt",
            "/tmp/ssh-1/agent.7",
        ] {
            assert!(is_path(path), "{path}");
        }
        for key in [
            "/9Kd8s7Fh2Lp4Qw1Zx6/aB",
            "/a+b/c==",
            "hunter2",
            "key",
            "a.b",
            "",
        ] {
            assert!(!is_path(key), "{key}");
        }
    }

    #[test]
    fn a_part_of_a_path_that_looks_random_is_found() {
        let random = |part: &str| looks_random(part);
        for part in [
            "550e8400-e29b-41d4-a716-446655440000",
            "9f86d081884c7d659a2feaa0c55ad015",
            "sk-Xb7Qm2Zt9Lw4Rn8K",
            "AKIAIOSFODNN7EXAMPLE1a2B3c",
        ] {
            assert!(random(part), "{part}");
        }
        for part in [
            "v1",
            "chat-completions-endpoint",
            "qwen2-5-7b-instruct-4bit-v1",
            "meta-llama-Llama-3.1-8B-Instruct",
            "deployment20240101",
        ] {
            assert!(!random(part), "{part}");
        }
        let url = "https://h:1/v1/9f86d081884c7d659a2feaa0c55ad015/x?y=z";
        let found: Vec<&str> = random_segments(url).collect();
        assert_eq!(found, ["9f86d081884c7d659a2feaa0c55ad015"]);
    }
}
