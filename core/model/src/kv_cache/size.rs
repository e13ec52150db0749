//! Sizes as people write and read them here: `32GiB`, `4.00 GiB`, `65,536`.

use super::error::KvError;

const UNITS: [(&str, f64); 10] = [
    ("KIB", 1024.0),
    ("MIB", 1_048_576.0),
    ("GIB", 1_073_741_824.0),
    ("TIB", 1_099_511_627_776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("G", 1_073_741_824.0),
    ("B", 1.0),
];

/// Bytes of a size such as `32GiB`, `80 GB`, `512MiB` or `1073741824B`; a bare
/// number is refused, for its unit could be any.
///
/// # Errors
/// `Size` if it is none.
pub fn parse_size(text: &str) -> Result<u64, KvError> {
    let wrong = || KvError::Size {
        text: text.to_owned(),
    };
    let upper = text.trim().to_ascii_uppercase();
    let (unit, factor) = UNITS
        .iter()
        .find(|(unit, _)| upper.ends_with(unit))
        .ok_or_else(wrong)?;
    let number: f64 = upper[..upper.len() - unit.len()]
        .trim()
        .parse()
        .map_err(|_| wrong())?;
    let bytes = number * factor;
    // 2^63 is beyond any memory and within what a float counts in u64.
    if !bytes.is_finite() || !(0.0..9.2e18).contains(&bytes) {
        return Err(wrong());
    }
    Ok(bytes.round() as u64)
}

/// Bytes in the unit that fits, to two decimals: `4.00 GiB`, `768 B`.
#[must_use]
pub fn gib(bytes: u64) -> String {
    let value = bytes as f64;
    for (unit, factor) in [
        ("TiB", UNITS[3].1),
        ("GiB", UNITS[2].1),
        ("MiB", UNITS[1].1),
    ] {
        if value >= factor {
            return format!("{:.2} {unit}", value / factor);
        }
    }
    if bytes >= 10 * 1024 {
        return format!("{:.2} KiB", value / 1024.0);
    }
    format!("{} B", commas(bytes))
}

/// Bytes exactly, and, from 10 KiB on, also in the unit that fits:
/// `65,536 B (64.00 KiB)`.
#[must_use]
pub fn exact(bytes: u64) -> String {
    if bytes < 10 * 1024 {
        return gib(bytes);
    }
    format!("{} B ({})", commas(bytes), gib(bytes))
}

/// A whole number with commas: `65,536`.
#[must_use]
pub fn commas(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(parse_size("32GiB").unwrap(), 34_359_738_368);
        assert_eq!(parse_size("80 GB").unwrap(), 80_000_000_000);
        assert_eq!(parse_size("1.5MiB").unwrap(), 1_572_864);
        assert_eq!(parse_size("768b").unwrap(), 768);
        assert_eq!(parse_size("24G").unwrap(), 25_769_803_776);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "32",
            "GiB",
            "-1GiB",
            "nanGiB",
            "infGB",
            "1e30GiB",
            "32 apples",
            "é",
        ] {
            let error = parse_size(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{text}\" is no size")),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_are_written_in_the_unit_that_fits() {
        assert_eq!(gib(4_294_967_296), "4.00 GiB");
        assert_eq!(gib(73_728), "72.00 KiB");
        assert_eq!(gib(768), "768 B");
        assert_eq!(commas(1_048_576), "1,048,576");
        assert_eq!(commas(12), "12");
    }
}
