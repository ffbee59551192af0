//! The cache folder of one repository: a bare mirror that may be deleted at any moment.
//!
//! Several processes may share it. Packs get their final name only when they are whole; everything that adds or
//! removes files holds a file lock. `git --git-dir` can look into it, but no Git configuration is ever read from it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use sha2::{Digest, Sha256};

use super::pack::{self, Cancel, PackError, PackLimits};
use crate::fault::Fault;

/// Packs that a mirror may collect before they are joined into one.
const MAX_PACKS: usize = 40;
/// Names of temporary files that the library leaves behind when the process is killed.
const TEMPORARY: &str = "pack_git2_";
/// Commits that are named to a server as known.
const MAX_HAVES: usize = 64;

/// The mirror of one repository.
pub(super) struct Mirror {
    root: PathBuf,
    name: String,
    damage: Damage,
}

/// Told by readers that an object is missing or does not fit its hash, so that the next fetch mends the mirror.
#[derive(Clone, Default)]
pub(super) struct Damage(Arc<Mutex<Option<Oid>>>);

impl Damage {
    /// Remembers the commit whose files cannot be read.
    pub(super) fn report(&self, commit: Oid) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(commit);
    }

    /// The commit that was reported last, once.
    pub(super) fn take(&self) -> Option<Oid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The right to change a mirror's files, until it is dropped.
pub(super) struct MirrorLock {
    _file: fs::File,
    folder: PathBuf,
}

impl MirrorLock {
    /// The folder of the objects.
    pub(super) fn objects(&self) -> PathBuf {
        self.folder.join("objects")
    }

    /// Removes what killed processes left behind. With the lock, no other process is writing.
    pub(super) fn remove_leftovers(&self) {
        for entry in fs::read_dir(self.objects().join("pack")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                // It only takes up space; the next fetch tries again.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Mirror {
    /// The mirror of the repository at `url` below a cache folder. Nothing is created yet.
    pub(super) fn new(cache: &Path, url: &str) -> Self {
        let digest = Sha256::digest(url.as_bytes());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { root: cache.join("git"), name, damage: Damage::default() }
    }

    /// Where readers report damage.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// Waits for the lock, and makes sure that the folder exists.
    pub(super) async fn lock(&self, deadline: Instant) -> Result<MirrorLock, Fault> {
        let path = self.root.join(format!("{}.lock", self.name));
        loop {
            create_folder(&self.root).map_err(|error| self.cannot_write(&error))?;
            let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            let file = file.map_err(|error| self.cannot_write(&error))?;
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                // The cache may have been deleted, and the lock with it, before we got hold of it.
                Ok(()) if is_same_file(&file, &path) => {
                    let folder = self.prepare().map_err(|error| self.cannot_write(&error))?;
                    return Ok(MirrorLock { _file: file, folder });
                }
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if Instant::now() >= deadline {
                        let message = format!("another process holds the cache folder {}", self.root.display());
                        return Err(Fault::retry("cache-locked", message));
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(self.cannot_write(&error.into())),
            }
        }
    }

    /// The file that names the folder in use. A mirror that is made anew gets a new folder, because the library keeps
    /// packs open by their path for as long as anyone in the process reads from them.
    fn pointer(&self) -> PathBuf {
        self.root.join(format!("{}.current", self.name))
    }

    /// The folder in use, if there is one.
    fn folder(&self) -> Option<PathBuf> {
        let name = fs::read_to_string(self.pointer()).ok()?;
        let name = name.trim();
        let rest = name.strip_prefix(&self.name)?.strip_prefix('-')?;
        rest.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| self.root.join(name))
    }

    /// Creates what a bare repository consists of, readable by this user alone.
    fn prepare(&self) -> io::Result<PathBuf> {
        let present = self.folder().filter(|folder| folder.join("objects/pack").is_dir() && refs(folder).is_dir());
        if let Some(folder) = present {
            return Ok(folder);
        }
        let name = format!("{}-{:08x}", self.name, rand::random::<u32>());
        let folder = self.root.join(&name);
        create_folder(&folder.join("objects/pack"))?;
        create_folder(&refs(&folder))?;
        fs::write(folder.join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(folder.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
        write_whole(&self.pointer(), &name)?;
        Ok(folder)
    }

    fn cannot_write(&self, error: &io::Error) -> Fault {
        Fault::stalled("cache", format!("cannot write to the cache folder {}: {error}", self.root.display()))
            .help("make it writable, or name another one with --cache-dir")
    }

    /// Opens the objects that are there now.
    pub(super) fn open(&self) -> Result<Repository, git2::Error> {
        let objects = self.folder().map(|folder| folder.join("objects")).filter(|objects| objects.is_dir());
        let odb = objects.map_or_else(git2::Odb::new, |objects| pack::open(&objects))?;
        let repository = Repository::from_odb(odb)?;
        // An empty configuration in place of the one that would be searched for in the machine's and user's files.
        repository.set_config(&git2::Config::new()?)?;
        Ok(repository)
    }

    /// Stores a pack.
    pub(super) fn store(
        &self,
        lock: &MirrorLock,
        limits: PackLimits,
        cancel: &Cancel,
        feed: impl FnOnce(&mut pack::PackSink<'_>) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        lock.remove_leftovers();
        pack::store(&lock.objects(), limits, cancel, feed)
    }

    /// Remembers a commit whose whole history is in the mirror.
    pub(super) fn remember(&self, lock: &MirrorLock, source: &str, commit: Oid) -> Result<(), Fault> {
        write_whole(&refs(&lock.folder).join(source), &format!("{commit}\n")).map_err(|error| self.cannot_write(&error))
    }

    /// The remembered commits that are still there.
    pub(super) fn tips(&self, repository: &Repository) -> Vec<Oid> {
        let files = self.folder().map(|folder| fs::read_dir(refs(&folder))).into_iter().flatten().flatten().flatten();
        let texts = files.filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let mut tips: Vec<Oid> = texts.filter_map(|text| Oid::from_str(text.trim()).ok()).collect();
        tips.retain(|tip| repository.find_commit(*tip).is_ok());
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    /// Commits to name to a server as known: the newest ones, then ever fewer, so that a rewritten branch finds
    /// where it forked off.
    pub(super) fn haves(&self, repository: &Repository) -> Result<Vec<Oid>, git2::Error> {
        let mut walk = repository.revwalk()?;
        walk.set_sorting(git2::Sort::TIME)?;
        for tip in self.tips(repository) {
            walk.push(tip)?;
        }
        let mut haves = Vec::new();
        for (number, commit) in walk.enumerate() {
            let commit = commit?;
            if number < MAX_HAVES / 2 || number.is_power_of_two() {
                haves.push(commit);
            }
            if haves.len() == MAX_HAVES {
                break;
            }
        }
        Ok(haves)
    }

    /// Whether every file of a commit can be read and fits its hash.
    pub(super) fn is_sound(&self, commit: Oid) -> bool {
        let check = || -> Result<bool, git2::Error> {
            let repository = self.open()?;
            let tree = repository.find_commit(commit)?.tree()?;
            let odb = repository.odb()?;
            let mut sound = true;
            tree.walk(TreeWalkMode::PreOrder, |_, entry| {
                if entry.kind() != Some(ObjectType::Commit) && odb.read(entry.id()).is_err() {
                    sound = false;
                    return TreeWalkResult::Abort;
                }
                TreeWalkResult::Ok
            })
            .or_else(|error| if sound { Err(error) } else { Ok(()) })?;
            Ok(sound)
        };
        check().unwrap_or(false)
    }

    /// Throws the mirror away. Readers in other processes notice, and fetch again.
    pub(super) fn discard(&self, lock: MirrorLock) -> Result<(), Fault> {
        // First the name, so that nobody meets a half-deleted mirror.
        match fs::remove_file(self.pointer()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.cannot_write(&error)),
            _ => {}
        }
        // What cannot be deleted is only lost space.
        let _ = fs::remove_dir_all(&lock.folder);
        Ok(())
    }

    /// Joins the packs into one when there are many: every lookup searches all of them. `keep` survives, as do the
    /// remembered commits.
    pub(super) fn tidy(&self, lock: &MirrorLock, keep: &[Oid], cancel: &Cancel) -> Result<(), PackError> {
        let folder = lock.objects().join("pack");
        let files: Vec<PathBuf> =
            fs::read_dir(&folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
        let is_pack = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "pack");
        if files.iter().filter(is_pack).count() <= MAX_PACKS {
            return Ok(());
        }
        let repository = self.open().map_err(PackError::Source)?;
        let mut tips = self.tips(&repository);
        tips.extend(keep.iter().filter(|commit| repository.find_commit(**commit).is_ok()));
        let unlimited = PackLimits { bytes: u64::MAX, objects: usize::MAX };
        // Into a folder of its own: the library skips objects that the target already has.
        let joined = lock.folder.join("joined");
        let _ = fs::remove_dir_all(&joined);
        let error = |error: io::Error| PackError::Git(git2::Error::from_str(&error.to_string()));
        create_folder(&joined.join("pack")).map_err(error)?;
        pack::copy(&repository, &tips, &[], &joined, unlimited, cancel)?;
        drop(repository);
        let mut kept = Vec::new();
        for file in fs::read_dir(joined.join("pack")).map_err(error)? {
            let file = file.map_err(error)?;
            let target = folder.join(file.file_name());
            kept.push(target.clone());
            // The index last: a pack without an index is not looked at.
            if target.extension().is_some_and(|extension| extension == "pack") {
                fs::rename(file.path(), &target).map_err(error)?;
            }
        }
        for target in kept.iter().filter(|target| !is_pack(target)) {
            let name = target.file_name().unwrap_or_default();
            fs::rename(joined.join("pack").join(name), target).map_err(error)?;
        }
        for old in files.iter().filter(|old| !kept.contains(old)) {
            let _ = fs::remove_file(old);
        }
        let _ = fs::remove_dir_all(&joined);
        Ok(())
    }
}

fn refs(folder: &Path) -> PathBuf {
    folder.join("refs/kompox")
}

fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether an open file is still the one at a path.
fn is_same_file(file: &fs::File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(path: &Path, content: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&temporary, content)?;
    fs::rename(&temporary, path)
}
