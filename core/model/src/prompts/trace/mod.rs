//! Recorded traffic: when requests came, and how long prompts and answers were.

mod azure;
mod burstgpt;
mod columns;
mod mooncake;

use crate::config::TraceFormat;
use crate::prompts::row::{Content, Row, RowFault, beginning};

/// A request that the trace has no answer for.
pub const FAILED: &str = "no answer in the trace";
/// A request without a prompt.
pub const EMPTY: &str = "no prompt in the trace";

/// Reads the rows of one trace.
#[derive(Debug, Clone)]
pub struct TraceReader(Format);

#[derive(Debug, Clone)]
enum Format {
    Mooncake,
    Azure(azure::Header),
    BurstGpt(burstgpt::Header),
}

impl TraceReader {
    /// The reader for a file with this first row, which is the header of those that have
    /// one. `asked` is the format that the config names; without it, it is found.
    ///
    /// # Errors
    /// If the row is of no format, or of another one.
    pub fn from_first(row: &[u8], asked: Option<TraceFormat>) -> Result<Self, RowFault> {
        let found = find(row);
        match (found, asked) {
            (Some(reader), None) => Ok(reader),
            (Some(reader), Some(asked)) if reader.format() == asked => Ok(reader),
            (Some(reader), Some(asked)) => Err(RowFault::wrong(
                &format!("is {}", reader.format().first_row()),
                &format!("{}: `format` is `{}`", asked.first_row(), asked.name()),
            )),
            (None, asked) => {
                let all = [
                    TraceFormat::Mooncake,
                    TraceFormat::Azure,
                    TraceFormat::Burstgpt,
                ];
                let expected = match asked {
                    Some(format) => format.first_row().to_owned(),
                    None => all.map(TraceFormat::first_row).join(", or "),
                };
                Err(RowFault::wrong(
                    &format!("is {}", beginning(row)),
                    &expected,
                ))
            }
        }
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> TraceFormat {
        match self.0 {
            Format::Mooncake => TraceFormat::Mooncake,
            Format::Azure(_) => TraceFormat::Azure,
            Format::BurstGpt(_) => TraceFormat::Burstgpt,
        }
    }

    /// Whether the first row is a header.
    #[must_use]
    pub fn has_header(&self) -> bool {
        !matches!(self.0, Format::Mooncake)
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `Wrong` if it is not of this format, `Dropped` if nothing was answered.
    pub fn read(&self, row: &[u8]) -> Result<Row, RowFault> {
        match &self.0 {
            Format::Mooncake => mooncake::read(row),
            Format::Azure(header) => header.read(row),
            Format::BurstGpt(header) => header.read(row),
        }
    }
}

fn find(row: &[u8]) -> Option<TraceReader> {
    let csv = || String::from_utf8(row.to_vec()).ok();
    if mooncake::is_one(row) {
        return Some(TraceReader(Format::Mooncake));
    }
    if let Some(header) = csv().and_then(|line| azure::Header::find(&line)) {
        return Some(TraceReader(Format::Azure(header)));
    }
    let header = csv().and_then(|line| burstgpt::Header::find(&line))?;
    Some(TraceReader(Format::BurstGpt(header)))
}

/// Seconds of a time, with or without an offset, since 1970.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let with_t = text.replacen(' ', "T", 1);
    let timestamp: Option<jiff::Timestamp> = with_t.parse().ok();
    let timestamp = timestamp.or_else(|| {
        let civil: jiff::civil::DateTime = with_t.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(timestamp.as_nanosecond() as f64 / 1e9)
}

impl TraceFormat {
    /// What its first row looks like.
    #[must_use]
    pub fn first_row(self) -> &'static str {
        match self {
            Self::Mooncake => "Mooncake's object with `timestamp`, `input_length`, `output_length`",
            Self::Azure => "Azure's header `TIMESTAMP,ContextTokens,GeneratedTokens`",
            Self::Burstgpt => {
                "BurstGPT's header with `Timestamp`, `Request tokens`, `Response tokens`"
            }
        }
    }
}

/// The row of a request that has a prompt and an answer of so many tokens.
fn made(at_s: f64, (input, output): (u32, u32), blocks: Vec<u64>) -> Result<Row, RowFault> {
    match (input, output) {
        (0, _) => Err(RowFault::Dropped(EMPTY.to_owned())),
        (_, 0) => Err(RowFault::Dropped(FAILED.to_owned())),
        _ => Ok(Row {
            output_tokens: Some(output),
            at_s: Some(at_s),
            ..Row::new(Content::Made {
                input_tokens: input,
                blocks,
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(row: &Row) -> (Option<f64>, u32, Option<u32>, Vec<u64>) {
        let Content::Made {
            input_tokens,
            blocks,
        } = &row.content
        else {
            panic!("{row:?}");
        };
        (row.at_s, *input_tokens, row.output_tokens, blocks.clone())
    }

    fn reader(first: &str) -> TraceReader {
        TraceReader::from_first(first.as_bytes(), None).unwrap()
    }

    #[test]
    fn mooncake_counts_in_milliseconds_and_names_its_blocks() {
        let line = r#"{"timestamp": 27482, "input_length": 1025, "output_length": 52, "hash_ids": [46, 47, 9]}"#;
        let reader = reader(line);
        assert_eq!(reader.format(), TraceFormat::Mooncake);
        assert!(!reader.has_header());
        let row = reader.read(line.as_bytes()).unwrap();
        assert_eq!(parts(&row), (Some(27.482), 1025, Some(52), vec![46, 47, 9]));
    }

    #[test]
    fn azure_has_the_time_of_day() {
        let reader = reader("TIMESTAMP,ContextTokens,GeneratedTokens");
        assert!(reader.has_header());
        let at = |line: &str| parts(&reader.read(line.as_bytes()).unwrap());
        let (first, input, output, _) = at("2023-11-16 18:17:03.9799600,4808,10");
        assert_eq!((input, output), (4808, Some(10)));
        // A minute and 1.25 s later; the year 2024's files have an offset too.
        let (second, ..) = at("2023-11-16 18:18:05.2299600,5,10");
        assert!((second.unwrap() - first.unwrap() - 61.25).abs() < 1e-6);
        let (offset, ..) = at("2023-11-16 18:18:05.229960+00:00,5,10");
        assert_eq!(offset, second);
    }

    #[test]
    fn burstgpt_is_read_by_the_names_of_its_columns() {
        let first = reader("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type");
        let row = first
            .read(b"5,ChatGPT,472,18,490,Conversation log")
            .unwrap();
        assert_eq!(parts(&row), (Some(5.0), 472, Some(18), vec![]));
        let failed = first.read(b"45,ChatGPT,1087,0,1087,Conversation log");
        assert_eq!(failed, Err(RowFault::Dropped(FAILED.to_owned())));
        let other = reader(
            "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type",
        );
        let row = other.read(b"5.5,a7,1.2,GPT-4,472,18,490,API log").unwrap();
        assert_eq!(parts(&row).0, Some(5.5));
        assert_eq!(row.session.as_deref(), Some("a7"));
    }

    #[test]
    fn another_format_than_the_one_that_is_named_is_refused() {
        let error = TraceReader::from_first(
            b"TIMESTAMP,ContextTokens,GeneratedTokens",
            Some(TraceFormat::Mooncake),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "is Azure's header `TIMESTAMP,ContextTokens,GeneratedTokens`, expected Mooncake's object with `timestamp`, `input_length`, `output_length`: `format` is `mooncake`"
        );
        let error = TraceReader::from_first(b"a,b,c", None)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("is `a,b,c`, expected Mooncake's object"),
            "{error}"
        );
    }

    #[test]
    fn broken_rows_say_which_column() {
        let azure = reader("TIMESTAMP,ContextTokens,GeneratedTokens");
        let mooncake = reader(r#"{"timestamp": 0, "input_length": 1, "output_length": 1}"#);
        for (reader, row, error) in [
            (
                &azure,
                "2023-11-16 18:17:03,4808",
                "has 2 columns, expected 3",
            ),
            (
                &azure,
                "yesterday,4808,10",
                "`TIMESTAMP` is `yesterday`, expected a time such as `2023-11-16 18:17:03.979`",
            ),
            (
                &azure,
                "2023-11-16 18:17:03,many,10",
                "`ContextTokens` is `many`, expected a whole number of tokens",
            ),
            (
                &mooncake,
                r#"{"timestamp": 0, "input_length": 1}"#,
                "has no `output_length`, expected Mooncake's object with `timestamp`, `input_length`, `output_length`",
            ),
            (
                &mooncake,
                r#"{"timestamp": "x", "input_length": 1, "output_length": 1}"#,
                "`timestamp` is \"x\", expected milliseconds, as a number of 0 or more",
            ),
            (
                &mooncake,
                r#"{"timestamp": 0, "input_length": 1025, "output_length": 1, "hash_ids": [1, 2]}"#,
                "`hash_ids` has 2 blocks, expected 3 of 512 tokens for 1025",
            ),
        ] {
            assert_eq!(reader.read(row.as_bytes()).unwrap_err().to_string(), error);
        }
    }
}
