//! Lengths that were seen: a table of prompt and answer lengths with their weights, from
//! which both are drawn together or apart.

use rand::Rng;
use thiserror::Error;

/// Prompt and answer lengths, tokens, as often as they are to come.
#[derive(Debug, Clone, PartialEq)]
pub struct LengthTable {
    rows: Vec<(u32, u32)>,
    /// Sum of the weights up to each row.
    up_to: Vec<f64>,
    /// Draw the prompt's length and the answer's from different rows.
    apart: bool,
}

/// A table of lengths that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {words}")]
pub struct LengthTableError {
    /// Line, from 1.
    pub line: usize,
    words: String,
}

/// First line of a table.
pub const HEADER: &str = "input_tokens,output_tokens";

impl LengthTable {
    /// Reads a table: a header `input_tokens,output_tokens`, with `,weight` if rows are
    /// not equally frequent, and a row for each pair.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn from_csv(text: &str, apart: bool) -> Result<Self, LengthTableError> {
        let wrong = |line: usize, words: String| LengthTableError { line, words };
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let header = lines.next().map_or("", |(_, line)| line.trim());
        let weighted = match header {
            HEADER => false,
            header if header.strip_prefix(HEADER) == Some(",weight") => true,
            other => {
                let words = format!("is `{other}`, expected `{HEADER}` or `{HEADER},weight`");
                return Err(wrong(1, words));
            }
        };
        let mut table = Self {
            rows: Vec::new(),
            up_to: Vec::new(),
            apart,
        };
        let mut sum = 0.0;
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let row = row(line, weighted).map_err(|words| wrong(index + 1, words))?;
            sum += row.1;
            table.rows.push(row.0);
            table.up_to.push(sum);
        }
        match sum > 0.0 && sum.is_finite() {
            true => Ok(table),
            false => Err(wrong(1, "no row with a weight above 0 follows".to_owned())),
        }
    }

    /// Draws the lengths of a prompt and its answer.
    pub fn draw(&self, rng: &mut impl Rng) -> (u32, u32) {
        let first = self.draw_row(rng);
        let answer = if self.apart {
            self.draw_row(rng)
        } else {
            first
        };
        (self.rows[first].0, self.rows[answer].1)
    }

    fn draw_row(&self, rng: &mut impl Rng) -> usize {
        let whole = self.up_to.last().copied().unwrap_or(1.0);
        let drawn = rng.random_range(0.0..whole);
        let row = self.up_to.partition_point(|up_to| *up_to <= drawn);
        row.min(self.rows.len() - 1)
    }

    /// Longest prompt and longest answer, tokens.
    #[must_use]
    pub fn longest(&self) -> (u32, u32) {
        let longest = |length: fn(&(u32, u32)) -> u32| self.rows.iter().map(length).max();
        (
            longest(|row| row.0).unwrap_or(1),
            longest(|row| row.1).unwrap_or(1),
        )
    }
}

fn row(line: &str, weighted: bool) -> Result<((u32, u32), f64), String> {
    let columns: Vec<&str> = line.trim().split(',').map(str::trim).collect();
    let expected = if weighted { 3 } else { 2 };
    if columns.len() != expected {
        return Err(format!(
            "has {} columns, expected {expected}",
            columns.len()
        ));
    }
    let tokens = |name: &str, text: &str| match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{name}` is `{text}`, expected 1 token or more")),
    };
    let lengths = (
        tokens("input_tokens", columns[0])?,
        tokens("output_tokens", columns[1])?,
    );
    let weight = match columns.get(2) {
        None => 1.0,
        Some(text) => {
            let weight: Option<f64> = text.parse().ok();
            let weight = weight.filter(|w| *w >= 0.0 && w.is_finite());
            weight.ok_or_else(|| format!("`weight` is `{text}`, expected 0 or more"))?
        }
    };
    Ok((lengths, weight))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn drawn(csv: &str, apart: bool) -> Vec<(u32, u32)> {
        let table = LengthTable::from_csv(csv, apart).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        (0..10_000).map(|_| table.draw(&mut rng)).collect()
    }

    const TABLE: &str = "input_tokens,output_tokens,weight\n10,1,3\n20,2,1\n30,3,0\n";

    #[test]
    fn lengths_come_as_often_as_their_weights_say() {
        let drawn = drawn(TABLE, false);
        let tens = drawn.iter().filter(|pair| **pair == (10, 1)).count();
        // 7,500 expected, with a standard deviation of 43.
        assert!((7_300..7_700).contains(&tens), "{tens}");
        assert!(drawn.iter().all(|pair| [(10, 1), (20, 2)].contains(pair)));
    }

    #[test]
    fn apart_every_pair_comes() {
        let drawn = drawn(TABLE, true);
        // 3/4 x 1/4 of 10,000 are 1,875, with a standard deviation of 39.
        let mixed = drawn.iter().filter(|pair| **pair == (10, 2)).count();
        assert!((1_675..2_075).contains(&mixed), "{mixed}");
    }

    #[test]
    fn without_weights_all_are_alike_and_the_longest_are_known() {
        let table = LengthTable::from_csv("input_tokens,output_tokens\r\n5,9\r\n7,2\r\n", false);
        assert_eq!(table.unwrap().longest(), (7, 9));
    }

    #[test]
    fn a_wrong_table_says_where() {
        for (csv, error) in [
            (
                "",
                "line 1: is ``, expected `input_tokens,output_tokens` or `input_tokens,output_tokens,weight`",
            ),
            (
                "a,b\n",
                "line 1: is `a,b`, expected `input_tokens,output_tokens` or `input_tokens,output_tokens,weight`",
            ),
            (
                "input_tokens,output_tokens\n",
                "line 1: no row with a weight above 0 follows",
            ),
            (
                "input_tokens,output_tokens\n1,2,3\n",
                "line 2: has 3 columns, expected 2",
            ),
            (
                "input_tokens,output_tokens\n\n0,2\n",
                "line 3: `input_tokens` is `0`, expected 1 token or more",
            ),
            (
                "input_tokens,output_tokens,weight\n1,2,-1\n",
                "line 2: `weight` is `-1`, expected 0 or more",
            ),
        ] {
            assert_eq!(
                LengthTable::from_csv(csv, false).unwrap_err().to_string(),
                error
            );
        }
    }
}
