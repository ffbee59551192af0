//! What a container may do.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{AppArmorProfile, Capabilities, SeccompProfile, SecurityContext};

use super::super::context::some;
use crate::model::Security;

/// The container's security context; `None` when everything is left to Kubernetes.
pub(super) fn context(security: &Security) -> Option<SecurityContext> {
    if *security == Security::default() {
        return None;
    }
    let names = |names: &BTreeSet<String>| some(names.iter().cloned().collect());
    let (add, drop) = (names(&security.cap_add), names(&security.cap_drop));
    Some(SecurityContext {
        allow_privilege_escalation: security.no_new_privileges.then_some(false),
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
    })
}

fn apparmor(profile: &str) -> AppArmorProfile {
    match profile {
        "unconfined" => AppArmorProfile { type_: "Unconfined".to_owned(), ..AppArmorProfile::default() },
        name => AppArmorProfile { type_: "Localhost".to_owned(), localhost_profile: Some(name.to_owned()) },
    }
}
