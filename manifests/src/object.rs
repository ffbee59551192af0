//! The closed set of kinds that the agent writes, and a rendered object.

use std::fmt;

use serde_json::Value;

use crate::diagnostic::Span;

/// Every kind that the agent ever creates, changes or deletes. Nothing outside this set is touched.
///
/// The order is the order of writing; see [`Kind::stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1 Namespace`
    Namespace,
    /// `v1 ServiceAccount`
    ServiceAccount,
    /// `rbac.authorization.k8s.io/v1 Role`
    Role,
    /// `rbac.authorization.k8s.io/v1 RoleBinding`
    RoleBinding,
    /// `networking.k8s.io/v1 NetworkPolicy`
    NetworkPolicy,
    /// `v1 PersistentVolume`
    PersistentVolume,
    /// `v1 PersistentVolumeClaim`
    PersistentVolumeClaim,
    /// `v1 ConfigMap`
    ConfigMap,
    /// `v1 Secret`
    Secret,
    /// `v1 Service`
    Service,
    /// `apps/v1 Deployment`
    Deployment,
    /// `networking.k8s.io/v1 Ingress`
    Ingress,
}

impl Kind {
    /// All kinds in the order of writing.
    pub const ALL: [Self; 12] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::NetworkPolicy,
        Self::PersistentVolume,
        Self::PersistentVolumeClaim,
        Self::ConfigMap,
        Self::Secret,
        Self::Service,
        Self::Deployment,
        Self::Ingress,
    ];

    /// `kind` as the API server spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PersistentVolume => "PersistentVolume",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::Ingress => "Ingress",
        }
    }

    /// `(group, version)`; the core group is `""`.
    #[must_use]
    pub const fn group_version(self) -> (&'static str, &'static str) {
        match self {
            Self::Role | Self::RoleBinding => ("rbac.authorization.k8s.io", "v1"),
            Self::NetworkPolicy | Self::Ingress => ("networking.k8s.io", "v1"),
            Self::Deployment => ("apps", "v1"),
            Self::Namespace
            | Self::ServiceAccount
            | Self::PersistentVolume
            | Self::PersistentVolumeClaim
            | Self::ConfigMap
            | Self::Secret
            | Self::Service => ("", "v1"),
        }
    }

    /// `apiVersion` as it stands in a manifest.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.group_version() {
            ("", version) => version.to_owned(),
            (group, version) => format!("{group}/{version}"),
        }
    }

    /// Plural, lower-case resource name of the kind's URL.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::ServiceAccount => "serviceaccounts",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
            Self::NetworkPolicy => "networkpolicies",
            Self::PersistentVolume => "persistentvolumes",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::Service => "services",
            Self::Deployment => "deployments",
            Self::Ingress => "ingresses",
        }
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::PersistentVolume)
    }

    /// The kind of a manifest, by its `kind` field.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Identity of an object in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    /// `Kind namespace/name` or `Kind name`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{} {namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{} {}", self.kind, self.name),
        }
    }
}

/// An object as the agent wants it: only the fields that it owns, ready for server-side apply.
#[derive(Clone, PartialEq)]
pub struct Object {
    /// Identity.
    pub key: ObjectKey,
    /// The manifest, with `apiVersion`, `kind` and `metadata`; never `status`.
    pub body: Value,
    /// The line of the source that asks for it.
    pub origin: Span,
}

impl fmt::Debug for Object {
    // A Secret's body must never reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Object({} from {})", self.key, self.origin)
    }
}
