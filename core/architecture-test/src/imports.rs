//! Which file of a crate imports which: `use` items and paths, followed through
//! re-exports to the file that defines the name.

use std::collections::BTreeSet;

use crate::modules::{Module, ModulePath, Modules};

/// One file that imports from another of its crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: String,
    /// Line there, from 1.
    pub line: usize,
    /// The file that defines the name, or the module's own for a name made by a
    /// macro.
    pub to: String,
    /// The path as written.
    pub path: String,
    /// Whether a module passes on a name of a module below it (`pub use child::Name`).
    pub is_reexport: bool,
}

/// Every import inside a crate, by file: the first line for each pair of files.
#[must_use]
pub fn find(modules: &Modules) -> Vec<Import> {
    let resolver = Resolver { modules };
    let mut imports = BTreeSet::new();
    for (path, module) in modules {
        for one in &module.uses {
            let is_child = |target: &ModulePath| one.is_public && target.starts_with(path);
            resolver.add(path, &one.path, one.line, is_child, &mut imports);
        }
        for one in &module.mentions {
            resolver.add(path, &one.path, one.line, |_| false, &mut imports);
        }
    }
    let mut seen = BTreeSet::new();
    let is_first = |one: &Import| seen.insert((one.from.clone(), one.to.clone(), one.is_reexport));
    imports.into_iter().filter(is_first).collect()
}

struct Resolver<'a> {
    modules: &'a Modules,
}

/// How many re-exports a name is followed through.
const MAX_STEPS: usize = 16;

impl Resolver<'_> {
    fn add(
        &self,
        from: &ModulePath,
        path: &[String],
        line: usize,
        is_reexport: impl Fn(&ModulePath) -> bool,
        imports: &mut BTreeSet<Import>,
    ) {
        let Some(target) = self.resolve(from, path, MAX_STEPS) else {
            return;
        };
        let (source, found) = (&self.modules[from], &self.modules[&target]);
        if source.file != found.file {
            imports.insert(Import {
                from: source.file.clone(),
                line,
                to: found.file.clone(),
                path: path.join("::"),
                is_reexport: is_reexport(&target),
            });
        }
    }

    /// The module that defines what `path` names, as seen from `from`; `None` if
    /// the path leads out of the crate.
    fn resolve(&self, from: &ModulePath, path: &[String], steps: usize) -> Option<ModulePath> {
        let steps = steps.checked_sub(1)?;
        let first = path.first()?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), &path[1..], steps),
            "self" => self.walk(from.clone(), &path[1..], steps),
            "super" => {
                let mut above = from.clone();
                above.pop()?;
                let rest = &path[1..];
                if rest.first().is_some_and(|next| next == "super") {
                    self.resolve(&above, rest, steps)
                } else {
                    self.walk(above, rest, steps)
                }
            }
            name => {
                let (module, is_module) = self.look_up(from, name, steps)?;
                if is_module {
                    self.walk(module, &path[1..], steps)
                } else {
                    Some(module)
                }
            }
        }
    }

    /// Goes down from a module, name by name, as far as there are modules.
    fn walk(&self, start: ModulePath, names: &[String], steps: usize) -> Option<ModulePath> {
        let mut module = start;
        self.modules.get(&module)?;
        for name in names {
            match self.look_up(&module, name, steps) {
                Some((child, true)) => module = child,
                Some((definer, false)) => return Some(definer),
                None => break,
            }
        }
        Some(module)
    }

    /// Where a name of a module comes from, and whether it is a module itself.
    fn look_up(&self, path: &ModulePath, name: &str, steps: usize) -> Option<(ModulePath, bool)> {
        let module = self.modules.get(path)?;
        let mut child = path.clone();
        child.push(name.to_owned());
        if self.modules.contains_key(&child) {
            return Some((child, true));
        }
        if module.items.contains(name) {
            return Some((path.clone(), false));
        }
        self.look_up_used(path, module, name, steps)
    }

    fn look_up_used(
        &self,
        path: &ModulePath,
        module: &Module,
        name: &str,
        steps: usize,
    ) -> Option<(ModulePath, bool)> {
        let steps = steps.checked_sub(1)?;
        let named = |one: &&crate::modules::Use| one.name.as_deref() == Some(name);
        if let Some(one) = module.uses.iter().find(named) {
            let target = self.resolve(path, &one.path, steps)?;
            let is_module = target.last() == one.path.last() && !self.defines(&target, one);
            return Some((target, is_module));
        }
        let globs = module.uses.iter().filter(|one| one.name.is_none());
        for glob in globs {
            let Some(target) = self.resolve(path, &glob.path, steps) else {
                continue;
            };
            if target != *path
                && let Some(found) = self.look_up(&target, name, steps)
            {
                return Some(found);
            }
        }
        None
    }

    /// Whether the name that a `use` ends in is an item of the module that it led to.
    fn defines(&self, target: &ModulePath, one: &crate::modules::Use) -> bool {
        let last = one.path.last();
        last.is_some_and(|name| self.modules[target].items.contains(name))
    }
}
