//! Images in messages: their pixels, made from seed and key alone, and their place in
//! the messages. Encoding them and reading files is for others.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::plan::prompt::PromptKey;
use crate::plan::seed;

/// Side of a patch of one colour, pixels.
const PATCH_PX: u32 = 16;
/// Bits of noise on each colour of a pixel: so much of it is left however well a file is
/// compressed without loss.
const NOISE: u8 = 0x1f;

/// Pixels of the image number `place` of a request, three bytes (red, green, blue) each,
/// row by row: patches of random colours with noise on them. No two requests share one, so
/// that no server has seen an image before.
#[must_use]
pub fn pixels(seed: u64, key: PromptKey, place: u32, (width, height): (u32, u32)) -> Vec<u8> {
    let path = [
        seed::IMAGE,
        u64::from(key.block),
        key.level as u64,
        key.index,
        u64::from(place),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(seed::derive(seed, &path));
    let (across, down) = (width.div_ceil(PATCH_PX), height.div_ceil(PATCH_PX));
    let mut colours = vec![0; across as usize * down as usize * 3];
    rng.fill(colours.as_mut_slice());
    let mut bytes = vec![0; width as usize * height as usize * 3];
    rng.fill(bytes.as_mut_slice());
    let mut at = 0;
    for y in 0..height {
        for x in 0..width {
            let patch = (y / PATCH_PX) as usize * across as usize + (x / PATCH_PX) as usize;
            for colour in &colours[patch * 3..patch * 3 + 3] {
                bytes[at] = (colour & !NOISE) | (bytes[at] & NOISE);
                at += 1;
            }
        }
    }
    bytes
}

/// Puts images before the text of the last message of the user; a message of its own if
/// there is none.
pub fn put_first(messages: &mut Vec<Value>, urls: &[impl AsRef<str>]) {
    let images = urls
        .iter()
        .map(|url| json!({"type": "image_url", "image_url": {"url": url.as_ref()}}));
    let mut parts: Vec<Value> = images.collect();
    let asks = |message: &&mut Value| message["role"] == "user";
    let Some(message) = messages.iter_mut().rev().find(asks) else {
        messages.push(json!({"role": "user", "content": parts}));
        return;
    };
    match message["content"].take() {
        Value::Array(more) => parts.extend(more),
        Value::Null => {}
        text => parts.push(json!({"type": "text", "text": text})),
    }
    message["content"] = Value::Array(parts);
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

    #[test]
    fn an_image_is_the_same_for_its_key_and_no_other() {
        let size = (40, 20);
        let one = pixels(1, key(0), 0, size);
        assert_eq!(one.len(), 40 * 20 * 3);
        assert_eq!(pixels(1, key(0), 0, size), one);
        let level = PromptKey { level: 1, ..key(0) };
        for other in [
            pixels(2, key(0), 0, size),
            pixels(1, key(1), 0, size),
            pixels(1, key(0), 1, size),
            pixels(1, level, 0, size),
        ] {
            // Noise alone differs in 31 of 32 bytes.
            let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(same < one.len() / 8, "{same} of {} bytes", one.len());
        }
    }

    #[test]
    fn a_patch_has_one_colour_and_every_pixel_noise() {
        let image = pixels(7, key(3), 0, (32, 16));
        let red = |x: usize| image[x * 3];
        assert!((0..16).all(|x| red(x) & !NOISE == red(0) & !NOISE));
        let noise: std::collections::BTreeSet<u8> = (0..32).map(|x| red(x) & NOISE).collect();
        // 32 draws from 32 values: fewer than 12 different ones has a chance below 1e-6.
        assert!(noise.len() >= 12, "{noise:?}");
    }

    #[test]
    fn images_come_before_the_text_of_the_last_question() {
        let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        let put = |mut messages: Vec<Value>| {
            put_first(&mut messages, &["u", "v"]);
            messages
        };
        let system = json!({"role": "system", "content": "s"});
        let asked = put(vec![
            system.clone(),
            json!({"role": "user", "content": "first"}),
            json!({"role": "assistant", "content": "a"}),
            json!({"role": "user", "content": "q"}),
        ]);
        assert_eq!(asked[1]["content"], "first");
        let text = json!({"type": "text", "text": "q"});
        assert_eq!(asked[3]["content"], json!([image("u"), image("v"), text]));
        let parts = put(vec![json!({"role": "user", "content": [text]})]);
        assert_eq!(parts[0]["content"], json!([image("u"), image("v"), text]));
        let alone = put(vec![system]);
        assert_eq!(alone[1]["content"], json!([image("u"), image("v")]));
    }
}
