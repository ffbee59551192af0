//! Apps as people name them on the command line.

use kompox_core::observed::LiveObject;
use kompox_manifests::labels;
use kompox_manifests::object::Kind;

use crate::cluster::ClusterApi;

/// An App that is deployed in the cluster.
pub(crate) struct Found {
    /// `W/P/C/A`.
    pub(crate) id: String,
    /// Its Namespace.
    pub(crate) namespace: LiveObject,
}

/// The App that a person means by its name, or by `W/P/C/A` where several have it.
///
/// # Errors
/// There is none, or more than one.
pub(crate) async fn find(cluster: &dyn ClusterApi, named: &str) -> anyhow::Result<Found> {
    let namespaces = cluster.list_owned(Kind::Namespace).await?;
    let apps = namespaces.into_iter().filter_map(|namespace| {
        let id = namespace.annotation(labels::APP)?.to_owned();
        is_meant(named, &id).then_some(Found { id, namespace })
    });
    let mut found: Vec<Found> = apps.collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    match found.len() {
        0 => anyhow::bail!("no App {named} is deployed in this cluster; `kompox-agent status` lists them"),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
            anyhow::bail!("{named} can be several Apps; name one of {}", ids.join(", "))
        }
    }
}

/// Whether a name stands for an App (`W/P/C/A`).
pub(crate) fn is_meant(named: &str, id: &str) -> bool {
    named == id || id.rsplit('/').next() == Some(named)
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::ObjectKey;
    use serde_json::json;

    use super::*;
    use crate::cluster::memory::Memory;

    fn deploy(cluster: &Memory, name: &str, app: &str) {
        let key = ObjectKey { kind: Kind::Namespace, namespace: None, name: name.into() };
        let metadata = json!({"labels": {"app.kubernetes.io/managed-by": "kompox"}, "annotations": {labels::APP: app}});
        cluster.store(&key, &json!({"metadata": metadata}));
    }

    #[tokio::test]
    async fn an_app_is_found_by_its_name_or_its_whole_name() {
        let cluster = Memory::default();
        deploy(&cluster, "k4x-1", "w/p/c/shop");
        deploy(&cluster, "k4x-2", "w/p/c/blog");
        deploy(&cluster, "k4x-3", "w2/p/c/blog");
        assert_eq!(find(&cluster, "shop").await.unwrap().namespace.key.name, "k4x-1");
        assert_eq!(find(&cluster, "w2/p/c/blog").await.unwrap().namespace.key.name, "k4x-3");
        let cluster = &cluster;
        let error = |named| async move { find(cluster, named).await.err().unwrap().to_string() };
        assert_eq!(error("blog").await, "blog can be several Apps; name one of w/p/c/blog, w2/p/c/blog");
        assert!(error("wiki").await.starts_with("no App wiki is deployed in this cluster"));
        assert!(error("c/shop").await.starts_with("no App"), "half a name is none");
    }
}
