//! Files and folders that their owner alone may read: a server's log may hold its
//! environment. A folder may come from somebody else: what is written there is written to
//! no place that a link in it names.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;
use nix::unistd::Uid;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// How often something may take the place of a file that is made, or of a folder.
const TRIES: u32 = 100;

/// A new file. What has its name is removed: a file, a pipe, a link, of which what it
/// leads to stays as it is.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    for _ in 0..TRIES {
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(path)?,
            opened => return opened,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// A file that is made, or written on; not where it is a link.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    options.custom_flags(O_NOFOLLOW);
    let opened = options.mode(FILE_MODE).open(path);
    opened.map_err(|error| match path.is_symlink() {
        true => io::Error::new(ErrorKind::InvalidInput, "is a link, must be a file"),
        false => error,
    })
}

/// Writes a file as a whole.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(bytes.as_ref())
}

/// Makes one folder, which is not there yet.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Makes a folder with those above it, if need be.
pub(crate) fn make_folders(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(FOLDER_MODE).recursive(true).create(path)
}

/// A new folder where temporary ones are, with this name and a number behind it.
pub(crate) fn make_temporary(name: &str) -> io::Result<PathBuf> {
    for number in 0..TRIES {
        let folder = std::env::temp_dir().join(format!("{name}-{number}"));
        match make_folder(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The folder of this user where temporary ones are, shared by all of their runs. Anybody
/// may have made one of that name before.
pub(crate) fn shared_temporary(name: &str) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("{name}-{}", Uid::effective()));
    must_be_own(&folder)?;
    Ok(folder)
}

/// Makes a folder, or finds that it is of this user and no link.
fn must_be_own(folder: &Path) -> io::Result<()> {
    match make_folder(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (other, own) = (folder.path().join("other"), folder.path().join("own"));
        fs::write(&other, "kept").unwrap();
        symlink(&other, &own).unwrap();
        write(&own, "new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&own).unwrap(), "new");
        assert_eq!(own.symlink_metadata().unwrap().mode() & 0o777, FILE_MODE);
        // The same file by another name.
        fs::remove_file(&own).unwrap();
        fs::hard_link(&other, &own).unwrap();
        write(&own, "new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    }

    #[test]
    fn a_pipe_is_replaced_and_waits_for_no_reader() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        write(&pipe, "new").unwrap();
        assert_eq!(fs::read_to_string(&pipe).unwrap(), "new");
    }

    #[test]
    fn nothing_is_appended_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (other, own) = (folder.path().join("other"), folder.path().join("own"));
        symlink(&other, &own).unwrap();
        for is_there in [false, true] {
            if is_there {
                fs::write(&other, "kept").unwrap();
            }
            let error = append(&own).unwrap_err();
            assert_eq!(error.to_string(), "is a link, must be a file");
            assert_eq!(other.exists(), is_there);
        }
        append(&other).unwrap().write_all(b" and more").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept and more");
    }

    #[test]
    fn a_folder_of_this_user_is_made_its_own_and_a_link_to_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (own, link) = (folder.path().join("own"), folder.path().join("link"));
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        must_be_own(&own).unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o777, FOLDER_MODE);
        symlink(&own, &link).unwrap();
        let refused = must_be_own(&link).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
}
