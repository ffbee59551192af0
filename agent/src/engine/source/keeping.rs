//! The last good commit of a source, where nothing can be fetched: from the cache, else from the cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use kompox_manifests::desired::{Conversions, Terms};
use kompox_manifests::id::AppId;
use tracing::{info, warn};

use super::{Due, Fetcher, Origin, Source, place, told};
use crate::cluster::ClusterError;
use crate::cluster::error::Cause;
use crate::context::{Commit, Wish};
use crate::desire;
use crate::health::RollBack;
use crate::kept::{self, Keeper, Kept, Stored};
use crate::source::{Revision, RevisionId, Snapshot};

impl Source {
    /// What an older commit, which was fetched before, asks of an App.
    ///
    /// # Errors
    /// Why nobody can say.
    pub(crate) async fn wish_of(&self, app: &AppId, way: &RollBack) -> Result<Wish, String> {
        let origin = self.origin.as_ref().ok_or("it was applied by hand")?;
        let id: RevisionId = way.to.parse().map_err(|_| "it is no commit")?;
        let opened = origin.source.open(&id).await.map_err(|fault| fault.to_string())?;
        let snapshot = opened.ok_or("the source does not have it any more")?;
        let commit = Commit {
            source: Some(self.name.clone()),
            id: way.to.clone(),
            time: snapshot.revision.time,
            accepted: BTreeSet::new(),
            tree: snapshot.tree,
            path: origin.config.path.clone(),
            terms: origin.terms(),
        };
        let cluster = self.agent.cluster_id.clone();
        let desiring = move || desire::desire(&commit, &cluster, &mut Conversions::default());
        let wanted = tokio::task::spawn_blocking(desiring).await;
        let wanted = wanted.map_err(|_| "the agent broke off reading it; its log says where")?;
        let wish = wanted.apps.into_iter().find(|wish| wish.app.id == *app).ok_or("it does not list the App")?;
        if !wish.app.volumes.is_empty() {
            return Err("the App had volumes then".to_owned());
        }
        Ok(Wish { instead_of: Some(Arc::new(way.refused.clone())), ..wish })
    }

    /// The last good commit, where nothing was fetched since the start.
    pub(super) async fn recall(
        &self,
        origin: &Origin,
        fetcher: &mut Fetcher,
        accepted: Option<&RevisionId>,
        due: &(dyn Fn(Due) + Send + Sync),
    ) {
        if fetcher.snapshot.is_some() {
            return;
        }
        let cached = match accepted {
            Some(accepted) => origin.source.open(accepted).await,
            None => Ok(None),
        };
        let recalled = match cached {
            Ok(Some(snapshot)) => self.take(origin, fetcher, snapshot, due).await,
            cached => {
                if let Err(fault) = cached {
                    warn!(source = self.name, error = %told(&fault), "the cache cannot be read");
                }
                match self.kept(origin, accepted).await {
                    Ok(Some(snapshot)) => {
                        info!(
                            source = self.name,
                            commit = %snapshot.revision.id,
                            "going on from what is kept in the cluster"
                        );
                        self.take(origin, fetcher, snapshot, due).await
                    }
                    Ok(None) => Ok(()),
                    Err(error) => {
                        warn!(source = self.name, %error, "what is kept of the last commit cannot be read");
                        Ok(())
                    }
                }
            }
        };
        if let Err(fault) = recalled {
            warn!(source = self.name, error = %told(&fault), "the last commit cannot be read");
        }
    }

    /// The commit that is kept in the cluster. An older one than the last that was worked on is not taken: that
    /// would undo what people pushed since.
    async fn kept(&self, origin: &Origin, accepted: Option<&RevisionId>) -> Result<Option<Snapshot>, ClusterError> {
        let Some(Stored { kept, .. }) = kept::load(self.agent.cluster.as_ref(), &self.name).await? else {
            return Ok(None);
        };
        let is_last = kept.place == place(&origin.config) && accepted.is_none_or(|id| id.as_str() == kept.id);
        let Ok(id) = kept.id.parse() else { return Ok(None) };
        if !is_last {
            return Ok(None);
        }
        // What its message said lies in the record of the source.
        let revision = Revision { id, time: kept.time, author: None, subject: String::new(), trailers: Vec::new() };
        Ok(Some(Snapshot { revision, tree: Arc::new(kept.tree) }))
    }

    /// Keeps the commit that was taken last in the cluster, if that was not done.
    pub(super) async fn keep(&self, origin: &Origin, fetcher: &mut Fetcher) {
        let Some(snapshot) = fetcher.snapshot.clone() else { return };
        let id = snapshot.revision.id.clone();
        if fetcher.kept.as_ref() == Some(&id) {
            return;
        }
        match self.keep_now(origin, fetcher, snapshot).await {
            Ok(()) => fetcher.kept = Some(id),
            Err(error @ ClusterError { cause: Cause::TooLarge { .. }, .. }) => {
                warn!(source = self.name, %error, "without Git and without the cache, the Apps will be left alone");
                fetcher.kept = Some(id);
            }
            // Tried again with the next fetch.
            Err(error) => warn!(source = self.name, %error, "the commit is not kept in the cluster yet"),
        }
    }

    async fn keep_now(&self, origin: &Origin, fetcher: &mut Fetcher, snapshot: Snapshot) -> Result<(), ClusterError> {
        let cluster = self.agent.cluster.as_ref();
        let (id, place) = (snapshot.revision.id.to_string(), place(&origin.config));
        // After a restart it is there already.
        if fetcher.kept.is_none()
            && let Some(Stored { kept, version }) = kept::load(cluster, &self.name).await?
        {
            fetcher.kept_version = Some(version);
            if kept.id == id && kept.place == place {
                return Ok(());
            }
        }
        let (path, terms): (String, Terms) = (origin.config.path.clone(), fetcher.terms.clone());
        let mut conversions = std::mem::take(&mut fetcher.conversions);
        let kept = tokio::task::spawn_blocking(move || {
            let keeper = Keeper::new(snapshot.tree.as_ref());
            // Nothing is converted again: every entry is compared with what it was made of, which reads that.
            let _ = conversions.desire(&keeper, &path, &terms);
            let kept = Kept { id, time: snapshot.revision.time, place, tree: keeper.into_kept() };
            (kept, conversions)
        });
        let (kept, conversions) = kept.await.map_err(|_| {
            ClusterError::new("keep the commit", Cause::Configuration("the agent broke off; its log says where".into()))
        })?;
        fetcher.conversions = conversions;
        fetcher.kept_version = Some(kept::save(cluster, &self.name, &kept, fetcher.kept_version.as_deref()).await?);
        Ok(())
    }
}
