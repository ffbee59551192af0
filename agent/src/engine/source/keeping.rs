//! Where nothing can be fetched: the last good commit of a source from the cache, else what was applied last, from the
//! cluster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kompox_core::plan::HoldDigest;
use kompox_manifests::desired::{self, Conversions, Terms};
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use tracing::{info, warn};

use super::{Due, Fetcher, Origin, Source, place, told};
use crate::applied;
use crate::context::{Commit, CommitRef, Wish};
use crate::desire::{self, Wanted};
use crate::engine::ledger::Generation;
use crate::failure::Failure;
use crate::health::RollBack;
use crate::kept::MadeOf;
use crate::record::CommitRecord;
use crate::source::RevisionId;

/// How long the watches may take to begin.
const SYNC: Duration = Duration::from_secs(30);
/// How many Apps are read at once.
const READS: usize = 8;

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

    /// The last good commit, where nothing was fetched since the start; without the cache, what was applied last.
    pub(super) async fn recall(
        &self,
        origin: &Origin,
        fetcher: &mut Fetcher,
        accepted: Option<&RevisionId>,
        due: &(dyn Fn(Due) + Send + Sync),
    ) {
        if fetcher.snapshot.is_some() || fetcher.recalled {
            return;
        }
        let cached = match accepted {
            Some(accepted) => origin.source.open(accepted).await,
            None => Ok(None),
        };
        match cached {
            Ok(Some(snapshot)) => {
                if let Err(fault) = self.take(origin, fetcher, snapshot, due).await {
                    warn!(source = self.name, error = %told(&fault), "the last commit cannot be read");
                }
                return;
            }
            Ok(None) => {}
            Err(fault) => warn!(source = self.name, error = %told(&fault), "the cache cannot be read"),
        }
        match self.recall_applied(origin, due).await {
            Ok(recalled) => fetcher.recalled = recalled,
            // Tried again with the next fetch.
            Err(failure) => warn!(source = self.name, %failure, "what was applied last cannot be read"),
        }
    }

    /// Takes what lies in the cluster of the Apps that were applied last; whether there was something. It was applied,
    /// so nothing of it is new, and what was applied in part since then is not undone where that restarts a Pod.
    pub(super) async fn recall_applied(
        &self,
        origin: &Origin,
        due: &(dyn Fn(Due) + Send + Sync),
    ) -> Result<bool, Failure> {
        // What another place asks for is for people to see, not to go back from.
        if self.ledger().record().is_some_and(|record| record.place != place(&origin.config)) {
            return Ok(false);
        }
        self.agent.cache.synced(SYNC).await;
        self.agent.cache.check()?;
        let deployed = self.agent.cache.apps_of_source(&self.name);
        let mut ours: Vec<AppId> = deployed.iter().filter_map(|app| AppId::from_slashed(app).ok()).collect();
        ours.retain(|app| app.cluster == self.agent.cluster_id);
        let accepted = self.accept(&[]);
        let said: BTreeSet<HoldDigest> = accepted.keys().cloned().collect();
        let wishes = stream::iter(ours).map(|app| self.applied_last(app, origin.terms(), said.clone()));
        let wishes: Vec<Option<Wish>> = wishes.buffered(READS).try_collect().await?;
        let wishes: Vec<Wish> = wishes.into_iter().flatten().collect();
        let Some(newest) = wishes.iter().map(|wish| &wish.commit).max_by_key(|commit| commit.time) else {
            return Ok(false);
        };
        info!(source = self.name, apps = wishes.len(), "going on from what was applied last");
        let known = self.ledger().record().map(|record| record.id.clone());
        if known.is_none() {
            let record =
                CommitRecord { accepted: accepted.clone(), ..CommitRecord::new(&newest.id, &place(&origin.config)) };
            self.ledger().begin_record(record);
        }
        self.ledger().accept(accepted);
        let id = known.unwrap_or_else(|| newest.id.clone());
        let commit = CommitRef { id, time: newest.time, accepted: said };
        let apps = self.ledger().take(Arc::new(Generation::new(commit, Wanted::recalled(wishes))));
        due(Due::Wish(apps));
        self.changed();
        Ok(true)
    }

    /// What was applied last of an App; `None` when nobody knows.
    async fn applied_last(
        &self,
        app: AppId,
        terms: Terms,
        accepted: BTreeSet<HoldDigest>,
    ) -> Result<Option<Wish>, Failure> {
        let names = Names::of(&app);
        let kept = applied::load_kept(self.agent.cluster.as_ref(), &names).await;
        let kept = kept.map_err(|error| Failure::of_cluster(&format!("{app}: what was applied last"), &error))?;
        let Some((record, kept)) = kept else {
            warn!(source = self.name, %app, "its files are not kept in the cluster: it is left alone");
            return Ok(None);
        };
        let (entry, time, tree) = (record.entry.clone(), kept.time, Arc::new(kept));
        let (of, id) = (Arc::clone(&tree), app.clone());
        let converting = tokio::task::spawn_blocking(move || desired::desire_app(of.as_ref(), &entry, &id, &terms));
        let Some(made) = converting.await.ok().flatten() else {
            warn!(source = self.name, %app, "what is kept of its files cannot be read: it is left alone");
            return Ok(None);
        };
        Ok(Some(Wish {
            source: Some(self.name.as_str().into()),
            commit: Arc::new(CommitRef { id: record.commit, time, accepted }),
            names: Arc::new(names),
            app: made.app,
            digest: record.inputs.into(),
            made_of: MadeOf { tree, record: made.record },
            instead_of: record.refused.map(Arc::new),
        }))
    }
}
