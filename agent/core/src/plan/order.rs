//! The order in which things are written. A stage waits until the one before it was accepted;
//! inside a stage order means nothing. Deletion runs in reverse, after everything else.

use kompox_manifests::object::Kind;
use serde::Serialize;

/// A step of the order, as the variants stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Stage {
    /// The App's Namespace.
    Namespace,
    /// ServiceAccount and Role: who may do what.
    Roles,
    /// RoleBinding, which is checked against its Role, and NetworkPolicy: in force before any Pod runs.
    Access,
    /// Disks at the provider: their handles name the PersistentVolumes.
    Disks,
    /// PersistentVolumes and their claims.
    Volumes,
    /// ConfigMaps and Secrets: present before a Pod mounts them.
    Config,
    /// Services: names resolve before a Pod asks.
    Services,
    /// The Deployment.
    Workload,
    /// Ingresses: traffic comes last.
    Ingress,
}

impl Stage {
    /// All stages in the order of writing.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::Roles,
        Self::Access,
        Self::Disks,
        Self::Volumes,
        Self::Config,
        Self::Services,
        Self::Workload,
        Self::Ingress,
    ];

    /// The stage in which objects of a kind are written.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Namespace => Self::Namespace,
            Kind::ServiceAccount | Kind::Role => Self::Roles,
            Kind::RoleBinding | Kind::NetworkPolicy => Self::Access,
            Kind::PersistentVolume | Kind::PersistentVolumeClaim => Self::Volumes,
            Kind::ConfigMap | Kind::Secret => Self::Config,
            Kind::Service => Self::Services,
            Kind::Deployment => Self::Workload,
            Kind::Ingress => Self::Ingress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_in_the_order_of_their_stages() {
        let stages: Vec<Stage> = Kind::ALL.into_iter().map(Stage::of).collect();
        assert!(stages.is_sorted());
        assert!(Stage::ALL.is_sorted());
    }

    #[test]
    fn a_role_is_there_before_it_is_bound() {
        // Who may not bind any Role is refused the binding of one that does not exist.
        assert!(Stage::of(Kind::Role) < Stage::of(Kind::RoleBinding));
    }
}
