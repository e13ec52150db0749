//! What a name says of its value: whether it is a secret.
//!
//! A name is read as an English one, its last word being what the value is: `api_key` is a
//! key, `token_ids` are ids, `pin_memory` is memory. The words are data, in `words`.

use super::words::{
    ABOUT, BESIDE, BY_CHANCE, ENDINGS, HARD, MAY_BE_DIGITS, PAIRS, QUALIFIERS, SOFT, SUSPECT,
};

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// Nothing of secrets.
    Nothing,
    /// That it has to do with one: `token_ids`, `auth_type`, `x-vault`.
    MayBe,
    /// A secret, or the path of a file that holds it: `ssl_cert`, `SSH_AUTH_SOCK`.
    SecretOrPath,
    /// A secret.
    Secret,
}

/// What the name of a variable, header, option or flag says of its value: `HF_TOKEN`,
/// `X-Api-Key`, `--api-key`, `hfToken`. One that ends in `_env` names a variable that
/// holds it.
pub(super) fn says(name: &str) -> Says {
    let words = words_of(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((last, _)) = words.split_last() else {
        return Says::Nothing;
    };
    if *last == "ENV" {
        return Says::Nothing;
    }
    let said = (0..words.len()).map(|place| word_says(&words, place));
    let said = said.max().unwrap_or(Says::Nothing);
    match ABOUT.contains(last) {
        true => said.min(Says::MayBe),
        false => said,
    }
}

/// Whether such a secret may be a number alone: a PIN, a password.
pub(super) fn may_be_digits(name: &str) -> bool {
    let words = words_of(name);
    let named = words.iter().any(|word| MAY_BE_DIGITS.contains(&&**word));
    named && says(name) >= Says::SecretOrPath
}

/// What one word of a name says, beside the others.
fn word_says(words: &[&str], place: usize) -> Says {
    let word = words[place];
    let follows = |pair: &&(&str, &str)| word == pair.0 && words.get(place + 1) == Some(&pair.1);
    let is_pair = PAIRS.iter().any(|pair| follows(&pair));
    if BY_CHANCE.contains(&word) {
        return Says::Nothing;
    }
    let is_of_others = BESIDE.iter().any(|(plain, others)| {
        (*plain == word || ENDINGS.contains(plain) && word.ends_with(plain))
            && words.iter().any(|word| others.contains(word))
    });
    if is_of_others {
        return Says::Nothing;
    }
    if is_pair || HARD.contains(&word) || HARD.iter().any(|hard| is_joined(word, hard)) {
        return Says::Secret;
    }
    let is_soft = SOFT.contains(&word) || ENDINGS.iter().any(|end| word.ends_with(end));
    let is_head = words[place + 1..].iter().all(|word| is_qualifier(word));
    match (is_soft, is_head) {
        (true, true) => Says::SecretOrPath,
        (true, false) => Says::MayBe,
        (false, _) if SUSPECT.contains(&word) => Says::MayBe,
        (false, _) => Says::Nothing,
    }
}

/// Whether a word is made of another one and more: `dbpassword`, `secretvalue`. A short one
/// stands in others by chance.
fn is_joined(word: &str, part: &str) -> bool {
    part.len() >= 6 && (word.starts_with(part) || word.ends_with(part))
}

/// Whether a word says which of several, or in what form: `TOKEN_PROD`, `KEY_B64`.
fn is_qualifier(word: &str) -> bool {
    word.chars().count() == 1 || QUALIFIERS.contains(&word)
}

/// The words of a name in capitals, split at all that is no letter or digit, and at
/// capitals as in `hfToken` and `HFToken`; without digits at their ends.
fn words_of(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (place, c) in chars.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| chars[before]);
        let next_is_small = chars.get(place + 1).is_some_and(|c| c.is_lowercase());
        let begins = c.is_uppercase()
            && before.is_some_and(|b| b.is_lowercase() || b.is_uppercase() && next_is_small);
        if !c.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_uppercase());
        }
    }
    let bare = words.iter().map(|word| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        bare.to_owned()
    });
    bare.filter(|word| !word.is_empty()).collect()
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
            "Proxy-Authorization",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "x-auth",
            "AUTH_HEADER",
            "apikey",
            "APIKey2",
            "x-functions-key",
            "accesskey",
            "PWD",
            "db_pw",
            "pass",
            "dbpass",
            "jwt",
            "bearer",
            "tokens",
            "auth_tokens",
            "hftoken",
            "hfToken",
            "HFToken",
            "TOKEN_PROD",
            "token_2",
            "api_key_b64",
            "api_key_staging_eu",
            "x-oauth2",
            "oauth",
            "client_secret",
            "clientSecrets",
            "SecretValue",
            "Ocp-Apim-Subscription-Key",
            "X-Amz-Signature",
            "session",
            "session_id",
            "set-cookie",
            "cookie",
            "creds",
            "db.password",
            "userPassword",
            "passphrase",
            "passcode",
            "pin",
            "card-pin",
            "salt",
            "cert",
            "client_cert",
            "clientcert",
            "pem",
            "nonce",
            "cnonce",
            "otp",
            "totp",
            "psk",
            "hmac",
            "csrf",
            "dsn",
            "SENTRY_DSN",
            "sas",
            "sas_token",
            "SASToken",
            "connection_string",
            "ConnectionString",
            "connectionstring",
            "CONN_STR",
            "private_key",
            "PRIVATE_KEY_PEM",
            "mnemonic",
        ] {
            assert!(says(name) >= Says::SecretOrPath, "{name}: {:?}", says(name));
        }
    }

    #[test]
    fn what_only_has_to_do_with_a_secret_is_none_by_its_name() {
        for name in [
            "token_ids",
            "token_type_ids",
            "key_length",
            "pin_memory",
            "pass_config",
            "auth_type",
            "auth_mode",
            "password_file",
            "HF_TOKEN_PATH",
            "secret_name",
            "session_timeout",
            "ssl_cert_reqs",
            "--dbo-decode-token-threshold",
            "thinking_token_budget",
            "salt_length",
            "x-vault",
        ] {
            assert_eq!(says(name), Says::MayBe, "{name}");
        }
    }

    #[test]
    fn names_of_numbers_and_of_other_things_are_not() {
        for name in [
            "TOKENIZERS_PARALLELISM",
            "tokenizer",
            "tokenizer_mode",
            "detokenize",
            "max_tokens",
            "max_total_tokens",
            "--max-num-batched-tokens",
            "skip_special_tokens",
            "--spec-tokens",
            "tokens_per_second",
            "tokens_only",
            "eos_token",
            "reasoning_end_token",
            "prompt_cache_key",
            "eos_token_id",
            "key_value_cache",
            "kv_cache_key_dtype",
            "--pin-cpu-memory",
            "sort_key",
            "public_key",
            "cpu_pin",
            "forward_pass",
            "api_key_env",
            "MONKEY",
            "KEYBOARD",
            "keyframe",
            "env",
            "bypass",
            "compass",
            "author",
            "XDG_SESSION_TYPE",
            "signal",
            "logit_sigma",
            "path",
            "side",
            "spin",
            "pinned",
            "pinning",
            "certain",
            "kv_certainty",
            "concert",
            "announce",
            "announcement",
            "basalt",
            "default",
            "sasquatch",
            "secretary",
            "model",
            "revision",
            "seed",
            "hash",
            "",
        ] {
            assert_eq!(says(name), Says::Nothing, "{name}");
        }
    }

    #[test]
    fn only_some_secrets_are_numbers() {
        for name in ["pin", "db_password", "OTP", "pass"] {
            assert!(may_be_digits(name), "{name}");
        }
        for name in ["pin_memory", "tokens", "key", "port", "password_length"] {
            assert!(!may_be_digits(name), "{name}");
        }
    }
}
