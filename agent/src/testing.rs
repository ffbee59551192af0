//! For tests: an agent over a cluster in memory that fails by script, and a real folder of disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kompox_core::ownership::Managers;
use kompox_core::plan::NewDisks;
use kompox_manifests::desired::{Conversions, Terms};
use kompox_manifests::id::AppId;
use kompox_manifests::object::Kind;
use kompox_manifests::source::MemoryTree;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::births::Births;
use crate::cluster::cache::Cache;
use crate::cluster::faulty::Faulty;
use crate::cluster::lease::lost_signal;
use crate::cluster::memory::Memory as MemoryCluster;
use crate::cluster::watch::WatchApi;
use crate::context::{Agent, Commit, CommitRef, Standing};
use crate::departure::{self, Elsewhere, Left, View};
use crate::desire;
use crate::disks::Listings;
use crate::memory::Memory;
use crate::new_disks::Words;
use crate::outcome::{AppOutcome, Outcome};
use crate::rebuild::Sight;
use crate::reconcile::{Siblings, reconcile};
use crate::refuted::Refuted;
use crate::restart::{self, Turns};
use crate::unsupported::Unsupported;

/// Trouble with images is borne for moments only.
pub(crate) const QUICK: restart::Timing = restart::Timing {
    patience: Duration::from_millis(100),
    waits: (Duration::from_millis(200), Duration::from_millis(400)),
};

/// A commit's id from its number.
pub(crate) fn commit_id(number: u32) -> String {
    format!("{number:040x}")
}

pub(crate) struct World {
    pub(crate) cluster: Arc<Faulty<MemoryCluster>>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) files: BTreeMap<String, String>,
    root: Arc<TempDir>,
    lease: watch::Sender<Option<Instant>>,
}

impl World {
    /// One App with one volume, in an empty cluster whose Deployments are healthy at once.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        kompox_drivers::local::init_root(root.path().to_str().unwrap(), "n1").unwrap();
        Self::over(Arc::new(root))
    }

    /// Another, empty cluster over the disks of this one.
    pub(crate) fn on_disks_of(other: &Self) -> Self {
        Self::over(Arc::clone(&other.root))
    }

    fn over(root: Arc<TempDir>) -> Self {
        let cluster = Arc::new(Faulty::new(MemoryCluster::default()));
        let (lease, lost) = lost_signal(Duration::from_secs(600));
        let agent = Agent {
            cluster: Arc::clone(&cluster) as _,
            cache: Arc::default(),
            listings: Listings::default(),
            cluster_id: "/ws/w1/prv/p1/cls/c1".parse().unwrap(),
            new_disks: NewDisks::Allow,
            people: Managers::default(),
            refuted: Refuted::default(),
            unsupported: Unsupported::default(),
            pulling: QUICK,
            turns: Turns::default(),
            meter: Arc::default(),
            births: Births::default(),
            lost: Some(lost),
            review: None,
        };
        let mut world = Self { cluster, agent: Arc::new(agent), files: BTreeMap::new(), root, lease };
        world.app("shop");
        world.heal(true);
        world
    }

    /// Adds an App with its own folder.
    pub(crate) fn app(&mut self, name: &str) {
        let root = self.root.path().display();
        let entry = format!(
            "version: v1\nworkspace: {{name: w1}}\nprovider:\n  name: p1\n  driver: local\n  settings: {{LOCAL_NODE: n1, \
             LOCAL_ROOT: {root}}}\ncluster: {{name: c1, existing: true}}\napp:\n  name: {name}\n  compose: \
             file:compose.yml\n  volumes:\n    - {{name: data, size: 1Gi}}\n"
        );
        let compose = "services:\n  web:\n    image: nginx:1\n    volumes: [\"data:/srv\"]\n    env_file: [web.env]\n";
        self.files.insert(format!("{name}/kompoxops.yml"), entry);
        self.files.insert(format!("{name}/compose.yml"), compose.to_owned());
        self.files.insert(format!("{name}/web.env"), "A=1\n".to_owned());
    }

    pub(crate) fn edit(&mut self, file: &str, from: &str, to: &str) {
        let text = self.files.get_mut(file).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        *text = text.replace(from, to);
    }

    pub(crate) fn tree(&self) -> Arc<MemoryTree> {
        Arc::new(MemoryTree::new(self.files.clone()))
    }

    pub(crate) fn commit(&self, number: u32) -> Commit {
        Commit {
            source: Some("ops".into()),
            id: commit_id(number),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            accepted: BTreeSet::new(),
            tree: self.tree(),
            path: String::new(),
            terms: Terms::default(),
        }
    }

    /// Whether the Pods of Deployments come up, from now on.
    pub(crate) fn heal(&self, healthy: bool) {
        self.cluster.inner.heal(healthy);
    }

    /// Watches the cluster, as long as the tasks live.
    pub(crate) fn watch(&self) -> tokio::task::JoinSet<()> {
        self.agent.cache.start(&(Arc::clone(&self.cluster) as Arc<dyn WatchApi>))
    }

    /// Another process over the same cluster and disks: it remembers nothing.
    pub(crate) fn restarted(&self) -> Arc<Agent> {
        Arc::new(Agent {
            cluster: Arc::clone(&self.cluster) as _,
            cache: Arc::new(Cache::default()),
            listings: Listings::default(),
            cluster_id: self.agent.cluster_id.clone(),
            new_disks: NewDisks::Allow,
            people: Managers::default(),
            refuted: Refuted::default(),
            unsupported: Unsupported::default(),
            pulling: QUICK,
            turns: Turns::default(),
            meter: Arc::default(),
            births: Births::default(),
            lost: self.agent.lost.clone(),
            review: None,
        })
    }

    /// Sees the cluster as it is now, and looks once at every App of a commit.
    pub(crate) async fn look(&self, commit: &Commit, memory: &mut Memories) -> Outcome {
        self.agent.cache.read_once(self.cluster.as_ref()).await.unwrap();
        look(&self.agent, commit, memory).await
    }

    pub(crate) fn lose_lease(&self) {
        self.lease.send_replace(None);
    }

    /// The calls with this verb so far: `Deployment ns/name`, in order.
    pub(crate) fn calls(&self, verb: &str) -> Vec<String> {
        let calls = self.cluster.calls();
        let of_verb = calls.iter().filter_map(|call| call.strip_prefix(verb)?.strip_prefix(' '));
        of_verb.map(str::to_owned).collect()
    }

    /// Folders of disks.
    pub(crate) fn disks(&self) -> usize {
        fn below(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
            folders.map(|path| if path.join("data").is_dir() { 1 } else { below(&path) }).sum()
        }
        below(&self.root.path().join("disks"))
    }

    /// Everything at the provider is gone.
    pub(crate) fn lose_disks(&self) {
        for entry in std::fs::read_dir(self.root.path().join("disks")).unwrap() {
            let entry = entry.unwrap();
            // What begins with a dot is the driver's own.
            if !entry.file_name().to_string_lossy().starts_with('.') {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }

    /// Kinds and names of everything in the cluster.
    pub(crate) async fn objects(&self) -> Vec<String> {
        use crate::cluster::ClusterApi as _;
        let mut all = Vec::new();
        for kind in Kind::ALL {
            all.extend(self.cluster.inner.list_owned(kind).await.unwrap().into_iter().map(|live| live.key.to_string()));
        }
        all
    }
}

/// What is remembered of every App of a source.
#[derive(Default)]
pub(crate) struct Memories {
    apps: BTreeMap<AppId, Memory>,
    sight: Sight,
    words: Words,
}

/// Looks once at every App of a commit, one after the other, and at those that left it.
pub(crate) async fn look(agent: &Agent, commit: &Commit, memory: &mut Memories) -> Outcome {
    let wanted = desire::desire(commit, &agent.cluster_id, &mut Conversions::default());
    let wishes = &wanted.apps;
    let (of_commit, left) = (Arc::new(CommitRef::of(commit)), Left::default());
    let view = commit.source.as_deref().map(|source| View {
        source,
        commit: &of_commit,
        wanted: &wanted,
        elsewhere: &|_| Elsewhere::Nowhere,
        left: &left,
    });
    let mut outcomes: Vec<AppOutcome> = Vec::new();
    for wish in wishes {
        let holds = match view {
            Some(view) => departure::against(agent, view, &wish.app.id).await.unwrap(),
            None => Vec::new(),
        };
        let standing = Standing { holds, ..Standing::default() };
        let siblings = Siblings { wishes, sight: &memory.sight, words: &memory.words, standing };
        let of_app = memory.apps.entry(wish.app.id.clone()).or_default();
        outcomes.push(reconcile(agent, wish, &siblings, of_app).await.outcome);
    }
    if let Some(view) = view {
        for id in departure::apps(agent, view) {
            outcomes.extend(departure::look(agent, view, &id).await);
        }
    }
    Outcome::new(&wanted, outcomes, true)
}
