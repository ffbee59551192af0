//! A source as a whole.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::desired::{Terms, desire};
use kompox_manifests::id::AppId;
use kompox_manifests::model::{App, Protection};
use kompox_manifests::names::Names;
use kompox_manifests::render::render;
use kompox_manifests::source::{MemoryTree, SourceTree, TreeEntry, TreeError};
use proptest::prelude::*;

use super::super::sweep::{Judgement, Listing};
use super::super::*;
use super::world::applied;

/// One source: files of a commit, and what the cluster has of each App.
#[derive(Default)]
struct Source {
    files: BTreeMap<String, String>,
    cluster: BTreeMap<AppId, (ObservedApp, AppliedRecord)>,
}

impl Source {
    fn entry(&mut self, folder: &str, app: &str, cluster: &str, host: &str) {
        let text = format!(
            "version: v1\nworkspace: {{name: w1}}\nprovider: {{name: p1, driver: local}}\ncluster:\n  name: {cluster}\n  \
             existing: true\napp:\n  name: {app}\n  compose: file:compose.yml\n  ingress:\n    rules: [{{name: web, port: \
             80, hosts: [{host}]}}]\n"
        );
        self.files.insert(format!("{folder}/kompoxops.yml"), text);
        let compose = "services:\n  web:\n    image: nginx:1\n    ports: [\"80:80\"]\n";
        self.files.insert(format!("{folder}/compose.yml"), compose.into());
    }

    /// Apps `a0`, `a1`, …, each in its folder with its host, all deployed.
    fn of(count: usize) -> Self {
        let mut source = Self::default();
        for number in 0..count {
            source.entry(&format!("f{number}"), &format!("a{number}"), "c1", &format!("h{number}.example.com"));
        }
        source.deploy();
        source
    }

    fn apps(&self) -> Vec<App> {
        let desired = desire(&MemoryTree::new(self.files.clone()), "", &Terms::default());
        assert!(desired.is_sound(), "{:#?}", desired.diagnostics);
        desired.apps().filter(|app| app.id.cluster.cluster == "c1").cloned().collect()
    }

    fn deploy(&mut self) {
        for app in self.apps() {
            let slots = Slots { source: Some("ops".into()), ..Slots::default() };
            let objects = render(&app, &slots).into_iter().map(|object| (object.key.clone(), applied(&object)));
            let observed = ObservedApp { objects: objects.collect(), ..ObservedApp::default() };
            let record = AppliedRecord::of(&app, "c1", "i1", &observed);
            self.cluster.insert(app.id, (observed, record));
        }
    }

    fn leave(&mut self, folder: &str) {
        self.files.retain(|file, _| !file.starts_with(&format!("{folder}/")));
    }

    fn judge(&self) -> Judgement {
        let desired = desire(&MemoryTree::new(self.files.clone()), "", &Terms::default());
        let ours = |id: &AppId| id.cluster.cluster == "c1";
        let listed: Vec<&App> = desired.apps().filter(|app| ours(&app.id)).collect();
        let entries: BTreeMap<String, usize> = desired
            .entries
            .iter()
            .filter(|entry| !entry.rejected)
            .map(|entry| (entry.file.clone(), entry.apps.iter().filter(|made| ours(&made.app.id)).count()))
            .collect();
        let elsewhere: BTreeSet<AppId> =
            desired.entries.iter().flat_map(|entry| &entry.claims).filter(|id| !ours(id)).cloned().collect();
        let is_listed = |id: &AppId| listed.iter().any(|app| app.id == *id);
        let departed = self.cluster.iter().filter(|(id, _)| !is_listed(id)).map(|(id, (observed, record))| Departed {
            id,
            observed,
            applied: Some(record),
        });
        let deployed = self.cluster.iter().filter(|(id, (observed, _))| is_listed(id) && is_deployed(id, observed));
        let deployed = deployed.map(|(id, _)| id).collect();
        Listing {
            departed: departed.collect(),
            deployed,
            entries: &entries,
            elsewhere: &elsewhere,
            listed: listed.clone(),
        }
        .judge()
    }

    /// Why Apps must wait, as `app: cause`.
    fn holds(&self) -> Vec<String> {
        let judgement = self.judge();
        let listed = self.apps();
        let ids: BTreeSet<&AppId> = self.cluster.keys().chain(listed.iter().map(|app| &app.id)).collect();
        let of = |id: &&AppId| {
            let name = id.app.clone();
            judgement.of(id).into_iter().map(move |hold| format!("{name}: {}", hold.cause.word()))
        };
        ids.iter().flat_map(of).collect()
    }
}

impl Source {
    /// The only digest that lets everything go.
    fn word(&self) -> HoldDigest {
        let judgement = self.judge();
        let digests: BTreeSet<HoldDigest> =
            self.cluster.keys().flat_map(|id| judgement.of(id)).map(|hold| hold.digest()).collect();
        assert_eq!(digests.len(), 1);
        digests.into_iter().next().unwrap()
    }
}

#[test]
fn one_app_of_many_may_leave() {
    let mut source = Source::of(8);
    source.leave("f3");
    assert!(source.holds().is_empty(), "{:?}", source.holds());
}

#[test]
fn many_at_once_are_held_with_one_word() {
    let mut share = Source::of(6);
    (0..2).for_each(|number| share.leave(&format!("f{number}")));
    assert_eq!(share.holds(), ["a0: massRemoval", "a1: massRemoval"], "a third of them");
    let mut number = Source::of(30);
    (0..6).for_each(|app| number.leave(&format!("f{app}")));
    assert_eq!(number.holds().len(), 6, "six are too many of however many");
    let mut few = Source::of(30);
    (0..5).for_each(|app| few.leave(&format!("f{app}")));
    assert!(few.holds().is_empty());

    let mut source = Source::of(30);
    (0..7).for_each(|app| source.leave(&format!("f{app}")));
    let word = source.word();
    // Some are gone already, but for their Namespaces: the others go on with the same word.
    for (observed, _) in source.cluster.values_mut().take(1) {
        observed.objects.retain(|key, _| key.kind == Kind::Namespace);
    }
    assert_eq!((source.holds().len(), source.word()), (6, word.clone()));
    source.leave("f7");
    assert_ne!(source.word(), word, "another set");
}

#[test]
fn an_empty_commit_and_an_empty_entry_are_held() {
    let mut empty = Source::of(1);
    empty.leave("f0");
    assert_eq!(empty.holds(), ["a0: emptyEntry"]);
    // The entry is still there: other documents, but no App.
    let mut source = Source::of(8);
    let text = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\nmetadata:\n  name: w1\n  annotations: \
                {ops.kompox.dev/id: /ws/w1}\nspec: {}\n";
    source.leave("f0");
    source.files.insert("f0/kompoxapp.yml".into(), text.into());
    source.cluster.values_mut().next().unwrap().1.entry = "f0/kompoxapp.yml".into();
    assert_eq!(source.holds(), ["a0: emptyEntry"]);
}

#[test]
fn an_app_that_names_another_cluster_is_held() {
    let mut source = Source::of(8);
    source.entry("f0", "a0", "c2", "h0.example.com");
    assert_eq!(source.holds(), ["a0: otherCluster"]);
}

#[test]
fn a_rename_is_suspected_by_host_and_by_folder_and_holds_both() {
    let mut folder = Source::of(8);
    folder.entry("f0", "renamed", "c1", "other.example.com");
    assert_eq!(folder.holds(), ["a0: rename", "renamed: rename"]);
    let mut host = Source::of(8);
    host.leave("f0");
    host.entry("elsewhere", "renamed", "c1", "h0.example.com");
    assert_eq!(host.holds(), ["a0: rename", "renamed: rename"]);
    // Neither: another App.
    let mut other = Source::of(8);
    other.leave("f0");
    other.entry("elsewhere", "new", "c1", "new.example.com");
    assert!(other.holds().is_empty());
    // What was removed before is no rename.
    let mut earlier = Source::of(8);
    earlier.leave("f0");
    earlier.cluster.values_mut().next().unwrap().0.objects.retain(|key, _| key.kind == Kind::Namespace);
    earlier.entry("f0", "new", "c1", "h0.example.com");
    assert!(earlier.holds().is_empty());
}

#[test]
fn a_name_that_was_used_before_is_no_deployed_app() {
    let stays = |also: Option<Kind>| move |kind: Kind| kind == Kind::Namespace || Some(kind) == also;
    for stays in [stays(None), stays(Some(Kind::PersistentVolumeClaim)), stays(Some(Kind::PersistentVolume))] {
        let mut source = Source::of(8);
        source.leave("f0");
        // `a1` was removed long ago; what stays of it is its Namespace, or its disk too.
        let objects = |source: &mut Source, kept: &dyn Fn(Kind) -> bool| {
            let (observed, _) = source.cluster.values_mut().nth(1).unwrap();
            observed.objects.retain(|key, _| kept(key.kind));
        };
        let mut volumes = super::world::World::deployed().observed.objects;
        volumes.retain(|key, _| matches!(key.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim));
        source.cluster.values_mut().nth(1).unwrap().0.objects.extend(volumes);
        source.entry("f1", "a1", "c1", "h0.example.com");
        assert!(source.holds().is_empty(), "two that were there: {:?}", source.holds());
        objects(&mut source, &stays);
        assert_eq!(source.holds(), ["a0: rename", "a1: rename"]);
        // What is on its way out is not deployed either.
        let mut going = Source::of(8);
        going.leave("f0");
        going.entry("f1", "a1", "c1", "h0.example.com");
        for live in going.cluster.values_mut().nth(1).unwrap().0.objects.values_mut() {
            if live.key.kind != Kind::Namespace {
                live.body["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
            }
        }
        assert_eq!(going.holds(), ["a0: rename", "a1: rename"]);
    }
}

#[test]
fn a_suspected_rename_makes_no_disk() {
    let mut source = Source::of(8);
    source.entry("f0", "renamed", "c1", "other.example.com");
    let app = source.apps().into_iter().find(|app| app.id.app == "renamed").unwrap();
    let settings = Settings { holds: source.judge().of(&app.id), ..super::world::World::gitea().settings };
    let plan = plan(&app, &ObservedApp::default(), &settings);
    assert!(plan.obstacle().is_some_and(|action| matches!(action.what, What::Held { .. })), "{}", text::to_text(&plan));
    let accepted = settings.holds.iter().map(Hold::digest).collect();
    let plan = super::super::plan(&app, &ObservedApp::default(), &Settings { accepted, ..settings });
    assert!(plan.obstacle().is_none() && plan.writes());
}

#[test]
fn the_commits_protection_counts_for_more_than_the_recorded_one() {
    let mut source = Source::of(2);
    for (_, record) in source.cluster.values_mut() {
        record.protection = ProtectionRecord::CannotDelete;
    }
    let listed = source.apps();
    let (entries, elsewhere) = (BTreeMap::new(), BTreeSet::new());
    let (id, (observed, record)) = source.cluster.iter().next().unwrap();
    let departed = Departed { id, observed, applied: Some(record) };
    let listing = |listed: Vec<&App>| {
        let listing =
            Listing { listed, deployed: BTreeSet::new(), entries: &entries, elsewhere: &elsewhere, departed: vec![] };
        listing.protection(&departed)
    };
    assert_eq!(listing(Vec::new()), Protection::CannotDelete);
    assert_eq!(listing(listed.iter().collect()), Protection::None);
}

/// A tree of which reads and lists fail.
struct Faulty {
    inner: MemoryTree,
    /// Paths that cannot be read or listed.
    broken: BTreeSet<String>,
}

impl SourceTree for Faulty {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        if self.broken.contains(folder) {
            return Err(TreeError::Store("the pack is cut short".into()));
        }
        self.inner.list(folder)
    }

    fn read(&self, path: &str, limit: u64) -> Result<std::sync::Arc<[u8]>, TreeError> {
        if self.broken.contains(path) {
            return Err(TreeError::Store("the pack is cut short".into()));
        }
        self.inner.read(path, limit)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever of a commit cannot be read or is broken, an App that it lists is never taken for one that left.
    #[test]
    fn faults_of_reading_never_look_like_a_removal(
        broken in prop::collection::btree_set(0_usize..14, 0..5),
        garbled in prop::collection::btree_map(0_usize..8, "[a-z:\\[{ \n]{0,20}", 0..3),
    ) {
        let source = Source::of(4);
        let places: Vec<String> = source
            .files
            .keys()
            .cloned()
            .chain((0..4).map(|number| format!("f{number}")))
            .chain([String::new(), "nowhere".to_owned()])
            .collect();
        let mut files = source.files.clone();
        for (place, text) in garbled {
            // A Compose file: what its entry is for stays known. An entry file that says something else says
            // that on purpose.
            let compose: Vec<String> = files.keys().filter(|file| file.ends_with("compose.yml")).cloned().collect();
            files.insert(compose[place % compose.len()].clone(), text);
        }
        let broken = broken.into_iter().map(|place| places[place % places.len()].clone()).collect();
        let desired = desire(&Faulty { inner: MemoryTree::new(files), broken }, "", &Terms::default());
        for id in source.cluster.keys() {
            let listed = desired.apps().any(|app| app.id == *id);
            let claimed = desired.entries.iter().any(|entry| entry.claims.contains(id));
            prop_assert!(listed || claimed || !desired.certain, "{} looks removed", id);
        }
    }

    /// Whatever nobody can say, no plan of a listed App deletes what stands for data or replaces it.
    #[test]
    fn no_fault_makes_a_plan_delete_data(
        gone in prop::collection::btree_set(0_usize..15, 0..8),
        silent in any::<(bool, bool)>(),
        disks in any::<bool>(),
        policies in any::<bool>(),
    ) {
        let mut world = super::world::World::deployed();
        let keys: Vec<_> = world.observed.objects.keys().cloned().collect();
        for index in gone {
            world.observed.objects.remove(&keys[index % keys.len()]);
        }
        if silent.0 {
            world.observed.disks = Err("timeout".into());
        } else if disks {
            world.observed.disks = Ok(Vec::new());
        }
        if silent.1 {
            world.observed.snapshots = Err("timeout".into());
        }
        if policies {
            world.edit("kompoxops.yml", "size: 10Gi", "size: 10Gi\n      deletionPolicy: Delete");
        }
        let plan = world.plan();
        for action in &plan.actions {
            if let What::Delete(live) | What::Replace { live, .. } = &action.what {
                let of_data = [Kind::Namespace, Kind::PersistentVolume, Kind::PersistentVolumeClaim];
                prop_assert!(!of_data.contains(&live.key.kind), "{}", text::to_text(&plan));
            }
            if matches!(action.what, What::CreateDisk(_)) {
                prop_assert!(!silent.0 && !silent.1 && disks, "{}", text::to_text(&plan));
            }
        }
    }
}

#[test]
fn names_of_apps_and_namespaces_belong_together() {
    // The removal goes by both: an annotation alone takes nothing away.
    let source = Source::of(1);
    let (id, (observed, _)) = source.cluster.iter().next().unwrap();
    let namespace = observed.objects.keys().find(|key| key.kind == Kind::Namespace).unwrap();
    assert_eq!(namespace.name, Names::of(id).namespace);
}
