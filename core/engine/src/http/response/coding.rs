//! The content coding of a body, taken off as it comes.

use std::io::Write as _;

use flate2::write::{MultiGzDecoder, ZlibDecoder};

use super::HttpError;

pub(super) enum Decoder {
    Identity,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflate(Box<ZlibDecoder<Vec<u8>>>),
}

pub(super) fn decoder_for(coding: Option<&str>) -> Result<Decoder, HttpError> {
    match coding {
        None => Ok(Decoder::Identity),
        Some("gzip" | "x-gzip") => {
            let decoder = MultiGzDecoder::new(Vec::new());
            Ok(Decoder::Gzip(Box::new(decoder)))
        }
        Some("deflate") => Ok(Decoder::Deflate(Box::new(ZlibDecoder::new(Vec::new())))),
        Some(other) => Err(HttpError::UnknownCoding(other.to_owned())),
    }
}

impl Decoder {
    /// Decodes `bytes` and gives at once what can be read now.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), HttpError> {
        let broken = |coding| {
            move |error: std::io::Error| HttpError::Coding {
                coding,
                reason: error.to_string(),
            }
        };
        let out = match self {
            Self::Identity => {
                sink(bytes);
                return Ok(());
            }
            Self::Gzip(decoder) => {
                let written = decoder.write_all(bytes).and_then(|()| decoder.flush());
                written.map_err(broken("gzip"))?;
                decoder.get_mut()
            }
            Self::Deflate(decoder) => {
                let written = decoder.write_all(bytes).and_then(|()| decoder.flush());
                written.map_err(broken("deflate"))?;
                decoder.get_mut()
            }
        };
        if !out.is_empty() {
            sink(out);
            out.clear();
        }
        Ok(())
    }
}
