//! Where two texts differ by their marks, and what an auditor makes of the marks
//! in a record.

use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::text_marks::TextMarks;
use inferbench_model::verify::{RecordRules, faults};
use inferbench_test_support::runs::{Timetable, records};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Two texts that are the same for `common` characters and differ in the next.
fn parting_texts() -> impl Strategy<Value = (String, String, u64)> {
    ("\\PC{0,400}", "[a-m]\\PC{0,300}", "[n-z]\\PC{0,300}").prop_map(|(common, a, b)| {
        let chars = common.chars().count() as u64;
        (format!("{common}{a}"), format!("{common}{b}"), chars)
    })
}

proptest! {
    #[test]
    fn a_place_is_never_found_before_what_is_the_same((a, b, common) in parting_texts()) {
        let found = TextMarks::from_text(&a).parting(&TextMarks::from_text(&b));
        prop_assert!(common < found.end, "{common} in {found:?}");
        prop_assert!(found.start < found.end);
        let width = found.end - found.start;
        prop_assert!(width <= 4 || width <= found.start / 8, "{found:?}");
    }

    #[test]
    fn a_text_that_ends_before_the_other_parts_there(text in "\\PC{1,400}", more in "\\PC{1,40}") {
        let found = TextMarks::from_text(&text).parting(&TextMarks::from_text(&format!("{text}{more}")));
        let chars = text.chars().count() as u64;
        prop_assert!(found.contains(&chars), "{chars} in {found:?}");
    }

    #[test]
    fn marks_are_those_of_every_prefix(text in "\\PC{0,400}", at in 0..400usize) {
        let prefix: String = text.chars().take(at).collect();
        let (whole, part) = (TextMarks::from_text(&text), TextMarks::from_text(&prefix));
        prop_assert!(whole.digits().starts_with(part.digits()));
        prop_assert_eq!(TextMarks::read(whole.chars(), whole.digits()), Ok(whole));
    }
}

/// A mark of 4 bits is the same by chance one time in 16, so 1875 of 2000 places
/// are found in the right stretch, give or take 4 deviations of sqrt(2000 * 15/16
/// * 1/16) = 10.8.
#[test]
fn fifteen_places_of_sixteen_are_found_in_the_right_stretch() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut letters = |n: usize| -> String {
        let letter = |_| char::from(random.random_range(b'a'..=b'z'));
        (0..n).map(letter).collect()
    };
    let mut right = 0;
    for common in (0..400).cycle().take(2000) {
        let same = letters(common);
        let (a, b) = (letters(200), letters(200));
        let behind = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b);
        let place = (common + behind.count()) as u64;
        let found = TextMarks::from_text(&format!("{same}{a}"));
        let found = found.parting(&TextMarks::from_text(&format!("{same}{b}")));
        right += u32::from(found.contains(&place));
    }
    assert!((1832..=1918).contains(&right), "{right}");
}

fn answer() -> RequestRecord {
    let plan = Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 5,
        n: 1,
    };
    let mut record = records("a", 0, plan).remove(0);
    // CRC-32 of 1234 is 9be3e0a3, of 12345678 9ae0daaf; SHA-256 by sha256sum.
    record.text_sha256 =
        Some("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225".to_owned());
    record.text = Some("123456789".to_owned());
    record.text_chars = Some(9);
    record.text_marks = Some("99".to_owned());
    record
}

#[test]
fn an_auditor_compares_marks_with_the_text_and_its_length() {
    assert_eq!(
        faults(&answer(), RecordRules::Current),
        Vec::<String>::new()
    );
    let without = RequestRecord {
        text_chars: None,
        text_marks: None,
        ..answer()
    };
    assert_eq!(faults(&without, RecordRules::Current), Vec::<String>::new());
    for (chars, marks, words) in [
        (Some(9), Some("9a"), "text_marks are not those of the text"),
        (
            Some(10),
            Some("99"),
            "text_chars is 10, the text has 9 characters",
        ),
        (
            Some(12),
            Some("99"),
            "text_marks has 2 digits, a text of 12 characters has 3",
        ),
        (
            Some(9),
            Some("9G"),
            "text_marks has 'G' among its hexadecimal digits",
        ),
        (Some(9), None, "it has text_chars and no text_marks"),
        (None, Some("99"), "it has text_marks and no text_chars"),
    ] {
        let record = RequestRecord {
            text_chars: chars,
            text_marks: marks.map(str::to_owned),
            ..answer()
        };
        assert_eq!(faults(&record, RecordRules::Current), [words]);
    }
    let unkept = RequestRecord {
        text: None,
        text_marks: Some("9".to_owned()),
        ..answer()
    };
    let words = "text_marks has 1 digits, a text of 9 characters has 2";
    assert_eq!(faults(&unkept, RecordRules::Current), [words]);
}
