//! Sizes as people write them: `32GiB`, `80 GB`.

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
    fn other_texts_are_refused() {
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
                error.starts_with(&format!("\"{text}\" is not a size")),
                "{error}"
            );
        }
    }
}
