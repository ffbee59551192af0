//! `App.spec.reconcile`: how the agent treats the App.

use super::duration;
use super::{shape, syntax, unsupported};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::id::AppId;
use crate::model::{DriftPolicy, Reconcile, Window};
use crate::yaml::Node;
use crate::yaml::fields::{self, Fields, Findings};

/// Longest time that a window is open, in seconds.
const LONGEST_WINDOW: u64 = 7 * 86_400;

/// The words of `drift`.
const DRIFT: [(&str, DriftPolicy); 3] =
    [("correct", DriftPolicy::Correct), ("report", DriftPolicy::Report), ("off", DriftPolicy::Off)];

/// `App.spec.reconcile`; what is not written is the default.
pub(super) fn read(app: &mut Fields<'_, '_>, has_volumes: bool) -> Reconcile {
    let findings = app.findings();
    let Some(mut fields) = app.section("reconcile", "reconcile") else { return Reconcile::default() };
    let flag = |fields: &mut Fields<'_, '_>, key| fields.boolean(key).is_some_and(|flag| flag.value);
    let reconcile = Reconcile {
        drift: fields.choice("drift", &DRIFT).map(|drift| drift.value).unwrap_or_default(),
        force: flag(&mut fields, "force"),
        suspend: flag(&mut fields, "suspend"),
        progress_deadline: progress_deadline(&mut fields),
        depends_on: depends_on(&mut fields),
        prepull: fields.boolean("prepull").is_none_or(|prepull| prepull.value),
        windows: fields.list("windows").iter().filter_map(|window| self::window(window, findings)).collect(),
        rollback: rollback(&mut fields, has_volumes),
    };
    // Checked, so that what is written today means the same when a later version acts on it.
    fields.choice("data", &[("keep", ()), ("restore", ())]);
    unsupported(&mut fields, "data", "reconcile");
    fields.finish();
    reconcile
}

/// Whether what was healthy last comes back. An older program on newer data is no way back, so with volumes it
/// needs a snapshot from before the deploy.
fn rollback(fields: &mut Fields<'_, '_>, has_volumes: bool) -> bool {
    let asked = fields.choice("rollback", &[("off", false), ("lastHealthy", true)]);
    let Some(asked) = asked.filter(|asked| asked.value) else { return false };
    if has_volumes {
        let message = "the App has volumes, so going back needs a snapshot from before the deploy, which this version \
                       does not make: it is not rolled back";
        let help = "it is checked, and takes effect with a later version";
        fields.findings().push(Diagnostic::warning("not-supported-yet", asked.at, message).help(help));
    }
    !has_volumes
}

/// A duration above zero, in seconds.
pub(super) fn positive(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Spanned<u64>> {
    let findings = fields.findings();
    let node = fields.get(key)?;
    seconds(node, key, findings).filter(|duration| {
        if duration.value == 0 {
            let message = format!("`{key}` must be above zero");
            let help = "write it like `90s` or `10m`";
            findings.push(Diagnostic::error("bad-duration", duration.at.clone(), message).help(help));
        }
        duration.value > 0
    })
}

/// A duration in seconds.
pub(super) fn seconds(node: &Node, what: &str, findings: &Findings) -> Option<Spanned<u64>> {
    let text = fields::text(node, what, findings)?;
    if let Some(seconds) = duration::seconds(&text.value) {
        return Some(Spanned::new(seconds, text.at));
    }
    let message = format!("`{what}` must be a duration; `{}` is none", text.value);
    let help = "write it like `90s`, `10m`, `1h30m` or `7d`";
    findings.push(Diagnostic::error("bad-duration", text.at, message).help(help));
    None
}

fn progress_deadline(fields: &mut Fields<'_, '_>) -> Option<u64> {
    positive(fields, "progressDeadline").map(|deadline| deadline.value)
}

fn depends_on(fields: &mut Fields<'_, '_>) -> Vec<Spanned<AppId>> {
    let findings = fields.findings();
    let parse = |given: Spanned<String>| match given.value.parse() {
        Ok(id) => Some(Spanned::new(id, given.at)),
        Err(error) => {
            let message = format!("`dependsOn` names Apps by their ID: {error}");
            let help = "write it like `/ws/ops/prv/aks1/cls/cluster1/app/web`";
            findings.push(Diagnostic::error("bad-id", given.at, message).help(help));
            None
        }
    };
    fields.strings("dependsOn").into_iter().filter_map(parse).collect()
}

/// `windows[]`: when it opens and how long it stays open.
fn window(window: &Node, findings: &Findings) -> Option<Window> {
    let mut fields = Fields::of(window, "windows[]", findings)?.shaped(&shape::WINDOW);
    let opens = fields.required_string("schedule");
    fields.required("duration");
    let duration = positive(&mut fields, "duration").filter(|duration| {
        let fits = duration.value <= LONGEST_WINDOW;
        if !fits {
            let message = "a window is open for at most 7 days".to_owned();
            let help = "shorten `duration`; without `windows`, a change waits for the next commit";
            findings.push(Diagnostic::error("bad-duration", duration.at.clone(), message).help(help));
        }
        fits
    });
    let zone = fields.string("timeZone");
    fields.finish();
    let opens = syntax::schedule(&opens?, zone.as_ref(), findings);
    Some(Window { opens: opens?, duration: duration?.value })
}
