//! What happens to every key of a Compose file, for people: `docs/compose.md`.

use std::fmt::Write as _;

use super::types::{Mapping, Type};
use super::{FILE, Handling, Rule, Table};

/// A key of the Compose schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where it stands: keys with dots between them, `*` for a name that people choose, `[]` for an item of a list,
    /// e.g. `services.*.ports[].target`.
    pub path: String,
    /// What happens to it, one word: `mapped`, `error`, `warning`, `info`, or `detail` for what goes the way of a key
    /// above it.
    pub handling: &'static str,
}

/// Every key that the tables know, sorted by path.
#[must_use]
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    walk(&FILE, "", &mut |path, rule| keys.push(Key { path, handling: word(&rule.handling) }));
    keys.sort();
    keys.dedup();
    keys
}

const fn word(handling: &Handling) -> &'static str {
    match handling {
        Handling::Mapped(_) => "mapped",
        Handling::Reported { severity, .. } => severity.name(),
        Handling::Detail => "detail",
    }
}

/// Calls `each` with every key in a value of the type, and its path.
fn walk(of: &Type, path: &str, each: &mut dyn FnMut(String, &'static Rule)) {
    if let Some(list) = of.list {
        walk(list.items, &format!("{path}[]"), each);
    }
    match of.map {
        Some(Mapping::Table(table)) => {
            for rule in table.rules() {
                let path = if path.is_empty() { rule.key.to_owned() } else { format!("{path}.{}", rule.key) };
                each(path.clone(), rule);
                walk(&rule.of, &path, each);
            }
        }
        Some(Mapping::Named(of, _) | Mapping::Free(of)) => walk(of, &format!("{path}.*"), each),
        Some(Mapping::Unchecked) | None => {}
    }
}

const HEAD: &str = "\
# What happens to every key of a Compose file

Made from the tables in the code; `UPDATE_DOCS=1 cargo test -p kompox-manifests` writes it anew. A key that is not
listed is an error, unless it begins with `x-`.
";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut sections: Vec<(String, &'static Table)> = Vec::new();
    tables(&FILE, "", &mut sections);
    let mut told: Vec<*const Table> = Vec::new();
    for (title, table) in &sections {
        if told.iter().any(|other| std::ptr::eq(*other, *table)) {
            continue;
        }
        told.push(*table);
        let others = sections.iter().filter(|(other, same)| std::ptr::eq(*same, *table) && other != title);
        let titles: Vec<&str> =
            std::iter::once(title.as_str()).chain(others.map(|(other, _)| other.as_str())).collect();
        section(&mut page, &titles.join(", "), table);
    }
    page
}

/// The tables whose keys are read or reported one by one, each with its path.
fn tables(of: &Type, path: &str, found: &mut Vec<(String, &'static Table)>) {
    if let Some(list) = of.list {
        tables(list.items, &format!("{path}[]"), found);
    }
    match of.map {
        Some(Mapping::Table(table)) => {
            found.push((if path.is_empty() { "The Compose file".to_owned() } else { path.to_owned() }, table));
            for rule in table.rules().filter(|rule| matches!(rule.handling, Handling::Mapped(_))) {
                let path = if path.is_empty() { rule.key.to_owned() } else { format!("{path}.{}", rule.key) };
                tables(&rule.of, &path, found);
            }
        }
        Some(Mapping::Named(of, _) | Mapping::Free(of)) => tables(of, &format!("{path}.*"), found),
        Some(Mapping::Unchecked) | None => {}
    }
}

fn section(page: &mut String, title: &str, table: &Table) {
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {title}\n\n| key | what happens | note |\n|-|-|-|\n");
    for rule in table.rules() {
        let mut note = match &rule.handling {
            Handling::Mapped(how) => (*how).to_owned(),
            Handling::Reported { why, instead, .. } => format!("{why}; {instead}"),
            Handling::Detail => String::new(),
        };
        if let Handling::Reported { .. } = rule.handling {
            let mut below = Vec::new();
            walk(&rule.of, "", &mut |path, _| below.push(format!("`{}`", path.trim_start_matches("[]."))));
            // A job has as many keys as a service.
            if (1..=30).contains(&below.len()) {
                let _ = write!(note, ". Known below it: {}", below.join(", "));
            }
        }
        let _ = writeln!(page, "| `{}` | {} | {} |", rule.key, word(&rule.handling), note.replace('|', "\\|"));
    }
}
