//! The folder that holds what the parts write: data, certificates, logs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::guardian;

/// Set to keep temporary folders (logs, etcd data, Gitea) after the tests, for a look at them.
pub const KEEP: &str = "KOMPOX_TEST_KEEP";

/// A folder for one part or one test: temporary and removed in the end, or named by the caller and kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    temporary: bool,
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
        Ok(Self { path, temporary })
    }

    /// The folder at `path`, made if absent, never removed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn named(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot resolve {}", path.display()))?;
        Ok(Self { path, temporary: false })
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
