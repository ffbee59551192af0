//! A plan as text for a terminal.

use std::fmt::Write as _;

use super::Plan;
use super::counts::Counts;
use super::kind::ActionKind;
use super::view::{ActionView, FieldView, View};

/// The plan as text, one line an action, changed fields below it. An empty plan is one line.
#[must_use]
pub fn to_text(plan: &Plan) -> String {
    let view = View::of(plan);
    let mut text = match &view.origin {
        Some(origin) => format!("{} ({origin})\n", view.app),
        None => format!("{}\n", view.app),
    };
    if view.actions.is_empty() {
        text.push_str("  nothing to do\n");
        return text;
    }
    for action in &view.actions {
        let (sign, verb) = verb(action);
        let _ = write!(text, "  {sign} {verb:<14} {}  — {}", title(action), action.reason);
        if let Some(origin) = &action.origin {
            let _ = write!(text, " ({origin})");
        }
        text.push('\n');
        for note in notes(action) {
            let _ = writeln!(text, "        {note}");
        }
    }
    text
}

/// The numbers of one or several plans in one sentence.
#[must_use]
pub fn summary(counts: Counts) -> String {
    let Counts { created, changed, replaced, deleted, disks_created, disks_assigned, left, awaited, blocked, held } =
        counts;
    let parts = [
        (created, "created"),
        (changed, "changed"),
        (replaced, "replaced"),
        (deleted, "deleted"),
        (disks_created, if disks_created == 1 { "disk created" } else { "disks created" }),
        (disks_assigned, if disks_assigned == 1 { "disk assigned" } else { "disks assigned" }),
        (left, "left as they are"),
        (awaited, "waiting"),
        (blocked, "blocked"),
        (held, "held"),
    ];
    let said: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { "nothing to change".to_owned() } else { said.join(", ") }
}

/// The sign and the word for what an action does.
pub(crate) fn verb(action: &ActionView) -> (char, &'static str) {
    match action.action {
        ActionKind::NewEmptyDisk => ('+', "NEW EMPTY DISK"),
        ActionKind::AssignDisk => ('~', "assign disk"),
        ActionKind::Create if action.assumed => ('+', "create (after)"),
        ActionKind::Create => ('+', "create"),
        ActionKind::Change => ('~', "change"),
        ActionKind::Replace => ('±', "REPLACE"),
        ActionKind::GiveBack => ('~', "give back"),
        ActionKind::Delete => ('-', "delete"),
        ActionKind::Keep => ('=', "keep"),
        ActionKind::Left => ('!', "LEFT"),
        ActionKind::Awaited => ('!', "waits"),
        ActionKind::Blocked => ('!', "BLOCKED"),
        ActionKind::Held => ('!', "HELD"),
    }
}

/// What an action is about, with what becomes of the Pod.
pub(super) fn title(action: &ActionView) -> String {
    let mut title = match (action.action, &action.disk) {
        (ActionKind::NewEmptyDisk, Some(disk)) => {
            format!("{disk} for {} ({})", action.subject, size(action.size_bytes.unwrap_or_default()))
        }
        (_, Some(disk)) => format!("{disk} to {}", action.subject),
        (_, None) => action.subject.clone(),
    };
    if let Some(downtime) = &action.downtime {
        let _ = write!(title, " ({downtime})");
    }
    title
}

/// What stands below an action: its fields, and what to do.
pub(super) fn notes(action: &ActionView) -> Vec<String> {
    let to_do = action.to_do.iter().map(|to_do| format!("to do: {to_do}"));
    let hold = action.hold.iter().map(|digest| {
        format!("to let it go: a commit with the line `Kompox-Accept: {digest}`, or kompox-agent hold accept {digest}")
    });
    action.fields.iter().map(field).chain(to_do).chain(hold).collect()
}

fn field(FieldView { path, before, after }: &FieldView) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    format!("{path}: {} → {}", side(before), side(after))
}

/// A size in the largest binary unit that divides it.
fn size(bytes: u64) -> String {
    for (unit, shift) in [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}
