//! Fields that never change in place.
//!
//! The API server is who knows them; a dry-run asks it (crate `kompox-agent`, `confirm`). Those that
//! rendered objects can meet are known here too: they show in a plan that nobody could try, and where a
//! takeover comes before the apply, so that no dry-run meets them.
//! Rules: `ValidateDeploymentUpdate`, `ValidateServiceUpdate`, `ValidateRoleBindingUpdate`,
//! `ValidatePersistentVolumeUpdate` and their like in the API server.

use kompox_manifests::object::Kind;
use serde_json::Value;

use super::diff::FieldChange;
use crate::observed::LiveObject;

/// Whether an object of this kind may be deleted and made anew when a field can change in no other way.
/// What stands for data never is, nor what holds everything else.
#[must_use]
pub const fn is_replaceable(kind: Kind) -> bool {
    match kind {
        Kind::Deployment | Kind::Service | Kind::Ingress | Kind::RoleBinding | Kind::ConfigMap | Kind::Secret => true,
        Kind::Namespace
        | Kind::PersistentVolume
        | Kind::PersistentVolumeClaim
        // Nothing of these is immutable, and tokens of a running Pod hang on the account.
        | Kind::ServiceAccount
        | Kind::Role
        | Kind::NetworkPolicy => false,
    }
}

/// What a person can do about a field that never changes, where nothing may be replaced.
#[must_use]
pub fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::PersistentVolume | Kind::PersistentVolumeClaim => {
            "put it back in Git; objects that stand for data are never deleted or replaced by the agent. To have it \
             otherwise, delete the PersistentVolumeClaim and the PersistentVolume by hand while the App is stopped, \
             after a snapshot; the disk stays"
        }
        _ => "put it back in Git, or delete the object by hand and let the next reconcile make it anew",
    }
}

/// The first field among those that differ that never changes on this object.
///
/// Candidate differences of the diff may be none; only a field whose values are seen to differ counts:
/// what follows from it is a deletion.
#[must_use]
pub fn among<'a>(live: &LiveObject, fields: &'a [FieldChange]) -> Option<&'a FieldChange> {
    let frozen = live.body.get("immutable").and_then(Value::as_bool) == Some(true);
    let fixed = match live.key.kind {
        Kind::Deployment => &["spec.selector"][..],
        Kind::Service => &["spec.clusterIP", "spec.clusterIPs"],
        Kind::RoleBinding => &["roleRef"],
        Kind::ConfigMap if frozen => &["data", "binaryData", "immutable"],
        Kind::Secret if frozen => &["data", "stringData", "type", "immutable"],
        Kind::Secret => &["type"],
        Kind::PersistentVolume => &["spec.csi", "spec.local", "spec.volumeMode", "spec.nodeAffinity"],
        Kind::PersistentVolumeClaim => &[
            "spec.accessModes",
            "spec.dataSource",
            "spec.selector",
            "spec.storageClassName",
            "spec.volumeMode",
            "spec.volumeName",
        ],
        Kind::Namespace | Kind::ServiceAccount | Kind::Role | Kind::NetworkPolicy | Kind::ConfigMap | Kind::Ingress => {
            &[]
        }
    };
    let is_fixed = |field: &FieldChange| fixed.iter().any(|path| is_at_or_below(&field.path, path));
    // What has no value yet can be given one, but for the data of a frozen object.
    let has_value = |field: &FieldChange| frozen || field.before.is_some();
    fields.iter().find(|field| field.before != field.after && has_value(field) && is_fixed(field))
}

/// The part of a fixed field's path that is fixed as a whole: `spec.selector` of `spec.selector.matchLabels.app`.
#[must_use]
pub fn root(path: &str) -> &str {
    let end = |part: &str| part.find(['.', '[']).unwrap_or(part.len());
    match path.strip_prefix("spec.") {
        Some(rest) => &path[.."spec.".len() + end(rest)],
        None => &path[..end(path)],
    }
}

fn is_at_or_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::ObjectKey;
    use serde_json::json;

    use super::*;

    fn found(kind: Kind, body: Value, path: &str, before: Option<&str>) -> bool {
        let key = ObjectKey { kind, namespace: None, name: "a".into() };
        let live = LiveObject { key, uid: String::new(), resource_version: String::new(), body };
        let change = FieldChange { path: path.into(), before: before.map(str::to_owned), after: Some("new".into()) };
        among(&live, &[change]).is_some()
    }

    #[test]
    fn a_field_is_fixed_at_and_below_its_path_once_it_has_a_value() {
        assert!(found(Kind::Deployment, json!({}), "spec.selector.matchLabels.app", Some("old")));
        assert!(!found(Kind::Deployment, json!({}), "spec.selectors", Some("old")));
        assert!(found(Kind::Service, json!({}), "spec.clusterIP", Some("None")));
        assert!(found(Kind::PersistentVolume, json!({}), "spec.nodeAffinity.required", Some("{}")));
        assert!(!found(Kind::PersistentVolume, json!({}), "spec.nodeAffinity.required", None));
        assert!(!found(Kind::Ingress, json!({}), "spec.rules", Some("old")));
        assert!(!found(Kind::Service, json!({}), "spec.clusterIP", Some("new")), "no difference that is seen");
    }

    #[test]
    fn a_frozen_object_takes_no_data() {
        assert!(!found(Kind::ConfigMap, json!({}), "data.a", Some("old")));
        assert!(found(Kind::ConfigMap, json!({"immutable": true}), "data.a", Some("old")));
        assert!(found(Kind::ConfigMap, json!({"immutable": true}), "data.a", None));
        assert!(found(Kind::Secret, json!({"immutable": true}), "data.a", Some("(secret)")));
    }

    #[test]
    fn what_stands_for_data_is_never_replaced() {
        for kind in [Kind::Namespace, Kind::PersistentVolume, Kind::PersistentVolumeClaim] {
            assert!(!is_replaceable(kind));
        }
    }
}
