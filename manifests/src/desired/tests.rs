use std::path::Path;

use super::*;
use crate::source::MemoryTree;

/// The files of a folder of `tests/fixtures`.
fn fixture(name: &str) -> MemoryTree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for child in std::fs::read_dir(&folder).unwrap() {
            let path = child.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((relative, std::fs::read(&path).unwrap()));
            }
        }
    }
    MemoryTree::new(files)
}

fn lines(desired: &Desired) -> Vec<String> {
    let line = |finding: &Diagnostic| format!("{} {} {finding}", finding.severity, finding.code);
    desired.diagnostics.iter().map(line).collect()
}

#[test]
fn the_fixtures_are_sound() {
    let gitea = desire(&fixture("gitea"), ".");
    assert_eq!(lines(&gitea), [] as [&str; 0]);
    let webapp = desire(&fixture("webapp"), "");
    assert_eq!(lines(&webapp), [] as [&str; 0]);
}
