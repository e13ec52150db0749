//! The derived files of a run folder. `run` and `report` write them, `verify`
//! rebuilds them and compares.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use inferbench_engine::derive::{Derived, FirstReading, derive_from};
use inferbench_engine::store::RunFolder;
use inferbench_model::report::Report;
use inferbench_model::text::visible::visible;
use serde::Serialize;

use crate::exit::CliError;
use crate::render::{exports, render_html};

/// How often a run may change while its report is made.
const TRIES: u32 = 5;

/// Writes the contents of one file, piece by piece.
type Fill<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

/// Every derived file of a run: its name and what writes it.
pub(super) fn files(derived: &Derived) -> Result<Vec<(&'static str, Fill<'_>)>, CliError> {
    let mut files = vec![("cells.json", json(&derived.cells))];
    files.extend(of_report(&derived.report)?);
    Ok(files)
}

/// Every file that follows from a report, of one run or of several.
pub(super) fn of_report(report: &Report) -> Result<Vec<(&'static str, Fill<'_>)>, CliError> {
    let page = render_html(report)?;
    let mut files: Vec<(&str, Fill<'_>)> = vec![
        ("report.json", json(report)),
        ("report.html", Box::new(move |file| page.write_to(file))),
    ];
    for export in exports() {
        let text = (export.render)(report)?;
        files.push((export.file, whole(visible(&text).into_owned())));
    }
    Ok(files)
}

fn whole(text: String) -> Fill<'static> {
    Box::new(move |file| file.write_all(text.as_bytes()))
}

fn json<'a>(value: &'a impl Serialize) -> Fill<'a> {
    Box::new(move |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Derives everything from the facts in `folder` and writes it there.
pub(super) fn write(folder: &Path) -> Result<Derived, CliError> {
    write_from(folder, None)
}

/// The same where the first reading of its records is at hand. A run that goes on may end
/// meanwhile, and write what follows from all of it: then it is derived again, so that
/// nothing older takes its place.
pub(super) fn write_from(
    folder: &Path,
    mut first: Option<FirstReading>,
) -> Result<Derived, CliError> {
    let run = RunFolder::open(folder);
    for _ in 1..TRIES {
        let before = Version::read(&run);
        let derived = write_once(&run, first.take())?;
        if Version::read(&run) == before {
            return Ok(derived);
        }
    }
    write_once(&run, None)
}

fn write_once(run: &RunFolder, first: Option<FirstReading>) -> Result<Derived, CliError> {
    let derived = derive_from(run.path(), first)?;
    for (name, fill) in files(&derived)? {
        run.write_with(name, fill)?;
    }
    Ok(derived)
}

/// Which `run.json` a folder has: it is replaced as a whole.
#[derive(PartialEq, Eq)]
struct Version(Option<(u64, i64, i64)>);

impl Version {
    fn read(run: &RunFolder) -> Self {
        let facts = fs::metadata(run.file("run.json")).ok();
        Self(facts.map(|facts| (facts.ino(), facts.mtime(), facts.mtime_nsec())))
    }
}
