//! How a container's process is started.

use super::{Scope, keys, scalar};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Map, Node};

/// Reads `working_dir`.
pub(super) fn working_dir(scope: &Scope<'_>, map: &Map) -> Option<String> {
    let text = scalar::text(keys::optional(map, "working_dir")?)?;
    if text.value.is_empty() {
        return None;
    }
    if !text.value.starts_with('/') {
        let message = format!("`{}` is no absolute path", scalar::shown(&text.value, &text.at));
        let help = "write the whole path of the folder in the container";
        scope.findings.push(Diagnostic::error("working-dir", text.at, message).help(help));
        return None;
    }
    Some(text.value)
}

/// Reads `pull_policy`.
pub(super) fn pull_policy(scope: &Scope<'_>, node: &Node) -> Option<&'static str> {
    let text = scalar::text(node)?;
    let report = |diagnostic: Diagnostic, help: &str| scope.findings.push(diagnostic.help(help));
    match text.value.as_str() {
        "always" => Some("Always"),
        "missing" | "if_not_present" => Some("IfNotPresent"),
        "never" => Some("Never"),
        "build" => {
            report(Diagnostic::error("pull-policy", text.at, "nothing is built here"), "push the image, and pull it");
            None
        }
        other if matches!(other, "daily" | "weekly" | "refresh") || other.starts_with("every_") => {
            let message = "images are not pulled at intervals: the image is pulled at every start of its container";
            report(Diagnostic::warning("pull-policy", text.at, message), "write `always`, or name a digest in `image`");
            Some("Always")
        }
        other => {
            let message = format!("`pull_policy` cannot be `{}`", scalar::shown(other, &text.at));
            report(Diagnostic::error("pull-policy", text.at, message), "write `always`, `missing` or `never`");
            None
        }
    }
}
