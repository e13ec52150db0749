//! The images of requests as data URLs: made and encoded, or read from files.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageEncoder};
use inferbench_model::config::{ImageFormat, ImagesConfig};
use inferbench_model::plan::prompt::{Prompt, PromptError, PromptKey};
use inferbench_model::prompts::images::{pixels, put_first};
use serde_json::json;
use sha2::Sha256;
use sha2::digest::Update;

use super::error::PromptFileError;
use crate::os::files;

/// Bytes of all images from files together that are held.
const MOST_BYTES: usize = 1 << 30;
/// Quality of JPEG, of 100: what most cameras and programs use.
const JPEG_QUALITY: u8 = 85;

/// Makes the images of every request.
pub(super) struct ImageMaker {
    config: ImagesConfig,
    seed: u64,
    /// Data URLs of files; none if images are made.
    files: Vec<Arc<str>>,
}

impl ImageMaker {
    /// Reads the files that the config names, if it names any.
    ///
    /// # Errors
    /// If one cannot be read or is no image, there is none, or they are too large.
    pub(super) fn open(config: &ImagesConfig, seed: u64) -> Result<Self, PromptFileError> {
        let files = config.files.as_deref().map(read_all);
        Ok(Self {
            config: config.clone(),
            seed,
            files: files.transpose()?.unwrap_or_default(),
        })
    }

    /// Puts images into a prompt that can be messages. How long it is then, no tokenizer
    /// counts.
    ///
    /// # Errors
    /// If an image cannot be encoded.
    pub(super) fn put(&self, prompt: &mut Prompt, key: PromptKey) -> Result<(), PromptError> {
        let mut messages = match (prompt.messages.take(), &prompt.text) {
            (Some(messages), _) => messages,
            (None, Some(text)) => vec![json!({"role": "user", "content": text})],
            (None, None) => return Ok(()),
        };
        put_first(&mut messages, &self.urls(key)?);
        prompt.messages = Some(messages);
        prompt.input_tokens = None;
        Ok(())
    }

    fn urls(&self, key: PromptKey) -> Result<Vec<Arc<str>>, PromptError> {
        let count = self.config.in_request();
        if self.files.is_empty() {
            return (0..count).map(|place| self.made(key, place)).collect();
        }
        let len = self.files.len() as u64;
        let first = (key.index % len) * u64::from(count);
        let places = (0..u64::from(count)).map(|place| (first + place) % len);
        Ok(places
            .map(|place| Arc::clone(&self.files[place as usize]))
            .collect())
    }

    fn made(&self, key: PromptKey, place: u32) -> Result<Arc<str>, PromptError> {
        let size = self.config.size_px();
        let format = self.config.format.unwrap_or_default();
        let pixels = pixels(self.seed, key, place, size);
        let file = encode(&pixels, size, format);
        let file = file.map_err(|error| PromptError::Row(format!("an image: {error}")))?;
        let kind = match format {
            ImageFormat::Png => image::ImageFormat::Png,
            ImageFormat::Jpeg => image::ImageFormat::Jpeg,
        };
        Ok(data_url(kind, &file))
    }

    /// What tells images of one workload from those of another.
    pub(super) fn add_to(&self, hash: &mut Sha256) {
        hash.update(self.config.words().as_bytes());
        for file in &self.files {
            hash.update(file.as_bytes());
        }
    }
}

fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    format: ImageFormat,
) -> image::ImageResult<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let colours = ExtendedColorType::Rgb8;
    match format {
        ImageFormat::Png => {
            let encoder = image::codecs::png::PngEncoder::new(&mut file);
            encoder.write_image(pixels, width, height, colours)?;
        }
        ImageFormat::Jpeg => {
            let encoder =
                image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
            encoder.write_image(pixels, width, height, colours)?;
        }
    }
    Ok(file.into_inner())
}

fn data_url(kind: image::ImageFormat, file: &[u8]) -> Arc<str> {
    let mut url = format!("data:{};base64,", kind.to_mime_type());
    STANDARD.encode_string(file, &mut url);
    url.into()
}

/// The images of a folder or of a pattern, in the order of their names.
fn read_all(files: &str) -> Result<Vec<Arc<str>>, PromptFileError> {
    let mut urls: Vec<Arc<str>> = Vec::new();
    let mut held_bytes = 0;
    for path in paths(files)? {
        let url = read(&path)?;
        held_bytes += url.len();
        if held_bytes > MOST_BYTES {
            let words = format!("with it the images are above {MOST_BYTES} bytes in base64");
            return Err(PromptFileError::unreadable(&path, words));
        }
        urls.push(url);
    }
    match urls.is_empty() {
        true => Err(PromptFileError::unreadable(
            Path::new(files),
            "has no file, needs at least one image",
        )),
        false => Ok(urls),
    }
}

fn paths(files: &str) -> Result<Vec<PathBuf>, PromptFileError> {
    let folder = Path::new(files);
    let unread = |error: &dyn std::fmt::Display| PromptFileError::unreadable(folder, error);
    let mut paths = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(|error| unread(&error))? {
            paths.push(entry.map_err(|error| unread(&error))?.path());
        }
    } else {
        for path in glob::glob(files).map_err(|error| unread(&error))? {
            paths.push(path.map_err(|error| unread(&error))?);
        }
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

/// Largest image that is sent as it is.
const IMAGE_BYTES: u64 = 256 << 20;
/// Formats that servers of models read.
const KNOWN: [image::ImageFormat; 4] = [
    image::ImageFormat::Jpeg,
    image::ImageFormat::Png,
    image::ImageFormat::WebP,
    image::ImageFormat::Gif,
];

fn read(path: &Path) -> Result<Arc<str>, PromptFileError> {
    let file = files::read(path, IMAGE_BYTES);
    let file = file.map_err(|error| PromptFileError::unreadable(path, error))?;
    let kind = image::guess_format(&file).ok();
    match kind.filter(|kind| KNOWN.contains(kind)) {
        Some(kind) => Ok(data_url(kind, &file)),
        None => {
            let words = "is no image, must be JPEG, PNG, WebP or GIF";
            Err(PromptFileError::unreadable(path, words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u64) -> PromptKey {
        PromptKey {
            block: 0,
            level: 0,
            index,
        }
    }

    fn config(json: &str) -> ImagesConfig {
        serde_json::from_str(json).unwrap()
    }

    fn decoded(url: &str, kind: &str) -> image::DynamicImage {
        let base64 = url.strip_prefix(&format!("data:image/{kind};base64,"));
        image::load_from_memory(&STANDARD.decode(base64.unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_made_image_has_the_asked_size_and_format_and_does_not_compress_to_nothing() {
        for (kind, least_bytes) in [("png", 100 * 60 * 3 / 2), ("jpeg", 100 * 60 / 4)] {
            let config = config(&format!(
                r#"{{"width": 100, "height": 60, "format": "{kind}", "count": 2}}"#
            ));
            let maker = ImageMaker::open(&config, 1).unwrap();
            let urls = maker.urls(key(5)).unwrap();
            assert_eq!(urls.len(), 2);
            assert_ne!(urls[0], urls[1]);
            let image = decoded(&urls[0], kind);
            assert_eq!((image.width(), image.height()), (100, 60));
            let bytes = urls[0].len() * 3 / 4;
            assert!(bytes > least_bytes, "{kind}: {bytes} bytes");
            assert_eq!(maker.urls(key(5)).unwrap(), urls);
        }
    }

    #[test]
    fn a_png_has_the_pixels_that_were_made() {
        let config = config(r#"{"width": 20, "height": 9, "format": "png"}"#);
        let maker = ImageMaker::open(&config, 3).unwrap();
        let image = decoded(&maker.urls(key(0)).unwrap()[0], "png");
        assert_eq!(image.into_rgb8().into_raw(), pixels(3, key(0), 0, (20, 9)));
    }

    #[test]
    fn files_are_taken_in_order_and_from_the_first_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.png", "c.png"] {
            let side = u32::from(name.as_bytes()[0] - b'a' + 1);
            let pixels = vec![9; (side * side * 3) as usize];
            let file = encode(&pixels, (side, side), ImageFormat::Png).unwrap();
            std::fs::write(folder.path().join(name), file).unwrap();
        }
        let sides = |files: &Path, index| {
            let config = ImagesConfig {
                files: Some(files.display().to_string()),
                count: Some(2),
                ..ImagesConfig::default()
            };
            let maker = ImageMaker::open(&config, 1).unwrap();
            let urls = maker.urls(key(index)).unwrap();
            let sides = urls.iter().map(|url| decoded(url, "png").width());
            sides.collect::<Vec<_>>()
        };
        for files in [folder.path().to_owned(), folder.path().join("*.png")] {
            assert_eq!(sides(&files, 0), [1, 2]);
            assert_eq!(sides(&files, 1), [3, 1]);
            assert_eq!(sides(&files, 2), [2, 3]);
            assert_eq!(sides(&files, 3), [1, 2]);
        }
    }

    #[test]
    fn what_is_no_image_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = || {
            let config = ImagesConfig {
                files: Some(folder.path().display().to_string()),
                ..ImagesConfig::default()
            };
            ImageMaker::open(&config, 1).err().unwrap().to_string()
        };
        assert!(refused().ends_with("has no file, needs at least one image"));
        std::fs::write(folder.path().join("note.txt"), "hello").unwrap();
        let words = "note.txt: is no image, must be JPEG, PNG, WebP or GIF";
        assert!(refused().ends_with(words), "{}", refused());
    }

    #[test]
    fn a_prompt_of_text_becomes_messages_of_unknown_length() {
        let maker = ImageMaker::open(&config(r#"{"width": 8, "height": 8}"#), 1).unwrap();
        let mut prompt = Prompt {
            text: Some("q".to_owned()),
            input_tokens: Some(1),
            ..Prompt::default()
        };
        maker.put(&mut prompt, key(0)).unwrap();
        let messages = prompt.messages.unwrap();
        assert_eq!(
            messages[0]["content"][1],
            json!({"type": "text", "text": "q"})
        );
        assert_eq!(prompt.input_tokens, None);
        let mut ids = Prompt::default();
        maker.put(&mut ids, key(0)).unwrap();
        assert_eq!(ids, Prompt::default());
    }
}
