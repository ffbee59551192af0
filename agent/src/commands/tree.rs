//! What `plan`, `apply`, `validate` and `render` read: a folder, seen as part of its repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use kompox_manifests::id::ClusterId;

use crate::args::TreeArgs;
use crate::desire::{self, Wanted};
use crate::reconcile::Commit;
use crate::source::folder;

/// A folder of files, and the folder below its root that was asked for.
///
/// # Errors
/// The folder cannot be read.
pub fn open(path: &Path) -> anyhow::Result<Commit> {
    let path = path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(path.is_dir(), "{} is no folder: name the folder that holds the entry file", path.display());
    let root = root_of(&path);
    let inside = path.strip_prefix(&root).unwrap_or(Path::new(""));
    let inside = inside.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    let state = folder::read(&root, inside)?;
    Ok(Commit {
        source: source_name(&path),
        id: state.id,
        time: state.time,
        tree: Arc::new(state.tree),
        path: inside.to_owned(),
    })
}

/// The repository that the folder is in: local references may go up to there. Without a repository
/// it is the folder itself.
fn root_of(path: &Path) -> PathBuf {
    let repository = path.ancestors().find(|folder| folder.join(".git").exists());
    repository.unwrap_or(path).to_owned()
}

/// The source's name of what is applied from a working tree by hand.
fn source_name(_path: &Path) -> String {
    "cli".to_owned()
}

/// The Cluster to work with: the flag's, else the only one that the files name.
///
/// # Errors
/// The flag is no ID, or the files name none or several.
pub fn cluster_of(args: &TreeArgs, commit: &Commit) -> anyhow::Result<ClusterId> {
    if let Some(given) = &args.cluster {
        return given.parse().with_context(|| "--cluster".to_owned());
    }
    let clusters = desire::clusters(commit);
    match clusters.as_slice() {
        [only] => Ok(only.clone()),
        [] => anyhow::bail!("{} names no Cluster that an App is for", args.path.display()),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            anyhow::bail!("the files are for several clusters; choose one with --cluster: {}", names.join(", "))
        }
    }
}

/// Whether everything could be loaded; shows what is to be said about the files.
pub fn loaded(wanted: &Wanted) -> bool {
    super::show(&wanted.diagnostics);
    wanted.rejected.is_empty()
}
