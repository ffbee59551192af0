//! What a commit may ask for: no more than the Pod Security level *baseline*. A commit is not a person of
//! the cluster; what goes beyond is an error at the line that asks. Exceptions for an App belong into the
//! agent's configuration, which this version does not read yet.
//!
//! Source of the lists: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline>

use super::Scope;
use crate::diagnostic::{Diagnostic, Span};

const CODE: &str = "beyond-baseline";

/// Capabilities that the level lets a container have.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// A capability that a container is to have on top.
pub(super) fn capability(scope: &Scope<'_>, name: &str, at: &Span) {
    if !CAPABILITIES.contains(&name) {
        refuse(scope, &format!("the capability `{name}`"), at);
    }
}

/// Anything else that the level never allows.
pub(super) fn refuse(scope: &Scope<'_>, what: &str, at: &Span) {
    let message = format!("{what} is more than the Pod Security level `baseline` allows");
    let help = "run the service without it; exceptions for an App come with a later version";
    scope.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
}
