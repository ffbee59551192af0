//! ServiceAccount, Role and RoleBinding: people's access to the App. Nothing of it reaches the Pod.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::context::Context;
use crate::object::{Kind, Object};

/// API group, resources and verbs of the Role.
const RULES: [(&str, &[&str], &[&str]); 6] = [
    ("", &["pods"], &["get", "list", "watch"]),
    ("", &["pods/log"], &["get", "watch"]),
    ("", &["pods/exec", "pods/portforward", "pods/attach"], &["create"]),
    ("", &["events", "services", "endpoints"], &["get", "list", "watch"]),
    ("apps", &["deployments", "replicasets"], &["get", "list", "watch"]),
    ("", &["pods/ephemeralcontainers"], &["update"]),
];

pub(super) fn objects(context: &Context<'_>) -> [Object; 3] {
    let account = context.names.app.clone();
    let access = context.names.access();
    let origin = &context.app.at;
    [
        context.object(Kind::ServiceAccount, context.app_meta(account.clone()), origin, |metadata| ServiceAccount {
            metadata,
            ..ServiceAccount::default()
        }),
        context.object(Kind::Role, context.app_meta(access.clone()), origin, |metadata| Role {
            metadata,
            rules: Some(RULES.iter().map(rule).collect()),
        }),
        context.object(Kind::RoleBinding, context.app_meta(access.clone()), origin, |metadata| RoleBinding {
            metadata,
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: Kind::Role.name().to_owned(),
                name: access,
            },
            subjects: Some(vec![Subject {
                kind: Kind::ServiceAccount.name().to_owned(),
                name: account,
                namespace: Some(context.names.namespace.clone()),
                ..Subject::default()
            }]),
        }),
    ]
}

fn rule((group, resources, verbs): &(&str, &[&str], &[&str])) -> PolicyRule {
    let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect();
    PolicyRule {
        api_groups: Some(vec![(*group).to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}
