//! What the cluster holds of Apps, kept up to date by watches: reconciling reads here and sends nothing.
//!
//! ```text
//! watch (one a topic) ─► Cache ─► observe, health ─► plan
//!                          │  └── news: which Apps to look at
//!        what was written ─┘
//! ```
//!
//! Objects are kept as compact JSON and read when they are needed: most are not, most of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kompox_core::health::{self, Workload};
use kompox_core::observed::LiveObject;
use kompox_manifests::labels;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

use self::names::Names;
use self::progress::Progress;
use self::store::{Entry, Slot, Store};
use super::watch::{self, Audience, Sighting, Timing, Topic, WatchApi, follow};
use super::{ClusterError, NodeFacts, SYSTEM_NAMESPACE, state};
use crate::failure::Failure;

mod names;
mod progress;
mod store;

pub(crate) use names::External;

/// What changed in the cluster, as far as it concerns Apps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    /// An object of the App with this instance hash.
    App(Arc<str>),
    /// A ConfigMap or Secret in this namespace that an App refers to.
    Namespace(String),
    /// Labels of nodes.
    Nodes,
    /// People asked something of this source.
    Asked(String),
    /// The cluster can be seen again after it could not.
    Back,
}

/// How far an App's part of the cache has come. It differs when anything that matters to the App has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revision {
    objects: u64,
    names: u64,
    nodes: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Cache {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    store: Store,
    names: Names,
    nodes: BTreeMap<String, NodeFacts>,
    nodes_revision: u64,
    progress: Progress,
    news: BTreeSet<News>,
}

/// Namespaces of Apps begin like this.
const APP_NAMESPACE: &str = "k4x-";

impl Cache {
    /// Watches everything that matters, as long as the tasks live.
    pub(crate) fn start(self: &Arc<Self>, api: &Arc<dyn WatchApi>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for topic in Topic::all() {
            let (cache, api) = (Arc::clone(self), Arc::clone(api));
            tasks.spawn(async move { follow(api.as_ref(), topic, cache.as_ref(), Timing::default()).await });
        }
        tasks
    }

    /// Lists everything once, for a command that only looks.
    ///
    /// # Errors
    /// A list cannot be read.
    pub(crate) async fn read_once(&self, api: &dyn WatchApi) -> Result<(), ClusterError> {
        let topics = Topic::all().map(|topic| async move {
            watch::read(api, topic, self).await?;
            self.connected(topic);
            Ok::<(), ClusterError>(())
        });
        futures::future::try_join_all(topics).await.map(drop)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the maps whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let is_news = !state.news.is_empty();
        drop(state);
        if is_news {
            self.wake.notify_one();
        }
    }

    /// Waits for news and takes all there is.
    pub(crate) async fn news(&self) -> BTreeSet<News> {
        loop {
            let news = std::mem::take(&mut self.state().news);
            if !news.is_empty() {
                return news;
            }
            self.wake.notified().await;
        }
    }

    // What the agent did itself.

    /// Takes an object as it came back from a write, so that the next look does not see the past.
    pub(crate) fn put(&self, live: &LiveObject) {
        if live.label(labels::MANAGED_BY) != Some(labels::KOMPOX) {
            return;
        }
        let sighting = Sighting {
            namespace: live.key.namespace.clone(),
            name: live.key.name.clone(),
            uid: live.uid.clone(),
            version: live.resource_version.clone(),
            instance: live.label(labels::INSTANCE_HASH).map(str::to_owned),
            body: live.body.to_string().into_bytes(),
        };
        self.change(|state| drop(state.store.seen(Topic::Owned(live.key.kind), sighting)));
    }

    /// Forgets an object that was deleted.
    pub(crate) fn forget(&self, live: &LiveObject) {
        let slot = Slot::object(&live.key);
        self.change(|state| drop(state.store.gone(&slot, &live.resource_version)));
    }

    // What reconciling reads.

    /// Whether the cache shows the cluster as it is: every watch has begun, and none has been broken for
    /// long. Nothing may be decided before.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let blind = self.state().progress.blind(Instant::now());
        blind.map_or(Ok(()), |error| Err(Failure::of_cluster("the cluster cannot be seen", &error)))
    }

    /// Waits until [`Cache::check`] is content, or waiting is of no use: a person must act, or it has taken
    /// so long already.
    pub(crate) async fn synced(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.check().is_err_and(|failure| failure.passes()) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How far an App's part has come.
    pub(crate) fn revision(&self, instance: &str, namespace: &str) -> Revision {
        let state = self.state();
        Revision {
            objects: state.store.revision(instance),
            names: state.names.revision(namespace),
            nodes: state.nodes_revision,
        }
    }

    /// The objects of an App.
    pub(crate) fn objects(&self, instance: &str) -> BTreeMap<ObjectKey, LiveObject> {
        let found = self.state().store.of_instance(instance);
        found.into_iter().filter_map(live_object).map(|live| (live.key.clone(), live)).collect()
    }

    /// Everything of all Apps, also of those that no source lists.
    pub(crate) fn everything(&self) -> Vec<LiveObject> {
        let found = self.state().store.everything();
        found.into_iter().filter_map(live_object).collect()
    }

    /// The Namespaces of all Apps.
    pub(crate) fn namespaces(&self) -> Vec<LiveObject> {
        let found = self.state().store.of_topic(Topic::Owned(Kind::Namespace));
        found.into_iter().filter_map(live_object).collect()
    }

    /// The version of an object in the cache.
    pub(crate) fn object(&self, key: &ObjectKey) -> Option<LiveObject> {
        let entry = self.state().store.get(&Slot::object(key))?;
        let body = serde_json::from_slice(&entry.body).unwrap_or_default();
        Some(LiveObject { key: key.clone(), uid: entry.uid, resource_version: entry.version, body })
    }

    /// The nodes.
    pub(crate) fn nodes(&self) -> Vec<NodeFacts> {
        self.state().nodes.values().cloned().collect()
    }

    /// The number of the last change of what [`Cache::apps_of_source`] gives, of any source.
    pub(crate) fn owners_revision(&self) -> u64 {
        self.state().store.owners_revision()
    }

    /// Whether any App's Namespace says that it comes from a source.
    pub(crate) fn knows_source(&self, source: &str) -> bool {
        self.state().store.knows_source(source)
    }

    /// The Apps (`W/P/C/A`) whose Namespaces say that they come from a source.
    pub(crate) fn apps_of_source(&self, source: &str) -> BTreeSet<String> {
        self.state().store.apps_of_source(source).map(str::to_owned).collect()
    }

    /// Those of them that are not listed any more, sorted.
    pub(crate) fn unlisted_of_source(&self, source: &str, is_listed: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let state = self.state();
        state.store.apps_of_source(source).filter(|app| !is_listed(app)).map(str::to_owned).collect()
    }

    /// A Deployment with what its health depends on, but for Events.
    ///
    /// # Errors
    /// The Deployment is not of its kind's form.
    pub(crate) fn workload(&self, instance: &str, deployment: &ObjectKey) -> Result<Workload, Failure> {
        let found = self.state().store.of_instance(instance);
        let mut workload = Workload::default();
        for (slot, entry) in &found {
            if slot.namespace != deployment.namespace {
                continue;
            }
            match slot.topic {
                Topic::Owned(Kind::Deployment) if slot.name == deployment.name => {
                    let read = serde_json::from_slice(&entry.body);
                    let what = || format!("{deployment} is not of its kind's form");
                    workload.deployment = Some(read.map_err(|_| Failure::retry("answer", what()))?);
                }
                // One that cannot be read says nothing about the others.
                Topic::Pods => workload.pods.extend(serde_json::from_slice(&entry.body).ok()),
                Topic::ReplicaSets => workload.replica_sets.extend(serde_json::from_slice(&entry.body).ok()),
                Topic::Owned(Kind::PersistentVolumeClaim) => {
                    workload.claims.extend(serde_json::from_slice(&entry.body).ok());
                }
                _ => {}
            }
        }
        keep_what_belongs(&mut workload);
        Ok(workload)
    }

    /// Says which ConfigMaps and Secrets an App refers to that Git does not hold, and gives what is known
    /// of each. From now on their changes are news.
    pub(crate) fn refer(&self, namespace: &str, names: &[(Kind, String)]) -> Vec<External> {
        self.state().names.refer(namespace, names)
    }

    /// Remembers the content hash of a version of such an object.
    pub(crate) fn hashed(&self, key: &ObjectKey, version: &str, hash: &str) {
        self.state().names.hashed(key, version, hash);
    }
}

impl Audience for Cache {
    fn keeps(&self, topic: Topic, sighting: &Sighting) -> bool {
        !matches!(topic, Topic::Names(_))
            || sighting.namespace.as_deref().is_some_and(|namespace| namespace.starts_with(APP_NAMESPACE))
    }

    fn listed(&self, topic: Topic, seen: Vec<Sighting>, version: &str) {
        self.change(|state| {
            match topic {
                Topic::Nodes => {
                    let nodes = seen.iter().map(|sighting| (sighting.name.clone(), node(sighting))).collect();
                    state.set_nodes(nodes);
                }
                Topic::Names(kind) => {
                    state.news.extend(seen.iter().filter_map(asked));
                    let changed = state.names.replace(kind, seen);
                    state.news.extend(changed.into_iter().map(News::Namespace));
                }
                _ => {
                    let changed = state.store.replace(topic, seen, version);
                    state.news.extend(changed.into_iter().map(News::App));
                }
            }
            state.progress.listed(topic);
        });
    }

    fn seen(&self, topic: Topic, sighting: Sighting) {
        self.change(|state| match topic {
            Topic::Nodes => {
                let mut nodes = state.nodes.clone();
                nodes.insert(sighting.name.clone(), node(&sighting));
                state.set_nodes(nodes);
            }
            Topic::Names(kind) if self.keeps(topic, &sighting) => {
                state.news.extend(asked(&sighting));
                let changed = state.names.seen(kind, &sighting);
                state.news.extend(changed.map(News::Namespace));
            }
            Topic::Names(_) => {}
            _ => {
                let changed = state.store.seen(topic, sighting);
                state.news.extend(changed.into_iter().map(News::App));
            }
        });
    }

    fn gone(&self, topic: Topic, sighting: &Sighting) {
        self.change(|state| match topic {
            Topic::Nodes => {
                let mut nodes = state.nodes.clone();
                nodes.remove(&sighting.name);
                state.set_nodes(nodes);
            }
            Topic::Names(kind) => {
                let changed = state.names.gone(kind, sighting);
                state.news.extend(changed.map(News::Namespace));
            }
            _ => {
                let changed = state.store.gone(&Slot::of(topic, sighting), &sighting.version);
                state.news.extend(changed.map(News::App));
            }
        });
    }

    fn connected(&self, topic: Topic) {
        self.change(|state| {
            if state.progress.connected(topic) {
                info!("the cluster is watched again");
                state.news.insert(News::Back);
            }
        });
    }

    fn lost(&self, topic: Topic, error: &ClusterError) -> bool {
        self.state().progress.lost(topic, error, Instant::now())
    }
}

impl State {
    fn set_nodes(&mut self, nodes: BTreeMap<String, NodeFacts>) {
        // A node's status changes all the time.
        if nodes != self.nodes {
            self.nodes = nodes;
            self.nodes_revision += 1;
            self.news.insert(News::Nodes);
        }
    }
}

/// An object as it is kept; `None` for what is only looked at, such as a Pod.
fn live_object((slot, entry): (Slot, Entry)) -> Option<LiveObject> {
    let Topic::Owned(kind) = slot.topic else { return None };
    Some(LiveObject {
        key: ObjectKey { kind, namespace: slot.namespace, name: slot.name },
        uid: entry.uid,
        resource_version: entry.version,
        body: serde_json::from_slice(&entry.body).unwrap_or_default(),
    })
}

/// Of an App's Pods, ReplicaSets and claims only those that its Deployment selects or mounts.
fn keep_what_belongs(workload: &mut Workload) {
    let Some(deployment) = &workload.deployment else {
        *workload = Workload::default();
        return;
    };
    let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.clone()).unwrap_or_default();
    let selected = |labels: &Option<BTreeMap<String, String>>| {
        selector.iter().all(|(name, value)| labels.as_ref().and_then(|labels| labels.get(name)) == Some(value))
    };
    workload.pods.retain(|pod| selected(&pod.metadata.labels));
    workload.replica_sets.retain(|set| selected(&set.metadata.labels));
    let mounted: BTreeSet<&str> = health::claim_names(deployment).collect();
    workload.claims.retain(|claim| claim.metadata.name.as_deref().is_some_and(|name| mounted.contains(name)));
}

/// The source of which people asked something, where that is what was seen.
fn asked(sighting: &Sighting) -> Option<News> {
    let source = state::asked_of(&sighting.name)?;
    (sighting.namespace.as_deref() == Some(SYSTEM_NAMESPACE)).then(|| News::Asked(source.to_owned()))
}

fn node(sighting: &Sighting) -> NodeFacts {
    let labels: Value = serde_json::from_slice(&sighting.body).unwrap_or_default();
    NodeFacts { name: sighting.name.clone(), labels: serde_json::from_value(labels).unwrap_or_default() }
}

#[cfg(test)]
mod tests;
