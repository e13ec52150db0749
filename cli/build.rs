//! Packs the chart library as the page holds it: gzip in base64, less than half of the
//! source. It comes out of the package as npm has it, which lies in `vendor`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::Archive;

/// The package: plotly.js with lines, points and bars only, a quarter of the whole.
const PACKAGE: &str = "vendor/plotly.js-basic-dist-min-4.1.1.tgz";
/// The library in it.
const LIBRARY: &str = "package/plotly-basic.min.js";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PACKAGE}");
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&library()?)?;
    let text = STANDARD.encode(packed.finish()?);
    fs::write(Path::new(&folder).join("plotly.js.gz.base64"), text)?;
    Ok(())
}

fn library() -> io::Result<Vec<u8>> {
    let mut package = Archive::new(GzDecoder::new(File::open(PACKAGE)?));
    for entry in package.entries()? {
        let mut entry = entry?;
        if entry.path()? == Path::new(LIBRARY) {
            let mut source = Vec::new();
            entry.read_to_end(&mut source)?;
            return Ok(source);
        }
    }
    Err(io::Error::other(format!("{PACKAGE} has no {LIBRARY}")))
}
