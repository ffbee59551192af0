//! Observe: everything that planning needs to know of an App. What the cluster holds is known already;
//! asked are the provider, and the cluster for Secrets of operators that have changed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kompox_core::observed::{Node, ObservedApp};
use kompox_manifests::hash;
use kompox_manifests::model::App;
use kompox_manifests::object::{Kind, ObjectKey};
use kompox_manifests::render::external_names;

use crate::cluster::NodeFacts;
use crate::cluster::cache::External;
use crate::context::{Agent, Wish};
use crate::disks;
use crate::failure::Failure;

/// Looks at everything that the App needs.
///
/// # Errors
/// The cluster could not be read. A provider that cannot be asked is no error: planning knows what
/// must not be concluded from its silence.
pub(crate) async fn observe(agent: &Agent, wish: &Wish) -> Result<ObservedApp, Failure> {
    let names = wish.names.as_ref();
    let objects = agent.cache.objects(&names.hashes.instance);
    let mut observed = ObservedApp {
        dropped: agent.unsupported.of(objects.keys()),
        objects,
        nodes: agent.cache.nodes().into_iter().map(node).collect(),
        external_hashes: external_hashes(agent, &wish.app, &names.namespace).await?,
        ..ObservedApp::default()
    };
    disks::observe(agent, wish, &mut observed).await;
    Ok(observed)
}

/// Content hashes of what Git does not hold; each version is read once.
async fn external_hashes(
    agent: &Agent,
    app: &App,
    namespace: &str,
) -> Result<BTreeMap<(Kind, String), String>, Failure> {
    let wanted = external_names(app);
    let known = agent.cache.refer(namespace, &wanted);
    let mut hashes = BTreeMap::new();
    for ((kind, name), known) in wanted.into_iter().zip(known) {
        match known {
            External::Absent => {}
            External::Hashed(hash) => drop(hashes.insert((kind, name), hash)),
            External::Unread => {
                let key = ObjectKey { kind, namespace: Some(namespace.to_owned()), name };
                let read = agent.cluster.content_hash(&key, content_hash).await;
                let read = read.map_err(|error| {
                    Failure::of_cluster(&format!("{}: what Git does not hold cannot be read", app.id), &error)
                })?;
                if let Some((version, hash)) = read {
                    agent.cache.hashed(&key, &version, &hash);
                    hashes.insert((kind, key.name), hash);
                }
            }
        }
    }
    Ok(hashes)
}

/// Compares the App's volumes and claims with those that the API server has now.
///
/// # Errors
/// They are not what was seen, or cannot be read.
pub(crate) async fn compare_volumes(agent: &Agent, wish: &Wish, observed: &ObservedApp) -> Result<(), Failure> {
    let instance = &wish.names.hashes.instance;
    // Without its Namespace an App has no claims; that there is none is asked once more before a disk is made.
    let has_namespace = observed.objects.keys().any(|key| key.kind == Kind::Namespace);
    let kinds = [Kind::PersistentVolume, Kind::PersistentVolumeClaim].into_iter();
    let kinds = kinds.filter(|kind| has_namespace || *kind == Kind::PersistentVolume);
    let listed = kinds.map(|kind| async move { (kind, agent.cluster.list_instance(kind, instance).await) });
    for (kind, now) in join_all(listed).await {
        let now = now.map_err(|error| Failure::of_cluster(&format!("{}: its volumes", wish.app.id), &error))?;
        let now: BTreeSet<(ObjectKey, String)> = now.into_iter().map(|live| (live.key, live.uid)).collect();
        let of_kind = observed.objects.values().filter(|live| live.key.kind == kind);
        if now != of_kind.map(|live| (live.key.clone(), live.uid.clone())).collect() {
            let text = format!("{}: its volumes have changed in the meantime; looking again", wish.app.id);
            return Err(Failure::retry("changed", text));
        }
    }
    Ok(())
}

fn node(facts: NodeFacts) -> Node {
    let (hostname, pool) = (facts.hostname().to_owned(), facts.node_pool().map(str::to_owned));
    Node { name: facts.name, hostname, pool }
}

fn content_hash(entries: &BTreeMap<String, Vec<u8>>) -> String {
    hash::content(entries.iter().map(|(key, value)| (key.as_str(), value)))
}
