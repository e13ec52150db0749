//! The page's texts can be read by whoever sees contrast badly, on a dark page
//! as on a light one and on paper.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../templates/report.css");
/// Least contrast of a text. Source: WCAG 2.2, success criterion 1.4.3.
const LEAST: f64 = 4.5;
const TEXTS: [&str; 6] = ["ink", "soft", "link", "good", "bad", "caution"];

/// The colours of each `:root` in the style sheet, by name.
fn palettes() -> Vec<BTreeMap<String, String>> {
    let blocks = STYLE.split(":root {").skip(1);
    blocks
        .map(|block| {
            let (inside, _) = block.split_once('}').unwrap();
            let pairs = inside.split(';').filter_map(|line| line.split_once(':'));
            pairs
                .map(|(name, value)| {
                    let name = name.trim().trim_start_matches("--");
                    (name.to_owned(), value.trim().to_owned())
                })
                .collect()
        })
        .collect()
}

/// Relative luminance of `#rgb` or `#rrggbb`. Source: WCAG 2.2, definitions.
fn luminance(colour: &str) -> f64 {
    let digits = colour.strip_prefix('#').unwrap();
    let width = digits.len() / 3;
    let channel = |at: usize| {
        let part = &digits[at * width..(at + 1) * width];
        let part = part.repeat(2 / width);
        let value = f64::from(u8::from_str_radix(&part, 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast("#fff", "#000000") - 21.0).abs() < 1e-9);
    // the lightest grey that passes on white by the usual checkers
    assert!((contrast("#767676", "#ffffff") - 4.54).abs() < 0.01);
}

#[test]
fn every_text_stands_out_from_page_and_panel() {
    let palettes = palettes();
    assert_eq!(palettes.len(), 3);
    for palette in &palettes {
        for text in TEXTS {
            for ground in ["page", "panel"] {
                let found = contrast(&palette[text], &palette[ground]);
                assert!(
                    found >= LEAST,
                    "{text} on {ground}: {found:.2} in {palette:?}"
                );
            }
        }
    }
    let band = contrast(&palettes[0]["band-ink"], &palettes[0]["band"]);
    assert!(band >= LEAST, "{band}");
}
