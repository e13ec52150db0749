//! The page of the book that lists every warning, from the same table.

use super::code::WarningCode;

/// The page as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Warnings\n\n\
         What InferBench warns of, by code. `run.json`, `cells.json`, `report.json` and what `--json` \
         writes carry the code and its `values`; sentences may change between versions, codes do \
         not. A *critical* warning says that a figure or a verdict is not to be trusted, or is \
         missing; a *warning* can change how a figure is read; a *note* is good to know.\n\n\
         This page is made from the program's own table (`core/model/src/facts/warning/rows`).\n\n\
         | code | severity | what it means | what to do |\n|---|---|---|---|\n",
    );
    for code in WarningCode::ALL {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            code.as_str(),
            code.severity().word(),
            code.meaning(),
            code.what_to_do()
        ));
    }
    page
}
