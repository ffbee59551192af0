//! Git repositories, by HTTP or on this machine, through a mirror in the cache folder.

mod http;
mod local;
mod mirror;
mod pack;
mod pktline;
mod protocol;
mod tree;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use git2::{Oid, Repository};
use jiff::Timestamp;
use kompox_core::plan::{Hold, HoldCause};
use tokio::sync::{mpsc, oneshot};

use self::http::{Found, HttpRemote};
use self::local::LocalRemote;
use self::mirror::{Mirror, MirrorLock};
use self::pack::{Cancel, PackError, PackLimits, Piece};
use self::protocol::Tip;
use self::tree::{Folders, GitTree};
use super::{Change, Fetched, Held, Revision, RevisionId, Snapshot, Source, read_message};
use crate::config::{Location, Reference, SourceConfig};
use crate::fault::Fault;
use crate::redact::Redactor;

/// Pieces of a pack that wait to be stored.
const PIECES: usize = 32;

/// Limits on what a repository may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time to learn which commit is the newest.
    find: Duration,
    /// Time to fetch it, its history included.
    download: Duration,
    /// Time without a byte of an answer.
    idle: Duration,
    pack: PackLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            find: Duration::from_secs(30),
            download: Duration::from_secs(15 * 60),
            idle: Duration::from_secs(30),
            pack: PackLimits { bytes: 2 << 30, objects: 5_000_000 },
        }
    }
}

/// A Git repository.
pub(super) struct GitSource {
    shared: Arc<Shared>,
    limits: Limits,
}

/// What the worker threads need as well.
struct Shared {
    name: String,
    location: String,
    reference: Reference,
    allow_force_push: bool,
    remote: Remote,
    mirror: Mirror,
    folders: Arc<Folders>,
}

enum Remote {
    Http(HttpRemote),
    Local(LocalRemote),
}

/// What the remote says is the newest.
enum Newest {
    Http(Found),
    Local(Oid),
}

impl Newest {
    fn commit(&self) -> Oid {
        match self {
            Self::Http(found) => found.tip.commit,
            Self::Local(commit) => *commit,
        }
    }

    /// The way to another commit of the same repository.
    fn other(&self, commit: Oid) -> Self {
        match self {
            Self::Http(found) => Self::Http(found.other(commit)),
            Self::Local(_) => Self::Local(commit),
        }
    }
}

/// Why a step of a fetch failed.
enum Trouble {
    /// As it says.
    Fault(Fault),
    /// The mirror cannot be read; without it, things may go well.
    Mirror(git2::Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl GitSource {
    /// Prepares a source; nothing is read yet.
    pub(super) fn new(
        config: &SourceConfig,
        cache: &Path,
        redactor: Arc<Redactor>,
        limits: Limits,
    ) -> Result<Self, Fault> {
        let remote = match &config.location {
            Location::Remote(url) => {
                Remote::Http(HttpRemote::new(url, config.credentials.clone(), redactor, limits.idle)?)
            }
            Location::Repository(path) | Location::Folder(path) => Remote::Local(LocalRemote::new(path)),
        };
        let shared = Shared {
            name: config.name.clone(),
            location: config.location.to_string(),
            reference: config.reference.clone(),
            allow_force_push: config.allow_force_push,
            remote,
            mirror: Mirror::new(cache, &config.location.to_string()),
            folders: Arc::default(),
        };
        Ok(Self { shared: Arc::new(shared), limits })
    }

    async fn try_fetch(&self, accepted: Option<Oid>) -> Result<Fetched, Trouble> {
        let newest = self.within(self.limits.find, "the answer", self.find()).await?;
        let commit = self.ensure(&newest, newest.commit()).await?;
        let shared = Arc::clone(&self.shared);
        let (change, snapshot) = blocking(move || shared.relate(commit, accepted)).await?;
        let (Some(accepted), Change::Rewritten) = (accepted, change) else {
            return Ok(Fetched { snapshot, change, held: None });
        };
        let named = matches!(self.shared.reference, Reference::Commit(_));
        if named || self.shared.allow_force_push {
            return Ok(Fetched { snapshot, change, held: None });
        }
        let held = self.hold(snapshot.revision, commit, accepted).await?;
        let accepted = match self.ensure(&newest.other(accepted), accepted).await {
            Ok(accepted) => accepted,
            Err(Trouble::Fault(fault)) => return Err(lost(&held, &fault).into()),
            Err(other) => return Err(other),
        };
        let shared = Arc::clone(&self.shared);
        let snapshot = blocking(move || shared.snapshot(accepted)).await?;
        Ok(Fetched { snapshot, change: Change::Unchanged, held: Some(held) })
    }

    async fn hold(&self, revision: Revision, commit: Oid, accepted: Oid) -> Result<Held, Trouble> {
        let shared = Arc::clone(&self.shared);
        // Its content rather than its id: a word in its own message is about the same content.
        let tree = blocking(move || shared.tree_of(commit)).await?;
        let reason = format!(
            "{} was rewritten: commit {} does not follow {}, which stays in force",
            self.shared.reference,
            revision.id.short(),
            RevisionId::of(accepted).short(),
        );
        let facts = vec![self.shared.location.clone(), accepted.to_string(), tree.to_string()];
        let remedy = "push a commit that follows it, or set `allowForcePush: true`".to_owned();
        let hold = Hold { cause: HoldCause::Rewritten, facts, reason, remedy };
        let digest = hold.digest();
        let reason = format!(
            "{}; {}; to let exactly this go: kompox-agent hold accept {digest}, or the line `Kompox-Accept: {digest}` in \
             its message",
            hold.reason, hold.remedy
        );
        Ok(Held { revision, reason, digest })
    }

    /// Asks the remote which commit is the newest.
    async fn find(&self) -> Result<Newest, Trouble> {
        match &self.shared.remote {
            Remote::Http(http) => Ok(Newest::Http(http.find(&self.shared.reference).await?)),
            Remote::Local(_) => {
                let shared = Arc::clone(&self.shared);
                blocking(move || shared.find_local()).await.map(Newest::Local)
            }
        }
    }

    /// Makes sure that a commit is in the mirror, and says which one it is once tags are followed.
    async fn ensure(&self, newest: &Newest, commit: Oid) -> Result<Oid, Trouble> {
        if self.has(commit).await? {
            return Ok(commit);
        }
        let lock = self.shared.mirror.lock(Instant::now() + self.limits.download).await?;
        // Another process may have fetched it while we waited.
        if self.has(commit).await? {
            return Ok(commit);
        }
        let cancel = Cancel::default();
        // Also when this future is dropped: the thread must not go on for nobody.
        let _stop = cancel.on_drop();
        let download = async {
            match newest {
                Newest::Http(found) => self.download(found, lock, cancel.clone()).await,
                Newest::Local(commit) => self.copy(*commit, lock, cancel.clone()).await,
            }
        };
        self.within(self.limits.download, "the download", download).await
    }

    async fn has(&self, commit: Oid) -> Result<bool, Trouble> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.has(commit)).await
    }

    async fn download(&self, found: &Found, lock: MirrorLock, cancel: Cancel) -> Result<Oid, Trouble> {
        let Remote::Http(http) = &self.shared.remote else { return Err(internal("no HTTP remote").into()) };
        let shared = Arc::clone(&self.shared);
        let have = blocking(move || shared.haves()).await?;
        let (sender, mut receiver) = mpsc::channel(PIECES);
        let shared = Arc::clone(&self.shared);
        let (tip, limits) = (found.tip, self.limits.pack);
        let store = on_own_thread(move || {
            let stored = shared.mirror.store(&lock, limits, &cancel, |sink| {
                loop {
                    match receiver.blocking_recv() {
                        Some(Piece::Bytes(bytes)) => sink.write(&bytes)?,
                        Some(Piece::End) => return Ok(()),
                        None => return Err(PackError::Interrupted),
                    }
                }
            });
            // Sending fails from here on, so that the download of a refused pack ends at once.
            drop(receiver);
            stored.map_err(|error| refused(&error))?;
            shared.settle(&lock, tip, &cancel)
        });
        let (sent, stored) = tokio::join!(http.download(found, &have, sender), store);
        // When the connection broke, the store only knows that something broke.
        sent?;
        stored
    }

    async fn copy(&self, commit: Oid, lock: MirrorLock, cancel: Cancel) -> Result<Oid, Trouble> {
        let shared = Arc::clone(&self.shared);
        let limits = self.limits.pack;
        blocking(move || {
            let Remote::Local(local) = &shared.remote else { return Err(internal("no local remote").into()) };
            let repository = local.open()?;
            let commit = local.commit(&repository, commit)?;
            let have = shared.haves()?;
            lock.remove_leftovers();
            pack::copy(&repository, &[commit], &have, &lock.objects(), limits, &cancel).map_err(
                |error| match error {
                    PackError::Source(error) => local.broken(&error),
                    other => refused(&other),
                },
            )?;
            shared.settle(&lock, Tip::commit(commit), &cancel)
        })
        .await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("{what} of {} took longer than {} s", self.shared.location, limit.as_secs_f64());
            Err(Fault::retry("timeout", message).into())
        })
    }

    /// Throws a damaged mirror away; the next step fetches everything again.
    async fn discard(&self) -> Result<(), Fault> {
        let lock = self.shared.mirror.lock(Instant::now() + self.limits.find).await?;
        self.shared.mirror.discard(lock)
    }

    /// Deals with damage that a reader has met. What it saw may be mended already, by another process.
    async fn mend(&self) -> Result<(), Fault> {
        let Some(commit) = self.shared.mirror.damage().take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let sound = blocking(move || Ok(shared.mirror.is_sound(commit))).await;
        if matches!(sound, Ok(true)) {
            return Ok(());
        }
        tracing::warn!(source = self.shared.name, "the cached repository is damaged and is fetched again");
        self.discard().await
    }
}

#[async_trait]
impl Source for GitSource {
    async fn fetch(&self, accepted: Option<&RevisionId>) -> Result<Fetched, Fault> {
        let accepted = oid(accepted)?;
        self.mend().await?;
        let error = match self.try_fetch(accepted).await {
            Ok(fetched) => return Ok(fetched.logged(&self.shared.location)),
            Err(Trouble::Fault(fault)) => return Err(fault),
            Err(Trouble::Mirror(error)) => error,
        };
        tracing::warn!(source = self.shared.name, %error, "the cached repository is damaged and is fetched again");
        self.discard().await?;
        let fetched = self.try_fetch(accepted).await.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Mirror(error) => unreadable(&error),
        })?;
        Ok(fetched.logged(&self.shared.location))
    }

    async fn open(&self, id: &RevisionId) -> Result<Option<Snapshot>, Fault> {
        let Some(commit) = oid(Some(id))? else { return Ok(None) };
        let shared = Arc::clone(&self.shared);
        let opened = blocking(move || {
            // A damaged mirror is like an empty one here: nothing can be had from it without the remote.
            Ok(if shared.has(commit).unwrap_or(false) { shared.snapshot(commit).ok() } else { None })
        });
        opened.await.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Mirror(error) => unreadable(&error),
        })
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}

impl Shared {
    fn open_mirror(&self) -> Result<Repository, Trouble> {
        self.mirror.open().map_err(Trouble::Mirror)
    }

    fn has(&self, commit: Oid) -> Result<bool, Trouble> {
        Ok(self.open_mirror()?.find_commit(commit).is_ok())
    }

    fn haves(&self) -> Result<Vec<Oid>, Trouble> {
        self.mirror.haves(&self.open_mirror()?).map_err(Trouble::Mirror)
    }

    fn find_local(&self) -> Result<Oid, Trouble> {
        let Remote::Local(local) = &self.remote else { return Err(internal("no local remote").into()) };
        Ok(local.find(&local.open()?, &self.reference)?)
    }

    /// After a pack was stored: follows tags to the commit, remembers it, and tidies up.
    fn settle(&self, lock: &MirrorLock, tip: Tip, cancel: &Cancel) -> Result<Oid, Trouble> {
        let repository = self.open_mirror()?;
        let object = repository.find_object(tip.object, None).map_err(Trouble::Mirror)?;
        let commit = object.peel_to_commit().map_err(|_| protocol::no_commit(&self.reference))?;
        self.mirror.remember(lock, &self.name, commit.id())?;
        if let Err(error) = self.mirror.tidy(lock, &[commit.id()], cancel) {
            tracing::warn!(source = self.name, %error, "the cached repository could not be tidied up");
        }
        Ok(commit.id())
    }

    /// How a commit relates to the accepted one.
    fn relate(&self, commit: Oid, accepted: Option<Oid>) -> Result<(Change, Snapshot), Trouble> {
        let repository = self.open_mirror()?;
        let change = match accepted {
            None => Change::First,
            Some(accepted) if accepted == commit => Change::Unchanged,
            // History is always complete here: what is not in it is not an ancestor.
            Some(accepted) if repository.find_commit(accepted).is_err() => Change::Rewritten,
            Some(accepted) => match repository.graph_descendant_of(commit, accepted).map_err(Trouble::Mirror)? {
                true => Change::Forward,
                false => Change::Rewritten,
            },
        };
        Ok((change, self.snapshot(commit)?))
    }

    /// What a commit holds, by its content.
    fn tree_of(&self, commit: Oid) -> Result<Oid, Trouble> {
        let repository = self.open_mirror()?;
        repository.find_commit(commit).map(|commit| commit.tree_id()).map_err(Trouble::Mirror)
    }

    fn snapshot(&self, commit: Oid) -> Result<Snapshot, Trouble> {
        let repository = self.open_mirror()?;
        let revision = revision(&repository, commit).map_err(Trouble::Mirror)?;
        let (folders, damage) = (Arc::clone(&self.folders), self.mirror.damage().clone());
        let tree = GitTree::new(repository, commit, folders, damage).map_err(Trouble::Mirror)?;
        Ok(Snapshot { revision, tree: Arc::new(tree) })
    }
}

fn revision(repository: &Repository, id: Oid) -> Result<Revision, git2::Error> {
    let commit = repository.find_commit(id)?;
    let (subject, trailers) = read_message(&String::from_utf8_lossy(commit.message_bytes()));
    let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
    // A commit can claim any date; one that does not exist says nothing.
    let time = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Revision { id: RevisionId::of(id), time, author: Some(author), subject, trailers })
}

fn oid(id: Option<&RevisionId>) -> Result<Option<Oid>, Fault> {
    id.map(RevisionId::oid).transpose().map_err(|error| internal(error.message()))
}

/// Runs something on a thread of its own that waits for the network: those for what blocks are few, and looking up names
/// needs them too.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // Nobody waits for it any more: it has been told to stop.
        let _ = sender.send(work());
    };
    let started = std::thread::Builder::new().name("download".to_owned()).spawn(work);
    started.map_err(|error| internal(&format!("no thread for the download: {error}")))?;
    receiver.await.unwrap_or_else(|_| Err(internal("a worker thread ended early").into()))
}

/// Runs something that may block, on one of the threads for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(internal("a worker thread ended early").into()))
}

/// The error for a pack that was not stored.
fn refused(error: &PackError) -> Fault {
    let message = format!("what the repository sent is not accepted: {error}");
    match error {
        PackError::TooManyBytes(_) | PackError::TooManyObjects(..) => {
            Fault::stalled("too-large", message).help("move the manifests to a repository of their own")
        }
        PackError::Interrupted | PackError::Git(_) | PackError::Source(_) => Fault::retry("damaged-pack", message),
    }
}

/// The error for a rewritten branch whose accepted commit can no longer be had.
fn lost(held: &Held, cause: &Fault) -> Fault {
    Fault::stalled("rewritten", format!("{}; the accepted commit cannot be fetched: {}", held.reason, cause.message))
}

fn unreadable(error: &git2::Error) -> Fault {
    Fault::retry("cache", format!("the cached repository cannot be read: {}", error.message()))
}

/// The error for what the program's structure rules out; shown rather than panicking.
fn internal(message: &str) -> Fault {
    Fault::retry("internal", format!("internal error: {message}"))
}

#[cfg(test)]
mod tests;
