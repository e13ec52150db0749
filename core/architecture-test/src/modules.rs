//! The modules of a crate and what each of them writes down: the names that it
//! defines, its `use` items and the paths in its code. Code that is compiled
//! for tests only is left out: a test may look at its room from above.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Path, UseTree, Visibility};

use crate::sources::Sources;

/// Names from the crate root down; the root itself is empty.
pub type ModulePath = Vec<String>;

/// One leaf of a `use` item.
#[derive(Debug, Clone)]
pub struct Use {
    /// As written: `crate`, `super` and `self` are not resolved.
    pub path: Vec<String>,
    /// The name that it brings in; `None` for `*`.
    pub name: Option<String>,
    /// Whether it is `pub use`, in whatever scope.
    pub is_public: bool,
    /// Line in the file, from 1.
    pub line: usize,
}

/// A path of two or more names in code.
#[derive(Debug, Clone)]
pub struct Mention {
    /// As written.
    pub path: Vec<String>,
    /// Line in the file, from 1.
    pub line: usize,
}

/// What one module writes down.
#[derive(Debug, Default)]
pub struct Module {
    /// Its file, a key of [`Sources`].
    pub file: String,
    /// Names of its items, its modules apart.
    pub items: BTreeSet<String>,
    /// Its `use` items, those inside of functions too.
    pub uses: Vec<Use>,
    /// Paths in its code.
    pub mentions: Vec<Mention>,
}

/// Every module of one crate.
pub type Modules = BTreeMap<ModulePath, Module>;

/// Reads the module tree from its root file.
///
/// # Errors
/// One line: a file that is missing, or is no Rust.
pub fn load(sources: &Sources, root: &str) -> Result<Modules, String> {
    let mut modules = Modules::new();
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    load_file(sources, root, folder, &Vec::new(), &mut modules)?;
    Ok(modules)
}

/// `folder` is where the files of the module's children lie.
fn load_file(
    sources: &Sources,
    file: &str,
    folder: &str,
    path: &ModulePath,
    modules: &mut Modules,
) -> Result<(), String> {
    let text = sources
        .get(file)
        .ok_or_else(|| format!("no file `{file}`"))?;
    let syntax = syn::parse_file(text).map_err(|error| format!("`{file}`: {error}"))?;
    let mut loader = Loader {
        sources,
        file,
        modules,
    };
    loader.module(&syntax.items, folder, path)
}

struct Loader<'a> {
    sources: &'a Sources,
    file: &'a str,
    modules: &'a mut Modules,
}

impl Loader<'_> {
    fn module(&mut self, items: &[Item], folder: &str, path: &ModulePath) -> Result<(), String> {
        let mut reader = Reader::default();
        for item in items {
            reader.visit_item(item);
        }
        let module = Module {
            file: self.file.to_owned(),
            items: items.iter().filter_map(item_name).collect(),
            uses: reader.uses,
            mentions: reader.mentions,
        };
        self.modules.insert(path.clone(), module);
        for item in items {
            match item {
                Item::Mod(child) if !is_for_tests(&child.attrs) => {
                    self.child(child, folder, path)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn child(&mut self, child: &ItemMod, folder: &str, path: &ModulePath) -> Result<(), String> {
        let name = name_of(&child.ident);
        let mut child_path = path.clone();
        child_path.push(name.clone());
        let beside = join(folder, &name);
        if let Some((_, items)) = &child.content {
            return self.module(items, &beside, &child_path);
        }
        let file = [format!("{beside}.rs"), format!("{beside}/mod.rs")]
            .into_iter()
            .find(|file| self.sources.contains_key(file))
            .ok_or_else(|| format!("no file for `mod {name}` of `{}`", self.file))?;
        load_file(self.sources, &file, &beside, &child_path, self.modules)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn name_of(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

fn line_of(ident: &syn::Ident) -> usize {
    ident.span().start().line
}

/// Collects the `use` items and paths of a module, its child modules apart.
#[derive(Default)]
struct Reader {
    uses: Vec<Use>,
    mentions: Vec<Mention>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.use_tree(&item.tree, &mut Vec::new(), is_public);
    }

    /// `pub(in crate::load)` names a module and imports nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        let idents = path.segments.iter().map(|segment| &segment.ident);
        let line = idents.clone().next().map_or(0, line_of);
        self.mention(idents.map(name_of).collect(), line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

impl Reader {
    fn mention(&mut self, path: Vec<String>, line: usize) {
        if path.len() > 1 {
            self.mentions.push(Mention { path, line });
        }
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(step) => {
                prefix.push(name_of(&step.ident));
                self.use_tree(&step.tree, prefix, is_public);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for one in &group.items {
                    self.use_tree(one, prefix, is_public);
                }
            }
            UseTree::Name(leaf) => self.leaf(prefix, &leaf.ident, &leaf.ident, is_public),
            UseTree::Rename(leaf) => self.leaf(prefix, &leaf.ident, &leaf.rename, is_public),
            UseTree::Glob(glob) => self.uses.push(Use {
                path: prefix.clone(),
                name: None,
                is_public,
                line: glob.star_token.spans[0].start().line,
            }),
        }
    }

    fn leaf(&mut self, prefix: &[String], ident: &syn::Ident, name: &syn::Ident, is_public: bool) {
        let mut path = prefix.to_vec();
        let mut name = name_of(name);
        if ident == "self" {
            // `a::b::{self}` brings in `b`.
            name = prefix.last().cloned().unwrap_or(name);
        } else {
            path.push(name_of(ident));
        }
        self.uses.push(Use {
            path,
            name: Some(name),
            is_public,
            line: line_of(ident),
        });
    }

    /// Paths in the arguments of a macro, which are not parsed as code.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.mention(std::mem::take(&mut path), line);
                        line = line_of(&ident);
                    }
                    path.push(name_of(&ident));
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.mention(std::mem::take(&mut path), line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.mention(path, line);
    }
}

/// Whether `#[cfg(test)]`, or a `cfg` that asks for `test` among others, is there.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let text = list.tokens.to_string();
        let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        list.path.is_ident("cfg") && words.any(|word| word == "test") && !text.contains("not")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn item_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name_of(ident))
}
