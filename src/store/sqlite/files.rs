//! Who may read and write the database, and what SQLite keeps beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::failure::cannot_open;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Creates the database for its owner alone, where it may be created and does not exist, and
/// rejects one that others can write.
///
/// SQLite gives the files that it keeps beside the database the same permissions.
pub(super) fn prepare(path: &Path, create: bool) -> Result<(), StoreError> {
    // Closing a file releases the locks that the process holds on it, so no store of this process
    // may open the database between its creation and the end of this function.
    let _guard = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if create {
        match create_new(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(misconfigured(cannot_open(path)).with_source(error));
            }
            _ => {}
        }
    } else if !path.try_exists().unwrap_or(true) {
        let name = path.display();
        return Err(misconfigured(format!("the database {name} does not exist")));
    }
    reject_writable_by_others(path)
}

static CREATING: Mutex<()> = Mutex::new(());

#[cfg(unix)]
fn create_new(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path)?;
    // The umask may have taken more away. Where it cannot be given back, SQLite says so.
    let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    Ok(file)
}

#[cfg(not(unix))]
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn reject_writable_by_others(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;

    // SQLite keeps the others beside the file that a link leads to.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for (file, ending) in [
        (path, ""),
        (&target, "-wal"),
        (&target, "-shm"),
        (&target, "-journal"),
    ] {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        // SQLite says what is wrong with a file that cannot be examined.
        let Ok(found) = fs::metadata(&name) else {
            continue;
        };
        let mode = found.permissions().mode() & 0o7777;
        if found.is_file() && mode & 0o022 != 0 {
            return Err(misconfigured(format!(
                "others can write the file {}: its mode is {mode:04o}; run chmod go-w on it",
                Path::new(&name).display()
            )));
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn reject_writable_by_others(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn misconfigured(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
