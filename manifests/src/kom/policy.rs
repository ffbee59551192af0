//! `App.spec.snapshotPolicies`.

use std::collections::BTreeMap;

use super::reconcile::{positive, seconds};
use super::shape::{self, LONGEST_POLICY, MOST_KEPT};
use super::syntax;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::model::{
    Consistency, Hook, HookFailure, Hooks, Keep, KeepWithin, Retention, Session, SnapshotPolicy, Trigger, Volume,
    VolumeKind,
};
use crate::yaml::Node;
use crate::yaml::fields::{Fields, Findings, suggest};

/// Seconds that a hook may take when it does not say.
const DEFAULT_TIMEOUT: u64 = 60;

/// The words of `onError`.
const ON_ERROR: [(&str, HookFailure); 2] = [("fail", HookFailure::Fail), ("continue", HookFailure::Continue)];

/// The words of `consistency`.
const CONSISTENCY: [(&str, Consistency); 2] = [("crash", Consistency::Crash), ("quiesce", Consistency::Quiesce)];

/// The App's policies, each name once.
pub(super) fn policies(app: &mut Fields<'_, '_>, volumes: &[Volume]) -> Vec<SnapshotPolicy> {
    let findings = app.findings();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut policies = Vec::new();
    for item in app.list("snapshotPolicies") {
        let Some(policy) = policy(item, volumes, findings) else { continue };
        if let Some(first) = seen.insert(policy.name.clone(), policy.at.clone()) {
            let message =
                format!("there are two snapshot policies `{}`; the first is on line {}", policy.name, first.line);
            let at = policy.at.clone();
            findings.push(Diagnostic::error("duplicate-name", at, message).help("rename one of the two"));
        }
        policies.push(policy);
    }
    policies
}

fn policy(item: &Node, volumes: &[Volume], findings: &Findings) -> Option<SnapshotPolicy> {
    let mut fields = Fields::of(item, "snapshotPolicies[]", findings)?.shaped(&shape::SNAPSHOT_POLICY);
    let name = fields.required_string("name").filter(|name| syntax::label("name", name, LONGEST_POLICY, findings));
    let volumes = fields.strings("volumes").into_iter().filter(|name| check_volume(name, volumes, findings));
    let volumes = volumes.map(|name| name.value).collect();
    let trigger = trigger(&mut fields);
    let suspend = fields.boolean("suspend").is_some_and(|suspend| suspend.value);
    let retention = fields.required("retention").and_then(|node| retention(node, findings));
    let hooks = hooks(&mut fields);
    let consistency = fields.choice("consistency", &CONSISTENCY).map(|mode| mode.value).unwrap_or_default();
    fields.finish();
    let name = name?;
    Some(SnapshotPolicy {
        volumes,
        trigger: trigger?,
        suspend,
        retention: retention?,
        hooks,
        consistency,
        at: name.at,
        name: name.value,
    })
}

fn check_volume(name: &Spanned<String>, volumes: &[Volume], findings: &Findings) -> bool {
    let refuse = |message: String, help: String| {
        findings.push(Diagnostic::error("unknown-volume", name.at.clone(), message).help(help));
        false
    };
    match volumes.iter().find(|volume| volume.name == name.value) {
        Some(volume) if volume.kind == VolumeKind::Disk => true,
        Some(_) => {
            let message = format!("the volume `{}` is of type `files`, which has no snapshots", name.value);
            refuse(message, "name volumes of type `disk` only".to_owned())
        }
        None => {
            let help = match suggest(&name.value, volumes.iter().map(|volume| volume.name.as_str())) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name a volume of the App's `volumes`".to_owned(),
            };
            refuse(format!("the App has no volume `{}`", name.value), help)
        }
    }
}

/// Exactly one of `schedule` and `on`, with the keys that belong to it.
fn trigger(fields: &mut Fields<'_, '_>) -> Option<Trigger> {
    let findings = fields.findings();
    let given = (fields.get("schedule").is_some(), fields.get("on").is_some());
    let schedule = fields.string("schedule");
    let on = fields.choice("on", &[("deploy", ())]);
    let time_zone = fields.string("timeZone");
    let jitter = fields.get("jitter").and_then(|node| seconds(node, "jitter", findings));
    let start_deadline = positive(fields, "startDeadline");
    let required = fields.boolean("required");
    let misplaced = |at: &Span, key: &str, wanted: &str| {
        let message = format!("`{key}` needs `{wanted}`");
        findings.push(Diagnostic::error("exclusive-keys", at.clone(), message).help("remove one of the two"));
    };
    match (schedule, on) {
        (Some(cron), None) => {
            syntax::schedule(&cron, time_zone.as_ref(), findings);
            if let Some(required) = &required {
                misplaced(&required.at, "required", "on: deploy");
            }
            let jitter = jitter.map_or(0, |jitter| jitter.value);
            let start_deadline = start_deadline.map(|deadline| deadline.value);
            Some(Trigger::Schedule { cron, time_zone, jitter, start_deadline })
        }
        (None, Some(_)) => {
            let others = [
                ("timeZone", time_zone.map(|zone| zone.at)),
                ("jitter", jitter.map(|jitter| jitter.at)),
                ("startDeadline", start_deadline.map(|deadline| deadline.at)),
            ];
            for (key, at) in others {
                if let Some(at) = at {
                    misplaced(&at, key, "schedule");
                }
            }
            Some(Trigger::Deploy { required: required.is_some_and(|required| required.value) })
        }
        _ => {
            let message = match given {
                (true, true) => "`schedule` and `on` exclude each other",
                (false, false) => "`snapshotPolicies[]` needs `schedule` or `on: deploy`",
                // The one that is there is wrong, and reported.
                _ => return None,
            };
            findings
                .push(Diagnostic::error("exclusive-keys", fields.at().clone(), message).help("give one of the two"));
            None
        }
    }
}

fn retention(node: &Node, findings: &Findings) -> Option<Retention> {
    let own = Findings::new();
    let retention = retention_rules(node, &own);
    let sound = !own.has_errors();
    findings.extend(own.into_vec());
    let retention = retention.filter(|_| sound)?;
    if retention.keep == Keep::default() && retention.within == KeepWithin::default() {
        let message = "no rule of `retention` keeps anything";
        let help = "add one, e.g. `keepLast: 7`";
        findings.push(Diagnostic::error("bad-retention", node.span.clone(), message).help(help));
        return None;
    }
    Some(retention)
}

fn retention_rules(node: &Node, findings: &Findings) -> Option<Retention> {
    let mut fields = Fields::of(node, "retention", findings)?.shaped(&shape::RETENTION);
    let count = |fields: &mut Fields<'_, '_>, key, least| -> Option<u32> {
        u32::try_from(fields.integer(key, least, MOST_KEPT)?.value).ok()
    };
    let keep = Keep {
        last: count(&mut fields, "keepLast", 0).unwrap_or(0),
        hourly: count(&mut fields, "keepHourly", 0).unwrap_or(0),
        daily: count(&mut fields, "keepDaily", 0).unwrap_or(0),
        weekly: count(&mut fields, "keepWeekly", 0).unwrap_or(0),
        monthly: count(&mut fields, "keepMonthly", 0).unwrap_or(0),
        yearly: count(&mut fields, "keepYearly", 0).unwrap_or(0),
    };
    let span = |fields: &mut Fields<'_, '_>, key| {
        fields.get(key).and_then(|node| seconds(node, key, findings)).map_or(0, |span| span.value)
    };
    let within = KeepWithin {
        all: span(&mut fields, "keepWithin"),
        hourly: span(&mut fields, "keepWithinHourly"),
        daily: span(&mut fields, "keepWithinDaily"),
        weekly: span(&mut fields, "keepWithinWeekly"),
        monthly: span(&mut fields, "keepWithinMonthly"),
        yearly: span(&mut fields, "keepWithinYearly"),
    };
    let min_good = count(&mut fields, "minGood", 1).unwrap_or(1);
    fields.finish();
    Some(Retention { keep, within, min_good })
}

fn hooks(policy: &mut Fields<'_, '_>) -> Hooks {
    let findings = policy.findings();
    let Some(mut fields) = policy.section("hooks", "hooks") else { return Hooks::default() };
    let hooks = Hooks {
        pre: fields.get("pre").and_then(|node| hook(node, "pre", findings)),
        post: fields.get("post").and_then(|node| hook(node, "post", findings)),
        session: fields.get("session").and_then(|node| session(node, findings)),
    };
    if hooks.session.is_some() && (hooks.pre.is_some() || hooks.post.is_some()) {
        let message = "`session` takes the place of `pre` and `post`";
        findings.push(Diagnostic::error("exclusive-keys", fields.at().clone(), message).help("keep one or the other"));
    }
    fields.finish();
    hooks
}

fn hook(node: &Node, what: &str, findings: &Findings) -> Option<Hook> {
    let mut fields = Fields::of(node, what, findings)?.shaped(&shape::HOOK);
    let service = fields.required_string("service");
    let command = command(&mut fields);
    let timeout = positive(&mut fields, "timeout").map_or(DEFAULT_TIMEOUT, |timeout| timeout.value);
    let on_error = fields.choice("onError", &ON_ERROR).map(|choice| choice.value).unwrap_or_default();
    fields.finish();
    Some(Hook { service: service?, command: command?, timeout, on_error })
}

fn session(node: &Node, findings: &Findings) -> Option<Session> {
    let mut fields = Fields::of(node, "session", findings)?.shaped(&shape::SESSION);
    let service = fields.required_string("service");
    let command = command(&mut fields);
    let ready = fields.required_string("ready");
    let timeout = positive(&mut fields, "timeout").map_or(DEFAULT_TIMEOUT, |timeout| timeout.value);
    fields.finish();
    Some(Session { service: service?, command: command?, ready: ready?.value, timeout })
}

/// `command`: a list of words, at least one.
fn command(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let findings = fields.findings();
    let node = fields.required("command")?;
    let words = fields.texts("command");
    if words.is_empty() && node.as_seq().is_some() {
        let help = "write the program, and each of its arguments as a word";
        findings.push(Diagnostic::error("bad-command", node.span.clone(), "`command` has no words").help(help));
    }
    (!words.is_empty()).then(|| words.into_iter().map(|word| word.value).collect())
}
