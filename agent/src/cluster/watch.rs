//! What is watched, and how a watch is followed for ever: list, then changes from there on, again after
//! every end. A version that the API server has forgotten (410) means a new list, which finds deletions too.
//!
//! The client library's own watcher is not used: it logs what it cannot read, which may be a Secret.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kompox_core::next::Next;
use kompox_core::views::ViewKind;
use kompox_manifests::object::Kind;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::ClusterError;
use super::error::Cause;
use crate::pace::{Backoff, dice};

/// How a watch is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How long nothing may be heard of it until it is opened anew. The API server sends a bookmark every minute, but none
    /// of a topic of which nothing has changed since the watch began.
    pub(crate) quiet: Duration,
    /// One that ends sooner than this has failed, whatever it said.
    pub(crate) short: Duration,
    /// The first wait after a failure, and the longest.
    pub(crate) waits: (Duration, Duration),
    /// The longest wait where the topic is not served, or this agent may not see it: only a person changes that.
    pub(crate) unserved: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(100),
            short: Duration::from_secs(1),
            waits: (Duration::from_millis(250), Duration::from_secs(30)),
            unserved: Duration::from_secs(30),
        }
    }
}

/// When to try again after a failure.
struct Patience {
    trouble: Backoff,
    unserved: Backoff,
}

impl Patience {
    const fn new(Timing { waits: (first, longest), unserved, .. }: Timing) -> Self {
        Self { trouble: Backoff::new(first, longest), unserved: Backoff::new(first, unserved) }
    }

    fn reset(&mut self) {
        self.trouble.reset();
        self.unserved.reset();
    }

    fn wait(&mut self, error: &ClusterError) -> Duration {
        let asked = match error.next() {
            Next::Retry { after } => after,
            Next::Wait | Next::Stalled => None,
        };
        let backoff = match error.cause {
            Cause::NotFound(_) | Cause::Forbidden(_) => &mut self.unserved,
            _ => &mut self.trouble,
        };
        backoff.wait(asked, dice())
    }
}

/// A set of objects that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Topic {
    /// Objects of Apps, whole.
    Owned(Kind),
    /// Pods of Apps, whole but for their bookkeeping.
    Pods,
    /// ReplicaSets of Apps, likewise.
    ReplicaSets,
    /// Labels of nodes.
    Nodes,
    /// Names and versions of all ConfigMaps or Secrets in the namespaces of Apps: those that people keep
    /// there are no objects of Apps.
    Names(Kind),
    /// The agent's own custom resources of a kind, whole but for their bookkeeping. Nothing is decided by
    /// them, so they are no part of what the [`super::cache`] waits for.
    Views(ViewKind),
}

impl Topic {
    /// All of them that reconciling goes by.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let others =
            [Self::Pods, Self::ReplicaSets, Self::Nodes, Self::Names(Kind::ConfigMap), Self::Names(Kind::Secret)];
        Kind::ALL.into_iter().map(Self::Owned).chain(others)
    }

    /// Whether only metadata is asked for.
    pub(crate) const fn metadata_only(self) -> bool {
        matches!(self, Self::Nodes | Self::Names(_))
    }
}

/// An object as a watch shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Its namespace; `None` for cluster-scoped kinds.
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// `metadata.uid`.
    pub(crate) uid: String,
    /// `metadata.resourceVersion`.
    pub(crate) version: String,
    /// Which App's it is (label `kompox.dev/app-instance-hash`).
    pub(crate) instance: Option<String>,
    /// What is kept of it, as JSON without white space.
    pub(crate) body: Vec<u8>,
}

/// One event of a watch.
pub(crate) enum Change {
    /// An object is new, or has changed.
    Seen(Sighting),
    /// An object is gone, or does not belong to the topic any more.
    Gone(Sighting),
    /// Nothing changed up to this version.
    Bookmark(String),
}

/// The part of a cluster's API that watching needs.
#[async_trait]
pub(crate) trait WatchApi: Send + Sync {
    /// Hands over everything that belongs to a topic; gives the version of the list.
    async fn list(&self, topic: Topic, take: &mut (dyn FnMut(Sighting) + Send)) -> Result<String, ClusterError>;

    /// Everything that changes from a version on. An error ends the stream; so does the API server, every
    /// few minutes.
    async fn watch(
        &self,
        topic: Topic,
        from: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError>;
}

/// Whoever keeps what watches tell.
pub(crate) trait Audience: Send + Sync {
    /// Whether an object of a list is worth its memory.
    fn keeps(&self, _topic: Topic, _sighting: &Sighting) -> bool {
        true
    }

    /// Takes a whole list: what is not in it is gone.
    fn listed(&self, topic: Topic, seen: Vec<Sighting>, version: &str);

    /// An object is new or has changed.
    fn seen(&self, topic: Topic, sighting: Sighting);

    /// An object is gone.
    fn gone(&self, topic: Topic, sighting: &Sighting);

    /// A watch is established: what changes from now on is heard.
    fn connected(&self, topic: Topic);

    /// A watch is broken; whether a person should be told.
    fn lost(&self, topic: Topic, error: &ClusterError) -> bool;
}

/// Reads a whole list for an audience.
///
/// # Errors
/// It cannot be read.
pub(crate) async fn read(api: &dyn WatchApi, topic: Topic, audience: &dyn Audience) -> Result<String, ClusterError> {
    let mut seen = Vec::new();
    // What is of no use is dropped here, so that a large cluster costs no memory.
    let mut take = |sighting: Sighting| {
        if audience.keeps(topic, &sighting) {
            seen.push(sighting);
        }
    };
    let version = api.list(topic, &mut take).await?;
    audience.listed(topic, seen, &version);
    Ok(version)
}

/// Keeps an audience up to date about a topic, for ever.
pub(crate) async fn follow(api: &dyn WatchApi, topic: Topic, audience: &dyn Audience, timing: Timing) {
    let mut patience = Patience::new(timing);
    let mut from: Option<String> = None;
    loop {
        let began = Instant::now();
        let ended = match follow_once(api, topic, audience, timing.quiet, &mut from).await {
            Ok(()) if began.elapsed() >= timing.short => {
                // The API server ends every watch after some minutes, and a silent one is ended here.
                patience.reset();
                continue;
            }
            Ok(()) => ClusterError::new(format!("watch {topic:?}"), Cause::Unreachable("it ended at once".to_owned())),
            Err(error) => error,
        };
        if ended.cause == Cause::Expired {
            debug!(?topic, "the watch is too far behind and begins anew");
            from = None;
        } else {
            if matches!(ended.cause, Cause::NotFound(_)) {
                // It is not served any more. When it comes back, nothing of before is there.
                from = None;
            }
            // When one breaks, all do: one line is enough.
            if audience.lost(topic, &ended) {
                warn!(error = %ended, "the cluster is not watched any more; trying again");
            } else {
                debug!(?topic, error = %ended, "a watch is interrupted");
            }
        }
        if began.elapsed() >= timing.quiet {
            patience.reset();
        }
        sleep(patience.wait(&ended)).await;
    }
}

/// Lists where that is needed, and watches until the end or for as long as something is heard. `from` is the version that
/// is known.
async fn follow_once(
    api: &dyn WatchApi,
    topic: Topic,
    audience: &dyn Audience,
    quiet: Duration,
    from: &mut Option<String>,
) -> Result<(), ClusterError> {
    let mut version = match from.take() {
        Some(version) => version,
        None => read(api, topic, audience).await?,
    };
    *from = Some(version.clone());
    let mut changes = api.watch(topic, &version).await?;
    audience.connected(topic);
    loop {
        // Silence may be that of a connection that is broken and does not know it: opening another one tells.
        let Ok(next) = timeout(quiet, changes.next()).await else { return Ok(()) };
        match next {
            None => return Ok(()),
            Some(Ok(Change::Seen(sighting))) => {
                version.clone_from(&sighting.version);
                audience.seen(topic, sighting);
            }
            Some(Ok(Change::Gone(sighting))) => {
                version.clone_from(&sighting.version);
                audience.gone(topic, &sighting);
            }
            Some(Ok(Change::Bookmark(at))) => version = at,
            Some(Err(error)) => {
                if error.cause == Cause::Expired {
                    *from = None;
                }
                return Err(error);
            }
        }
        *from = Some(version.clone());
    }
}

#[cfg(test)]
mod tests;
