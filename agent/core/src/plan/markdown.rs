//! Plans as Markdown for the comment of a pull request: a table an App, details folded below it. What
//! does not fit into a comment is left out whole, and said; the markup is closed whatever is left out.

use std::fmt::Write as _;

use super::Plan;
use super::text::{notes, title, verb};
use super::view::{ActionView, View};

/// Longest text, in characters. Forges take at most 65,536 in one comment; the rest is for what stands
/// around it.
pub const LONGEST: usize = 60_000;

/// Characters kept for the sentence that says what was left out.
const RESERVE: usize = 200;

/// One App's plan as a Markdown section.
#[must_use]
pub fn to_markdown(plan: &Plan) -> String {
    let mut page = Page::new(LONGEST);
    page.plan(&View::of(plan));
    page.finish()
}

/// A Markdown text of bounded length.
#[derive(Debug)]
pub struct Page {
    text: String,
    /// Characters that may still be written.
    left: usize,
    /// Blocks that did not fit.
    omitted: usize,
}

impl Page {
    /// An empty text of at most `longest` characters.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { text: String::new(), left: longest.saturating_sub(RESERVE), omitted: 0 }
    }

    /// Adds an App's plan: what is done, then the details as far as there is room.
    pub fn plan(&mut self, view: &View) {
        let heading = format!("### `{}`\n\n", code(&view.app));
        if view.actions.is_empty() {
            self.block(&format!("{heading}Nothing to do.\n\n"));
            return;
        }
        let head = format!("{heading}| | what | why | where |\n|-|-|-|-|\n");
        if !self.block(&head) {
            return;
        }
        let mut shown = Vec::new();
        for action in &view.actions {
            if self.block(&row(action)) {
                shown.push(action);
            }
        }
        // A blank line ends the table.
        self.block("\n");
        self.details(&shown);
        self.block(&format!("Plan `{}`\n\n", view.digest));
    }

    /// Adds a heading with a paragraph about something that has no plan. `what` is bold.
    pub fn note(&mut self, subject: &str, what: &str, text: &str) {
        self.block(&format!("### `{}`\n\n**{what}**: {}\n\n", code(subject), inline(text)));
    }

    /// Adds a last sentence in bold.
    pub fn conclusion(&mut self, text: &str) {
        self.block(&format!("**{}**\n", inline(text)));
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.omitted > 0 {
            let _ = write!(
                self.text,
                "\n… {} more lines do not fit here; `kompox-agent plan` prints them all.\n",
                self.omitted
            );
        }
        self.text
    }

    /// The notes of actions, folded; lines that do not fit are counted.
    fn details(&mut self, actions: &[&ActionView]) {
        let lines: Vec<String> = actions
            .iter()
            .flat_map(|action| notes(action).into_iter().map(|note| format!("{}: {note}\n", action.subject)))
            .collect();
        if lines.is_empty() {
            return;
        }
        let fence = "`".repeat(lines.iter().map(|line| longest_backticks(line)).max().unwrap_or(0).max(2) + 1);
        let (before, after) =
            (format!("<details><summary>details</summary>\n\n{fence}text\n"), format!("{fence}\n\n</details>\n\n"));
        let frame = length(&before) + length(&after);
        let mut room = self.left.saturating_sub(frame);
        let mut body = String::new();
        for line in &lines {
            if length(line) > room {
                self.omitted += 1;
                continue;
            }
            room -= length(line);
            body.push_str(line);
        }
        if !body.is_empty() {
            self.block(&format!("{before}{body}{after}"));
        }
    }

    /// Adds a block whole, or counts it as left out.
    fn block(&mut self, block: &str) -> bool {
        let fits = length(block) <= self.left;
        if fits {
            self.text.push_str(block);
            self.left -= length(block);
        } else {
            self.omitted += 1;
        }
        fits
    }
}

fn row(action: &ActionView) -> String {
    let origin = action.origin.as_ref().map(|origin| format!("`{}`", code(origin))).unwrap_or_default();
    let (_, verb) = verb(action);
    format!("| **{verb}** | {} | {} | {} |\n", cell(&title(action)), cell(&action.reason), cell(&origin))
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A table cell holds no line break and no bar of its own, and no markup that was not ours.
fn cell(text: &str) -> String {
    inline(text).replace('|', "\\|")
}

/// Text in a line that no HTML, no mention and no image can come from.
fn inline(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('<', "&lt;").replace("![", "!\\[").replace('@', "@\u{200b}")
}

/// Text between single backticks.
fn code(text: &str) -> String {
    text.replace(['\n', '\r', '`'], " ")
}

fn longest_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
