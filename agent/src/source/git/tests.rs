//! Against real repositories: on this machine, and behind `git http-backend`.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kompox_core::next::Next;
use kompox_manifests::source::{EntryKind, TreeError};

use super::super::testing::{Origin, git, http_backend};
use super::*;
use crate::config::ForgeChoice;
use crate::http_client::testing::{Reply, Request, Server};
use crate::secret::{Credentials, SecretFile};

mod http;
mod local;

/// A cache folder, and sources over it.
struct Desk {
    cache: tempfile::TempDir,
    config: SourceConfig,
    limits: Limits,
}

impl Desk {
    fn new(location: Location) -> Self {
        let config = SourceConfig {
            name: "ops".to_owned(),
            location,
            reference: Reference::Default,
            path: String::new(),
            interval: Duration::from_secs(30),
            credentials: None,
            forge: ForgeChoice::None(String::new()),
            webhook: None,
            allow_force_push: false,
            age_keys: None,
        };
        let limits = Limits {
            find: Duration::from_secs(10),
            download: Duration::from_secs(20),
            idle: Duration::from_secs(10),
            ..Limits::default()
        };
        Self { cache: tempfile::tempdir().unwrap(), config, limits }
    }

    fn local(origin: &Origin) -> Self {
        Self::new(Location::Repository(origin.bare()))
    }

    fn remote(server: &Server) -> Self {
        Self::new(Location::Remote(server.url("/ops/apps.git")))
    }

    fn wanting(mut self, reference: Reference) -> Self {
        self.config.reference = reference;
        self
    }

    /// A source as a process that just started would have it.
    fn source(&self) -> GitSource {
        GitSource::new(&self.config, self.cache.path(), Arc::default(), self.limits).unwrap()
    }

    /// The folder of the only mirror.
    fn mirror(&self) -> PathBuf {
        let folders = std::fs::read_dir(self.cache.path().join("git")).unwrap();
        let folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders.into_iter().next().unwrap()
    }

    fn packs(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.mirror().join("objects/pack")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
    }

    fn leftovers(&self) -> usize {
        let files = std::fs::read_dir(self.mirror().join("objects/pack")).unwrap();
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("pack_git2_")).count()
    }
}

fn id(hash: &str) -> RevisionId {
    hash.parse().unwrap()
}

fn text(snapshot: &Snapshot, path: &str) -> String {
    String::from_utf8(snapshot.tree.read(path, 1_000_000).unwrap().to_vec()).unwrap()
}

async fn fails(source: &GitSource) -> Fault {
    source.fetch(None).await.err().expect("the fetch fails")
}
