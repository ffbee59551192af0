//! Labels and annotations of an App's objects.

use std::collections::BTreeMap;

use crate::names::{APP_COMPONENT, Names};

/// Annotation of Namespaces and PersistentVolumes: the App, `W/P/C/A`.
pub const APP: &str = "kompox.dev/app";
/// Annotation of Namespaces and PersistentVolumes: the source that the App comes from.
pub const SOURCE: &str = "kompox.dev/source";
/// Annotation of Namespaces: the provider's driver.
pub const PROVIDER_DRIVER: &str = "kompox.dev/provider-driver";
/// Annotation of ConfigMaps, Secrets and Pods: hash of what they hold or refer to.
pub const CONTENT_HASH: &str = "kompox.dev/compose-content-hash";
/// Label of an App in one cluster.
pub const INSTANCE_HASH: &str = "kompox.dev/app-instance-hash";
/// Label of an App in any cluster of its provider.
pub const ID_HASH: &str = "kompox.dev/app-id-hash";
/// Label of Services that only give a Compose service its name.
pub const HEADLESS: &str = "kompox.dev/compose-service-headless";
/// Label of nodes: the pool that they belong to.
pub const NODE_POOL: &str = "kompox.dev/node-pool";
/// Label of nodes: the zone that they stand in.
pub const NODE_ZONE: &str = "kompox.dev/node-zone";
/// Label that says who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const KOMPOX: &str = "kompox";
/// Label by which Services and Deployments find their Pods.
pub const SELECTOR: &str = "app";

/// Labels of every object of the App.
#[must_use]
pub fn app(names: &Names) -> BTreeMap<String, String> {
    labels([
        ("app.kubernetes.io/name", names.app.clone()),
        ("app.kubernetes.io/instance", format!("{}-{}", names.app, names.hashes.instance)),
        (MANAGED_BY, KOMPOX.to_owned()),
        (INSTANCE_HASH, names.hashes.instance.clone()),
        (ID_HASH, names.hashes.app.clone()),
    ])
}

/// Labels of what belongs to the App's component: Deployment, Pods, Services, Ingresses, ConfigMaps, Secrets.
#[must_use]
pub fn component(names: &Names) -> BTreeMap<String, String> {
    let mut labels = app(names);
    labels.extend(selector(names));
    labels.insert("app.kubernetes.io/component".to_owned(), APP_COMPONENT.to_owned());
    labels
}

/// The labels by which the component's Pods are selected.
#[must_use]
pub fn selector(names: &Names) -> BTreeMap<String, String> {
    labels([(SELECTOR, names.workload())])
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
