//! Environment variables inside a scalar's text.

use super::error::Fact;

/// Expands `${VAR}` and `${VAR:-default}`; `$${` becomes `${`.
///
/// As in a shell, the default also replaces a variable that is set to nothing. A default ends at the first `}` and holds no variable itself.
pub(super) fn expand(
    text: &str,
    lookup_env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Fact> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some(end) = after.find('}') else {
            return Err(literal_hint(Fact::new("has `${` without a closing `}`")));
        };
        out.push_str(&value_of(&after[..end], lookup_env)?);
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value_of(inside: &str, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<String, Fact> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable_name(name) {
        return Err(literal_hint(Fact::new(format!(
            "has `${{{inside}}}`, a variable's name is of letters, digits and `_`"
        ))));
    }
    if default.is_some_and(|text| text.contains("${")) {
        return Err(Fact::new(format!(
            "has a variable inside the default of `{name}`, a default is plain text"
        )));
    }
    match (lookup_env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Fact::new(format!(
            "needs the environment variable `{name}`, which is not set"
        ))
        .hint(format!("set {name}, or give a default: ${{{name}:-value}}"))),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn literal_hint(fact: Fact) -> Fact {
    fact.hint("write `$${` for a literal `${`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("x".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_escapes_expand() {
        for (text, expanded) in [
            ("plain $ and }", "plain $ and }"),
            ("${A}", "x"),
            ("<${A}${A}>", "<xx>"),
            ("${B:-64}", "64"),
            ("${B:-}", ""),
            ("${B:-a:-b}", "a:-b"),
            ("${EMPTY:-64}", "64"),
            ("${EMPTY}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn bad_variables_are_errors() {
        for (text, fact) in [
            (
                "${B}",
                "needs the environment variable `B`, which is not set",
            ),
            ("${A", "has `${` without a closing `}`"),
            (
                "${}",
                "has `${}`, a variable's name is of letters, digits and `_`",
            ),
            (
                "${1A}",
                "has `${1A}`, a variable's name is of letters, digits and `_`",
            ),
            (
                "${B:-${A}}",
                "has a variable inside the default of `B`, a default is plain text",
            ),
        ] {
            assert_eq!(expand(text, &env).unwrap_err().text, fact, "{text}");
        }
    }
}
