//! What `plan`, `apply`, `validate` and `render` read: a folder, seen as part of its repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use kompox_manifests::desired::Terms;
use kompox_manifests::id::ClusterId;
use kompox_manifests::policy::Policy;

use super::run;
use crate::age_keys::{self, AgeKeysFile};
use crate::args::{TermsArgs, TreeArgs};
use crate::config;
use crate::context::Commit;
use crate::desire::{self, Wanted};
use crate::source::working_tree::WorkingTree;

/// The state of a folder as something to deploy.
///
/// # Errors
/// The folder or the configuration cannot be read.
pub(crate) fn open(path: &Path, terms: &TermsArgs) -> anyhow::Result<Commit> {
    let terms = terms_of(terms)?;
    let path = path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(path.is_dir(), "{} is no folder: name the folder that holds the entry file", path.display());
    let root = root_of(&path);
    let inside = path.strip_prefix(&root).unwrap_or(Path::new(""));
    let inside = inside.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned();
    Ok(Commit {
        source: None,
        id: "working-tree".to_owned(),
        time: Timestamp::now(),
        accepted: BTreeSet::new(),
        tree: Arc::new(WorkingTree::new(root)),
        path: inside,
        terms,
    })
}

/// What the configuration file and the flags say about commits; without them, what holds where nothing is said.
fn terms_of(args: &TermsArgs) -> anyhow::Result<Terms> {
    let (policy, configured) = match &args.config {
        Some(path) => run::checked(config::terms_of(path))?,
        None => (Policy::default(), Vec::new()),
    };
    let files = args.age_keys_file.as_ref().map_or(configured, |path| vec![AgeKeysFile::new(path)]);
    Ok(Terms { policy, decryption: age_keys::decryption(&files) })
}

/// The repository that the folder is in: local references may go up to there. Without a repository
/// it is the folder itself.
fn root_of(path: &Path) -> PathBuf {
    let repository = path.ancestors().find(|folder| folder.join(".git").exists());
    repository.unwrap_or(path).to_owned()
}

/// The Cluster to work with: the flag's, else the only one that the files name.
///
/// # Errors
/// The flag is no ID, or the files name none or several.
pub(crate) fn cluster_of(args: &TreeArgs, commit: &Commit) -> anyhow::Result<ClusterId> {
    if let Some(given) = &args.cluster {
        return given.parse().context("--cluster");
    }
    let clusters = desire::clusters(commit);
    match clusters.as_slice() {
        [only] => Ok(only.clone()),
        [] => anyhow::bail!("no App was found in {} or below: `kompox-agent validate` says why", args.path.display()),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            anyhow::bail!("the files are for several clusters; choose one with --cluster: {}", names.join(", "))
        }
    }
}

/// Whether everything could be loaded; shows what is to be said about the files.
pub(crate) fn loaded(wanted: &Wanted) -> bool {
    super::show(&wanted.diagnostics);
    wanted.rejected.is_empty()
}
