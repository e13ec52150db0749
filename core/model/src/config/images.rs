//! Images in the messages of a workload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Images before the text of the user's message: made from the seed, or from files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesConfig {
    /// Images in each request. Default 1.
    #[schemars(range(min = 1, max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Width of an image that is made, pixels. Default 512.
    #[schemars(range(min = 1, max = 8192))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of an image that is made, pixels. Default 512.
    #[schemars(range(min = 1, max = 8192))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Format of an image that is made: `png` or `jpeg`. Default `jpeg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFormat>,
    /// Folder of images, or a pattern such as `photos/*.jpg`, in place of images that are
    /// made. They are taken in the order of their names, from the first again after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

/// Format of an image that is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// Without loss.
    Png,
    /// With loss, as photographs are sent.
    #[default]
    Jpeg,
}

impl ImageFormat {
    /// Its name in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
        }
    }
}

/// Side of an image that is made, pixels.
const SIDE_PX: u32 = 512;

impl ImagesConfig {
    /// Images in each request.
    #[must_use]
    pub fn in_request(&self) -> u32 {
        self.count.unwrap_or(1)
    }

    /// Width and height of an image that is made, pixels.
    #[must_use]
    pub fn size_px(&self) -> (u32, u32) {
        (
            self.width.unwrap_or(SIDE_PX),
            self.height.unwrap_or(SIDE_PX),
        )
    }

    /// The images in words, as a report has them.
    #[must_use]
    pub fn words(&self) -> String {
        let count = self.in_request();
        match &self.files {
            Some(files) => format!("{count} from {files}"),
            None => {
                let (width, height) = self.size_px();
                let format = self.format.unwrap_or_default().name();
                format!("{count} of {width} x {height} pixels, {format}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn errors(images: &str) -> Vec<String> {
        let text = format!(
            r#"{{"name": "t", "model": {{"id": "m"}}, "backends": [{{"plugin": "p", "attach": "http://h"}}],
                "workload": {{"images": {images}}}, "load": {{"concurrency": [1], "requests": 1}}}}"#
        );
        match load("t.yaml", &text, &|_| None) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_image_has_a_size_and_files_have_their_own() {
        assert_eq!(errors("{}"), [] as [String; 0]);
        assert_eq!(
            errors(r#"{"count": 2, "format": "png"}"#),
            [] as [String; 0]
        );
        for (images, words) in [
            (
                r#"{"count": 0}"#,
                "`workload.images.count` is 0, must be 1 to 64",
            ),
            (
                r#"{"width": 9000}"#,
                "`workload.images.width` is 9000, must be 1 to 8192",
            ),
            (
                r#"{"files": "f", "format": "png"}"#,
                "`workload.images.format` is set, but images come from `files` as they are",
            ),
            (r#"{"format": "gif"}"#, "gif"),
        ] {
            let found = errors(images);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn the_report_says_what_the_images_are() {
        let words = |json: &str| serde_json::from_str::<ImagesConfig>(json).unwrap().words();
        assert_eq!(words("{}"), "1 of 512 x 512 pixels, jpeg");
        assert_eq!(
            words(r#"{"count": 3, "files": "a/*.png"}"#),
            "3 from a/*.png"
        );
    }
}
