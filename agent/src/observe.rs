//! Observe: everything that planning needs to know of the cluster and the providers. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use kompox_core::observed::{LiveObject, Node, ObservedApp};
use kompox_manifests::hash;
use kompox_manifests::id::AppId;
use kompox_manifests::model::App;
use kompox_manifests::names::Names;
use kompox_manifests::object::Kind;
use kompox_manifests::render::external_names;

use crate::cluster::{ClusterApi, ClusterError, NodeFacts};
use crate::disks;
use crate::failure::Failure;

/// Label that tells which App's an object is.
const INSTANCE_LABEL: &str = "kompox.dev/app-instance-hash";
/// Annotation that tells which source wrote an App's Namespace.
pub(crate) const SOURCE_ANNOTATION: &str = "kompox.dev/source";
/// Annotation that tells which App a Namespace is for, `W/P/C/A`.
pub(crate) const APP_ANNOTATION: &str = "kompox.dev/app";

/// What was seen of the cluster and the providers.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Of each App that was asked for.
    pub(crate) apps: BTreeMap<AppId, ObservedApp>,
    /// Apps in the cluster that this source wrote and no longer lists, `W/P/C/A`.
    pub(crate) left_over: BTreeSet<String>,
    /// Nothing of this source is in the cluster yet.
    pub(crate) fresh: bool,
}

/// Looks at everything that the Apps need.
///
/// # Errors
/// The cluster could not be read. A provider that cannot be asked is no error: planning knows what
/// must not be concluded from its silence.
pub(crate) async fn observe(
    cluster: &dyn ClusterApi,
    source: Option<&str>,
    apps: &[&App],
) -> Result<Observed, Failure> {
    let failed = |error: ClusterError| Failure::of_cluster("the cluster cannot be read", &error);
    let lists = try_join_all(Kind::ALL.map(|kind| cluster.list_owned(kind))).await.map_err(failed)?;
    let nodes: Vec<Node> = cluster.nodes().await.map_err(failed)?.into_iter().map(node).collect();
    let mut by_instance: BTreeMap<String, Vec<LiveObject>> = BTreeMap::new();
    let mut sources_apps = BTreeSet::new();
    for live in lists.into_iter().flatten() {
        if live.key.kind == Kind::Namespace && source.is_some() && live.annotation(SOURCE_ANNOTATION) == source {
            sources_apps.extend(live.annotation(APP_ANNOTATION).map(str::to_owned));
        }
        if let Some(instance) = live.label(INSTANCE_LABEL) {
            by_instance.entry(instance.to_owned()).or_default().push(live);
        }
    }
    let fresh = source.is_some() && sources_apps.is_empty();
    let mut observed = Observed { fresh, ..Observed::default() };
    for &app in apps {
        let names = Names::of(&app.id);
        let objects = by_instance.remove(&names.hashes.instance).unwrap_or_default();
        let seen = observe_app(cluster, app, &names, objects, &nodes).await?;
        sources_apps.remove(&app.id.slashed());
        observed.apps.insert(app.id.clone(), seen);
    }
    observed.left_over = sources_apps;
    Ok(observed)
}

async fn observe_app(
    cluster: &dyn ClusterApi,
    app: &App,
    names: &Names,
    objects: Vec<LiveObject>,
    nodes: &[Node],
) -> Result<ObservedApp, Failure> {
    let mut observed = ObservedApp {
        objects: objects.into_iter().map(|live| (live.key.clone(), live)).collect(),
        nodes: nodes.to_vec(),
        ..ObservedApp::default()
    };
    // A namespace that is not there holds nothing that could be read.
    let deployed = observed.objects.keys().any(|key| key.kind == Kind::Namespace);
    if deployed {
        observed.external_hashes =
            cluster.external_hashes(&names.namespace, &external_names(app), content_hash).await.map_err(|error| {
                Failure::of_cluster(&format!("{}: Secrets of operators cannot be read", app.id), &error)
            })?;
    }
    disks::observe(app, &mut observed).await;
    Ok(observed)
}

fn node(facts: NodeFacts) -> Node {
    let (hostname, pool) = (facts.hostname().to_owned(), facts.node_pool().map(str::to_owned));
    Node { name: facts.name, hostname, pool }
}

fn content_hash(entries: &BTreeMap<String, Vec<u8>>) -> String {
    hash::content(entries.iter().map(|(key, value)| (key.as_str(), value)))
}
