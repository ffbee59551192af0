//! A working folder, for development: what lies there now, watched.

mod tree;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use self::tree::{Listing, Unreadable};
use super::{Change, Fetched, Revision, RevisionId, Snapshot, Source};
use crate::fault::Fault;

/// Time without a change after which a burst of changes is over.
const QUIET: Duration = Duration::from_millis(200);
/// Time after which a burst that does not end is looked at all the same.
const BURST: Duration = Duration::from_secs(2);

/// Limits on what a folder may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Files and folders.
    entries: usize,
    /// Bytes of all files.
    bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, bytes: 1 << 30 }
    }
}

/// A working folder. Its revision is the hash that Git would give its content, ignore rules aside.
pub(super) struct FolderSource {
    path: PathBuf,
    limits: Limits,
    /// What was read last: unchanged files are not hashed again.
    last: Arc<Mutex<Arc<Listing>>>,
    changed: Arc<Notify>,
    watcher: Mutex<Option<RecommendedWatcher>>,
}

impl FolderSource {
    /// Names the folder; it is watched from the first fetch on.
    pub(super) fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, last: Arc::default(), changed: Arc::default(), watcher: Mutex::default() }
    }

    /// Starts to watch, unless that is done already. Where it cannot be done, polling goes on.
    fn watch(&self) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if watcher.is_none() {
            match self.start_watcher() {
                Ok(started) => *watcher = Some(started),
                Err(error) => {
                    tracing::warn!(folder = %self.path.display(), %error, "cannot watch the folder; it is only polled");
                }
            }
        }
    }

    fn start_watcher(&self) -> notify::Result<RecommendedWatcher> {
        let changed = Arc::clone(&self.changed);
        let config = notify::Config::default().with_follow_symlinks(false);
        let on_event = move |event: notify::Result<notify::Event>| {
            // Reading a folder is an event too: without this check, every fetch would cause the next one.
            let relevant = event.map_or(true, |event| {
                !matches!(event.kind, EventKind::Access(_)) && !event.paths.iter().all(|path| is_inside_git(path))
            });
            if relevant {
                changed.notify_one();
            }
        };
        let mut watcher = RecommendedWatcher::new(on_event, config)?;
        watcher.watch(&self.path, RecursiveMode::Recursive)?;
        Ok(watcher)
    }

    async fn read(&self) -> Result<Snapshot, Fault> {
        let (path, limits, last) = (self.path.clone(), self.limits, Arc::clone(&self.last));
        let read = tokio::task::spawn_blocking(move || {
            let before = Arc::clone(&last.lock().unwrap_or_else(PoisonError::into_inner));
            let listing = Arc::new(Listing::read(&path, limits, &before)?);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&listing);
            Ok(listing)
        });
        let listing = read
            .await
            .unwrap_or_else(|_| Err(Unreadable::Io(self.path.clone(), std::io::ErrorKind::Interrupted.into())))
            .map_err(|error| unreadable(&self.path, self.limits, &error))?;
        Ok(snapshot(&self.path, listing))
    }
}

fn snapshot(path: &Path, listing: Arc<Listing>) -> Snapshot {
    let revision = Revision {
        id: RevisionId::of(listing.id()),
        time: Timestamp::now(),
        author: None,
        subject: format!("content of {}", path.display()),
        trailers: Vec::new(),
    };
    Snapshot { revision, tree: listing }
}

fn unreadable(root: &Path, limits: Limits, error: &Unreadable) -> Fault {
    match error {
        Unreadable::Io(path, cause) if *path == root => {
            Fault::stalled("folder", format!("cannot read the folder {}: {cause}", path.display()))
                .help("check the path of the source")
        }
        Unreadable::Io(path, cause) => Fault::retry("folder", format!("cannot read {}: {cause}", path.display())),
        Unreadable::TooLarge => {
            let Limits { entries, bytes } = limits;
            let message = format!("{} holds more than {entries} files or {} MiB", root.display(), bytes >> 20);
            Fault::stalled("too-large", message).help("name a folder that holds only what belongs to the apps")
        }
    }
}

#[async_trait]
impl Source for FolderSource {
    async fn fetch(&self, accepted: Option<&RevisionId>) -> Result<Fetched, Fault> {
        self.watch();
        let snapshot = self.read().await?;
        // A folder has no history: whatever lies there is meant.
        let change = match accepted {
            None => Change::First,
            Some(accepted) if *accepted == snapshot.revision.id => Change::Unchanged,
            Some(_) => Change::Forward,
        };
        Ok(Fetched { snapshot, change, held: None }.logged(&self.path.display().to_string()))
    }

    async fn open(&self, id: &RevisionId) -> Result<Option<Snapshot>, Fault> {
        let snapshot = self.read().await?;
        Ok((snapshot.revision.id == *id).then_some(snapshot))
    }

    async fn changed(&self) {
        self.changed.notified().await;
        // A caller that stops waiting in the middle of a burst is told of it the next time.
        let mut again = Renotify(Some(&self.changed));
        let burst = tokio::time::Instant::now() + BURST;
        // An editor saves a file in several steps, and `git switch` changes many: wait until that is over.
        while tokio::time::Instant::now() < burst && tokio::time::timeout(QUIET, self.changed.notified()).await.is_ok()
        {
        }
        again.0 = None;
    }
}

/// Repeats a notification when it is dropped before the notification was used.
struct Renotify<'a>(Option<&'a Notify>);

impl Drop for Renotify<'_> {
    fn drop(&mut self) {
        if let Some(notify) = self.0 {
            notify.notify_one();
        }
    }
}

fn is_inside_git(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == ".git")
}

#[cfg(test)]
mod tests;
