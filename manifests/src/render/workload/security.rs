//! What a container may do.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{AppArmorProfile, Capabilities, SeccompProfile, SecurityContext};

use super::super::context::some;
use crate::model::Security;
use crate::policy::Hardening;

/// Every capability.
const ALL: &str = "ALL";
/// User and group of nobody.
pub(super) const NOBODY: i64 = 65534;

/// The container's security context; `None` when everything is left to Kubernetes.
pub(super) fn context(security: &Security, hardening: Hardening) -> Option<SecurityContext> {
    let names = |names: &BTreeSet<String>| some(names.iter().cloned().collect());
    let (add, drop) = (names(&security.cap_add), names(&security.cap_drop));
    // To drop single capabilities is part of dropping all.
    let drop = if hardening.drop_capabilities { Some(vec![ALL.to_owned()]) } else { drop };
    let no_escalation = security.no_new_privileges.or(hardening.no_escalation.then_some(true));
    let context = SecurityContext {
        allow_privilege_escalation: no_escalation.map(|refused| !refused),
        app_armor_profile: security.apparmor.as_deref().map(apparmor),
        capabilities: (add.is_some() || drop.is_some()).then_some(Capabilities { add, drop }),
        privileged: security.privileged.then_some(true),
        read_only_root_filesystem: security.read_only.then_some(true),
        run_as_group: security.group.map(i64::from),
        run_as_user: security.user.map(i64::from),
        seccomp_profile: security
            .seccomp_unconfined
            .then(|| SeccompProfile { type_: "Unconfined".to_owned(), ..SeccompProfile::default() }),
        ..SecurityContext::default()
    };
    (context != SecurityContext::default()).then_some(context)
}

/// The context of the container that makes the volumes' folders. On a volume of a hardened Pod nobody may do so too: the
/// volume belongs to the Pod's group.
pub(super) fn of_folders(hardening: Hardening) -> Option<SecurityContext> {
    let user = if hardening.non_root { Some(NOBODY) } else { None };
    let context = context(&Security::default(), hardening);
    match user {
        None => context,
        user => Some(SecurityContext { run_as_user: user, ..context.unwrap_or_default() }),
    }
}

fn apparmor(profile: &str) -> AppArmorProfile {
    match profile {
        "unconfined" => AppArmorProfile { type_: "Unconfined".to_owned(), ..AppArmorProfile::default() },
        name => AppArmorProfile { type_: "Localhost".to_owned(), localhost_profile: Some(name.to_owned()) },
    }
}
