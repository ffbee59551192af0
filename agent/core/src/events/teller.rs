//! What is news about an App.

use crate::plan::Counts;
use crate::plan::text::summary;
use crate::report::{one_line, short_id};
use crate::views::app::{AppFacts, AppState, TroubleSort};

/// Longest note of an Event, in bytes; the API server takes no longer one.
const LONGEST_NOTE: usize = 1024;

/// How an Event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Something that happened to an App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// How it is shown.
    pub severity: Severity,
    /// Why it is told, in one word for programs.
    pub reason: &'static str,
    /// What the agent did or tried.
    pub action: &'static str,
    /// What happened, for people. Free of secrets, at most 1024 bytes.
    pub note: String,
}

/// Tells what is news about one App from one reconcile to the next.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    /// The trouble that was told and has not passed yet.
    trouble: Option<Told>,
    /// The drift that was told and is still there.
    drift: Vec<String>,
}

/// Trouble as it was told. One that only changes its words (one more restart) is no news.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    sort: TroubleSort,
    label: &'static str,
    /// Of what is held or blocked the words count: another thing may be.
    text: Option<String>,
}

impl Teller {
    /// The news in what a reconcile found.
    pub fn tell(&mut self, facts: &AppFacts) -> Vec<Occurrence> {
        let mut news = Vec::new();
        let commit = short_id(&facts.commit);
        if facts.done.disks_created > 0 {
            let disks = Counts { disks_created: facts.done.disks_created, ..Counts::default() };
            news.push(normal("DiskCreated", "CreateDisk", &format!("new and empty: {}", summary(disks))));
        }
        if facts.drifted > 0 {
            let objects = if facts.drifted == 1 { "1 object was" } else { &format!("{} objects were", facts.drifted) };
            let note = format!("{objects} not as commit {commit} asks, and put back");
            news.push(normal("DriftCorrected", "Apply", &note));
        }
        if facts.commit_wrote() {
            news.push(normal("Applied", "Apply", &format!("{} for commit {commit}", summary(facts.done))));
        }
        if self.drift != facts.drift {
            self.drift.clone_from(&facts.drift);
            if !facts.drift.is_empty() {
                news.push(warning("Drifted", "Plan", &facts.drift.join("; ")));
            }
        }
        news.extend(self.turn(&facts.state));
        news
    }

    /// The news in a state.
    fn turn(&mut self, state: &AppState) -> Option<Occurrence> {
        match state {
            AppState::Failed(trouble) => {
                let words_count = matches!(trouble.sort, TroubleSort::Held | TroubleSort::Blocked);
                let text = words_count.then(|| trouble.text.clone());
                let told = Told { sort: trouble.sort, label: trouble.label, text };
                if self.trouble.as_ref() == Some(&told) {
                    return None;
                }
                self.trouble = Some(told);
                let (reason, action) = match trouble.sort {
                    TroubleSort::Rejected => ("Rejected", "Plan"),
                    TroubleSort::Blocked => ("Blocked", "Plan"),
                    TroubleSort::Held => ("Held", "Plan"),
                    TroubleSort::Unhealthy => ("Unhealthy", "CheckHealth"),
                    TroubleSort::Retrying => ("Retrying", "Reconcile"),
                    TroubleSort::Stalled => ("Stalled", "Reconcile"),
                };
                Some(warning(reason, action, &trouble.text))
            }
            AppState::Healthy => self
                .trouble
                .take()
                .map(|_| normal("Recovered", "CheckHealth", "as the commit asks, and available again")),
            // What was wrong may still be, or be about to pass.
            AppState::Progressing(_) | AppState::Suspended | AppState::Paused(_) | AppState::LeftOver(_) => None,
        }
    }
}

fn normal(reason: &'static str, action: &'static str, text: &str) -> Occurrence {
    Occurrence { severity: Severity::Normal, reason, action, note: note(text) }
}

fn warning(reason: &'static str, action: &'static str, text: &str) -> Occurrence {
    Occurrence { severity: Severity::Warning, reason, action, note: note(text) }
}

/// A text as a note: one line that fits.
fn note(text: &str) -> String {
    let mut line = one_line(text);
    if line.len() > LONGEST_NOTE {
        let end = line.floor_char_boundary(LONGEST_NOTE - '…'.len_utf8());
        line.truncate(end);
        line.push('…');
    }
    line
}
