//! Run folders that are kept with the tests, their larger files packed with gzip.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// The content of a packed file.
pub(crate) fn unpacked(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = fs::File::open(file).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Writes the facts of the stored run `from` into the new folder `to`: `run.json`, and
/// what is packed beside it, unpacked.
pub(crate) fn unpack(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("run.json"), to.join("run.json")).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(plain) = name.strip_suffix(".gz") {
            fs::write(to.join(plain), unpacked(&from.join(&name))).unwrap();
        }
    }
}
