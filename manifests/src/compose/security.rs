//! What a container may do: `user`, capabilities, `privileged`, `read_only`, `security_opt`.

use std::collections::BTreeSet;

use super::service::flag;
use super::{Scope, keys, scalar};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::Security;
use crate::yaml::Map;

const CODE: &str = "security";

/// Reads all of it.
pub(super) fn security(scope: &Scope<'_>, map: &Map) -> Security {
    let (user, group) = user(scope, map);
    let mut security = Security {
        user,
        group,
        cap_add: capabilities(scope, map, "cap_add"),
        cap_drop: capabilities(scope, map, "cap_drop"),
        privileged: flag(scope, map, "privileged"),
        read_only: flag(scope, map, "read_only"),
        ..Security::default()
    };
    let Some(node) = keys::optional(map, "security_opt") else { return security };
    for text in scalar::each(node).iter().filter_map(scalar::text) {
        option(scope, &text.value, &text.at, &mut security);
    }
    security
}

/// User and group, as numbers.
fn user(scope: &Scope<'_>, map: &Map) -> (Option<u32>, Option<u32>) {
    let Some(given) = keys::optional(map, "user").and_then(scalar::text) else {
        return (None, None);
    };
    if given.value.is_empty() {
        return (None, None);
    }
    let (user, group) =
        given.value.split_once(':').map_or((given.value.as_str(), None), |(user, group)| (user, Some(group)));
    let (user, group) = (id(user), group.map(id));
    if user.is_none() || group == Some(None) {
        let message = format!(
            "`user: {}` is no number: Kubernetes cannot look names up in the image",
            scalar::shown(&given.value, &given.at)
        );
        let help = "write the numbers, `uid` or `uid:gid`; `docker run --rm --entrypoint id IMAGE NAME` prints them";
        scope.findings.push(Diagnostic::error(CODE, given.at, message).help(help));
    }
    (user, group.flatten())
}

/// A user or group id; Kubernetes counts them in 31 bits.
pub(super) fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id: &u32| digits && i32::try_from(id).is_ok())
}

fn capabilities(scope: &Scope<'_>, map: &Map, key: &str) -> BTreeSet<String> {
    let Some(node) = keys::optional(map, key) else { return BTreeSet::new() };
    let mut names = BTreeSet::new();
    for given in scalar::each(node).iter().filter_map(scalar::text) {
        let upper = given.value.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            let message = format!("`{}` is no capability", scalar::shown(&given.value, &given.at));
            scope.findings.push(Diagnostic::error(CODE, given.at, message).help("write it like `NET_ADMIN` or `ALL`"));
            continue;
        }
        names.insert(name.to_owned());
    }
    names
}

/// One of `security_opt`.
fn option(scope: &Scope<'_>, text: &str, at: &Span, security: &mut Security) {
    let (name, value) = text.split_once([':', '=']).unwrap_or((text, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => security.no_new_privileges = Some(true),
        ("no-new-privileges", "false") => security.no_new_privileges = Some(false),
        ("seccomp", "unconfined") => security.seccomp_unconfined = true,
        ("apparmor", profile) if !profile.is_empty() => security.apparmor = Some(profile.to_owned()),
        _ => {
            let message = format!("`security_opt: {}` cannot be kept", scalar::shown(text, at));
            let help = "only `no-new-privileges`, `seccomp:unconfined` and `apparmor:PROFILE` are known; remove it if \
                        the service may run without it";
            scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
        }
    }
}
