//! What a plain scalar means by the core schema of YAML 1.2.2, section 10.3.2.
//!
//! `serde_yaml` is not asked: it reads `007` as text and `0b1` as a number.

/// The meaning of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resolved {
    /// `null`, `~` or nothing at all.
    Null,
    Bool(bool),
    Int(i128),
    /// A number that overflows: a whole one beyond 128 bits, or a float
    /// that would round to infinity.
    Huge,
    /// Also `.inf` and `.nan`.
    Float(f64),
    Text,
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => number(text),
    }
}

fn number(text: &str) -> Resolved {
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Resolved::Text;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or(Resolved::Huge, Resolved::Int);
    }
    // Within these characters Rust's grammar of floats is that of the schema.
    if !unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
    {
        return Resolved::Text;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Resolved::Float(value),
        Ok(_) => Resolved::Huge,
        Err(_) => Resolved::Text,
    }
}

fn based(digits: &str, radix: u32) -> Resolved {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Resolved::Text;
    }
    i128::from_str_radix(digits, radix).map_or(Resolved::Huge, Resolved::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The table of YAML 1.2.2, section 10.3.2, example 10.9 and its rules.
    #[test]
    fn core_schema_resolves_as_the_spec_tables_it() {
        use Resolved::{Bool, Float, Int, Null, Text};
        for (text, meaning) in [
            ("", Null),
            ("null", Null),
            ("~", Null),
            ("nULL", Text),
            ("true", Bool(true)),
            ("False", Bool(false)),
            ("TRUE", Bool(true)),
            ("yes", Text),
            ("off", Text),
            ("0", Int(0)),
            ("007", Int(7)),
            ("0o7", Int(7)),
            ("0x3A", Int(58)),
            ("-19", Int(-19)),
            ("+12", Int(12)),
            ("-0x1", Text),
            ("0x", Text),
            ("0o8", Text),
            ("0b1", Text),
            ("1_000", Text),
            ("12:30", Text),
            ("0.", Float(0.0)),
            ("-0.0", Float(0.0)),
            (".5", Float(0.5)),
            ("+12e03", Float(12000.0)),
            ("-2E+05", Float(-200_000.0)),
            ("1e3", Float(1000.0)),
            (".", Text),
            ("-", Text),
            ("e3", Text),
            ("1e", Text),
            ("1.2.3", Text),
            ("inf", Text),
            ("nan", Text),
            (".inf", Float(f64::INFINITY)),
            ("-.Inf", Float(f64::NEG_INFINITY)),
            ("1e999", Resolved::Huge),
        ] {
            assert_eq!(resolve(text), meaning, "{text:?}");
        }
        assert!(matches!(resolve(".NaN"), Float(nan) if nan.is_nan()));
        assert_eq!(resolve(&"9".repeat(60)), Resolved::Huge);
    }
}
