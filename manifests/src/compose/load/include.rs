//! `include`: the services, volumes, configs and secrets of other Compose files.

use std::rc::Rc;

use super::{Loader, MAX_DEPTH, Origin};
use crate::compose::interpolate::Variables;
use crate::compose::{env_file, keys, merge, scalar, tree};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::yaml::{Entry, Key, Map, Node, Value};

/// What an included file brings.
const SECTIONS: [&str; 6] = ["services", "networks", "volumes", "configs", "secrets", "models"];
/// Said by people who want no variables.
const NO_FILE: &str = "/dev/null";

/// One entry of the list.
struct Include {
    /// The first one is the file, the others are merged over it.
    paths: Vec<Spanned<String>>,
    project_directory: Option<Spanned<String>>,
    env_files: Vec<Spanned<String>>,
    at: Span,
}

impl Loader<'_> {
    /// Draws the included files into a file. `including` are the files on the way here.
    pub(super) fn draw_in(&mut self, root: &mut Node, origin: &Origin, including: &mut Vec<String>) {
        let Value::Map(map) = &mut root.value else { return };
        // Anything but a list stays there, and is reported with the other keys.
        let Some(include) = map.get("include").filter(|node| !node.is_null()) else { return };
        if include.as_seq().is_none() {
            self.whole = false;
            return;
        }
        let items = map.remove("include").map(|entry| entry.value.value);
        let Some(Value::Seq(items)) = items else { return };
        for mut item in items {
            keys::INCLUDE.conform(&mut item, &keys::Place::of("`include`"), self.findings);
            if let Some(include) = self.include(&item)
                && let Some(included) = self.included(&include, origin, including)
            {
                self.join(map, included, &include.at);
            } else {
                self.whole = false;
            }
        }
    }

    fn include(&self, node: &Node) -> Option<Include> {
        let at = node.span.clone();
        let Value::Map(map) = &node.value else {
            let paths = vec![scalar::text(node)?];
            return Some(Include { paths, project_directory: None, env_files: vec![], at });
        };
        // That it is missing, or no text, has been reported.
        keys::optional(map, "path")?;
        let texts =
            |key| keys::optional(map, key).map(scalar::each).unwrap_or_default().iter().filter_map(scalar::text);
        Some(Include {
            paths: texts("path").collect(),
            project_directory: keys::optional(map, "project_directory").and_then(scalar::text),
            env_files: texts("env_file").collect(),
            at,
        })
    }

    /// What the files of one entry come to.
    fn included(&mut self, include: &Include, origin: &Origin, including: &mut Vec<String>) -> Option<Node> {
        if including.len() >= MAX_DEPTH {
            self.error(&include.at, format!("more than {MAX_DEPTH} files include each other"), "include fewer");
            return None;
        }
        let Some(first) = include.paths.first() else {
            self.error(&include.at, "`path` names no file", "name the Compose file to include");
            return None;
        };
        let inner = self.inner_origin(include, first, origin)?;
        let mut merged: Option<Node> = None;
        for path in &include.paths {
            let file = self.open(&origin.folder, &path.value, &path.at, &inner, Some(&inner.folder))?;
            if including.contains(&file.path) {
                let circle = format!("{} → {}", including.join(" → "), file.path);
                self.error(&path.at, format!("the files include each other: {circle}"), "remove one of the `include`");
                return None;
            }
            let root = self.complete(&file, including)?;
            self.charge(&root, &path.at)?;
            merged = match merged {
                None => Some(root),
                Some(base) => merge::file(base, root, self.findings),
            };
        }
        merged
    }

    /// Where the included files' paths start, and their variables: those of the including file win.
    fn inner_origin(&self, include: &Include, first: &Spanned<String>, origin: &Origin) -> Option<Origin> {
        let findings = self.findings;
        if !tree::may_read(self.input.local_files, &first.value, &first.at, findings) {
            return None;
        }
        let folder = match &include.project_directory {
            Some(folder) => tree::inside(&origin.folder, &folder.value, &folder.at, findings)?,
            None => tree::parent(&tree::inside(&origin.folder, &first.value, &first.at, findings)?).to_owned(),
        };
        let mut variables = Variables::new();
        let mut add = |from: &str, path: &str, at: &Span, required: bool| {
            let read = env_file::variables(self.input.tree, from, path, at, required, self.input.decryption, findings);
            variables.extend(read.unwrap_or_default());
        };
        if include.env_files.is_empty() {
            add(&folder, ".env", &include.at, false);
        }
        for file in include.env_files.iter().filter(|file| file.value != NO_FILE) {
            add(&origin.folder, &file.value, &file.at, true);
        }
        variables.extend(origin.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Origin { folder, variables: Rc::new(variables) })
    }

    /// Adds what was included to the file; the same thing said in two ways is an error.
    fn join(&self, root: &mut Map, included: Node, at: &Span) {
        let mut included = included;
        keys::FILE.conform(&mut included, &keys::Place::of("the included file"), self.findings);
        let Value::Map(included) = included.value else { return };
        for Entry { key: section, value } in included {
            if !SECTIONS.contains(&section.text.as_str()) || value.is_null() {
                continue;
            }
            let Value::Map(entries) = value.value else { continue };
            if root.get(&section.text).is_none_or(Node::is_null) {
                root.insert(Key::new(section.text.clone(), at.clone()), Node::new(Value::Map(Map::new()), at.clone()));
            }
            // Anything but a mapping is reported where the section is read.
            let Some(Node { value: Value::Map(own), .. }) = root.get_mut(&section.text) else { continue };
            for entry in entries {
                self.add(own, entry, &section.text);
            }
        }
    }

    fn add(&self, own: &mut Map, entry: Entry, section: &str) {
        let Some(known) = own.entry(&entry.key.text) else {
            own.insert(entry.key, entry.value);
            return;
        };
        if !merge::same(&known.value, &entry.value) {
            let name = scalar::shown(&entry.key.text, &entry.key.span);
            let message = format!("`{section}.{name}` is also included, from {}, and differs", entry.key.span);
            let help = "give one of the two another name; to change a service, use `extends`";
            self.findings.push(Diagnostic::error("include-conflict", known.key.span.clone(), message).help(help));
        }
    }
}
