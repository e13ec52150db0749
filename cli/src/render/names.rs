//! Names of backends that are too long for their place: shortened, and still all
//! different.

/// Short names for labels, by label.
#[derive(Debug)]
pub(crate) struct ShortNames {
    of_labels: Vec<(String, String)>,
    width: usize,
}

impl ShortNames {
    /// Names of at most `width` letters. Of labels that would look the same, the part
    /// from which on they differ, and a number where that is not enough.
    pub(crate) fn new<'l>(labels: impl Iterator<Item = &'l str>, width: usize) -> Self {
        let mut all: Vec<&str> = Vec::new();
        for label in labels {
            if !all.contains(&label) {
                all.push(label);
            }
        }
        let names = distinct(&all, width);
        let of_labels = all.into_iter().map(str::to_owned).zip(names).collect();
        Self { of_labels, width }
    }

    /// The short name of a label, whether it was among those known or not.
    pub(crate) fn short(&self, label: &str) -> String {
        let known = self.of_labels.iter().find(|(own, _)| own == label);
        known.map_or_else(|| shortened(label, self.width), |(_, name)| name.clone())
    }

    /// Letters of the longest one.
    pub(crate) fn longest(&self) -> usize {
        let names = self.of_labels.iter().map(|(_, name)| name.chars().count());
        names.max().unwrap_or(0)
    }
}

/// The text, or its start and its end around an ellipsis; labels often differ
/// in their last letters only.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return text.to_owned();
    }
    let end = width / 2;
    let start = (width - end).saturating_sub(1);
    let mut short: String = letters[..start].iter().collect();
    short.push('…');
    short.extend(&letters[letters.len() - end..]);
    short
}

pub(crate) fn all_differ(names: &[String]) -> bool {
    let is_first = |(at, name): (usize, &String)| !names[..at].contains(name);
    names.iter().enumerate().all(is_first)
}

/// Short names of labels that are all different, in their order.
fn distinct(labels: &[&str], width: usize) -> Vec<String> {
    let short: Vec<String> = labels.iter().map(|label| shortened(label, width)).collect();
    let named = labels.iter().zip(&short).map(|(label, own)| {
        let alike = labels.iter().zip(&short).filter(|(_, other)| *other == own);
        let alike: Vec<&str> = alike.map(|(label, _)| *label).collect();
        match alike.len() {
            1 => own.clone(),
            _ => from_difference(label, &alike, width),
        }
    });
    let named: Vec<String> = named.collect();
    if all_differ(&named) {
        return named;
    }
    let numbered = (1..).zip(labels).map(|(number, label)| {
        let number = format!(" {number}");
        shortened(label, width.saturating_sub(number.len())) + &number
    });
    numbered.collect()
}

/// The part of `label` from where `labels`, of which it is one, are no longer the same;
/// its own start and end where it is too long.
fn from_difference(label: &str, labels: &[&str], width: usize) -> String {
    let letters: Vec<char> = label.chars().collect();
    let is_shared = |at: &usize| {
        let mut others = labels.iter().map(|other| other.chars().nth(*at));
        others.all(|other| other.is_some() && other == letters.get(*at).copied())
    };
    let shared = (0..letters.len()).take_while(is_shared).count();
    let room = width.saturating_sub(1);
    // The end is shown whole where there is room for more than it.
    let start = shared.min(letters.len().saturating_sub(room));
    let rest: String = letters[start..].iter().collect();
    format!("…{}", shortened(&rest, room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_look_the_same_are_shown_from_where_they_differ() {
        let labels = [
            "vllm-0.11.0-fp8-chunked-prefill",
            "vllm-0.11.0-fp8-no-chunked-prefill",
            "sglang",
        ];
        assert_eq!(shortened(labels[0], 16), shortened(labels[1], 16));
        let twice = labels.iter().chain(&labels).copied();
        let names = ShortNames::new(twice, 16);
        let short = labels.map(|label| names.short(label));
        assert_eq!(short, ["…chunked-prefill", "…no-chun…prefill", "sglang"]);
        assert_eq!(names.longest(), 16);
    }

    #[test]
    fn names_that_differ_too_late_are_numbered() {
        let (a, b, c, e) = ("a".repeat(9), "b".repeat(20), "c".repeat(20), "e".repeat(8));
        let one = format!("{a}x{b}{e}");
        let two = format!("{a}y{b}{e}");
        assert_eq!(
            distinct(&[&one, &two], 16),
            ["…xbbbbbb…eeeeeee", "…ybbbbbb…eeeeeee"]
        );
        let three = format!("{a}y{b}{c}{e}");
        assert_eq!(
            distinct(&[&one, &two, &three], 16),
            [1, 2, 3].map(|n| format!("aaaaaa…eeeeeee {n}"))
        );
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(shortened("vllm", 14), "vllm");
        assert_eq!(shortened("abcdefghijklmn", 14), "abcdefghijklmn");
        assert_eq!(
            shortened("abcdefghijklmnopqrstuvwxyz", 14),
            "abcdef…tuvwxyz"
        );
    }
}
