//! What people ask of a source, in commits and on the command line.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;
use kompox_core::plan::HoldDigest;
use kompox_manifests::id::AppId;
use tracing::{info, warn};

use super::{Due, Origin, Source, told};
use crate::accept;
use crate::asked::{self, Asked, Looks};
use crate::cluster::ClusterError;

impl Source {
    /// People asked something more.
    pub(crate) fn ask(&self) {
        self.unheard.notify_one();
    }

    /// Hears what people ask: what they accept counts from now on, also when nothing can be fetched. Gives
    /// what they want to be looked at.
    pub(super) async fn listen(
        &self,
        origin: &Origin,
        due: &(dyn Fn(Due) + Send + Sync),
    ) -> Result<Looks, ClusterError> {
        let asked = asked::load(self.agent.cluster.as_ref(), &self.name).await?;
        let before = std::mem::replace(&mut *self.asked(), asked.clone());
        for (digest, word) in asked.accepts(Timestamp::now()).filter(|(digest, _)| before.accepted(digest).is_none()) {
            info!(source = self.name, %digest, by = word.by, "accepted by a person");
        }
        let mut fetcher = origin.fetcher.lock().await;
        if let Some(snapshot) = fetcher.snapshot.clone() {
            if let Err(fault) = self.take(origin, &mut fetcher, snapshot, due).await {
                warn!(source = self.name, error = %told(&fault), "the commit cannot be read anew");
            }
        } else if fetcher.recalled {
            fetcher.recalled = self.recall_applied(origin, due).await;
        }
        Ok(asked.looks_since(&before))
    }

    /// Looks at Apps as if nothing were known of them.
    pub(super) fn look_anew(&self, looks: &Looks, due: &(dyn Fn(Due) + Send + Sync)) {
        let mut apps: Vec<AppId> = self.ledger().apps().cloned().collect();
        apps.extend(self.departed());
        if let Looks::Apps(asked) = looks {
            apps.retain(|app| asked.contains(app));
        }
        info!(source = self.name, apps = apps.len(), "asked to look now");
        for app in &apps {
            self.ledger().look_anew(app);
        }
        due(Due::Wish(apps));
    }

    /// What people ask, as far as it was heard.
    pub(super) fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that people have accepted, with this commit and before, or on the command line.
    pub(super) fn accept(&self, trailers: &[(String, String)]) -> BTreeMap<HoldDigest, Timestamp> {
        let now = Timestamp::now();
        let mut accepted = self.ledger().record().map(|record| record.accepted.clone()).unwrap_or_default();
        let said = accept::of_trailers(trailers);
        let fresh = said.iter().filter(|digest| !accepted.contains_key(*digest));
        fresh.for_each(|digest| info!(source = self.name, %digest, "accepted by the commit"));
        accept::remember(&mut accepted, said, now);
        for (digest, word) in self.asked().accepts(now) {
            accepted.entry(digest.clone()).or_insert(word.at);
        }
        accepted
    }
}
