//! The plugin host: loads the libraries that a search gives, each after a look at it.
//! What it refuses it can name in one line.

#![allow(unsafe_code, reason = "dynamic loading")]

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use inferbench_plugin_api::Description;
use inferbench_plugin_api::abi::{
    API_MAJOR, API_MINOR, HEADER_MAGIC, HEADER_SYMBOL, HostServices, PluginHeader, PluginModuleRef,
    ROOT_SYMBOL, RootRefusal, root_module, unpadded,
};
use inferbench_plugin_api::client;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use thiserror::Error;

use crate::plugins::elf::{self, ElfError};
use crate::plugins::first_load::{self, FirstLoadError};
use crate::plugins::search::{SearchPath, candidates};
use crate::plugins::trust::{self, Untrusted};
use crate::worker::note_plugin;

/// Why a library was not loaded.
#[derive(Debug, Error)]
pub enum PluginRefusal {
    /// It is no library of this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The dynamic loader refused it.
    #[error("could not be opened: {words}")]
    Loader {
        /// The loader's own words.
        words: String,
    },
    /// It has no header.
    #[error("is not an InferBench plugin (it has no plugin header)")]
    NotPlugin,
    /// It speaks another API.
    #[error(
        "speaks plugin API {major}.{minor}, this build speaks {API_MAJOR}.{API_MINOR}: rebuild it against inferbench-plugin-api {API_MAJOR}"
    )]
    Api {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// Its panics would end this process.
    #[error(
        "was built with panic = \"abort\": its panic would end InferBench, rebuild it with panic = \"unwind\""
    )]
    Aborts,
    /// Its types differ.
    #[error(
        "{refusal} (built with {rustc} against inferbench-plugin-api {sdk}): rebuild it against inferbench-plugin-api {API_MAJOR}"
    )]
    Root {
        /// What differs.
        #[source]
        refusal: RootRefusal,
        /// Compiler of the plugin.
        rustc: String,
        /// SDK version of the plugin.
        sdk: String,
    },
    /// It failed on its first calls.
    #[error("failed while loading: {words}")]
    Init {
        /// Its own words.
        words: String,
    },
    /// Others may have put it there, or changed it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// It did not survive being loaded in a process of its own.
    #[error(transparent)]
    FirstLoad(#[from] FirstLoadError),
    /// Its backend is loaded already.
    #[error("carries the backend `{name}`, which {} carries already", by.display())]
    Duplicate {
        /// The name.
        name: String,
        /// The library that has it.
        by: PathBuf,
    },
}

impl PluginRefusal {
    /// Whether its code did what no plugin may.
    #[must_use]
    pub fn is_of_its_code(&self) -> bool {
        matches!(self, Self::FirstLoad(FirstLoadError::Ended { .. }))
    }
}

/// A loaded library, or one that was refused.
#[derive(Debug)]
pub struct Found {
    /// The library's file.
    pub file: PathBuf,
    /// Where it was found, in words.
    pub origin: String,
    /// What came of it.
    pub outcome: Result<Loaded, PluginRefusal>,
}

/// A loaded library.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The backends it carries.
    pub backends: Vec<Description>,
    /// Version of the API it was built against, `major.minor`.
    pub api: String,
    /// Compiler it was built with.
    pub rustc: String,
    module: PluginModuleRef,
}

/// One backend of a loaded library.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// What it says of itself.
    pub description: Description,
    /// Version of the API it was built against.
    pub api: String,
    /// The library's file.
    pub file: PathBuf,
    /// The library's root module.
    pub module: PluginModuleRef,
}

/// Every plugin that was found.
#[derive(Debug, Default)]
pub struct PluginHost {
    /// All libraries in the order of the search.
    pub found: Vec<Found>,
    plugins: BTreeMap<String, Plugin>,
}

impl PluginHost {
    /// Searches and loads. A library that cannot be loaded is kept in `found`
    /// with its reason; the others load all the same.
    #[must_use]
    pub fn load(search: &SearchPath) -> Self {
        let mut host = Self::default();
        for candidate in candidates(search) {
            host.add(candidate, search.trust_dirs);
        }
        host
    }

    /// Searches as [`Self::load`] does, and loads what `names` need: a library that is
    /// known to carry none of them is left where it is, unless it was given as a file.
    /// Where one of them is not found so, all are loaded.
    #[must_use]
    pub fn load_for(search: &SearchPath, names: &BTreeSet<String>) -> Self {
        let mut host = Self::default();
        let (needed, others) =
            candidates(search)
                .into_iter()
                .partition::<Vec<_>, _>(|(file, _)| {
                    let carries =
                        |backends: Vec<String>| backends.iter().any(|b| names.contains(b));
                    search.files.contains(file) || first_load::backends(file).is_none_or(carries)
                });
        for candidate in needed {
            host.add(candidate, search.trust_dirs);
        }
        if names.iter().any(|name| host.get(name).is_none()) {
            for candidate in others {
                host.add(candidate, search.trust_dirs);
            }
        }
        host
    }

    fn add(&mut self, (file, origin): (PathBuf, String), trust: bool) {
        let outcome = self.load_one(&file, trust, first_load::check);
        if let Ok(loaded) = &outcome {
            let backends = loaded.backends.iter().map(|backend| backend.name.as_str());
            first_load::note_backends(&file, backends);
        }
        self.found.push(Found {
            file,
            origin,
            outcome,
        });
    }

    /// Loads one file alone, without a search, into a process that it may end.
    #[must_use]
    pub fn load_only(file: &Path, trust_dir: bool) -> Self {
        let mut host = Self::default();
        // A bare name would be looked for in the loader's own folders.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let outcome = host.load_one(&file, trust_dir, |_| Ok(()));
        host.found.push(Found {
            file,
            origin: "given".to_owned(),
            outcome,
        });
        host
    }

    /// The plugin for backends of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    /// Names of all loaded backends, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plugins.keys().map(String::as_str)
    }

    /// All loaded backends, sorted by name.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// Nothing of the library runs here before everything that can be known of it is: from
    /// its file, then from its `first_load` elsewhere.
    fn load_one(
        &mut self,
        file: &Path,
        trust: bool,
        first_load: impl Fn(&Path) -> Result<(), FirstLoadError>,
    ) -> Result<Loaded, PluginRefusal> {
        if !trust {
            trust::check(file)?;
        }
        check_header(&elf::inspect(file)?.ok_or(PluginRefusal::NotPlugin)?)?;
        first_load(file)?;
        note_plugin(file, None);
        let loaded = open(file)?;
        for (index, description) in loaded.backends.iter().enumerate() {
            let name = &description.name;
            let known = self.plugins.get(name).map(|known| known.file.as_path());
            let twice = loaded.backends[..index].iter().any(|d| d.name == *name);
            if let Some(by) = known.or(twice.then_some(file)) {
                return Err(PluginRefusal::Duplicate {
                    name: name.clone(),
                    by: by.to_owned(),
                });
            }
        }
        for description in &loaded.backends {
            let plugin = Plugin {
                description: description.clone(),
                api: loaded.api.clone(),
                file: file.to_owned(),
                module: loaded.module,
            };
            self.plugins.insert(description.name.clone(), plugin);
        }
        Ok(loaded)
    }
}

fn open(file: &Path) -> Result<Loaded, PluginRefusal> {
    // SAFETY: loading runs the library's constructors, which is what a user
    // who puts a plugin there asks for. It is never unloaded, so nothing that
    // it hands out can dangle.
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    let library = ManuallyDrop::new(library.map_err(|error| PluginRefusal::Loader {
        words: loader_words(&error),
    })?);
    let header = read_header(&library)?;
    // SAFETY: the symbol's type is fixed by the header that was accepted.
    let root = unsafe { library.get::<*const u8>(ROOT_SYMBOL) };
    let root = root.map_err(|_| PluginRefusal::NotPlugin)?;
    // SAFETY: the library stays loaded and its header was accepted above.
    let module = unsafe { root_module(root.as_raw_ptr().cast(), header.api_minor) };
    let module = module.map_err(|refusal| PluginRefusal::Root {
        refusal,
        rustc: unpadded(&header.rustc),
        sdk: unpadded(&header.sdk_version),
    })?;
    let backends = start(module)?;
    Ok(Loaded {
        backends,
        api: format!("{}.{}", header.api_major, header.api_minor),
        rustc: unpadded(&header.rustc),
        module,
    })
}

fn read_header(library: &Library) -> Result<PluginHeader, PluginRefusal> {
    // SAFETY: the symbol is read as bytes first; its magic and size are checked
    // before the rest is.
    let symbol = unsafe { library.get::<*const u8>(HEADER_SYMBOL) };
    let address = symbol.map_err(|_| PluginRefusal::NotPlugin)?.as_raw_ptr();
    // SAFETY: a symbol of this name is at least as long as the magic in every
    // version of the API.
    let magic = unsafe { address.cast::<[u8; 16]>().read_unaligned() };
    if magic != HEADER_MAGIC {
        return Err(PluginRefusal::NotPlugin);
    }
    // SAFETY: the header's layout is frozen for all versions, and the magic says
    // that this is one.
    let header = unsafe { address.cast::<PluginHeader>().read_unaligned() };
    check_header(&header)?;
    Ok(header)
}

/// Whether this build can speak with a plugin.
fn check_header(header: &PluginHeader) -> Result<(), PluginRefusal> {
    if header.api_major != API_MAJOR {
        return Err(PluginRefusal::Api {
            major: header.api_major,
            minor: header.api_minor,
        });
    }
    if header.panic_unwinds != 1 {
        return Err(PluginRefusal::Aborts);
    }
    Ok(())
}

fn start(module: PluginModuleRef) -> Result<Vec<Description>, PluginRefusal> {
    let services = HostServices {
        log: crate::plugins::log::take,
        now_ns: crate::plugins::log::now_ns,
    };
    let failed = |error: inferbench_plugin_api::PluginError| PluginRefusal::Init {
        words: error.message,
    };
    client::init(module, services).map_err(failed)?;
    client::descriptions(module).map_err(failed)
}

fn loader_words(error: &libloading::Error) -> String {
    use std::error::Error as _;
    let words = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    words.replace('\n', " ")
}
