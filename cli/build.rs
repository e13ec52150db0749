//! Packs the chart library as the page holds it: gzip in base64, less than half of the
//! source. It comes out of the package as npm has it, which lies in `vendor`. Then says
//! which commit and which profile this is, for `--version`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

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
/// Variable that names the commit where there is no repository, or more is known of it.
const COMMIT: &str = "INFERBENCH_COMMIT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PACKAGE}");
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&library()?)?;
    let text = STANDARD.encode(packed.finish()?);
    fs::write(Path::new(&folder).join("plotly.js.gz.base64"), text)?;
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let commit = commit().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={COMMIT}={commit}");
    let profile = profile(Path::new(&folder)).ok_or("OUT_DIR is in no folder of a profile")?;
    println!("cargo::rustc-env=INFERBENCH_PROFILE={profile}");
    println!(
        "cargo::rustc-env=INFERBENCH_TARGET={}",
        variable("TARGET").ok_or("no TARGET")?
    );
    Ok(())
}

/// A debug build is of no commit: it would be built anew after each.
fn commit() -> Option<String> {
    if let Some(commit) = variable(COMMIT) {
        return Some(commit);
    }
    if variable("PROFILE")? != "release" {
        return None;
    }
    // It changes with each commit and each checkout.
    let log = PathBuf::from(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// The name of the profile: `OUT_DIR` is `PROFILE/build/PACKAGE/out`.
fn profile(out: &Path) -> Option<String> {
    Some(out.ancestors().nth(3)?.file_name()?.to_str()?.to_owned())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
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
