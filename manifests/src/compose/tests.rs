mod container;
mod document;
mod encrypted;
mod env_file;
mod files;
mod keys;
mod load;
mod mounts;
mod names;
mod passwords;
mod pod;
mod publish;
mod service;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::model::{DeletionPolicy, DiskClaim, Service, VolumeKind};
use crate::source::MemoryTree;
use crate::yaml::{Dialect, parse};

/// An App around a Compose file, and the repository that it lies in.
struct Case {
    app: &'static str,
    files: BTreeMap<String, Vec<u8>>,
    volumes: Vec<&'static str>,
    rules: Vec<(&'static str, u16, Vec<&'static str>)>,
    domain: Option<&'static str>,
    local_files: bool,
    decryption: Decryption,
}

/// What came of it.
struct Outcome {
    loaded: Option<Loaded>,
    diagnostics: Vec<Diagnostic>,
}

fn case() -> Case {
    Case {
        app: "app1",
        files: BTreeMap::new(),
        volumes: vec!["default", "db"],
        rules: Vec::new(),
        domain: None,
        local_files: true,
        decryption: Decryption::default(),
    }
}

/// A Compose file with one service `web` that has an image and the given further lines.
fn web(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("services:\n  web:\n    image: nginx\n{indented}")
}

impl Case {
    fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_owned(), content.as_ref().to_vec());
        self
    }

    fn rule(mut self, name: &'static str, port: u16, hosts: &[&'static str]) -> Self {
        self.rules.push((name, port, hosts.to_vec()));
        self
    }

    /// Loads `app/compose.yml` with this text.
    fn load(self, compose: &str) -> Outcome {
        self.file("app/compose.yml", compose).document("compose: file:compose.yml\n")
    }

    /// Loads the Compose document that stands under `compose` in `app/kompoxapp.yml`.
    fn document(self, text: &str) -> Outcome {
        let file = Arc::new(SourceFile { path: "app/kompoxapp.yml".to_owned(), text: text.to_owned() });
        let root = parse(&file, text, Dialect::Kubernetes).unwrap().remove(0);
        let at = Span::file(&file);
        let volume = |name: &&str| Volume {
            name: (*name).to_owned(),
            size: 1 << 30,
            kind: VolumeKind::Disk,
            options: BTreeMap::new(),
            source: None,
            deletion_policy: DeletionPolicy::Retain,
            claim: DiskClaim::Keep,
            at: at.clone(),
        };
        let rule = |(name, port, hosts): &(&str, u16, Vec<&str>)| PublishRule {
            name: Spanned::new((*name).to_owned(), at.clone()),
            port: Spanned::new(*port, at.clone()),
            hosts: hosts.iter().map(|host| Spanned::new((*host).to_owned(), at.clone())).collect(),
            at: at.clone(),
        };
        let findings = Findings::new();
        let loaded = load(
            &ComposeInput {
                tree: &MemoryTree::new(self.files),
                decryption: &self.decryption,
                document: root.get("compose").unwrap(),
                folder: "app",
                local_files: self.local_files,
                id: &format!("/ws/ops/prv/aks1/cls/cluster1/app/{}", self.app).parse().unwrap(),
                domain: self.domain,
                volumes: &self.volumes.iter().map(volume).collect::<Vec<_>>(),
                rules: &self.rules.iter().map(rule).collect::<Vec<_>>(),
            },
            &findings,
        );
        Outcome { loaded: loaded.filter(|loaded| loaded.sound), diagnostics: findings.into_vec() }
    }
}

impl Outcome {
    /// Every finding as `severity file:line:column message`, without the folder.
    fn found(&self) -> Vec<String> {
        let line = |diagnostic: &Diagnostic| {
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            format!("{severity} {diagnostic}").replace("app/", "")
        };
        self.diagnostics.iter().map(line).collect()
    }

    /// The project of a file that has nothing wrong with it.
    #[track_caller]
    fn project(self) -> Project {
        assert_eq!(self.found(), [""; 0]);
        self.loaded.unwrap().project
    }

    /// The only service of such a file.
    #[track_caller]
    fn service(self) -> Service {
        let mut services = self.project().services;
        assert_eq!(services.len(), 1);
        services.remove(0)
    }

    /// Asserts that there is one finding, and that it says this; errors reject the file.
    #[track_caller]
    fn finds(&self, expected: &str) {
        let found = self.found();
        assert!(found.len() == 1 && found[0].starts_with(expected), "expected only\n{expected}\nfound\n{found:#?}");
        assert_eq!(self.loaded.is_none(), expected.starts_with("error"), "{expected}");
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&item| item.to_owned()).collect()
}
