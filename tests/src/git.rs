//! Git repositories for tests: a work tree to commit in, and the repository that the agent reads.
//!
//! Everything goes through the `git` program with an environment of its own: no configuration of the
//! machine or the user, one fixed author.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folder::Folder;

/// The branch that a new repository starts with.
pub const BRANCH: &str = "main";

const PERSON: &str = "Test Author";
const MAIL: &str = "author@example.com";

/// A work tree whose commits are pushed to one remote repository.
#[derive(Debug)]
pub struct Repo {
    work: Folder,
    remote: String,
}

impl Repo {
    /// Makes a bare repository in the folder `bare` and a work tree that pushes to it.
    ///
    /// # Errors
    /// When git is missing or the folder cannot be made.
    pub fn init_bare(bare: &Path) -> Result<Self> {
        std::fs::create_dir_all(bare).with_context(|| format!("cannot make the folder {}", bare.display()))?;
        let bare = bare.canonicalize().with_context(|| format!("cannot resolve {}", bare.display()))?;
        git(&bare, ["init", "--quiet", "--bare", "--initial-branch", BRANCH])?;
        Self::for_remote(&bare.to_string_lossy())
    }

    /// A work tree for an empty repository that is there already: a path, or a URL with its credentials.
    ///
    /// # Errors
    /// When git is missing.
    pub fn for_remote(remote: &str) -> Result<Self> {
        let work = Folder::temporary("repository")?;
        git(work.path(), ["init", "--quiet", "--initial-branch", BRANCH])?;
        git(work.path(), ["remote", "add", "origin", remote])?;
        Ok(Self { work, remote: remote.to_owned() })
    }

    /// Where commits are pushed to, as it was given.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// The work tree, to change files in that are not given as text.
    #[must_use]
    pub fn work_tree(&self) -> &Path {
        self.work.path()
    }

    /// Writes `files` (path and content), commits all changes of the work tree, and gives the commit's
    /// hash. Nothing is pushed.
    ///
    /// # Errors
    /// When a path leads out of the work tree, or nothing has changed.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        for (path, content) in files {
            let path = self.inside(path)?;
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
            }
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.commit_all(message)
    }

    /// Copies the files of `from`, folders included, over the work tree and commits them.
    ///
    /// # Errors
    /// When `from` cannot be read, or nothing has changed.
    pub fn commit_tree(&self, from: &Path, message: &str) -> Result<String> {
        crate::folder::copy_tree(from, self.work.path()).with_context(|| format!("cannot copy {}", from.display()))?;
        self.commit_all(message)
    }

    /// Removes `paths` and commits that.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn commit_removal(&self, paths: &[&str], message: &str) -> Result<String> {
        let arguments = ["rm", "-r", "--quiet", "--"].into_iter().chain(paths.iter().copied());
        git(self.work.path(), arguments)?;
        self.commit_all(message)
    }

    /// Moves to `branch`, which starts at the present commit if it is new.
    ///
    /// # Errors
    /// When git refuses.
    pub fn switch(&self, branch: &str) -> Result<()> {
        let known = git(self.work.path(), ["branch", "--list", branch])?;
        let create: &[&str] = if known.is_empty() { &["--create"] } else { &[] };
        let arguments = ["switch", "--quiet"].into_iter().chain(create.iter().copied()).chain([branch]);
        git(self.work.path(), arguments).map(drop)
    }

    /// Pushes the present commit to `branch` of the remote.
    ///
    /// # Errors
    /// When the remote refuses or does not answer.
    pub fn push(&self, branch: &str) -> Result<()> {
        git(self.work.path(), ["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]).map(drop)
    }

    /// Pushes the present commit to `branch` even if that throws away commits there.
    ///
    /// # Errors
    /// When the remote refuses or does not answer.
    pub fn force_push(&self, branch: &str) -> Result<()> {
        git(self.work.path(), ["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]).map(drop)
    }

    /// [Commits](Self::commit) and [pushes](Self::push) to [`BRANCH`].
    ///
    /// # Errors
    /// As those two.
    pub fn publish(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        let commit = self.commit(files, message)?;
        self.push(BRANCH)?;
        Ok(commit)
    }

    /// The hash of the present commit.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn head(&self) -> Result<String> {
        git(self.work.path(), ["rev-parse", "--verify", "HEAD"])
    }

    /// Runs any other git command in the work tree and gives its output, without the last line break.
    ///
    /// # Errors
    /// When git fails; the message has its words.
    pub fn git<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        git(self.work.path(), arguments)
    }

    fn commit_all(&self, message: &str) -> Result<String> {
        git(self.work.path(), ["add", "--all"])?;
        git(self.work.path(), ["commit", "--quiet", "--message", message])?;
        self.head()
    }

    fn inside(&self, path: &str) -> Result<PathBuf> {
        let relative = Path::new(path);
        if !relative.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            bail!("{path} is no path inside the repository");
        }
        Ok(self.work.path().join(relative))
    }
}

fn git<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(&arguments).env_clear();
    let inherited = ["PATH", "TMPDIR"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(inherited);
    let fixed: [(&str, &OsStr); 9] = [
        ("HOME", folder.as_os_str()),
        ("LC_ALL", OsStr::new("C")),
        ("GIT_CONFIG_NOSYSTEM", OsStr::new("1")),
        ("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null")),
        ("GIT_TERMINAL_PROMPT", OsStr::new("0")),
        ("GIT_AUTHOR_NAME", OsStr::new(PERSON)),
        ("GIT_AUTHOR_EMAIL", OsStr::new(MAIL)),
        ("GIT_COMMITTER_NAME", OsStr::new(PERSON)),
        ("GIT_COMMITTER_EMAIL", OsStr::new(MAIL)),
    ];
    let output = command.envs(fixed).output().context("cannot run git: is it installed?")?;
    if !output.status.success() {
        // Only the command's name: its arguments may hold a URL with a token.
        let (name, words) = (arguments.first().unwrap_or(&""), String::from_utf8_lossy(&output.stderr));
        bail!("git {name} failed in {} ({}): {}", folder.display(), output.status, words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_reach_the_bare_repository() {
        let base = tempfile::tempdir().unwrap();
        let bare = base.path().join("shop.git");
        let repo = Repo::init_bare(&bare).unwrap();
        let first = repo.publish(&[("a.yml", "one"), ("apps/b.yml", "two")], "first").unwrap();
        let second = repo.commit_removal(&["a.yml"], "second").unwrap();
        assert_eq!(git(&bare, ["rev-parse", BRANCH]).unwrap(), first, "not pushed yet");
        repo.push(BRANCH).unwrap();
        assert_eq!(git(&bare, ["rev-parse", BRANCH]).unwrap(), second);
        assert_eq!(git(&bare, ["ls-tree", "-r", "--name-only", BRANCH]).unwrap(), "apps/b.yml");
        assert_eq!(git(&bare, ["show", "main:apps/b.yml"]).unwrap(), "two");
        assert_eq!(git(&bare, ["log", "-1", "--format=%an <%ae>"]).unwrap(), "Test Author <author@example.com>");
    }

    #[test]
    fn branches_part_and_history_can_be_thrown_away() {
        let base = tempfile::tempdir().unwrap();
        let bare = base.path().join("shop.git");
        let repo = Repo::init_bare(&bare).unwrap();
        let first = repo.publish(&[("a.yml", "one")], "first").unwrap();
        repo.switch("change").unwrap();
        let other = repo.commit(&[("a.yml", "two")], "other").unwrap();
        repo.push("change").unwrap();
        repo.switch(BRANCH).unwrap();
        assert_eq!(repo.head().unwrap(), first);
        repo.publish(&[("a.yml", "three")], "third").unwrap();
        repo.switch("change").unwrap();
        assert!(repo.push(BRANCH).is_err(), "that would lose a commit");
        repo.force_push(BRANCH).unwrap();
        assert_eq!(git(&bare, ["rev-parse", BRANCH]).unwrap(), other);
    }

    #[test]
    fn a_path_outside_and_an_empty_commit_are_refused() {
        let base = tempfile::tempdir().unwrap();
        let repo = Repo::init_bare(&base.path().join("shop.git")).unwrap();
        assert!(repo.commit(&[("../escape", "")], "no").is_err());
        assert!(repo.commit(&[("/etc/escape", "")], "no").is_err());
        repo.commit(&[("a", "")], "yes").unwrap();
        let error = repo.commit(&[("a", "")], "again").unwrap_err().to_string();
        assert!(error.starts_with("git commit failed"), "{error}");
    }
}
