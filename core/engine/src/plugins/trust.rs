//! Whether others than the user could have put a library where it is, or changed it:
//! mode and owner of the file, of every folder above it, and of all that a link leads to.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use thiserror::Error;

use crate::os::folders::{installed_plugins, own_folder};

/// Bits of a mode that let the group and all others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Bit of a folder in which only the owner of a file may rename it.
const STICKY: u32 = 0o1000;
/// Links that are followed, as the kernel does.
const MOST_LINKS: usize = 40;

/// Why a library may not be what the user put there.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// Others may change the file.
    #[error("may be written to by others than its owner{}: give --trust-plugin-dir, or chmod go-w it", at(.place.as_deref()))]
    File {
        /// The file, where a link leads to it.
        place: Option<PathBuf>,
    },
    /// Others may put another file in its place.
    #[error("lies in {}, which others than its owner may write to: give --trust-plugin-dir, or chmod go-w it", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
    },
    /// Somebody else owns the file or a folder above it.
    #[error("{} belongs to user {owner}, who is neither you nor root: give --trust-plugin-dir, or copy it", place.display())]
    Owner {
        /// The file or the folder.
        place: PathBuf,
        /// Id of the user.
        owner: u32,
    },
    /// Its links lead nowhere.
    #[error("is a link that leads nowhere")]
    Link,
}

fn at(place: Option<&Path>) -> String {
    place.map_or_else(String::new, |place| format!(" ({})", place.display()))
}

/// Checks a file, absolute. One that is not there is left to whoever opens it.
///
/// # Errors
/// See [`Untrusted`].
pub(super) fn check(file: &Path) -> Result<(), Untrusted> {
    let own = Own::now();
    for (step, place) in steps(file)?.iter().enumerate() {
        let Ok(facts) = fs::symlink_metadata(place) else {
            return Ok(());
        };
        let in_own_folder = own.holds(place);
        let is_installed = own.was_installed_with(place);
        if !in_own_folder {
            own.must_own(place, &facts)?;
        }
        // The mode of a link says nothing.
        let writable = facts.mode() & WRITABLE_BY_OTHERS;
        let excused = match in_own_folder {
            true => own.mode,
            false => own.excused(&facts, is_installed),
        };
        if facts.is_file() && writable & !excused != 0 {
            return Err(Untrusted::File {
                place: (step > 0).then(|| place.clone()),
            });
        }
        if !in_own_folder {
            own.check_folders(place, is_installed)?;
        }
    }
    Ok(())
}

/// The file, each link on the way, and what they lead to in the end.
fn steps(file: &Path) -> Result<Vec<PathBuf>, Untrusted> {
    let mut steps = vec![file.to_owned()];
    while let Some(target) = steps
        .last()
        .and_then(|last| Some((fs::read_link(last).ok()?, last)))
    {
        let (target, link) = target;
        let folder = link.parent().unwrap_or(Path::new("/"));
        let next = folder.join(target);
        if steps.len() > MOST_LINKS {
            return Err(Untrusted::Link);
        }
        steps.push(next);
    }
    // Folders may be links too.
    if let Ok(real) = file.canonicalize()
        && !steps.contains(&real)
    {
        steps.push(real);
    }
    Ok(steps)
}

/// What of this program is trusted already, since whoever may change the program may do
/// anything.
struct Own {
    folder: Option<PathBuf>,
    owners: Vec<u32>,
    /// Mode of the program's file.
    mode: u32,
    /// Group of the program's file.
    group: Option<u32>,
}

impl Own {
    fn now() -> Self {
        let folder = own_folder();
        let program = std::env::current_exe().and_then(fs::metadata);
        let mut owners = vec![0, geteuid().as_raw()];
        owners.extend(program.as_ref().ok().map(Metadata::uid));
        let group = program.as_ref().ok().map(Metadata::gid);
        Self {
            folder,
            owners,
            mode: program.map_or(0, |facts| facts.mode()),
            group,
        }
    }

    /// Whether a file lies in a folder of plugins that belongs to the program.
    fn was_installed_with(&self, file: &Path) -> bool {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        let own = self.folder.as_ref();
        own.zip(folder).is_some_and(|(own, folder)| {
            let places = installed_plugins(own);
            places
                .iter()
                .any(|place| place.canonicalize().is_ok_and(|place| place == folder))
        })
    }

    /// Bits of a mode that say nothing new: pip and tar give program and plugins the same
    /// ones where a user's group may write to what the user makes (umask 002).
    fn excused(&self, facts: &Metadata, is_installed: bool) -> u32 {
        match is_installed && self.group == Some(facts.gid()) {
            true => self.mode,
            false => 0,
        }
    }

    /// Whether a file lies beside the program.
    fn holds(&self, file: &Path) -> bool {
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        folder.is_some() && folder == self.folder
    }

    fn must_own(&self, place: &Path, facts: &Metadata) -> Result<(), Untrusted> {
        if self.owners.contains(&facts.uid()) {
            return Ok(());
        }
        Err(Untrusted::Owner {
            place: place.to_owned(),
            owner: facts.uid(),
        })
    }

    /// Checks every folder above a file. Who may write to a sticky one, such as /tmp, may
    /// add a file to it, but not put another folder in the place of one in it.
    fn check_folders(&self, file: &Path, is_installed: bool) -> Result<(), Untrusted> {
        for (height, folder) in file.ancestors().skip(1).enumerate() {
            let Ok(facts) = fs::metadata(folder) else {
                continue;
            };
            let is_protected = height > 0 && facts.mode() & STICKY != 0;
            let excused = self.excused(&facts, is_installed);
            if facts.mode() & WRITABLE_BY_OTHERS & !excused != 0 && !is_protected {
                return Err(Untrusted::Folder {
                    folder: folder.to_owned(),
                });
            }
            self.must_own(folder, &facts)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// `a/b/x.so` in a folder of its own, and that folder.
    fn library() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().canonicalize().unwrap().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        for path in [inner.parent().unwrap(), &inner] {
            set_mode(path, 0o755);
        }
        let file = inner.join("x.so");
        fs::write(&file, "").unwrap();
        set_mode(&file, 0o755);
        (folder, file)
    }

    #[test]
    fn a_file_that_others_may_write_to_is_not_trusted() {
        let (_folder, file) = library();
        check(&file).unwrap();
        for mode in [0o775, 0o757] {
            set_mode(&file, mode);
            let error = check(&file).unwrap_err();
            assert!(matches!(error, Untrusted::File { place: None }), "{error}");
        }
    }

    #[test]
    fn every_folder_above_counts_and_a_sticky_one_protects_what_is_in_it() {
        let (_folder, file) = library();
        let above = file.parent().unwrap().parent().unwrap();
        set_mode(above, 0o777);
        let error = check(&file).unwrap_err();
        assert!(
            matches!(&error, Untrusted::Folder { folder } if folder == above),
            "{error}"
        );
        set_mode(above, 0o1777);
        check(&file).unwrap();
        // In a sticky folder itself anyone may add a library.
        set_mode(file.parent().unwrap(), 0o1777);
        assert!(matches!(check(&file), Err(Untrusted::Folder { .. })));
    }

    #[test]
    fn what_a_link_leads_to_and_each_link_on_the_way_counts() {
        let (folder, file) = library();
        let root = folder.path().canonicalize().unwrap();
        let open = root.join("open");
        fs::create_dir(&open).unwrap();
        let real = open.join("real.so");
        fs::write(&real, "").unwrap();
        set_mode(&real, 0o755);
        fs::remove_file(&file).unwrap();
        symlink(&real, &file).unwrap();
        set_mode(&open, 0o755);
        check(&file).unwrap();
        set_mode(&open, 0o777);
        assert!(matches!(check(&file), Err(Untrusted::Folder { .. })));
        // A link in an open folder, on the way to a file in a safe one.
        let safe = root.join("safe.so");
        fs::rename(&real, &safe).unwrap();
        symlink(&safe, &real).unwrap();
        assert!(matches!(check(&file), Err(Untrusted::Folder { .. })));
        set_mode(&open, 0o755);
        check(&file).unwrap();
        set_mode(&safe, 0o666);
        let error = check(&file).unwrap_err();
        assert!(error.to_string().contains("safe.so"), "{error}");
    }

    #[test]
    fn plugins_that_came_with_the_program_may_have_the_modes_that_it_has() {
        let (folder, _) = library();
        let prefix = folder.path().canonicalize().unwrap();
        let plugins = prefix.join("lib/inferbench/plugins");
        fs::create_dir_all(&plugins).unwrap();
        fs::create_dir(prefix.join("bin")).unwrap();
        let file = plugins.join("x.so");
        fs::write(&file, "").unwrap();
        let (file_facts, folder_facts) = (
            || fs::metadata(&file).unwrap(),
            || fs::metadata(&plugins).unwrap(),
        );
        let program = |mode| Own {
            folder: Some(prefix.join("bin")),
            owners: vec![geteuid().as_raw()],
            mode,
            group: Some(file_facts().gid()),
        };
        let own = program(0o775);
        assert!(own.was_installed_with(&file));
        assert!(!own.was_installed_with(&prefix.join("a/b/x.so")));
        set_mode(&plugins, 0o775);
        own.check_folders(&file, true).unwrap();
        assert!(own.check_folders(&file, false).is_err());
        assert!(program(0o755).check_folders(&file, true).is_err());
        set_mode(&plugins, 0o777);
        assert!(own.check_folders(&file, true).is_err());
        assert_eq!(own.excused(&folder_facts(), true), 0o775);
        let of_others = Own {
            group: Some(folder_facts().gid() + 1),
            ..program(0o775)
        };
        assert_eq!(of_others.excused(&folder_facts(), true), 0);
    }

    #[test]
    fn links_in_a_circle_lead_nowhere() {
        let (_folder, file) = library();
        let other = file.with_file_name("y.so");
        fs::remove_file(&file).unwrap();
        symlink(&other, &file).unwrap();
        symlink(&file, &other).unwrap();
        assert!(matches!(check(&file), Err(Untrusted::Link)));
    }
}
