//! The folder that holds what the parts write: data, certificates, logs.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::guardian;

/// Set to keep temporary folders (logs, etcd data, Gitea) after the tests, for a look at them.
pub const KEEP: &str = "KOMPOX_TEST_KEEP";

/// Marks a folder that the caller named as one that belongs to the parts; locked while one uses it.
const MARKER: &str = ".kompox-test-folder";

/// A folder for one part or one test: temporary and removed in the end, or named by the caller and kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    temporary: bool,
    /// The marker of a named folder, locked.
    _lock: Option<File>,
}

impl Folder {
    /// A fresh temporary folder whose name starts with `kompox-<name>-`. It is removed on drop or,
    /// failing that, when the process ends; it stays when the variable [`KEEP`] is set.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn temporary(name: &str) -> Result<Self> {
        let path = tempfile::Builder::new()
            .prefix(&format!("kompox-{name}-"))
            .tempdir()
            .with_context(|| format!("cannot make a temporary folder for {name}"))?
            .keep();
        let temporary = std::env::var_os(KEEP).is_none();
        if temporary {
            guardian::keep(&path)?;
        }
        Ok(Self { path, temporary, _lock: None })
    }

    /// The folder at `path`, made if absent, kept in the end. It belongs to whoever starts parts in it:
    /// what an earlier start left there is removed now.
    ///
    /// # Errors
    /// When it cannot be made, holds something else than an earlier start's files, or is in use.
    pub fn named(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot resolve {}", path.display()))?;
        let marker = path.join(MARKER);
        let old: Vec<PathBuf> = entries(&path)?.into_iter().filter(|entry| *entry != marker).collect();
        if !old.is_empty() && !marker.exists() {
            bail!("the folder {} holds files that no test cluster made: name another one", path.display());
        }
        let lock = File::create(&marker).with_context(|| format!("cannot write to {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!("the folder {} is in use by another process: end that or name another folder", path.display());
        }
        for entry in old {
            let removed = if entry.is_dir() { std::fs::remove_dir_all(&entry) } else { std::fs::remove_file(&entry) };
            removed.with_context(|| format!("cannot remove {}", entry.display()))?;
        }
        Ok(Self { path, temporary: false, _lock: Some(lock) })
    }

    /// [`named`](Self::named) when the caller names one, else [`temporary`](Self::temporary).
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn named_or_temporary(path: Option<&Path>, name: &str) -> Result<Self> {
        match path {
            Some(path) => Self::named(path),
            None => Self::temporary(name),
        }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder `name` inside this one, if absent.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(path)
    }

    /// Writes `content` to the file `name` and gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now (a process still writes) is left to the guardian.
        if self.temporary && std::fs::remove_dir_all(&self.path).is_ok() {
            guardian::drop_folder(&self.path);
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder).and_then(|all| all.map(|entry| Ok(entry?.path())).collect());
    listed.with_context(|| format!("cannot read the folder {}", folder.display()))
}

/// Copies the content of the folder `from` into the folder `to`, which is made if absent.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_its_value() {
        let folder = Folder::temporary("gone").unwrap();
        folder.write("file", "content").unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert_eq!(path.exists(), std::env::var_os(KEEP).is_some());
    }

    #[test]
    fn a_named_folder_stays_and_starts_empty() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("new");
        let folder = Folder::named(&path).unwrap();
        folder.subfolder("etcd").unwrap();
        folder.write("old", "").unwrap();
        assert!(Folder::named(&path).unwrap_err().to_string().contains("in use"));
        drop(folder);
        assert!(path.join("old").exists());
        let again = Folder::named(&path).unwrap();
        assert_eq!(entries(again.path()).unwrap(), [again.path().join(MARKER)]);
    }

    #[test]
    fn a_folder_of_somebody_elses_is_refused_and_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("thesis.tex");
        std::fs::write(&file, "years").unwrap();
        assert!(Folder::named(base.path()).unwrap_err().to_string().contains("name another"));
        assert_eq!(entries(base.path()).unwrap(), [file]);
    }
}
