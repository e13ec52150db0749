//! Packs the source of plotly.js, which the `plotly` crate carries, as the page
//! holds it: gzip in base64, less than half of the source.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use plotly::Plot;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let scripts = Plot::offline_js_sources();
    let source = first_script(&scripts).ok_or("the plotly crate gives no script element")?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(source.as_bytes())?;
    let text = STANDARD.encode(packed.finish()?);
    fs::write(Path::new(&folder).join("plotly.js.gz.base64"), text)?;
    Ok(())
}

/// The source of plotly.js. The crate gives it as the first of several script
/// elements; the others set mathematics, which no chart here has.
fn first_script(scripts: &str) -> Option<&str> {
    let first = scripts.split("</script>").next()?;
    Some(first.split_once('>')?.1)
}
