//! How a number is written for a reader: three significant digits, thin
//! spaces between thousands, milliseconds below a second and seconds above.

use crate::text::units::{BINARY_STEP, NS_PER_MS, NS_PER_S};

/// Narrow space at which no line breaks; it groups thousands.
pub const NARROW_SPACE: char = '\u{202f}';

/// Three significant digits: `4 310`, `21.0`, `0.0123`. `value` must be
/// finite; anything else is written as a dash.
#[must_use]
pub fn three_digits(value: f64) -> String {
    significant(value, 3)
}

/// Both ends of a range, to three significant digits, or up to five where both
/// would look the same: `3.20` and `3.60`, `1.001` and `1.003`.
#[must_use]
pub fn ends(low: f64, high: f64) -> [String; 2] {
    let mut written = [low, high].map(three_digits);
    for digits in 4..=5 {
        if low == high || written[0] != written[1] {
            break;
        }
        written = [low, high].map(|end| significant(end, digits));
    }
    written
}

fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let rounded: f64 = scientific.parse().unwrap_or(value);
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    grouped_text(&format!("{rounded:.decimals$}"))
}

/// A whole number with its thousands grouped: `1 152`.
#[must_use]
pub fn grouped(n: u64) -> String {
    grouped_text(&n.to_string())
}

/// So many of something: `1 repeat`, `1 024 requests`.
#[must_use]
pub fn counted(n: u64, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(n))
}

/// Those parts of a whole of which there are any: `1 error, 2 warnings`.
#[must_use]
pub fn counted_parts(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(n, _)| *n > 0);
    let some = some.map(|(n, noun)| counted(*n as u64, noun));
    some.collect::<Vec<_>>().join(", ")
}

/// A value with its unit. Milliseconds from 1000 on become seconds: `21.0 ms`,
/// `1.24 s`, `4 310 tokens/s`.
#[must_use]
pub fn with_unit(value: f64, unit: &str) -> String {
    if unit == "ms" && value.abs() >= 999.5 {
        return format!("{} s", three_digits(value * NS_PER_MS / NS_PER_S));
    }
    format!("{} {unit}", three_digits(value))
}

/// Bytes in the largest binary unit that leaves at least 1: `24.0 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut at = 0;
    while value >= 1023.5 && at + 1 < units.len() {
        value /= BINARY_STEP;
        at += 1;
    }
    format!("{} {}", three_digits(value), units[at])
}

/// Bytes exactly, and, from 10 KiB on, also in the unit that fits:
/// `65 536 B (64.0 KiB)`.
#[must_use]
pub fn exact_bytes(n: u64) -> String {
    let exact = format!("{} B", grouped(n));
    match n < 10 * 1024 {
        true => exact,
        false => format!("{exact} ({})", bytes(n)),
    }
}

/// A share of 0 to 1 in percent: `98.4 %`, `100 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{} %", three_digits(share * 100.0))
}

/// Groups the digits before the decimal point by three.
fn grouped_text(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(NARROW_SPACE);
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_narrow_range_are_told_apart() {
        assert_eq!(ends(3.2, 3.6), ["3.20", "3.60"]);
        assert_eq!(ends(0.99931, 1.0012), ["0.999", "1.00"]);
        assert_eq!(ends(1.0012, 1.0031), ["1.001", "1.003"]);
        assert_eq!(ends(0.909_21, 0.909_36), ["0.9092", "0.9094"]);
        // equal, or equal to five digits
        assert_eq!(ends(4.0, 4.0), ["4.00", "4.00"]);
        assert_eq!(ends(1.000_001, 1.000_002), ["1.0000", "1.0000"]);
    }

    #[test]
    fn what_is_counted_has_its_plural_and_none_is_left_out() {
        assert_eq!(counted(1024, "request"), "1\u{202f}024 requests");
        assert_eq!(
            counted_parts(&[(1, "error"), (0, "note"), (2, "warning")]),
            "1 error, 2 warnings"
        );
        assert_eq!(counted_parts(&[(0, "error")]), "");
    }

    #[test]
    fn numbers_carry_three_significant_digits() {
        for (value, text) in [
            (4312.7, "4\u{202f}310"),
            (1_234_567.0, "1\u{202f}230\u{202f}000"),
            (999.6, "1\u{202f}000"),
            (123.4, "123"),
            (21.04, "21.0"),
            (9.996, "10.0"),
            (5.126, "5.13"),
            (0.012_34, "0.0123"),
            (-4.5, "-4.50"),
            (0.0, "0"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(three_digits(value), text, "{value}");
        }
    }

    #[test]
    fn milliseconds_become_seconds_from_a_thousand_on() {
        assert_eq!(with_unit(21.04, "ms"), "21.0 ms");
        assert_eq!(with_unit(1243.18, "ms"), "1.24 s");
        assert_eq!(with_unit(999.7, "ms"), "1.00 s");
        assert_eq!(with_unit(1243.18, "tokens/s"), "1\u{202f}240 tokens/s");
    }

    #[test]
    fn bytes_are_written_in_binary_units() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(24 * 1024 * 1024 * 1024), "24.0 GiB");
        assert_eq!(grouped(1152), "1\u{202f}152");
        assert_eq!(exact_bytes(9216), "9\u{202f}216 B");
        assert_eq!(exact_bytes(73_728), "73\u{202f}728 B (72.0 KiB)");
    }
}
