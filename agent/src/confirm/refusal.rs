//! What a plan says instead, when the API server refuses a change for what is in the cluster, not for
//! what the commit says. Pure.

use kompox_core::observed::LiveObject;
use kompox_core::ownership::{Managers, Owner, other_owners, value_at};
use kompox_core::plan::diff::FieldChange;
use kompox_core::plan::{Subject, What, immutable, mask};
use kompox_manifests::object::{Kind, Object};
use serde_json::Value;

use crate::cluster::ClusterError;
use crate::cluster::error::{Cause, FieldConflict};

/// What a person can do about fields of a controller.
const REMEDY: &str = "take the fields out of the repository, make the other manager leave them, or take them over with \
                      `reconcile.force: true`";
/// How many conflicts are told; one is enough to act on.
const MOST: usize = 5;

/// The action to plan in the place of a refused change, with its reason; `None` when the commit is to
/// blame.
pub(super) fn instead(
    object: &Object,
    live: &LiveObject,
    fields: &[FieldChange],
    error: &ClusterError,
) -> Option<(What, String)> {
    match &error.cause {
        Cause::Conflict(conflicts) => Some(conflict(object, live, conflicts)),
        // Where something else is wrong too, making it anew would only delete it.
        Cause::Invalid(problems) if problems.iter().all(|problem| problem.immutable) => {
            let kind = object.key.kind;
            let reason = format!("it never changes in place: {error}");
            Some(if immutable::is_replaceable(kind) {
                (
                    What::Replace {
                        object: object.clone(),
                        live: live.clone(),
                        fields: fields.to_vec(),
                        assumed: false,
                    },
                    reason,
                )
            } else {
                let remedy = immutable::remedy(kind).to_owned();
                (What::Blocked { subject: Subject::Object(object.key.clone()), remedy }, reason)
            })
        }
        _ => None,
    }
}

/// Those of the conflicts that are with controllers. What people wrote is put back.
pub(super) fn not_of(conflicts: Vec<FieldConflict>, people: &Managers) -> Vec<FieldConflict> {
    conflicts.into_iter().filter(|conflict| !people.contains(&conflict.manager)).collect()
}

/// The action in the place of a replacement, where the field that never changes in place is a controller's: what it
/// made is not ours to delete.
pub(super) fn of_others(live: &LiveObject, fields: &[FieldChange], people: &Managers) -> Option<(What, String)> {
    let fixed = immutable::among(live, fields)?;
    let owners = other_owners(live, &format!(".{}", immutable::root(&fixed.path)));
    let is_controller = |owner: &&Owner| owner.subresource.is_none() && !people.contains(&owner.manager);
    let Owner { manager, .. } = owners.iter().find(is_controller)?;
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
    let FieldChange { path, before, after } = fixed;
    let reason = format!("{path} is {}, set by `{manager}`; the commit asks for {}", side(before), side(after));
    Some((What::Blocked { subject: Subject::Object(live.key.clone()), remedy: REMEDY.to_owned() }, reason))
}

/// Fields that another manager holds are neither taken nor fought over.
pub(super) fn conflict(object: &Object, live: &LiveObject, conflicts: &[FieldConflict]) -> (What, String) {
    let kind = object.key.kind;
    let words = conflicts.iter().take(MOST).map(|conflict| {
        let FieldConflict { field, manager, .. } = conflict;
        let theirs = shown(kind, field, &live.body);
        let ours = shown(kind, field, &object.body);
        format!("{field} is {theirs}, set by `{manager}`; the commit asks for {ours}")
    });
    let mut reason = words.collect::<Vec<_>>().join("; ");
    if conflicts.len() > MOST {
        reason.push_str(&format!("; and {} more", conflicts.len() - MOST));
    }
    (What::Blocked { subject: Subject::Object(object.key.clone()), remedy: REMEDY.to_owned() }, reason)
}

/// The value at a path of the API server's conflict messages, masked where secret.
fn shown(kind: Kind, path: &str, body: &Value) -> String {
    value_at(body, path)
        .map_or_else(|| "absent".to_owned(), |value| mask::shown(kind, path.strip_prefix('.').unwrap_or(path), value))
}

#[cfg(test)]
mod tests {
    use kompox_manifests::object::ObjectKey;
    use serde_json::json;

    use super::*;
    use crate::cluster::error::FieldProblem;
    use crate::cluster::memory::object;

    fn pair(kind: Kind, wanted: Value, found: Value) -> (Object, LiveObject) {
        let key = ObjectKey { kind, namespace: Some("shop".into()), name: "web".into() };
        let live = LiveObject { key: key.clone(), uid: "u".into(), resource_version: "1".into(), body: found };
        (object(key, wanted), live)
    }

    fn conflicts(field: &str) -> ClusterError {
        let conflict = FieldConflict { field: field.into(), manager: "keda".into(), subresource: None };
        ClusterError::new("dry-run", Cause::Conflict(vec![conflict]))
    }

    #[test]
    fn a_conflict_says_field_manager_and_both_values() {
        let (wanted, live) = pair(Kind::Deployment, json!({"spec": {"replicas": 1}}), json!({"spec": {"replicas": 3}}));
        let (what, reason) = instead(&wanted, &live, &[], &conflicts(".spec.replicas")).unwrap();
        assert_eq!(reason, ".spec.replicas is 3, set by `keda`; the commit asks for 1");
        let What::Blocked { remedy, .. } = what else { panic!() };
        assert!(remedy.contains("reconcile.force"), "{remedy}");
    }

    #[test]
    fn a_conflict_shows_no_secret() {
        let secret = |value: &str| json!({"data": {"A": value}});
        let (wanted, live) = pair(Kind::Secret, secret("CANARY1"), secret("CANARY2"));
        let (_, reason) = instead(&wanted, &live, &[], &conflicts(".data.A")).unwrap();
        assert_eq!(reason, ".data.A is (secret), set by `keda`; the commit asks for (secret)");
        let variable = |value: &str| {
            let env = json!([{"name": "DB_PASSWORD", "value": value}]);
            json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "env": env}]}}}})
        };
        let (wanted, live) = pair(Kind::Deployment, variable("CANARY1"), variable("CANARY2"));
        let path = ".spec.template.spec.containers[name=\"web\"].env[name=\"DB_PASSWORD\"].value";
        let (_, reason) = instead(&wanted, &live, &[], &conflicts(path)).unwrap();
        assert!(!reason.contains("CANARY") && reason.contains("(secret)"), "{reason}");
    }

    #[test]
    fn only_what_is_nothing_but_immutable_is_made_anew_and_never_a_volume() {
        let problem = |immutable| FieldProblem { field: "spec".into(), message: "wrong".into(), immutable };
        let invalid = |problems| ClusterError::new("dry-run", Cause::Invalid(problems));
        let replaced = |kind, error: &ClusterError| {
            let (wanted, live) = pair(kind, json!({}), json!({}));
            instead(&wanted, &live, &[], error).map(|(what, _)| matches!(what, What::Replace { .. }))
        };
        let fixed = invalid(vec![problem(true)]);
        assert_eq!(replaced(Kind::Service, &fixed), Some(true));
        assert_eq!(replaced(Kind::Service, &invalid(vec![problem(true), problem(false)])), None);
        for kind in [Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::Namespace, Kind::ServiceAccount] {
            assert_eq!(replaced(kind, &fixed), Some(false), "{kind}");
        }
    }

    #[test]
    fn what_a_controller_made_is_not_replaced_and_what_a_person_made_is() {
        let role = FieldChange {
            path: "roleRef.name".into(),
            before: Some("another".into()),
            after: Some("shop-access".into()),
        };
        let by = |manager: &str| {
            let entry = json!({"manager": manager, "operation": "Apply", "apiVersion": "rbac.authorization.k8s.io/v1",
                "fieldsV1": {"f:roleRef": {}}});
            let found = json!({"roleRef": {"name": "another"}, "metadata": {"managedFields": [entry]}});
            let (_, live) = pair(Kind::RoleBinding, json!({}), found);
            of_others(&live, std::slice::from_ref(&role), &Managers::default())
        };
        let (what, reason) = by("argocd-controller").unwrap();
        assert_eq!(reason, "roleRef.name is another, set by `argocd-controller`; the commit asks for shop-access");
        assert!(matches!(what, What::Blocked { .. }));
        for ours in ["kubectl-replace", "kompox-agent", "kompox-converter"] {
            assert!(by(ours).is_none(), "{ours}");
        }
    }

    #[test]
    fn conflicts_with_people_are_none() {
        let conflict =
            |manager: &str| FieldConflict { field: ".spec.x".into(), manager: manager.into(), subresource: None };
        let left = not_of(vec![conflict("kubectl-edit"), conflict("keda"), conflict("k9s")], &Managers::default());
        assert_eq!(left, [conflict("keda")]);
    }
}
