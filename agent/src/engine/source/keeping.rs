//! Where nothing can be fetched: the last good commit of a source from the cache, else what was applied last, from the
//! cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kompox_core::ownership;
use kompox_core::plan::HoldDigest;
use kompox_manifests::desired::{self, Conversions, Terms};
use kompox_manifests::id::AppId;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use tracing::{info, warn};

use super::{Due, Fetcher, Origin, Source, place, told};
use crate::applied::{self, Remembered};
use crate::context::{Commit, CommitRef, Wish};
use crate::desire::{self, Wanted};
use crate::engine::ledger::Generation;
use crate::failure::Failure;
use crate::health::RollBack;
use crate::kept::{Kept, MadeOf};
use crate::source::RevisionId;

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
        Ok(Wish { instead_of: Some(Arc::new(way.refused.clone())), ..wish.as_ref().clone() })
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
        fetcher.recalled = self.recall_applied(origin, due).await;
    }

    /// Takes what lies in the cluster of the Apps that were applied last; whether that need not be done again before
    /// something is fetched. It was applied, so nothing of it is new. Where something newer was begun since, the App is
    /// left alone: its program may have changed its data already.
    pub(super) async fn recall_applied(&self, origin: &Origin, due: &(dyn Fn(Due) + Send + Sync)) -> bool {
        match self.try_recall(origin, due).await {
            Ok(complete) => complete,
            // Tried again with the next fetch.
            Err(failure) => {
                warn!(source = self.name, %failure, "what was applied last cannot be read yet");
                false
            }
        }
    }

    async fn try_recall(&self, origin: &Origin, due: &(dyn Fn(Due) + Send + Sync)) -> Result<bool, Failure> {
        let record = self.ledger().record().cloned();
        if let Some(record) = record.as_ref().filter(|record| record.place != place(&origin.config)) {
            // What another place asks for is for people to see, not to go on from.
            warn!(
                source = self.name,
                "the Apps were deployed from {}: they are left alone until a fetch", record.place
            );
            return Ok(true);
        }
        self.agent.cache.check()?;
        let deployed = self.agent.cache.apps_of_source(&self.name);
        let mut ours: Vec<AppId> = deployed.iter().filter_map(|app| AppId::from_slashed(app).ok()).collect();
        ours.retain(|app| app.cluster == self.agent.cluster_id);
        let accepted = self.accept(&[]);
        let said: BTreeSet<HoldDigest> = accepted.keys().cloned().collect();
        let terms = origin.terms();
        let recalls = stream::iter(ours).map(|app| self.applied_last(app, terms.clone(), said.clone()));
        let recalls: Vec<Recall> = recalls.buffered(READS).try_collect().await?;
        let complete = !recalls.iter().any(|recall| matches!(recall, Recall::Unreadable));
        let wishes = recalls.into_iter().filter_map(|recall| match recall {
            Recall::Wish(wish) => Some(wish),
            Recall::Unreadable | Recall::LeftAlone => None,
        });
        let wishes: Vec<Arc<Wish>> = wishes.collect();
        let Some(newest) = wishes.iter().map(|wish| &wish.commit).max_by_key(|commit| commit.time) else {
            return Ok(complete);
        };
        info!(source = self.name, apps = wishes.len(), "going on from what was applied last");
        let id = record.map_or_else(|| newest.id.clone(), |record| record.id);
        let commit = CommitRef { id, time: newest.time, accepted: said };
        self.ledger().accept(accepted);
        let apps = self.ledger().take(Arc::new(Generation::new(commit, Wanted::recalled(wishes))));
        due(Due::Wish(apps));
        self.changed();
        Ok(complete)
    }

    /// What was applied last of an App.
    async fn applied_last(&self, app: AppId, terms: Terms, accepted: BTreeSet<HoldDigest>) -> Result<Recall, Failure> {
        let names = Names::of(&app);
        let objects = self.agent.cache.objects(&names.hashes.instance);
        if objects.keys().all(|key| key.kind == Kind::Namespace) {
            return Ok(Recall::LeftAlone);
        }
        let remembered = applied::load_all(self.agent.cluster.as_ref(), &names).await;
        let remembered =
            remembered.map_err(|error| Failure::of_cluster(&format!("{app}: what was applied last"), &error))?;
        let Some(Remembered { record, inputs, files, written }) = remembered else {
            warn!(source = self.name, %app, "its files are not kept in the cluster: it is left alone until a fetch");
            return Ok(Recall::LeftAlone);
        };
        // Whoever pauses an App writes to its Namespace.
        let written_to = objects.values().filter(|live| live.key.kind != Kind::Namespace);
        let begun = written_to.filter_map(ownership::last_write).max();
        if begun.zip(written).is_some_and(|(begun, written)| begun > written) {
            warn!(source = self.name, %app, "something newer of it was begun: it is left alone until a fetch");
            return Ok(Recall::LeftAlone);
        }
        let (entry, id) = (record.entry.clone(), app.clone());
        let converting = tokio::task::spawn_blocking(move || {
            let kept = Kept::unpack(&files)?;
            let made = desired::desire_app(&kept, &entry, &id, &terms)?;
            Some((kept, made))
        });
        let Some((kept, made)) = converting.await.ok().flatten() else {
            warn!(source = self.name, %app, "what is kept of its files cannot be read: it is left alone for now");
            return Ok(Recall::Unreadable);
        };
        // What was only asked for was not given up.
        let instead_of = record.refused.filter(|_| record.inputs == inputs).map(Arc::new);
        Ok(Recall::Wish(Arc::new(Wish {
            source: Some(self.name.as_str().into()),
            commit: Arc::new(CommitRef { id: record.commit, time: kept.time, accepted }),
            names: made.names,
            app: made.app,
            digest: inputs.into(),
            made_of: MadeOf { tree: Arc::new(kept), record: made.record },
            instead_of,
        })))
    }
}

/// What comes of looking for what was applied last of an App.
enum Recall {
    Wish(Arc<Wish>),
    /// It may be read later.
    Unreadable,
    /// Nothing is done about it before something is fetched.
    LeftAlone,
}
