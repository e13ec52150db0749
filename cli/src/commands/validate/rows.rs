//! What was seen in the file of the prompts.

use inferbench_engine::prompts::Scan;
use inferbench_model::text::number::{counted, grouped};

/// Lines about the file, as far as it was looked at.
pub(super) fn lines(scan: &Scan) -> Vec<String> {
    let extent = match scan.whole {
        true => "the whole file",
        false => "as many as the run can need",
    };
    let format = scan
        .format
        .map_or(String::new(), |f| format!("{}, ", f.name()));
    let mut lines = vec![format!(
        "prompts: {} in the file ({format}{extent})",
        counted(scan.kept, "row")
    )];
    if let Some((dropped, all)) = scan.left_out() {
        let reasons = scan.dropped.iter().map(|(why, rows)| match *rows {
            rows if rows == dropped => why.clone(),
            rows => format!("{} {why}", grouped(rows)),
        });
        let reasons: Vec<String> = reasons.collect();
        lines.push(format!(
            "  {} of {} left out: {}",
            grouped(dropped),
            grouped(all),
            reasons.join(", ")
        ));
    }
    if !scan.passed_over.is_empty() {
        let fields = scan.passed_over.iter();
        let fields: Vec<String> = fields
            .take(8)
            .map(|(field, rows)| format!("`{field}` ({})", counted(*rows, "row")))
            .collect();
        lines.push(format!("  fields passed over: {}", fields.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_left_out_is_counted_by_its_reason() {
        let scan = Scan {
            kept: 89_461,
            dropped: BTreeMap::from([("prompt shorter than 4 tokens".to_owned(), 1_204)]),
            whole: true,
            ..Scan::default()
        };
        assert_eq!(
            lines(&scan),
            [
                "prompts: 89\u{202f}461 rows in the file (the whole file)",
                "  1\u{202f}204 of 90\u{202f}665 left out: prompt shorter than 4 tokens",
            ]
        );
        let two = Scan {
            kept: 1,
            dropped: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
            passed_over: BTreeMap::from([("id".to_owned(), 1)]),
            ..Scan::default()
        };
        assert_eq!(
            lines(&two),
            [
                "prompts: 1 row in the file (as many as the run can need)",
                "  3 of 4 left out: 1 a, 2 b",
                "  fields passed over: `id` (1 row)",
            ]
        );
    }
}
