//! What the driver `local` has made, as the file system shows it.

use std::io;
use std::path::{Path, PathBuf};

/// The metadata file of every disk below a root.
///
/// # Errors
/// When a folder cannot be read; a root without disks has none.
pub fn below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut disks = Vec::new();
    collect(&root.join("disks"), &mut disks)?;
    Ok(disks)
}

fn collect(folder: &Path, disks: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, disks)?;
        } else if path.file_name().is_some_and(|name| name == "disk.json") {
            disks.push(path);
        }
    }
    Ok(())
}
