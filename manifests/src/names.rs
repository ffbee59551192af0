//! Every name that is derived from an App, and the room that these names leave.

use std::fmt;

use crate::hash;
use crate::id::{AppId, ClusterId};

/// Component name of the App's own Deployment.
pub const APP_COMPONENT: &str = "app";

/// Name of the init container that makes the mounted folders of volumes.
pub const SUB_PATHS_CONTAINER: &str = "init-volume-subpaths";

/// Longest label value, Namespace, Service and container name, and longest label of a host name.
const LABEL: usize = 63;
/// Characters of a hash.
const HASH: usize = 6;
/// Characters of the longest port number.
const PORT: usize = 5;

/// The hashes that stand for an App's parents and for the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// Of workspace and provider.
    pub provider: String,
    /// Of workspace, provider and cluster.
    pub cluster: String,
    /// Of workspace, provider and app: the same App in every cluster of the provider.
    pub app: String,
    /// Of workspace, provider, cluster and app: the App in this cluster.
    pub instance: String,
}

impl Hashes {
    /// The hashes of an App.
    #[must_use]
    pub fn of(id: &AppId) -> Self {
        let (ClusterId { workspace, provider, cluster }, app) = (&id.cluster, &id.app);
        Self {
            provider: hash::short(format!("{workspace}:{provider}")),
            cluster: cluster_hash(&id.cluster),
            app: hash::short(format!("{workspace}:{provider}:{app}")),
            instance: hash::short(format!("{workspace}:{provider}:{cluster}:{app}")),
        }
    }
}

/// The hash of workspace, provider and cluster: the claim on a disk.
#[must_use]
pub fn cluster_hash(id: &ClusterId) -> String {
    hash::short(format!("{}:{}:{}", id.workspace, id.provider, id.cluster))
}

/// The names of an App's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The App's name: ServiceAccount and NetworkPolicy.
    pub app: String,
    /// The hashes in the names.
    pub hashes: Hashes,
    /// The App's namespace.
    pub namespace: String,
}

impl Names {
    /// The names of an App.
    #[must_use]
    pub fn of(id: &AppId) -> Self {
        let hashes = Hashes::of(id);
        let namespace = format!("k4x-{}-{}-{}", hashes.provider, id.app, hashes.app);
        Self { app: id.app.clone(), hashes, namespace }
    }

    /// PersistentVolume and PersistentVolumeClaim of the volume on the disk with this handle.
    #[must_use]
    pub fn volume(&self, volume: &str, handle: &str) -> String {
        format!("k4x-{}-{volume}-{}-{}", self.hashes.provider, self.hashes.app, hash::short(handle))
    }

    /// Role and RoleBinding for people.
    #[must_use]
    pub fn access(&self) -> String {
        format!("{}-access", self.app)
    }

    /// Deployment, ingress Service, and the value of the label `app`.
    #[must_use]
    pub fn workload(&self) -> String {
        format!("{}-{APP_COMPONENT}", self.app)
    }

    /// Secret that holds a service's `env_file`.
    #[must_use]
    pub fn base_secret(&self, service: &str) -> String {
        format!("{}-{service}-base", self.workload())
    }

    /// Secret that operators keep in the cluster to add to or override a service's environment.
    #[must_use]
    pub fn override_secret(&self, service: &str) -> String {
        format!("{}-{service}-override", self.workload())
    }

    /// Secret that operators keep in the cluster to pull images with.
    #[must_use]
    pub fn pull_secret(&self) -> String {
        format!("{}--pull", self.workload())
    }

    /// ConfigMap of a Compose config.
    #[must_use]
    pub fn config(&self, config: &str) -> String {
        format!("{}--{}", self.workload(), config_volume(config))
    }

    /// Secret of a Compose secret.
    #[must_use]
    pub fn secret(&self, secret: &str) -> String {
        format!("{}--{}", self.workload(), secret_volume(secret))
    }

    /// Ingress of the hosts below the cluster's domain.
    #[must_use]
    pub fn default_ingress(&self) -> String {
        format!("{}-default", self.workload())
    }

    /// Ingress of the App's own hosts.
    #[must_use]
    pub fn custom_ingress(&self) -> String {
        format!("{}-custom", self.workload())
    }

    /// Host of a published port below the cluster's domain.
    #[must_use]
    pub fn default_host(&self, port: u16, domain: &str) -> String {
        format!("{}-{}-{port}.{domain}", self.app, self.hashes.app)
    }

    /// Whether a Compose service's headless Service could meet a component's Service.
    #[must_use]
    pub fn reserves_service(&self, service: &str) -> bool {
        ["app", "box"].iter().any(|component| service.starts_with(&format!("{}-{component}", self.app)))
    }
}

/// Pod volume of a Compose config.
#[must_use]
pub fn config_volume(config: &str) -> String {
    format!("cfg-{config}")
}

/// Pod volume of a Compose secret.
#[must_use]
pub fn secret_volume(secret: &str) -> String {
    format!("sec-{secret}")
}

/// Longest name of a Compose config or secret, which also names a volume of the Pod.
pub const FILE_OBJECT_NAME: usize = LABEL - "cfg-".len();

/// A name that leaves too little room for the names made from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TooLong {
    /// `App` or `component`.
    what: &'static str,
    /// The name.
    name: String,
    /// Its longest length.
    limit: usize,
    /// What would become too long.
    derived: String,
}

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, limit, derived } = self;
        let length = name.chars().count();
        let left = match limit {
            0 => "no character".to_owned(),
            1 => "1 character".to_owned(),
            _ => format!("{limit} characters"),
        };
        write!(formatter, "{what} name `{name}` has {length} characters, but {derived} leaves {left} for it")
    }
}

/// Checks that an App's name leaves room for its Namespace, labels, Services and default hosts.
///
/// # Errors
/// [`TooLong`] says how many characters are left.
pub fn check_app(id: &AppId) -> Result<(), TooLong> {
    let namespace = "k4x-".len() + HASH + 1 + 1 + HASH;
    let rooms = [
        (LABEL - namespace, "the Namespace `k4x-<hash>-<app>-<hash>`"),
        (LABEL - 1 - HASH - 1 - PORT, "the default host `<app>-<hash>-<port>`"),
        (LABEL - 1 - HASH, "the label `<app>-<hash>`"),
        (LABEL - 1 - APP_COMPONENT.len(), "the Service `<app>-app`"),
    ];
    match rooms.into_iter().min() {
        Some((limit, derived)) if id.app.chars().count() > limit => {
            Err(TooLong { what: "App", name: id.app.clone(), limit, derived: derived.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Checks that a Box's component name fits behind its App's name.
///
/// # Errors
/// [`TooLong`] says how many characters are left.
pub fn check_component(app: &str, component: &str) -> Result<(), TooLong> {
    let limit = LABEL.saturating_sub(app.chars().count() + 1);
    if component.chars().count() > limit {
        let derived = format!("the Deployment `{app}-<component>`");
        return Err(TooLong { what: "component", name: component.to_owned(), limit, derived });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(app: &str) -> AppId {
        format!("/ws/ops/prv/aks1/cls/cluster1/app/{app}").parse().unwrap()
    }

    #[test]
    fn hashes_of_the_test_vectors() {
        let hashes = Hashes::of(&id("app1"));
        assert_eq!([&hashes.provider, &hashes.app, &hashes.instance], ["1nedct", "4d94cw", "5ymxt7"]);
        let gitea = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1".parse().unwrap();
        let hashes = Hashes::of(&gitea);
        assert_eq!([&hashes.provider, &hashes.cluster, &hashes.app], ["50vf7y", "62mpgv", "13o40q"]);
        assert_eq!(hashes.instance, "2aopo7");
    }

    #[test]
    fn every_derived_name() {
        let names = Names::of(&id("app1"));
        assert_eq!(names.namespace, "k4x-1nedct-app1-4d94cw");
        let handle = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1/providers/Microsoft.Compute/disks/db";
        assert_eq!(names.volume("db", handle), "k4x-1nedct-db-4d94cw-5eqq9m");
        assert_eq!(names.access(), "app1-access");
        assert_eq!(names.workload(), "app1-app");
        assert_eq!(names.base_secret("web"), "app1-app-web-base");
        assert_eq!(names.override_secret("web"), "app1-app-web-override");
        assert_eq!(names.pull_secret(), "app1-app--pull");
        assert_eq!(names.config("nginx-conf"), "app1-app--cfg-nginx-conf");
        assert_eq!(names.secret("api-key"), "app1-app--sec-api-key");
        assert_eq!(names.default_ingress(), "app1-app-default");
        assert_eq!(names.custom_ingress(), "app1-app-custom");
        assert_eq!(names.default_host(8080, "ops.example.com"), "app1-4d94cw-8080.ops.example.com");
    }

    #[test]
    fn service_names_of_components_are_reserved() {
        let names = Names::of(&id("app1"));
        assert!(names.reserves_service("app1-app"));
        assert!(names.reserves_service("app1-app2"));
        assert!(names.reserves_service("app1-box-x"));
        assert!(!names.reserves_service("app1"));
        assert!(!names.reserves_service("app"));
    }

    #[test]
    fn the_namespace_leaves_45_characters() {
        assert_eq!(check_app(&id(&"a".repeat(45))), Ok(()));
        let names = Names::of(&id(&"a".repeat(45)));
        assert_eq!(names.namespace.len(), 63);
        assert!(names.default_host(65535, "x").len() <= 63 + 2);
        let error = check_app(&id(&"a".repeat(46))).unwrap_err().to_string();
        assert!(error.contains("has 46 characters"), "{error}");
        assert!(error.contains("leaves 45 characters"), "{error}");
        assert!(error.contains("Namespace"), "{error}");
    }

    #[test]
    fn a_component_must_fit_behind_its_app() {
        let app = "a".repeat(45);
        assert_eq!(check_component(&app, &"b".repeat(17)), Ok(()));
        let error = check_component(&app, &"b".repeat(18)).unwrap_err().to_string();
        assert!(error.contains("leaves 17 characters"), "{error}");
        assert!(check_component(&"a".repeat(62), "b").unwrap_err().to_string().contains("no character"));
    }
}
