//! Labels and annotations of an App's objects.

use std::collections::BTreeMap;

use crate::id::is_dns1123_label;
use crate::names::{APP_COMPONENT, Names};

/// Annotation of Namespaces and PersistentVolumes: the App, `W/P/C/A`.
pub const APP: &str = "kompox.dev/app";
/// Annotation of Namespaces and PersistentVolumes: the source that the App comes from.
pub const SOURCE: &str = "kompox.dev/source";
/// Annotation of PersistentVolumes: the handle of the disk that the volume was on before this one.
pub const PREVIOUS_HANDLE: &str = "kompox.dev/volume-handle-previous";
/// Annotation of Namespaces: the provider's driver.
pub const PROVIDER_DRIVER: &str = "kompox.dev/provider-driver";
/// Label of Namespaces: the level of the Pod Security Standards that the API server holds Pods to.
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
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

/// Whether a text can be the key of a label or an annotation: `name`, or `domain/name`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let (domain, name) = match key.rsplit_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    let sound = |domain: &str| domain.len() <= 253 && domain.split('.').all(is_dns1123_label);
    domain.is_none_or(sound) && !name.is_empty() && is_value(name)
}

/// Whether a text can be the value of a label: empty, or at most 63 letters, digits, `-`, `_` and `.` with a letter or
/// digit at either end.
#[must_use]
pub fn is_value(value: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether a key is Kubernetes' or this project's own: some of the former switch off what protects the node.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    let below = |domain: &str, parent: &str| {
        domain.strip_suffix(parent).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    let domain = key.rsplit_once('/').map(|(domain, _)| domain);
    key == SELECTOR
        || domain
            .is_some_and(|domain| ["kubernetes.io", "k8s.io", "kompox.dev"].iter().any(|parent| below(domain, parent)))
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_key, is_reserved, is_value};

    #[test]
    fn keys_and_values() {
        for key in ["a", "a.b_c-D", "example.com/a", "traefik.http.routers.web.rule"] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "a b", "-a", "a/b/c d", "/a", "A.com/a", "a/", &"a".repeat(64)] {
            assert!(!is_key(key), "{key}");
        }
        assert!(is_value("") && is_value("1.2_3-x") && !is_value("a b") && !is_value(".a") && !is_value("Host(`x`)"));
    }

    #[test]
    fn keys_of_the_cluster() {
        for key in ["app", "kompox.dev/app", "app.kubernetes.io/name", "a.beta.kubernetes.io/web", "k8s.io/x"] {
            assert!(is_reserved(key), "{key}");
        }
        for key in ["application", "mykubernetes.io/x", "kubernetes.io.example.com/x", "kubernetes.io"] {
            assert!(!is_reserved(key), "{key}");
        }
    }
}
