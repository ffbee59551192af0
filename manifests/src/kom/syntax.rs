//! The syntax of names, domains, labels and schedules, each with its message.

use jiff::tz::TimeZone;

use crate::diagnostic::{Diagnostic, Spanned};
use crate::id::is_dns1123_label;
use crate::labels;
use crate::schedule::{self, Schedule, ScheduleError};
use crate::yaml::fields::Findings;

/// Checks a DNS-1123 label of at most `longest` characters.
pub(super) fn label(what: &str, name: &Spanned<String>, longest: u64, findings: &Findings) -> bool {
    let length = name.value.chars().count() as u64;
    if is_dns1123_label(&name.value) && length <= longest {
        return true;
    }
    let message = if is_dns1123_label(&name.value) {
        format!("`{what}` has at most {longest} characters; `{}` has {length}", name.value)
    } else {
        format!("`{what}` must be a DNS label; `{}` is none", name.value)
    };
    let help = format!("use a-z, 0-9 and `-`, 1 to {longest} characters, no `-` at either end");
    findings.push(Diagnostic::error("bad-name", name.at.clone(), message).help(help));
    false
}

/// Checks a domain name: DNS labels with dots between them, at most 253 characters.
pub(super) fn domain(what: &str, name: &Spanned<String>, findings: &Findings) -> bool {
    let sound = name.value.len() <= 253 && name.value.split('.').all(is_dns1123_label);
    if !sound {
        let message = format!("`{what}` must be a domain name; `{}` is none", name.value);
        let help = "write it in lower case, without scheme, port or final dot, e.g. `apps.example.com`";
        findings.push(Diagnostic::error("bad-name", name.at.clone(), message).help(help));
    }
    sound
}

/// Checks the key of a Kubernetes label: `name` or `prefix/name`.
pub(super) fn label_key(key: &Spanned<String>, findings: &Findings) -> bool {
    let sound = labels::is_key(&key.value);
    if !sound {
        let message = format!("`{}` is not the key of a label", key.value);
        let help = "write `name` or `domain/name`, e.g. `kubernetes.io/metadata.name`";
        findings.push(Diagnostic::error("bad-label", key.at.clone(), message).help(help));
    }
    sound
}

/// Checks the value of a Kubernetes label.
pub(super) fn label_value(value: &Spanned<String>, findings: &Findings) -> bool {
    let sound = labels::is_value(&value.value);
    if !sound {
        let message = format!("`{}` cannot be the value of a label", value.value);
        let help = "use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end";
        findings.push(Diagnostic::error("bad-label", value.at.clone(), message).help(help));
    }
    sound
}

/// Reads a schedule in its time zone; `None` when either is wrong, and reported.
pub(super) fn schedule(
    text: &Spanned<String>,
    zone: Option<&Spanned<String>>,
    findings: &Findings,
) -> Option<Schedule> {
    let report = |code, at: &Spanned<String>, ScheduleError { message, help }| {
        findings.push(Diagnostic::error(code, at.at.clone(), message).help(help));
    };
    let zone = match zone {
        None => Some(TimeZone::UTC),
        Some(name) => schedule::time_zone(&name.value).map_err(|error| report("bad-time-zone", name, error)).ok(),
    };
    // A wrong schedule is told beside a wrong zone.
    let read = Schedule::parse(&text.value, zone.clone().unwrap_or(TimeZone::UTC));
    let read = read.map_err(|error| report("bad-schedule", text, error)).ok();
    zone.and(read)
}
