//! Removing what is no longer a disk, a bounded piece at a time.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use super::files::{Context, Entry, FileOps, Folder};
use super::root::Root;
use crate::driver::Result;

/// Deeper folders are first moved up, so that neither the stack nor open files run out: what Pods
/// leave behind may be nested as deeply as the file system allows.
const DEEPEST: usize = 32;
/// Stands in the name of what was moved up, behind the name of what it was in.
const DEEP: &str = ".deep.";
const BATCH: usize = 1024;

/// Whether something is gone, or only begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Nothing is left.
    All,
    /// The time is up; the rest is for the next call.
    Partly,
}

/// Moves a folder into the trash, under a name that begins with `name`, in one step.
pub(crate) fn discard(files: &dyn FileOps, root: &Root, from: &Folder, entry: &OsStr, name: &str) -> Result<()> {
    let path = from.path_of(entry);
    let free = free_name(&root.trash, name)?;
    files.rename(from, entry, &root.trash, &free).at("moving a folder to the trash", &path)?;
    files.sync(&root.trash).at("making the trash durable", root.trash.path())?;
    files.sync(from).at("making a folder durable", from.path())
}

/// Removes what crashes left in the staging folder, and then what is in the trash, until the time is
/// up. `only` limits it to names that begin so.
pub(crate) fn sweep(files: &dyn FileOps, root: &Root, only: &str, patience: Duration) -> Result<Removed> {
    clear_staging(files, root)?;
    let deadline = Instant::now() + patience;
    loop {
        let entries = root.trash.entries(usize::MAX).at("listing the trash", root.trash.path())?;
        let Some(entry) = entries.into_iter().find(|entry| entry.name.to_string_lossy().starts_with(only)) else {
            return Ok(Removed::All);
        };
        let name = entry.name.to_string_lossy().into_owned();
        let top = name.split(DEEP).next().unwrap_or_default().to_owned();
        let sweeper = Sweeper { files, root, deadline, top };
        if sweeper.remove(&root.trash, &entry, 0)? == Removed::Partly {
            return Ok(Removed::Partly);
        }
    }
}

/// Nobody else is at work while we hold the lock, so whatever is in the staging folder is dead.
fn clear_staging(files: &dyn FileOps, root: &Root) -> Result<()> {
    for entry in root.staging.entries(usize::MAX).at("listing the staging folder", root.staging.path())? {
        if entry.folder {
            discard(files, root, &root.staging, &entry.name, "unfinished.")?;
        } else {
            let path = root.staging.path_of(&entry.name);
            files.remove_file(&root.staging, &entry.name).at("removing an unfinished file", &path)?;
        }
    }
    Ok(())
}

/// Whether the trash has something whose name begins so.
pub(crate) fn has(root: &Root, prefix: &str) -> Result<bool> {
    let entries = root.trash.entries(usize::MAX).at("listing the trash", root.trash.path())?;
    Ok(entries.iter().any(|entry| entry.name.to_string_lossy().starts_with(prefix)))
}

fn free_name(trash: &Folder, name: &str) -> Result<String> {
    let mut number = 0_u64;
    loop {
        let candidate = format!("{name}{number}");
        if !trash.has(&candidate).at("looking into the trash", trash.path())? {
            return Ok(candidate);
        }
        number += 1;
    }
}

struct Sweeper<'a> {
    files: &'a dyn FileOps,
    root: &'a Root,
    deadline: Instant,
    /// How the names of everything that belongs to the disk begin.
    top: String,
}

impl Sweeper<'_> {
    /// Removes a name with everything below it. Never follows a symbolic link, and stops at another
    /// file system.
    fn remove(&self, parent: &Folder, entry: &Entry, depth: usize) -> Result<Removed> {
        let path = parent.path_of(&entry.name);
        if !entry.folder {
            self.files.remove_file(parent, &entry.name).at("removing a file", &path)?;
            return Ok(Removed::All);
        }
        let Some(folder) = parent.child(&entry.name).at("opening a folder", &path)? else { return Ok(Removed::All) };
        loop {
            let entries = folder.entries(BATCH).at("listing a folder", &path)?;
            if entries.is_empty() {
                break;
            }
            for inner in entries {
                if Instant::now() >= self.deadline {
                    return Ok(Removed::Partly);
                }
                if inner.folder && depth == DEEPEST {
                    // Under the same beginning: whoever waits for this disk waits for it too.
                    let name = format!("{}{DEEP}", self.top);
                    discard(self.files, self.root, &folder, &inner.name, &name)?;
                } else if self.remove(&folder, &inner, depth + 1)? == Removed::Partly {
                    return Ok(Removed::Partly);
                }
            }
        }
        self.files.remove_folder(parent, &entry.name).at("removing a folder", &path)?;
        Ok(Removed::All)
    }
}
