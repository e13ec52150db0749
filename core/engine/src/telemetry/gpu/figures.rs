//! Which figures a device gives, has given, and never gave.

use std::fmt::Display;

use nvml_wrapper::error::NvmlError;

use super::notes::Notes;
use super::select::Chosen;

/// Figures that an energy is made of.
const ENERGY: [&str; 2] = ["power", "energy"];
/// Figures that tell something of the load.
const MEASURED: [&str; 7] = [
    "power",
    "energy",
    "memory in use",
    "utilization",
    "SM clock",
    "memory clock",
    "temperature",
];

/// What a device has given so far.
pub(super) struct Figures {
    chosen: Chosen,
    pub(super) notes: Notes,
    /// Figures given at least once, and whether they went missing since.
    given: Vec<(&'static str, bool)>,
    /// Figures that were not given at the first time of asking, and why.
    refused: Vec<(&'static str, String)>,
}

impl Figures {
    pub(super) fn new(chosen: Chosen, notes: Notes) -> Self {
        Self {
            chosen,
            notes,
            given: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The figure, if it is given. One that was given and is not any more is noted.
    pub(super) fn given<T>(
        &mut self,
        name: &'static str,
        figure: Result<T, NvmlError>,
    ) -> Option<T> {
        let known = self.given.iter_mut().find(|(given, _)| *given == name);
        match (figure, known) {
            (Ok(value), None) => {
                self.given.push((name, false));
                Some(value)
            }
            (Ok(value), Some(_)) => Some(value),
            (Err(error), Some((_, is_noted @ false))) => {
                *is_noted = true;
                self.notes.lost(self.chosen, name, error.to_string());
                None
            }
            (Err(error), None) => {
                if !self.refused.iter().any(|(refused, _)| *refused == name) {
                    self.refused.push((name, error.to_string()));
                }
                None
            }
            (Err(_), Some(_)) => None,
        }
    }

    fn is_given(&self, names: &[&str]) -> bool {
        self.given.iter().any(|(given, _)| names.contains(given))
    }

    /// One line for a device that gave nothing of what is measured, or nothing
    /// that an energy can be made of.
    pub(super) fn never_given(&self) -> Option<String> {
        let why = |names: &[&str]| {
            let mut refused = self.refused.iter();
            let first = refused.find(|(name, _)| names.contains(name));
            first.map_or_else(String::new, |(_, why)| format!(": {why}"))
        };
        if !self.is_given(&MEASURED) {
            return Some(format!(
                "{} reports nothing: no power, energy, memory, utilization, clocks or temperature{}",
                self.chosen,
                why(&MEASURED)
            ));
        }
        (!self.is_given(&ENERGY)).then(|| {
            format!(
                "{} gives no power and no energy{}",
                self.chosen,
                why(&ENERGY)
            )
        })
    }

    /// One line for an instance that never gave the one figure of its own.
    pub(super) fn no_memory(&self) -> Option<String> {
        const MEMORY: &str = "memory in use";
        let mut refused = self.refused.iter();
        let why = refused
            .find(|(name, _)| *name == MEMORY)
            .map(|(_, why)| why);
        let why = why.filter(|_| !self.is_given(&[MEMORY]))?;
        Some(format!("{} gives no {MEMORY}: {why}", self.chosen))
    }

    pub(super) fn within<T: PartialOrd + Display>(
        &self,
        name: &'static str,
        value: Option<T>,
        most: T,
    ) -> Option<T> {
        value.filter(|value| self.is_at_most(name, value, &most))
    }

    pub(super) fn holds(&self, name: &'static str, bytes: u64, most: u64) -> bool {
        self.is_at_most(name, &bytes, &most)
    }

    fn is_at_most<T: PartialOrd + Display>(&self, name: &str, value: &T, most: &T) -> bool {
        let holds = value <= most;
        if !holds {
            self.notes.line(format!(
                "{} gave {name} that cannot be, at times: left out (first {value}, at most {most})",
                self.chosen
            ));
        }
        holds
    }
}
