use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::policy::Level;
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
    let gitea = desire(&fixture("gitea"), ".", &Terms::default());
    // They carry passwords in plain files, as people do.
    let plain = "looks like a password, and stands in a plain file of the repository";
    assert_eq!(
        lines(&gitea),
        [
            format!("warning plain-password compose-gitea.env:5:1: `GITEA__database__PASSWD` {plain}"),
            format!("warning plain-password compose-postgres.env:3:1: `POSTGRES_PASSWORD` {plain}"),
        ]
    );
    let webapp = lines(&desire(&fixture("webapp"), "", &Terms::default()));
    assert!(webapp.iter().all(|line| line.starts_with("warning plain-password ")), "{webapp:?}");
}

const PARENTS: &str =
    "version: v1\nworkspace: {name: ops}\nprovider: {name: aks1, driver: aks}\ncluster: {name: c1, settings: {}}\n";
const COMPOSE: &str = "  compose: {services: {web: {image: nginx}}}\n";

/// A sound `kompoxops.yml`; the App's name is on line 6, what follows begins on line 8.
fn single(app: &str, more: &str) -> String {
    format!("{PARENTS}app:\n  name: {app}\n{COMPOSE}{more}")
}

fn desire_files(files: &[(&str, &str)]) -> Desired {
    desire(&MemoryTree::new(files.iter().copied()), "", &Terms::default())
}

/// File, whether it is rejected, its Apps and what it claims.
fn summary(desired: &Desired) -> Vec<(&str, bool, Vec<&str>, Vec<&str>)> {
    desired
        .entries
        .iter()
        .map(|entry| {
            let apps = entry.apps.iter().map(|made| made.app.id.app.as_str()).collect();
            let claims = entry.claims.iter().map(|id| id.app.as_str()).collect();
            (entry.file.as_str(), entry.rejected, apps, claims)
        })
        .collect()
}

#[test]
fn one_entrys_mistake_rejects_that_entry_only() {
    let desired = desire_files(&[
        ("a/kompoxops.yml", &single("good", "")),
        ("b/kompoxops.yml", &single("bad", "  volumes: [{name: x}]\n")),
        ("c/kompoxops.yml", &single("worse", "").replace("image: nginx", "imagine: nginx")),
    ]);
    assert_eq!(
        summary(&desired),
        [
            ("a/kompoxops.yml", false, vec!["good"], vec!["good"]),
            ("b/kompoxops.yml", true, vec![], vec!["bad"]),
            ("c/kompoxops.yml", true, vec![], vec!["worse"]),
        ]
    );
    assert!(desired.certain && !desired.is_sound());
    assert_eq!(desired.apps().count(), 1);
    assert_eq!(desired.rejected().count(), 2);
    let app = desired.apps().next().unwrap();
    assert_eq!((app.entry.as_str(), app.at.to_string().as_str()), ("a/kompoxops.yml", "a/kompoxops.yml:6:9"));
    let mut sorted = desired.diagnostics.clone();
    diagnostic::sort(&mut sorted);
    assert_eq!(sorted, desired.diagnostics);
}

#[test]
fn all_problems_of_an_entry_come_at_once() {
    let text = single("web", "  volumes: [{name: x}]\n  ingress: {rules: [{name: A, port: 80}]}\n")
        .replace("driver: aks", "diver: aks")
        .replace("image: nginx", "image: nginx, prots: []");
    insta::assert_snapshot!(lines(&desire_files(&[("kompoxops.yml", &text)])).join("\n"), @r"
    error missing-key kompoxops.yml:3:11: `provider` needs `driver`
    error unknown-key kompoxops.yml:3:24: `provider` has no key `diver`
    error unknown-key kompoxops.yml:7:44: service `web` has no key `prots`
    error missing-key kompoxops.yml:8:13: `volumes[]` needs `size`
    error ingress-rule kompoxops.yml:9:28: `A` cannot name a rule
    error ingress-rule kompoxops.yml:9:37: the Compose file publishes no host port 80
    ");
}

#[test]
fn an_app_in_two_entries_is_in_none() {
    let desired = desire_files(&[
        ("a/kompoxops.yml", &single("web", "")),
        ("b/kompoxops.yml", &single("web", "  volumes: [{name: x}]\n")),
        ("c/kompoxops.yml", &single("web", "")),
        ("d/kompoxops.yml", &single("other", "")),
    ]);
    insta::assert_snapshot!(lines(&desired).join("\n"), @r"
    error app-twice a/kompoxops.yml:6:9: App `/ws/ops/prv/aks1/cls/c1/app/web` is in another entry too, at b/kompoxops.yml:6:9; neither is deployed
    error app-twice b/kompoxops.yml:6:9: App `/ws/ops/prv/aks1/cls/c1/app/web` is in another entry too, at a/kompoxops.yml:6:9; neither is deployed
    error missing-key b/kompoxops.yml:8:13: `volumes[]` needs `size`
    error app-twice c/kompoxops.yml:6:9: App `/ws/ops/prv/aks1/cls/c1/app/web` is in another entry too, at a/kompoxops.yml:6:9; neither is deployed
    ");
    assert_eq!(summary(&desired)[0], ("a/kompoxops.yml", true, vec![], vec!["web"]));
    assert_eq!(desired.apps().count(), 1);
}

#[test]
fn parents_say_the_same_everywhere() {
    let differing = |app: &str, from: &str, to: &str| single(app, "").replace(from, to);
    let desired = desire_files(&[
        ("a/kompoxops.yml", &single("a", "")),
        ("b/kompoxops.yml", &single("b", "").replace(", settings: {}", "")),
        ("c/kompoxops.yml", &differing("c", "settings: {}", "settings: {KEY: hidden}")),
        ("d/kompoxops.yml", &differing("d", "aks1", "aks2")),
        ("e/kompoxops.yml", &differing("e", "driver: aks", "driver: local").replace("aks1", "aks2")),
    ]);
    let text = lines(&desired).join("\n");
    assert!(!text.contains("hidden"));
    insta::assert_snapshot!(text, @r"
    error kom-conflict a/kompoxops.yml:4:17: Cluster `/ws/ops/prv/aks1/cls/c1` says something else at c/kompoxops.yml:4:17: the setting `KEY` differs
    error kom-conflict b/kompoxops.yml:4:17: Cluster `/ws/ops/prv/aks1/cls/c1` says something else at c/kompoxops.yml:4:17: the setting `KEY` differs
    error kom-conflict c/kompoxops.yml:4:17: Cluster `/ws/ops/prv/aks1/cls/c1` says something else at a/kompoxops.yml:4:17: the setting `KEY` differs
    error kom-conflict d/kompoxops.yml:3:18: Provider `/ws/ops/prv/aks2` says something else at e/kompoxops.yml:3:18: `driver` differs
    error kom-conflict e/kompoxops.yml:3:18: Provider `/ws/ops/prv/aks2` says something else at d/kompoxops.yml:3:18: `driver` differs
    ");
    assert_eq!(desired.rejected().count(), 5);

    for (from, to, field) in [
        ("settings: {}", "existing: true", "existing"),
        ("settings: {}", "ingress: {namespace: x}", "ingress.namespace"),
        ("settings: {}", "ingress: {controller: x}", "ingress.controller"),
        ("settings: {}", "ingress: {serviceAccount: x}", "ingress.serviceAccount"),
        ("settings: {}", "ingress: {domain: x.y}", "ingress.domain"),
        ("settings: {}", "ingress: {certResolver: x}", "ingress.certResolver"),
        ("settings: {}", "ingress: {certEmail: x}", "ingress.certEmail"),
        ("settings: {}", "ingress: {certificates: [{name: x, source: y}]}", "ingress.certificates"),
        ("settings: {}", "protection: {provisioning: readOnly}", "protection.provisioning"),
        ("settings: {}", "protection: {installation: readOnly}", "protection.installation"),
        ("driver: aks", "driver: local", "driver"),
        ("{name: ops}", "{name: ops, settings: {K: v}}", "setting `K"),
        ("driver: aks", "driver: aks, settings: {K: v}", "setting `K"),
    ] {
        let other = differing("b", from, to);
        let desired = desire_files(&[("a/kompoxops.yml", &single("a", "")), ("b/kompoxops.yml", &other)]);
        let lines = lines(&desired);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(&format!("{field}` differs"))), "{lines:?}");
        let same =
            desire_files(&[("a/kompoxops.yml", &other), ("b/kompoxops.yml", &other.replace("name: b", "name: a"))]);
        assert_eq!(same.rejected().count(), 0);
    }
}

#[test]
fn a_rejected_entrys_parents_do_not_reject_others() {
    let broken = single("b", "  nonsense: 1\n").replace("driver: aks", "driver: local");
    let desired = desire_files(&[("a/kompoxops.yml", &single("a", "")), ("b/kompoxops.yml", &broken)]);
    assert_eq!(desired.rejected().map(|entry| entry.file.as_str()).collect::<Vec<_>>(), ["b/kompoxops.yml"]);
}

#[test]
fn apps_with_one_hash_cannot_be_told_apart() {
    // Found by search: HASH("ops:aks1:app-21505") = HASH("ops:aks1:app-26975").
    let desired =
        desire_files(&[("a/kompoxops.yml", &single("app-21505", "")), ("b/kompoxops.yml", &single("app-26975", ""))]);
    insta::assert_snapshot!(lines(&desired).join("\n"), @r"
    error app-hash a/kompoxops.yml:6:9: `/ws/ops/prv/aks1/cls/c1/app/app-21505` has the hash 44b6or, as has `/ws/ops/prv/aks1/cls/c1/app/app-26975` at b/kompoxops.yml:6:9
    error app-hash b/kompoxops.yml:6:9: `/ws/ops/prv/aks1/cls/c1/app/app-26975` has the hash 44b6or, as has `/ws/ops/prv/aks1/cls/c1/app/app-21505` at a/kompoxops.yml:6:9
    ");
    assert_eq!(desired.rejected().count(), 2);
}

#[test]
fn dependencies_do_not_go_in_circles() {
    let waits = |app: &str, on: &str| single(app, &format!("  reconcile: {{dependsOn: [{on}]}}\n"));
    let id = |app: &str| format!("/ws/ops/prv/aks1/cls/c1/app/{app}");
    let desired = desire_files(&[
        ("a/kompoxops.yml", &waits("a", &format!("{}, {}", id("nowhere"), id("b")))),
        ("b/kompoxops.yml", &waits("b", &id("c"))),
        ("c/kompoxops.yml", &waits("c", &id("b"))),
        ("d/kompoxops.yml", &waits("d", &id("d"))),
        ("e/kompoxops.yml", &waits("e", &id("a"))),
    ]);
    let errors: Vec<String> = lines(&desired).into_iter().filter(|line| line.starts_with("error")).collect();
    insta::assert_snapshot!(errors.join("\n"), @r"
    error depends-on b/kompoxops.yml:8:27: `dependsOn` goes in a circle: b → c → b
    error depends-on c/kompoxops.yml:8:27: `dependsOn` goes in a circle: b → c → b
    error depends-on d/kompoxops.yml:8:27: `dependsOn` goes in a circle: d → d
    ");
    assert_eq!(desired.apps().map(|app| app.id.app.as_str()).collect::<Vec<_>>(), ["a", "e"]);
}

#[test]
fn two_entry_files_in_one_folder_keep_their_claims() {
    let kom = "apiVersion: ops.kompox.dev/v1alpha1\nkind: App\nmetadata: {name: old, annotations: {ops.kompox.dev/id: /ws/ops/prv/aks1/cls/c1/app/old}}\n";
    let files = [("a/kompoxops.yml", single("web", "")), ("b/kompoxops.yml", single("other", ""))];
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    files.push(("a/kompoxapp.yml", kom));
    let desired = desire_files(&files);
    insta::assert_snapshot!(lines(&desired).join("\n"), @r"error entry-both a/kompoxops.yml:1:1: one folder holds both kompoxapp.yml and kompoxops.yml");
    assert_eq!(summary(&desired)[0], ("a/kompoxops.yml", true, vec![], vec!["old", "web"]));
    assert_eq!(summary(&desired)[1], ("b/kompoxops.yml", false, vec!["other"], vec!["other"]));
    assert!(desired.certain);
}

#[test]
fn what_cannot_be_read_leaves_it_uncertain() {
    assert!(!desire_files(&[("kompoxops.yml", "a: b: c\n")]).certain);
    assert!(!desire(&MemoryTree::new([("kompoxops.yml", "")]), "/x", &Terms::default()).certain);
    assert!(!desire(&MemoryTree::new([("kompoxops.yml", "")]), "gone", &Terms::default()).certain);
    let desired = desire_files(&[("README.md", "")]);
    assert!(desired.certain && desired.is_sound() && desired.entries.is_empty());
    assert_eq!(desired.diagnostics.len(), 1);
}

#[test]
fn apps_that_kom_path_brings_in_read_no_local_files() {
    let head = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec: {spec}\n---\n"
        )
    };
    let parents = head("Workspace", "/ws/w", "{}")
        + &head("Provider", "/ws/w/prv/p", "{driver: local}")
        + &head("Cluster", "/ws/w/prv/p/cls/c", "{}");
    let app = head("App", "/ws/w/prv/p/cls/c/app/a", "{compose: 'file:compose.yml'}");
    let entry =
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {komPath: [apps]}\n---\n".to_owned() + &parents;
    let compose = "services: {web: {image: nginx}}\n";
    let desired = desire_files(&[("kompoxapp.yml", &entry), ("apps/a.yml", &app), ("apps/compose.yml.txt", compose)]);
    insta::assert_snapshot!(lines(&desired).join("\n"), @r"error file-reference apps/a.yml:4:17: `compose.yml` is a local file, and this App came in through `komPath`");
    let desired = desire_files(&[("kompoxapp.yml", &(parents + &app)), ("compose.yml", compose)]);
    assert_eq!(lines(&desired), [] as [&str; 0]);
}

#[test]
fn hooks_name_services_of_the_compose_file() {
    let policies = "  volumes: [{name: v, size: 1Gi}]\n  snapshotPolicies:\n    - {name: a, on: deploy, retention: {keepLast: 1}, hooks: {pre: {service: wep, command: [x]}, post: {service: web, command: [x]}}}\n    - {name: b, on: deploy, retention: {keepLast: 1}, hooks: {session: {service: db, command: [x], ready: y}}}\n";
    let desired = desire_files(&[("kompoxops.yml", &single("web", policies))]);
    let errors: Vec<String> = lines(&desired).into_iter().filter(|line| line.starts_with("error")).collect();
    insta::assert_snapshot!(errors.join("\n"), @r"
    error unknown-service kompoxops.yml:10:78: the Compose file has no service `wep`
    error unknown-service kompoxops.yml:11:82: the Compose file has no service `db`
    ");
}

#[test]
fn a_mistake_of_the_compose_file_hides_no_other_of_the_entry() {
    let policies = "  snapshotPolicies:\n    - {name: a, on: deploy, retention: {keepLast: 1}, hooks: {pre: {service: wep, command: [x]}, post: {service: db, command: [x]}}}\n";
    let errors = |compose: &str, level: Level| {
        let text = single("web", &format!("  volumes: [{{name: v, size: 1Gi}}]\n{policies}")).replace(COMPOSE, compose);
        let terms = Terms { policy: Policy { level, ..Policy::default() }, ..Terms::default() };
        let desired = desire(&MemoryTree::new([("kompoxops.yml", &text)]), "", &terms);
        assert_eq!(desired.apps().count(), 0);
        let errors = lines(&desired).into_iter().filter(|line| line.starts_with("error"));
        errors.collect::<Vec<_>>().join("\n")
    };
    let wrong = "  compose: {services: {web: {image: nginx, privileged: true, prots: []}, db: 5}}\n";
    insta::assert_snapshot!(errors(wrong, Level::Baseline), @r"
    error pod-security kompoxops.yml:7:56: `privileged: true` is more than the Pod Security level `baseline` allows
    error unknown-key kompoxops.yml:7:62: service `web` has no key `prots`
    error wrong-type kompoxops.yml:7:78: service `db` must be a mapping, found an integer
    error unknown-service kompoxops.yml:10:78: the Compose file has no service `wep`
    ");
    // A key that cannot be read asks for nothing.
    let user = "  compose: {services: {web: {image: nginx, user: [1]}, wep: {image: x}, db: {image: x}}}\n";
    insta::assert_snapshot!(errors(user, Level::Restricted), @"error wrong-type kompoxops.yml:7:50: `user` must be a string, found a list");
    // Services that were not drawn in are not missed.
    let include = "  compose: {services: {web: {image: nginx}}, include: [gone.yml]}\n";
    insta::assert_snapshot!(errors(include, Level::Baseline), @"error file-reference kompoxops.yml:7:56: cannot read `gone.yml`: no such file in the repository");
    let misspelt = "  compose: {servces: {web: {image: nginx}}}\n";
    insta::assert_snapshot!(errors(misspelt, Level::Baseline), @"error unknown-key kompoxops.yml:7:13: the Compose file has no key `servces`");
}

#[test]
fn a_thousand_entries_are_one_pass() {
    let names: Vec<String> = (0..1_000).map(|number| format!("app-{number}")).collect();
    let files = names.iter().map(|name| (format!("apps/{name}/kompoxops.yml"), single(name, "")));
    let desired = desire(&MemoryTree::new(files), "apps", &Terms::default());
    assert_eq!((desired.apps().count(), desired.diagnostics.len()), (1_000, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for name in ["kompoxops.yml", "kompoxapp.yml"] {
            let _ = desire(&MemoryTree::new([(name, &bytes)]), "", &Terms::default());
        }
    }

    #[test]
    fn no_damaged_entry_makes_it_panic(
        which in 0..2_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_usize), 1..8),
    ) {
        let (name, text) = [
            ("kompoxops.yml", include_str!("../../../tests/fixtures/gitea/kompoxops.yml")),
            ("kompoxapp.yml", include_str!("../../../tests/fixtures/webapp/kompoxapp.yml")),
        ][which];
        let mut bytes = text.as_bytes().to_vec();
        for (index, byte, removed) in damage {
            let at = index.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, [byte]);
        }
        let desired = desire(&MemoryTree::new([(name, &bytes)]), "", &Terms::default());
        prop_assert!(desired.entries.len() == 1);
        for finding in &desired.diagnostics {
            let rendered = finding.render(crate::diagnostic::Colour::Never);
            prop_assert!(!rendered.contains(char::from(27)));
            let _ = finding.to_json();
        }
    }
}

#[test]
fn what_an_entry_has_not_read_does_not_convert_it_again() {
    let first = [("a/kompoxops.yml", single("a", "")), ("b/kompoxops.yml", single("b", ""))];
    let mut next = first.clone();
    next[1].1 = single("b", "  reconcile: {suspend: true}\n");
    let tree = |files: &[(&str, String)]| MemoryTree::new(files.iter().map(|(path, text)| (*path, text)));
    let mut conversions = Conversions::default();
    let before = conversions.desire(&tree(&first), "", &Terms::default(), |_| None);
    let after = conversions.desire(&tree(&next), "", &Terms::default(), |app| {
        assert_eq!(app.id.app, "b", "the other one was judged before");
        Some(Diagnostic::error("test", app.at.clone(), "is not liked").help("change it"))
    });
    assert!(Arc::ptr_eq(&before.entries[0], &after.entries[0]));
    assert_eq!(before.entries[0].digest, after.entries[0].digest);
    assert_ne!(before.entries[1].digest, after.entries[1].digest);
    assert!(after.entries[1].rejected && after.entries[1].apps.is_empty(), "{:?}", after.diagnostics);
    assert_eq!(after.entries[1].claims.len(), 1);
}

#[test]
fn one_app_of_an_entry_is_made_without_what_the_others_are_made_of() {
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: \
             {{ops.kompox.dev/id: {id}}}}}\nspec: {spec}\n---\n"
        )
    };
    let documents = [
        document("Workspace", "/ws/w", "{}"),
        document("Provider", "/ws/w/prv/p", "{driver: aks}"),
        document("Cluster", "/ws/w/prv/p/cls/c", "{}"),
        document("App", "/ws/w/prv/p/cls/c/app/a", "{compose: 'file:a.yml'}"),
        document("App", "/ws/w/prv/p/cls/c/app/b", "{compose: 'file:b.yml'}"),
    ];
    let compose = |image: &str| format!("services: {{web: {{image: {image}}}}}\n");
    let whole =
        MemoryTree::new([("kompoxapp.yml", documents.concat()), ("a.yml", compose("a:1")), ("b.yml", compose("b:1"))]);
    let desired = desire(&whole, "", &Terms::default());
    assert_eq!(summary(&desired), [("kompoxapp.yml", false, vec!["a", "b"], vec!["a", "b"])], "{desired:?}");
    for made in &desired.entries[0].apps {
        let own = format!("{}.yml", made.app.id.app);
        let read: Vec<&str> = made.record.files().map(|(path, _)| path).collect();
        assert!(read.contains(&"kompoxapp.yml") && read.contains(&own.as_str()), "{read:?}");
        assert_eq!(read.iter().filter(|path| path.len() == 5).count(), 1, "of the other App: {read:?}");
        let part = MemoryTree::new(
            made.record.files().filter_map(|(path, limit)| Some((path.to_owned(), whole.read(path, limit).ok()?))),
        );
        let again = desire_app(&part, "kompoxapp.yml", &made.app.id, &Terms::default()).unwrap();
        assert_eq!(again.app, made.app);
        assert!(again.record.holds_in(&whole));
        assert_eq!(
            desire_app(&MemoryTree::new([("kompoxapp.yml", "")]), "kompoxapp.yml", &made.app.id, &Terms::default()),
            None
        );
        assert_eq!(desire_app(&part, "elsewhere.yml", &made.app.id, &Terms::default()), None);
    }
}

#[test]
fn conversions_that_are_kept_say_what_new_ones_would() {
    type Files = Vec<(String, String)>;
    let entries = |a: &str, b: &str| -> Files {
        vec![
            ("a/kompoxops.yml".to_owned(), single("a", a).replace("  compose: ", "  compose: file:compose.yml # ")),
            ("a/compose.yml".to_owned(), "services: {web: {image: nginx}}".to_owned()),
            ("b/kompoxops.yml".to_owned(), single("b", b)),
        ]
    };
    let mut commits = vec![entries("", "")];
    // Each of the others changes one thing, and goes back.
    let mut with = |change: &dyn Fn(&mut Files)| {
        let mut files = entries("", "");
        change(&mut files);
        commits.extend([files, entries("", "")]);
    };
    with(&|files| files[1].1 = "services: {web: {image: nginx:2}}".to_owned());
    with(&|files| drop(files.remove(1)));
    with(&|files| files[1].1 = "services: {web: {imagine: nginx}}".to_owned());
    with(&|files| files[2].1 = single("a", ""));
    with(&|files| files[2].1 = files[2].1.replace("settings: {}", "settings: {K: v}"));
    with(&|files| files.push(("b/kompoxapp.yml".to_owned(), "kind: App".to_owned())));
    with(&|files| drop(files.remove(2)));
    let mut conversions = Conversions::default();
    for files in commits {
        let tree = MemoryTree::new(files);
        let terms = Terms::default();
        assert_eq!(conversions.desire(&tree, "", &terms, |_| None), desire(&tree, "", &terms));
    }
}

#[test]
fn what_agreed_before_is_compared_with_what_is_new() {
    const FOLDERS: [&str; 4] = ["a", "b", "c", "d"];
    let text = |folder: usize, variant: u32| {
        let (app, next) = (FOLDERS[folder], FOLDERS[(folder + 1) % FOLDERS.len()]);
        match variant {
            0 => return None,
            1 => single("same", ""),
            2 => single(app, "").replace("driver: aks", "driver: local"),
            3 => single(app, "").replace("settings: {}", "settings: {K: v}"),
            4 => single(app, "  nonsense: 1\n").replace("driver: aks", "driver: local"),
            5 => single("app-21505", ""),
            6 => single("app-26975", ""),
            7 => single(app, &format!("  reconcile: {{dependsOn: [/ws/ops/prv/aks1/cls/c1/app/{next}]}}\n")),
            8 => format!("# the same in other words\n{}", single(app, "")),
            9 => single(next, ""),
            _ => single(app, ""),
        }
        .into()
    };
    let mut chance = 1_u32;
    let mut dice = |sides: u32| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (chance >> 16) % sides
    };
    let mut variants = [99; FOLDERS.len()];
    let (mut conversions, mut agreed, mut conflicts) = (Conversions::default(), 0, 0);
    for step in 0..400 {
        let entries = variants.iter().enumerate().filter_map(|(folder, variant)| {
            Some((format!("{}/kompoxops.yml", FOLDERS[folder]), text(folder, *variant)?))
        });
        let tree = MemoryTree::new(entries);
        let fresh = desire(&tree, "", &Terms::default());
        assert_eq!(conversions.desire(&tree, "", &Terms::default(), |_| None), fresh, "step {step}: {variants:?}");
        *if fresh.is_sound() { &mut agreed } else { &mut conflicts } += 1;
        // Most are sound, so that it is often the first conflict that is to be found.
        let folder = dice(4) as usize;
        variants[folder] = if variants[folder] < 10 { 99 } else { dice(14) };
    }
    assert!(agreed > 50 && conflicts > 50, "{agreed} and {conflicts}");
}

#[test]
fn a_rejected_entry_stands_for_no_other_when_a_new_one_comes() {
    let local = |app: &str, more: &str| single(app, more).replace("driver: aks", "driver: local");
    let before = vec![("a/kompoxops.yml", local("a", "  nonsense: 1\n")), ("b/kompoxops.yml", single("b", ""))];
    let mut after = before.clone();
    after.push(("c/kompoxops.yml", local("c", "")));
    let mut conversions = Conversions::default();
    for files in [before, after] {
        let tree = MemoryTree::new(files);
        let fresh = desire(&tree, "", &Terms::default());
        assert_eq!(conversions.desire(&tree, "", &Terms::default(), |_| None), fresh);
    }
    assert!(!conversions.agreed);
}

#[test]
fn other_terms_convert_everything_anew() {
    let files = [("kompoxops.yml", single("web", "").replace("image: nginx", "image: nginx, user: \"0\""))];
    let tree = MemoryTree::new(files);
    let strict = Terms {
        policy: Policy { level: crate::policy::Level::Restricted, exceptions: Vec::new() },
        ..Terms::default()
    };
    let mut conversions = Conversions::default();
    assert!(conversions.desire(&tree, "", &Terms::default(), |_| None).is_sound());
    assert!(!conversions.desire(&tree, "", &strict, |_| None).is_sound());
    assert!(conversions.desire(&tree, "", &Terms::default(), |_| None).is_sound());
}
