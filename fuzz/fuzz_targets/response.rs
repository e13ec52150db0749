//! An HTTP answer in two pieces: the same body whatever the cut. The first byte
//! says where.

#![no_main]

use inferbench_engine::http::ResponseReader;
use libfuzzer_sys::fuzz_target;

/// The body and whether all of it could be read.
fn read(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut reader = ResponseReader::default();
    let mut body = Vec::new();
    for piece in pieces {
        let pushed = reader.push(piece, &mut |data| body.extend_from_slice(data));
        if pushed.is_err() {
            return (Vec::new(), false);
        }
    }
    (body, reader.close())
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, answer)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut).min(answer.len());
    let (left, right) = answer.split_at(cut);
    assert_eq!(read(&[answer]), read(&[left, right]));
});
