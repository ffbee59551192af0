//! A plan as people and programs read it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::diff::FieldChange;
use super::{Action, Counts, Plan, Subject, What};

/// The plan as text, one line an action, changed fields below it. An empty plan is one line.
#[must_use]
pub fn to_text(plan: &Plan) -> String {
    let mut text = format!("{} ({})\n", plan.app, plan.origin);
    if plan.actions.is_empty() {
        text.push_str("  nothing to do\n");
        return text;
    }
    for action in &plan.actions {
        let line = Line::of(action);
        let _ = write!(text, "  {} {:<14} {}", line.sign, line.verb, line.subject);
        let _ = write!(text, "  — {}", action.reason);
        if let Some(origin) = &action.origin {
            let _ = write!(text, " ({origin})");
        }
        text.push('\n');
        for note in line.notes {
            let _ = writeln!(text, "        {note}");
        }
    }
    text
}

/// The numbers of one or several plans in one sentence.
#[must_use]
pub fn summary(counts: Counts) -> String {
    let Counts { created, changed, deleted, disks_created, disks_assigned, blocked, held } = counts;
    let parts = [
        (created, "created"),
        (changed, "changed"),
        (deleted, "deleted"),
        (disks_created, if disks_created == 1 { "disk created" } else { "disks created" }),
        (disks_assigned, if disks_assigned == 1 { "disk assigned" } else { "disks assigned" }),
        (blocked, "blocked"),
        (held, "held"),
    ];
    let said: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { "nothing to change".to_owned() } else { said.join(", ") }
}

/// The plan for programs; the shape is stable.
#[must_use]
pub fn to_json(plan: &Plan) -> Value {
    let actions: Vec<Value> = plan.actions.iter().map(action_json).collect();
    json!({
        "app": plan.app.to_string(),
        "origin": plan.origin.to_string(),
        "counts": plan.counts(),
        "actions": actions,
    })
}

/// The plan as a Markdown section: a table of actions, changed fields folded below it.
#[must_use]
pub fn to_markdown(plan: &Plan) -> String {
    let mut text = format!("### `{}`\n\n", plan.app);
    if plan.actions.is_empty() {
        text.push_str("Nothing to do.\n");
        return text;
    }
    text.push_str("| | what | why | where |\n|-|-|-|-|\n");
    let mut details = String::new();
    for action in &plan.actions {
        let line = Line::of(action);
        let origin = action.origin.as_ref().map(|origin| format!("`{origin}`")).unwrap_or_default();
        let _ = writeln!(text, "| **{}** | {} | {} | {origin} |", line.verb, cell(&line.subject), cell(&action.reason));
        for note in line.notes {
            let _ = writeln!(details, "{}: {note}", line.subject);
        }
    }
    if !details.is_empty() {
        let fence = "`".repeat(longest_backticks(&details).max(2) + 1);
        let _ = write!(text, "\n<details><summary>fields</summary>\n\n{fence}text\n{details}{fence}\n\n</details>\n");
    }
    text
}

/// A table cell holds no line break and no bar of its own, and no markup that was not ours.
fn cell(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('|', "\\|").replace('<', "&lt;")
}

fn longest_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// The words for one action.
struct Line {
    sign: char,
    verb: &'static str,
    subject: String,
    notes: Vec<String>,
}

impl Line {
    fn of(action: &Action) -> Self {
        let line = |sign, verb, subject: String| Self { sign, verb, subject, notes: Vec::new() };
        match &action.what {
            What::CreateDisk(spec) => {
                line('+', "NEW EMPTY DISK", format!("{} for volume {} ({})", spec.name, spec.volume, size(spec.size)))
            }
            What::AssignDisk(disk) => line('~', "assign disk", format!("{} to volume {}", disk.name, disk.volume)),
            What::Create { object, assumed } => {
                let verb = if *assumed { "create (after)" } else { "create" };
                line('+', verb, object.key.to_string())
            }
            What::Change { object, fields, restarts, .. } => Self {
                sign: '~',
                verb: "change",
                subject: format!("{}{}", object.key, if *restarts { " (restarts the Pod)" } else { "" }),
                notes: fields.iter().map(field).collect(),
            },
            What::Delete(live) => line('-', "delete", live.key.to_string()),
            What::Keep(subject) => line('=', "keep", named(subject)),
            What::Blocked { subject, remedy } => {
                Self { sign: '!', verb: "BLOCKED", subject: named(subject), notes: vec![format!("to do: {remedy}")] }
            }
            What::Held { subject, remedy } => {
                Self { sign: '!', verb: "HELD", subject: named(subject), notes: vec![format!("to do: {remedy}")] }
            }
        }
    }
}

fn field(change: &FieldChange) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    format!("{}: {} → {}", change.path, side(&change.before), side(&change.after))
}

fn named(subject: &Subject) -> String {
    match subject {
        Subject::Object(key) => key.to_string(),
        Subject::Volume(name) => format!("volume {name}"),
        Subject::App => "the whole app".to_owned(),
    }
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

fn action_json(action: &Action) -> Value {
    let mut shown = json!({
        "action": kind(&action.what),
        "stage": format!("{:?}", action.what.stage()),
        "reason": action.reason,
        "origin": action.origin.as_ref().map(ToString::to_string),
    });
    let extra = match &action.what {
        What::CreateDisk(spec) => {
            json!({"volume": spec.volume, "disk": spec.name, "sizeBytes": spec.size})
        }
        What::AssignDisk(disk) => json!({"volume": disk.volume, "disk": disk.name}),
        What::Create { object, assumed } => json!({"object": object.key.to_string(), "assumed": assumed}),
        What::Change { object, fields, restarts, .. } => {
            let fields: Vec<Value> =
                fields.iter().map(|f| json!({"path": f.path, "before": f.before, "after": f.after})).collect();
            json!({"object": object.key.to_string(), "fields": fields, "restartsPod": restarts})
        }
        What::Delete(live) => json!({"object": live.key.to_string()}),
        What::Keep(subject) => json!({"subject": named(subject)}),
        What::Blocked { subject, remedy } | What::Held { subject, remedy } => {
            json!({"subject": named(subject), "toDo": remedy})
        }
    };
    if let (Some(shown), Value::Object(extra)) = (shown.as_object_mut(), extra) {
        shown.extend(extra);
    }
    shown
}

/// The action's stable name in JSON.
fn kind(what: &What) -> &'static str {
    match what {
        What::CreateDisk(_) => "newEmptyDisk",
        What::AssignDisk(_) => "assignDisk",
        What::Create { .. } => "create",
        What::Change { .. } => "change",
        What::Delete(_) => "delete",
        What::Keep(_) => "keep",
        What::Blocked { .. } => "blocked",
        What::Held { .. } => "held",
    }
}
