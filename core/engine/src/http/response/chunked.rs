//! The chunks of a body whose length is not known before it ends (RFC 9112, 7.1).

use super::HttpError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    Size { digits: u32, value: u64 },
    Extension { value: u64 },
    SizeEnd { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailer { line_empty: bool },
    Done,
}

impl Chunked {
    /// One step over `bytes`, which are not empty: bytes used, and the data
    /// among them.
    pub(super) fn step<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(usize, Option<&'a [u8]>), HttpError> {
        let byte = bytes[0];
        *self = match *self {
            Self::Data { left } => {
                let n = (bytes.len() as u64).min(left) as usize;
                let left = left - n as u64;
                *self = if left == 0 {
                    Self::DataCr
                } else {
                    Self::Data { left }
                };
                return Ok((n, Some(&bytes[..n])));
            }
            Self::Size { digits, value } => Self::size(byte, digits, value)?,
            Self::Extension { value } => match byte {
                b'\r' => Self::SizeEnd { value },
                b'\n' => Self::after_size(value),
                _ => Self::Extension { value },
            },
            Self::SizeEnd { value } if byte == b'\n' => Self::after_size(value),
            Self::DataCr if byte == b'\r' => Self::DataLf,
            Self::DataCr | Self::DataLf if byte == b'\n' => Self::Size {
                digits: 0,
                value: 0,
            },
            Self::Trailer { line_empty } => match byte {
                b'\n' if line_empty => Self::Done,
                b'\n' => Self::Trailer { line_empty: true },
                b'\r' => Self::Trailer { line_empty },
                _ => Self::Trailer { line_empty: false },
            },
            Self::SizeEnd { .. } | Self::DataCr | Self::DataLf | Self::Done => {
                return Err(HttpError::ChunkSize);
            }
        };
        Ok((1, None))
    }

    fn size(byte: u8, digits: u32, value: u64) -> Result<Self, HttpError> {
        match char::from(byte).to_digit(16) {
            Some(digit) if digits < 15 => Ok(Self::Size {
                digits: digits + 1,
                value: value << 4 | u64::from(digit),
            }),
            _ if digits == 0 => Err(HttpError::ChunkSize),
            _ => match byte {
                b'\r' => Ok(Self::SizeEnd { value }),
                b'\n' => Ok(Self::after_size(value)),
                b';' | b' ' | b'\t' => Ok(Self::Extension { value }),
                _ => Err(HttpError::ChunkSize),
            },
        }
    }

    fn after_size(value: u64) -> Self {
        if value == 0 {
            Self::Trailer { line_empty: true }
        } else {
            Self::Data { left: value }
        }
    }
}
