//! Which names say that their value is a secret.

/// Words of a name that say so.
const WORDS: &[&str] = &[
    "APIKEY",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "CRED",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "DSN",
    "JWT",
    "KEYS",
    "OTP",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PAT",
    "PWD",
    "SESSION",
    "SESSIONID",
    "SID",
    "SIG",
    "SIGNATURE",
];
/// What words end with that say so: `hftoken`, `accesskey`, `oauth`.
const ENDINGS: &[&str] = &[
    "AUTH",
    "KEY",
    "PASSWORD",
    "PASSWORDS",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "TOKENS",
];
/// Words that end like that by chance.
const BY_CHANCE: &[&str] = &[
    "DONKEY", "HOCKEY", "JOCKEY", "MONKEY", "TURKEY", "UNAUTH", "WHISKEY",
];
/// Words beside `TOKENS` that make it a number of them, or pieces of text.
const COUNTED: &[&str] = &[
    "ADDED",
    "BATCHED",
    "CACHE",
    "CACHED",
    "CHUNK",
    "COMPLETION",
    "COUNT",
    "DRAFT",
    "EXTRA",
    "FORCED",
    "GENERATED",
    "IGNORE",
    "INPUT",
    "LONG",
    "LOOKAHEAD",
    "MAX",
    "MIN",
    "MM",
    "NEW",
    "NUM",
    "OUTPUT",
    "PER",
    "PREFILL",
    "PREFIX",
    "PROMPT",
    "REASONING",
    "RUNNING",
    "SKIP",
    "SPECIAL",
    "SPECULATIVE",
    "STOP",
    "SUPPRESS",
    "TEXT",
    "TOTAL",
    "VIRTUAL",
];
/// Words beside `SESSION` in the variables of desktops.
const DESKTOPS: &[&str] = &["DBUS", "DESKTOP", "GNOME", "KDE", "XDG"];

/// Whether the name of a variable, header, option or flag says that its value is
/// a secret: `HF_TOKEN`, `X-Api-Key`, `--api-key`, `hfToken`. One that ends in `_env`
/// names a variable that holds it.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let words = words_of(name);
    if words.last().is_some_and(|word| word == "ENV") {
        return false;
    }
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let numbered = |c: char| c.is_ascii_digit();
    let plain = words.iter().map(|word| word.trim_end_matches(numbered));
    plain.into_iter().any(|word| match word {
        "TOKENS" => !has(COUNTED),
        "SESSION" => !has(DESKTOPS),
        word if BY_CHANCE.contains(&word) => false,
        word => WORDS.contains(&word) || ENDINGS.iter().any(|ending| word.ends_with(ending)),
    })
}

/// The words of a name in capitals, split at all that is no letter or digit, and where a
/// capital follows a small letter.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let begins = c.is_uppercase() && was_small;
        if (!c.is_alphanumeric() || begins) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_uppercase());
        }
        was_small = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised_by_their_words() {
        for name in [
            "HF_TOKEN",
            "X-Api-Key",
            "--api-key",
            "Authorization",
            "AWS_SECRET_ACCESS_KEY",
            "x-auth",
            "apikey",
            "accesskey",
            "PWD",
            "pass",
            "jwt",
            "bearer",
            "tokens",
            "auth_tokens",
            "hftoken",
            "hfToken",
            "x-oauth2",
            "oauth",
            "client_secret",
            "clientSecrets",
            "Ocp-Apim-Subscription-Key",
            "X-Amz-Signature",
            "session",
            "set-cookie",
            "creds",
            "db.password",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn names_of_numbers_and_of_other_things_are_not() {
        for name in [
            "TOKENIZERS_PARALLELISM",
            "max_total_tokens",
            "--max-num-batched-tokens",
            "skip_special_tokens",
            "api_key_env",
            "MONKEY",
            "env",
            "bypass",
            "compass",
            "author",
            "XDG_SESSION_TYPE",
            "signal",
            "path",
            "side",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
