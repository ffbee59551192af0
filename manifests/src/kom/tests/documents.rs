use super::{load_files, report};
use crate::kom::Loaded;
use crate::model::{DriftPolicy, Trigger};

/// A document with an ID.
fn document(kind: &str, id: &str, spec: &str) -> String {
    let name = id.rsplit('/').next().unwrap();
    format!(
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{ops.kompox.dev/id: {id}}}}}\nspec: {spec}\n---\n"
    )
}

/// Workspace, Provider and Cluster, on lines 1 to 15.
fn parents() -> String {
    document("Workspace", "/ws/ops", "{}")
        + &document("Provider", "/ws/ops/prv/aks1", "{driver: aks}")
        + &document("Cluster", "/ws/ops/prv/aks1/cls/c1", "{}")
}

fn app(name: &str) -> String {
    document("App", &format!("/ws/ops/prv/aks1/cls/c1/app/{name}"), "{compose: {services: {}}}")
}

fn reported(text: &str) -> String {
    report(&load_files(&[("kompoxapp.yml", text)]).1)
}

fn claims(loaded: &Loaded) -> Vec<&str> {
    loaded.claims.iter().map(|claim| claim.value.app.as_str()).collect()
}

#[test]
fn several_apps_and_a_box_in_one_entry() {
    let text = parents()
        + &app("web")
        + &app("api")
        + &document(
            "Box",
            "/ws/ops/prv/aks1/cls/c1/app/web/box/ssh",
            "{component: ssh, image: x, command: [a], args: [b, 1]}",
        );
    let (loaded, diagnostics) = load_files(&[("kompoxapp.yml", &text)]);
    insta::assert_snapshot!(report(&diagnostics), @r"warning[not-supported-yet] kompoxapp.yml:28:18: document 6: this version of the agent checks Box documents but does not deploy them yet | nothing to do; the rest of the entry is deployed");
    assert_eq!((claims(&loaded), loaded.apps.len(), loaded.uncertain), (vec!["web", "api"], 2, false));
    assert!(loaded.apps.iter().all(|app| app.local_files));
}

#[test]
fn documents_that_are_none_are_refused() {
    insta::assert_snapshot!(reported(concat!(
        "apiVersion: v1\nkind: ConfigMap\n---\n",
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: Ap\n---\n",
        "kind: App\nextra: 1\n---\n",
        "- text\n---\n",
        "---\n",
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: App\nmetadata: {name: web, lables: {}, annotations: {a: b}}\n",
    )), @r"
    error[kom-api-version] kompoxapp.yml:1:13: document 1: `apiVersion` is `v1`, not `ops.kompox.dev/v1alpha1` | a KOM file holds KOM documents only; write Kubernetes objects elsewhere
    error[kom-kind] kompoxapp.yml:2:7: document 1: KOM has no kind `ConfigMap` | known kinds are `Workspace`, `Provider`, `Cluster`, `App`, `Box` and `Defaults`
    error[kom-kind] kompoxapp.yml:5:7: document 2: KOM has no kind `Ap` | did you mean `App`?
    error[missing-key] kompoxapp.yml:7:1: document 3: `KOM document` needs `apiVersion` | add `apiVersion:`
    error[unknown-key] kompoxapp.yml:8:1: document 3: `KOM document` has no key `extra` | known keys are `apiVersion`, `kind`, `metadata` and `spec`
    error[kom-id] kompoxapp.yml:7:1: document 3: the App has no Resource ID | write the annotation `ops.kompox.dev/id: /ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>`
    error[wrong-type] kompoxapp.yml:10:1: document 4: `KOM document` must be a mapping, found a list | write a mapping
    error[unknown-key] kompoxapp.yml:15:23: document 6: `metadata` has no key `lables` | did you mean `labels`?
    error[kom-id] kompoxapp.yml:15:18: document 6: the App has no Resource ID | write the annotation `ops.kompox.dev/id: /ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>`
    ");
    insta::assert_snapshot!(reported("# nothing\n---\n"), @r"error[kom-document] kompoxapp.yml:1:1: the file holds no documents | write the App here, or name its files in a Defaults document's `komPath`");
}

#[test]
fn ids_are_checked() {
    let text = document("Workspace", "/ws/Ops", "{}")
        + &document("Provider", "/ws/ops/cls/c1", "{driver: a}")
        + &document("Cluster", "/ws/ops/prv/aks1", "{}")
        + "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\nmetadata: {name: other, annotations: {ops.kompox.dev/id: /ws/ops}}\n---\n"
        + "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\nmetadata: {annotations: {ops.kompox.dev/id: /ws/two}}\n---\n"
        + "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\n";
    insta::assert_snapshot!(reported(&text), @r"
    error[kom-id] kompoxapp.yml:3:56: document 1: the Resource ID `/ws/Ops` has the name `Ops`, which is not a DNS label (a-z, 0-9, `-`; 1 to 63) | write the annotation `ops.kompox.dev/id: /ws/<workspace>`
    error[kom-id] kompoxapp.yml:8:55: document 2: the Resource ID `/ws/ops/cls/c1` has `cls` where `prv` belongs | write the annotation `ops.kompox.dev/id: /ws/<workspace>/prv/<provider>`
    error[kom-id] kompoxapp.yml:13:57: document 3: `/ws/ops/prv/aks1` is the ID of a Provider, not of a Cluster | write the annotation `ops.kompox.dev/id: /ws/<workspace>/prv/<provider>/cls/<cluster>`
    error[kom-id] kompoxapp.yml:18:18: document 4: `metadata.name` is `other`, but the ID ends in `ops` | make them the same
    error[kom-id] kompoxapp.yml:22:45: document 5: `metadata` needs `name` | add `name: two`
    error[kom-id] kompoxapp.yml:24:1: document 6: the Workspace has no Resource ID | write the annotation `ops.kompox.dev/id: /ws/<workspace>`
    ");
}

#[test]
fn parents_must_be_there_and_ids_are_unique() {
    let text = document("Workspace", "/ws/ops", "{}") + &app("web") + &app("web");
    let (loaded, diagnostics) = load_files(&[("kompoxapp.yml", &text)]);
    insta::assert_snapshot!(report(&diagnostics), @r"
    error[kom-duplicate] kompoxapp.yml:13:56: document 3: `/ws/ops/prv/aks1/cls/c1/app/web` is here a second time; the first is document 2 at kompoxapp.yml:8:18 | remove one of the two
    error[kom-parent] kompoxapp.yml:8:18: document 2: Cluster `/ws/ops/prv/aks1/cls/c1`, the parent of `/ws/ops/prv/aks1/cls/c1/app/web`, is not in this entry | add a document of kind Cluster with this ID, or bring it in with `komPath`
    ");
    assert_eq!(claims(&loaded), ["web", "web"]);
}

#[test]
fn a_parent_with_a_mistake_is_there_all_the_same() {
    let text = parents().replace("driver: aks", "driver: 1") + &app("web");
    insta::assert_snapshot!(reported(&text), @r#"error[wrong-type] kompoxapp.yml:9:16: document 2: `driver` must be a string, found an integer | put it in quotes: "1""#);
}

#[test]
fn what_it_claims_is_certain_only_when_every_document_was_understood() {
    let uncertain = |text: &str| load_files(&[("kompoxapp.yml", &(parents() + text))]).0.uncertain;
    assert!(!uncertain(&app("web")));
    assert!(!uncertain(&app("web").replace("compose", "composed")));
    assert!(!uncertain(&document("Box", "/ws/x", "{}")));
    assert!(uncertain(&app("Web")));
    assert!(uncertain(&app("web").replace("kind: App", "kind: Apps")));
    assert!(uncertain(&app("web").replace("kind: App", "king: App")));
    assert!(uncertain("- text\n"));
    assert!(uncertain("a: b: c\n"));
    assert!(uncertain("kind: Defaults\napiVersion: ops.kompox.dev/v1alpha1\nspec: {komPath: [gone.yml]}\n"));
}

#[test]
fn boxes_are_checked_whole() {
    let id = "/ws/ops/prv/aks1/cls/c1/app/web/box/ssh";
    let long = "c".repeat(61);
    let text = parents()
        + &app("web")
        + &document(
            "Box",
            id,
            &format!("{{component: {long}, image: 1, command: x, ingress: {{}}, networkPolicy: {{a: 1}}, imgae: y}}"),
        );
    insta::assert_snapshot!(reported(&text), @r#"
    error[name-too-long] kompoxapp.yml:24:19: document 5: component name `ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc` has 61 characters, but the Deployment `web-<component>` leaves 59 characters for it | shorten it, or the App's name
    error[wrong-type] kompoxapp.yml:24:89: document 5: `image` must be a string, found an integer | put it in quotes: "1"
    error[wrong-type] kompoxapp.yml:24:101: document 5: `command` must be a list, found a string | write a list
    error[unknown-key] kompoxapp.yml:24:133: document 5: `networkPolicy` has no key `a` | the only key is `ingressRules`
    error[reserved-key] kompoxapp.yml:24:104: document 5: `ingress` is reserved and has no meaning yet | remove it
    warning[not-supported-yet] kompoxapp.yml:23:18: document 5: this version of the agent checks Box documents but does not deploy them yet | nothing to do; the rest of the entry is deployed
    error[unknown-key] kompoxapp.yml:24:140: document 5: `spec` has no key `imgae` | did you mean `image`?
    "#);
}

fn defaults(spec: &str) -> String {
    format!("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {spec}\n---\n")
}

#[test]
fn kom_path_brings_in_files_and_folders() {
    let entry = defaults(
        "{komPath: [../shared, $KOMPOX_DIR/more.yaml, $KOMPOX_ROOT/one.yml, one.yml, ../shared/ws.yml], appId: /ws/ops/prv/aks1/cls/c1/app/web}",
    );
    let files = [
        ("apps/kompoxapp.yml", entry.as_str()),
        ("apps/one.yml", &app("inner")),
        ("shared/ws.yml", &parents()),
        ("shared/deep/web.yaml", &app("web")),
        ("shared/deep/notes.md", "not YAML"),
        ("shared/node_modules/x.yml", "broken: ["),
        (".kompox/more.yaml", &app("more")),
        ("one.yml", &app("outer")),
    ];
    let (loaded, diagnostics) = load_files(&files);
    assert_eq!(report(&diagnostics), "");
    assert_eq!(claims(&loaded), ["web", "more", "outer", "inner"]);
    assert!(loaded.apps.iter().all(|app| !app.local_files));
    assert_eq!(loaded.apps[0].folder, "shared/deep");
    assert_eq!(loaded.default_app, Some(loaded.claims[0].value.clone()));
    assert!(!loaded.uncertain);
}

#[test]
fn kom_path_stays_inside_and_names_what_is_there() {
    let entry = defaults(
        "{komPath: [../out.yml, /etc/x.yml, https://a/b.yml, 'a*.yml', gone.yml, notes.md, '', $HOME/x.yml, sub/../../x.yml, 1, broken.yml]}",
    );
    let files = [("kompoxapp.yml", entry.as_str()), ("notes.md", ""), ("broken.yml", "a: [\n")];
    insta::assert_snapshot!(report(&load_files(&files).1), @r#"
    error[wrong-type] kompoxapp.yml:3:123: document 1: `komPath` must be a string, found an integer | put it in quotes: "1"
    error[kom-path] kompoxapp.yml:3:18: `../out.yml` leaves the repository | keep the files inside the repository
    error[kom-path] kompoxapp.yml:3:30: `/etc/x.yml` is not a relative path | write it relative to this file, or below `$KOMPOX_ROOT` or `$KOMPOX_DIR`
    error[kom-path] kompoxapp.yml:3:42: `https://a/b.yml` is a URL | copy the file into the repository; nothing is fetched
    error[kom-path] kompoxapp.yml:3:59: `a*.yml` is a pattern | name the files, or their folder
    error[unreadable] kompoxapp.yml:3:69: `gone.yml` cannot be read: no such file in the repository | commit the file, or correct the path
    error[kom-path] kompoxapp.yml:3:79: `notes.md` is neither .yml nor .yaml | name YAML files only
    error[kom-path] kompoxapp.yml:3:89: `` is not a relative path | write it relative to this file, or below `$KOMPOX_ROOT` or `$KOMPOX_DIR`
    error[kom-path] kompoxapp.yml:3:93: `$HOME/x.yml` is not a relative path | write it relative to this file, or below `$KOMPOX_ROOT` or `$KOMPOX_DIR`
    error[kom-path] kompoxapp.yml:3:106: `sub/../../x.yml` leaves the repository | keep the files inside the repository
    error[yaml-syntax] broken.yml:1:4: this is not valid YAML: unclosed bracket '[' | add the closing bracket
    "#);
}

#[test]
fn defaults_stand_once_and_only_in_the_entry_file() {
    let entry =
        defaults("{komPath: [more.yml], komPaths: [], appId: /ws/ops}") + &defaults("{}") + &parents() + &app("web");
    let files = [("kompoxapp.yml", entry.as_str()), ("more.yml", &defaults("{}"))];
    insta::assert_snapshot!(report(&load_files(&files).1), @r"
    error[unknown-key] kompoxapp.yml:3:29: document 1: `spec` has no key `komPaths` | did you mean `komPath`?
    error[kom-defaults] kompoxapp.yml:6:7: document 2: an entry has one `Defaults`; the first is at kompoxapp.yml:2:7 | join the two
    error[kom-defaults] more.yml:2:7: document 1: `Defaults` stands only in the entry file, kompoxapp.yml | move it there, or remove it
    error[kom-defaults] kompoxapp.yml:3:50: `appId` names `/ws/ops`, which is no App of this entry | write the App's ID, like /ws/<workspace>/prv/<provider>/cls/<cluster>/app/<app>
    ");
    let close = parents() + &app("web") + &defaults("{appId: /ws/ops/prv/aks1/cls/c1/app/wep}");
    insta::assert_snapshot!(reported(&close), @r"error[kom-defaults] kompoxapp.yml:23:15: `appId` names `/ws/ops/prv/aks1/cls/c1/app/wep`, which is no App of this entry | did you mean `/ws/ops/prv/aks1/cls/c1/app/web`?");
}

#[test]
fn the_entry_file_is_never_brought_in_again() {
    let entry = defaults("{komPath: [., kompoxapp.yml]}") + &parents() + &app("web");
    let (loaded, diagnostics) = load_files(&[("kompoxapp.yml", entry.as_str())]);
    assert_eq!((report(&diagnostics).as_str(), claims(&loaded)), ("", vec!["web"]));
}

#[test]
fn words_for_booleans_are_booleans_only_where_one_is_wanted() {
    let policy = "{compose: {services: {}}, volumes: [{name: a, size: 1Gi}], reconcile: {drift: off, suspend: on}, snapshotPolicies: [{name: a, on: deploy, required: yes, retention: {keepLast: 1}}]}";
    let text = parents().replace("cls/c1}}\nspec: {}", "cls/c1}}\nspec: {existing: yes, settings: {y: on, 08: 0x1F}}")
        + &document("App", "/ws/ops/prv/aks1/cls/c1/app/web", policy);
    let (loaded, _) = load_files(&[("kompoxapp.yml", &text)]);
    let cluster = loaded.cluster(&loaded.claims[0].value).unwrap();
    assert!(cluster.existing);
    assert_eq!(format!("{:?}", cluster.settings), r#"{"08": "0x1F", "y": "on"}"#);
    let app = &loaded.apps[0];
    assert_eq!((app.reconcile.drift, app.reconcile.suspend), (DriftPolicy::Off, true));
    assert_eq!(app.snapshot_policies[0].trigger, Trigger::Deploy { required: true });
}
