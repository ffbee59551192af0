//! `healthcheck` of a service: a command that says whether the container works.

use super::{Scope, duration, keys, scalar, words};
use crate::diagnostic::Diagnostic;
use crate::model::HealthCheck;
use crate::yaml::{Map, Node, Value};

const CODE: &str = "healthcheck";
/// Compose's defaults, in seconds.
const INTERVAL: u32 = 30;
const TIMEOUT: u32 = 30;
const RETRIES: u32 = 3;
const START_INTERVAL: u32 = 5;
/// A Pod that becomes ready later than this because of its `start_period` alone is told of, in seconds.
const LATE: u32 = 30;

/// Reads a health check; `None` when there is none, or it is switched off.
pub(super) fn healthcheck(scope: &Scope<'_>, node: &Node, what: &str) -> Option<HealthCheck> {
    let findings = scope.findings;
    let map = node.as_map()?;
    // Compose takes 0 for its default.
    let seconds = |key, default| {
        let seconds = keys::optional(map, key).and_then(|node| duration::seconds(node, key, 0, findings));
        seconds.filter(|&seconds| seconds > 0).unwrap_or(default)
    };
    let interval = seconds("interval", INTERVAL);
    let start_interval = seconds("start_interval", START_INTERVAL.min(interval));
    let (timeout, start_period) = (seconds("timeout", TIMEOUT), seconds("start_period", 0));
    let retries = keys::optional(map, "retries").and_then(|node| retries(scope, node)).unwrap_or(RETRIES);
    let disable = keys::optional(map, "disable").and_then(|node| scalar::boolean(node, "disable", findings));
    let test = keys::optional(map, "test");
    if disable == Some(true) {
        report_off(scope, node, what);
        return None;
    }
    let Some(test) = test else {
        let message = format!("`healthcheck` of {what} has no `test`, and Kubernetes does not know that of the image");
        let help = "write the command of the image's HEALTHCHECK as `test`";
        findings.push(Diagnostic::warning(CODE, node.span.clone(), message).help(help));
        return None;
    };
    let command = command(scope, test, what)?;
    Some(HealthCheck { command, interval, timeout, retries, start_period, start_interval })
}

/// Compose calls a service healthy as soon as its check succeeds; Kubernetes does not ask before the start period has
/// passed. That is of use only where a check that fails kills.
pub(super) fn report_late(scope: &Scope<'_>, service: &Map, health: &HealthCheck, what: &str) {
    let check = keys::optional(service, "healthcheck").and_then(Node::as_map);
    let Some(node) = check.and_then(|map| keys::optional(map, "start_period")) else { return };
    let seconds = health.start_period;
    if seconds > LATE {
        let message =
            format!("{what} is not ready before {seconds} s after each of its starts, however soon it is healthy");
        let help = "remove `start_period`: a check that fails early kills nothing here";
        scope.findings.push(Diagnostic::info(CODE, node.span.clone(), message).help(help));
    }
}

fn retries(scope: &Scope<'_>, node: &Node) -> Option<u32> {
    let number = scalar::number(node, "retries", u64::from(u16::MAX), scope.findings)?;
    // Compose takes 0 for its default.
    u32::try_from(number.value).ok().filter(|&retries| retries > 0)
}

fn report_off(scope: &Scope<'_>, node: &Node, what: &str) {
    let message = format!("{what} has no health check: it counts as ready once it runs");
    let help = "nothing needs to be done; Kubernetes never runs the check of an image";
    scope.findings.push(Diagnostic::info(CODE, node.span.clone(), message).help(help));
}

/// The command; `None` when the check is switched off or cannot be read.
fn command(scope: &Scope<'_>, test: &Node, what: &str) -> Option<Vec<String>> {
    let shell = |script: &str| Some(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
    let items = match &test.value {
        Value::String(script) if script == "NONE" => {
            report_off(scope, test, what);
            return None;
        }
        Value::String(script) if !script.trim().is_empty() => return shell(script),
        Value::Seq(items) => items,
        Value::String(_) => return bad(scope, test, "is empty"),
        _ => return None,
    };
    let words: Vec<String> = words::words(test, "test", scope.findings)?;
    if words.len() != items.len() {
        return None;
    }
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["NONE"] => {
            report_off(scope, test, what);
            None
        }
        ["CMD", _, ..] => Some(words.into_iter().skip(1).collect()),
        ["CMD-SHELL", script] => shell(script),
        _ => bad(scope, test, "does not begin with `CMD` or `CMD-SHELL`, or has the wrong number of words"),
    }
}

fn bad(scope: &Scope<'_>, test: &Node, problem: &str) -> Option<Vec<String>> {
    let help = "write `[\"CMD\", \"program\", \"argument\"]`, `[\"CMD-SHELL\", \"script\"]` or `[\"NONE\"]`";
    scope.findings.push(Diagnostic::error(CODE, test.span.clone(), format!("`test` {problem}")).help(help));
    None
}

/// Reads `x-kompox.liveness`.
pub(super) fn liveness(scope: &Scope<'_>, service: &Map, has_check: bool) -> bool {
    let own = keys::optional(service, "x-kompox").and_then(Node::as_map);
    let Some(node) = own.and_then(|map| keys::optional(map, "liveness")) else { return false };
    let wanted = scalar::boolean(node, "liveness", scope.findings) == Some(true);
    if wanted && !has_check {
        let message = "`liveness` needs a health check to go by, and the service has none";
        scope.findings.push(Diagnostic::error(CODE, node.span.clone(), message).help("add `healthcheck`"));
    }
    wanted && has_check
}
