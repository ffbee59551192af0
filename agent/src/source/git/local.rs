//! A Git repository on this machine. Its owner does not matter: nothing in it is ever executed. Opening
//! it, the library also parses the machine's and the user's Git configuration; nothing that is used here depends on it.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

use super::protocol::{full_name, no_commit, parse_id, unknown_reference};
use crate::config::Reference;
use crate::fault::Fault;

/// A repository at a path.
pub(super) struct LocalRemote {
    path: PathBuf,
}

impl LocalRemote {
    /// Names the repository; nothing is read yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Opens it: a bare repository, or the `.git` of a working tree.
    pub(super) fn open(&self) -> Result<Repository, Fault> {
        let inner = self.path.join(".git");
        let path = if inner.is_dir() { &inner } else { &self.path };
        let repository = Repository::open_bare(path).map_err(|error| {
            let path = self.path.display();
            match error.code() {
                ErrorCode::NotFound => Fault::stalled("no-repository", format!("there is no Git repository at {path}"))
                    .help("check the path; a bare repository is made with `git init --bare`"),
                _ => Fault::stalled("git-repository", format!("cannot open {path}: {}", error.message())),
            }
        })?;
        if repository.path().join("shallow").exists() {
            let message = format!("{} is a shallow clone: its history is not complete", self.path.display());
            return Err(Fault::stalled("git-repository", message).help("complete it with `git fetch --unshallow`"));
        }
        Ok(repository)
    }

    /// The commit that a reference stands for.
    pub(super) fn find(&self, repository: &Repository, wanted: &Reference) -> Result<Oid, Fault> {
        if let Reference::Commit(id) = wanted {
            return self.commit(repository, parse_id(id)?);
        }
        let found = repository.find_reference(&full_name(wanted)).and_then(|reference| reference.peel_to_commit());
        match found {
            Ok(commit) => Ok(commit.id()),
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => {
                let message = match wanted {
                    Reference::Default => "the repository's default branch has no commit".to_owned(),
                    _ => format!("the repository has no {wanted}"),
                };
                Err(unknown_reference(&message).help("push it, or name another one in `ref`"))
            }
            Err(error) if matches!(error.code(), ErrorCode::Peel | ErrorCode::InvalidSpec) => Err(no_commit(wanted)),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// A commit by its own hash.
    pub(super) fn commit(&self, repository: &Repository, id: Oid) -> Result<Oid, Fault> {
        match repository.find_commit(id) {
            Ok(commit) => Ok(commit.id()),
            Err(error) if error.code() == ErrorCode::NotFound => {
                Err(unknown_reference(&format!("the repository has no commit {id}")))
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// The error for trouble inside the repository. It may pass: `git gc` may be at work in it.
    pub(super) fn broken(&self, error: &git2::Error) -> Fault {
        Fault::retry("git-repository", format!("cannot read {}: {}", self.path.display(), error.message()))
    }
}
