//! The parts themselves, on real processes: what the other end-to-end tests rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kompox_tests::control_plane::{ASSETS, ControlPlane, EXISTING};
use kompox_tests::git::Repo;
use kompox_tests::gitea::{CombinedStatus, Gitea};
use kompox_tests::names::unique;
use kompox_tests::parts::{Part, skip_if, skip_without};
use kompox_tests::process::{Process, was_killed};
use kompox_tests::proxy::{ApiProxy, Then, When};
use kompox_tests::wait::{Look, until};
use kompox_tests::{kubeconfig, wait};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// Why a test of what only an own cluster has cannot run.
fn no_own_cluster() -> Option<String> {
    ControlPlane::is_existing().then(|| "needs an own cluster, and an existing one is named".to_owned())
}

/// A fresh namespace, whose service account is there: Pods may be created.
async fn namespace(client: &kube::Client) -> String {
    let name = unique("parts");
    let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &name);
    until("the namespace's service account", SOON, || async {
        Ok(accounts.get_opt("default").await?.map_or(Look::NotYet("none".to_owned()), |_| Look::Done(())))
    })
    .await
    .unwrap();
    name
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

/// The same namespace's ConfigMaps, seen through a proxy and seen directly.
struct Both {
    proxy: ApiProxy,
    proxied: Api<ConfigMap>,
    direct: Api<ConfigMap>,
}

async fn both() -> Both {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = namespace(&client).await;
    let proxy = ApiProxy::start(plane.kubeconfig()).await.unwrap();
    let proxied = kubeconfig::client(proxy.kubeconfig()).await.unwrap();
    Both { proxy, proxied: Api::namespaced(proxied, &namespace), direct: Api::namespaced(client, &namespace) }
}

impl Both {
    async fn create(&self, name: &str) -> kube::Result<ConfigMap> {
        self.proxied.create(&PostParams::default(), &config_map(name, "one")).await
    }

    async fn exists(&self, name: &str) -> bool {
        self.direct.get_opt(name).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_pod_runs_on_a_fake_node() {
    if skip_if(ControlPlane::missing()) || skip_if(no_own_cluster()) {
        return;
    }
    let plane = ControlPlane::shared().await.unwrap();
    plane.check_running().unwrap();
    let client = plane.client().await.unwrap();
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace(&client).await);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": {
            "nodeSelector": { "kompox.dev/node-pool": "user", "kubernetes.io/hostname": "node-1" },
            "containers": [{ "name": "web", "image": "example.com/web:1" }],
        },
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let running = until("the Pod to run", SOON, || async {
        let pod = pods.get("web").await?;
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
        Ok(if phase == "Running" { Look::Done(pod) } else { Look::NotYet(phase) })
    });
    let status = running.await.unwrap().status.unwrap();
    assert!(status.conditions.unwrap().iter().any(|one| one.type_ == "Ready" && one.status == "True"));
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = namespace(&client).await;
    let path = plane.service_account_kubeconfig(&namespace, "default").await.unwrap();
    let account = Api::<ConfigMap>::namespaced(kubeconfig::client(&path).await.unwrap(), &namespace);
    let refused = account.get("absent").await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");

    let rules = json!({
        "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }],
    });
    let binding = json!({
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": namespace }],
    });
    let role = serde_json::from_value(rules).unwrap();
    let binding = serde_json::from_value(binding).unwrap();
    let roles = Api::<k8s_openapi::api::rbac::v1::Role>::namespaced(client.clone(), &namespace);
    roles.create(&PostParams::default(), &role).await.unwrap();
    let bindings = Api::<k8s_openapi::api::rbac::v1::RoleBinding>::namespaced(client, &namespace);
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    let found = until("the role to count", SOON, || async {
        Ok(match account.get_opt("absent").await {
            Ok(found) => Look::Done(found),
            Err(error) => Look::NotYet(error.to_string()),
        })
    });
    assert!(found.await.unwrap().is_none());
    assert!(account.create(&PostParams::default(), &config_map("mine", "one")).await.is_err(), "reading only");
}

#[tokio::test]
async fn the_audit_log_tells_who_wrote_what() {
    if skip_if(ControlPlane::missing()) || skip_if(no_own_cluster()) {
        return;
    }
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = namespace(&client).await;
    let mut config = kubeconfig::config(plane.kubeconfig()).await.unwrap();
    let agent = unique("somebody");
    config.headers.push(("user-agent".parse().unwrap(), agent.parse().unwrap()));
    let maps = Api::<ConfigMap>::namespaced(kube::Client::try_from(config).unwrap(), &namespace);
    maps.create(&PostParams::default(), &config_map("seen", "one")).await.unwrap();
    maps.get("seen").await.unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&dry, &config_map("dry", "one")).await.unwrap();
    let writes = until("the audit log to have the write", SOON, || async {
        let writes = plane.writes_by(&agent)?;
        Ok(if writes.is_empty() { Look::NotYet("no write".to_owned()) } else { Look::Done(writes) })
    })
    .await
    .unwrap();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].status, Some(201));
    assert_eq!(writes[0].target().unwrap().resource, "configmaps");
}

#[tokio::test]
async fn the_proxy_counts_what_changes_something() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let both = both().await;
    both.create("counted").await.unwrap();
    both.proxied.get("counted").await.unwrap();
    let apply = PatchParams::apply("tester").force();
    let wanted = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "key": "two" } });
    both.proxied.patch("counted", &apply.clone().dry_run(), &Patch::Apply(&wanted)).await.unwrap();
    both.proxied.patch("counted", &apply, &Patch::Apply(&wanted)).await.unwrap();
    both.proxied.delete("counted", &DeleteParams { dry_run: true, ..DeleteParams::default() }).await.unwrap();
    assert!(both.exists("counted").await, "the deletion was a dry run");
    both.create("counted").await.unwrap_err();

    let requests = both.proxy.requests();
    let seen: Vec<(&str, Option<u16>)> = requests.iter().map(|one| (one.method.as_str(), one.status)).collect();
    let expected = [("POST", 201), ("GET", 200), ("PATCH", 200), ("PATCH", 200), ("DELETE", 200), ("POST", 409)];
    assert_eq!(seen, expected.map(|(method, status)| (method, Some(status))));
    let writes: Vec<String> = both.proxy.writes().into_iter().map(|write| write.method).collect();
    assert_eq!(writes, ["POST", "PATCH", "POST"]);
    both.proxy.forget();
    assert!(both.proxy.requests().is_empty());
}

#[tokio::test]
async fn the_proxy_streams_a_watch_until_it_is_down() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let both = both().await;
    let mut events = Box::pin(both.proxied.watch(&WatchParams::default().timeout(60), "0").await.unwrap());
    both.direct.create(&PostParams::default(), &config_map("watched", "one")).await.unwrap();
    let mut seen = async || {
        let next = tokio::time::timeout(SOON, events.try_next()).await.expect("an event while the watch is open");
        next.ok().flatten().map(|event| match event {
            WatchEvent::Added(map) => map.metadata.name.unwrap(),
            other => format!("{other:?}"),
        })
    };
    // The controllers add one of their own to every namespace, and the server sends bookmarks.
    while seen().await.expect("the watch is open") != "watched" {}

    both.proxy.down(true);
    let start = Instant::now();
    while seen().await.is_some() {}
    assert!(start.elapsed() < SOON, "the open watch was cut");
    both.proxied.get("watched").await.unwrap_err();
    assert!(both.exists("watched").await, "only the proxy is down");
    both.proxy.down(false);
    both.proxied.get("watched").await.unwrap();
}

#[tokio::test]
async fn the_proxy_fails_a_write_that_the_server_never_sees() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let both = both().await;
    both.proxy.fail_nth_write(2, 503).unwrap();
    both.create("first").await.unwrap();
    let error = both.create("second").await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 503), "{error}");
    assert!(!both.exists("second").await);
    both.create("third").await.unwrap();
    assert_eq!(both.proxy.writes()[1].status, Some(503));
    assert!(both.proxy.fail_nth_write(1, 7).is_err(), "no HTTP status");
}

#[tokio::test]
async fn the_proxy_drops_an_answer_after_the_server_has_written() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let both = both().await;
    both.proxy.drop_reply_after(1);
    let error = both.create("kept").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "no answer came: {error}");
    assert!(both.exists("kept").await);

    both.proxy.forget();
    both.proxy.on_nth_write(1, When::Before, || Then::Drop);
    both.create("never").await.unwrap_err();
    assert!(!both.exists("never").await);

    both.proxy.forget();
    both.proxy.delay(Duration::from_millis(300));
    let start = Instant::now();
    both.create("late").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn the_proxy_kills_a_process_before_or_after_a_write() {
    if skip_if(ControlPlane::missing()) {
        return;
    }
    let both = both().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    for (when, written) in [(When::Before, false), (When::After, true)] {
        let victim = Process::spawn("victim", std::process::Command::new("sleep").arg("60"), log.path()).unwrap();
        both.proxy.forget();
        both.proxy.kill_at_write(2, when, victim.killer());
        both.create(&unique("first")).await.unwrap();
        assert!(victim.exited().unwrap().is_none());
        let name = unique("second");
        both.create(&name).await.unwrap_err();
        assert!(was_killed(victim.exited().unwrap().expect("killed at the second write")));
        assert_eq!(both.exists(&name).await, written, "{when:?}");
    }
}

#[tokio::test]
async fn gitea_takes_a_push_statuses_and_a_pull_request_and_survives_an_outage() {
    if skip_without(&[Part::Gitea]) {
        return;
    }
    let mut gitea = Gitea::start().await.unwrap();
    gitea.create_repository("shop").await.unwrap();
    assert!(gitea.create_repository("shop").await.is_err(), "it is there already");
    let repo = Repo::for_remote(&gitea.push_url("shop")).unwrap();
    let commit = repo.publish(&[("compose.yml", "services: {}\n")], "first").unwrap();
    assert!(gitea.statuses("shop", &commit).await.unwrap().is_empty());
    assert!(gitea.combined_status("shop", &commit).await.unwrap().statuses.is_empty());

    for state in ["pending", "success"] {
        let body = json!({ "context": "kompox/shop", "state": state, "description": "15 objects" });
        let path = format!("repos/kompox/shop/statuses/{commit}");
        gitea.call::<Value>(reqwest::Method::POST, &path, Some(body)).await.unwrap();
    }
    let states = |statuses: &[kompox_tests::gitea::CommitStatus]| {
        statuses.iter().map(|status| status.state.clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(&gitea.statuses("shop", &commit).await.unwrap()), ["pending", "success"]);
    let CombinedStatus { state, statuses } = gitea.combined_status("shop", &commit).await.unwrap();
    assert_eq!((state.as_str(), states(&statuses)), ("success", vec!["success".to_owned()]));
    assert_eq!(statuses[0].description, "15 objects");

    repo.switch("change").unwrap();
    repo.commit(&[("compose.yml", "services: {web: {image: nginx}}\n")], "change").unwrap();
    repo.push("change").unwrap();
    assert_eq!(gitea.open_pull_request("shop", "change", "main", "Change").await.unwrap(), 1);

    gitea.stop().await.unwrap();
    assert!(gitea.statuses("shop", &commit).await.is_err());
    let error = repo.push("other").unwrap_err().to_string();
    assert!(!error.contains(gitea.token()), "no token in messages: {error}");
    gitea.restart().await.unwrap();
    assert_eq!(gitea.statuses("shop", &commit).await.unwrap().len(), 2);
    repo.push("other").unwrap();
}

mod program {
    //! The program behind `make cluster`, whose process can be killed.

    use std::path::{Path, PathBuf};
    use std::process::Command;

    use kompox_tests::folder::{Folder, KEEP};
    use kompox_tests::process::{descendants, is_running};

    use super::*;

    /// The program, running, with its outputs in files.
    struct Cluster {
        process: Process,
        stdout: PathBuf,
        _folder: Folder,
    }

    fn start(arguments: &[&str], environment: &[(&str, &Path)]) -> Cluster {
        let folder = Folder::temporary("program").unwrap();
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
        command
            .args(arguments)
            .env_remove(ASSETS)
            .env_remove(EXISTING)
            .env_remove(KEEP)
            .envs(environment.iter().copied());
        let process = Process::spawn_split("cluster", &mut command, &stdout, &stderr).unwrap();
        Cluster { process, stdout, _folder: folder }
    }

    impl Cluster {
        /// Waits until it is up and gives the kubeconfig that it prints.
        async fn kubeconfig(&self) -> PathBuf {
            until("the cluster's KUBECONFIG", Duration::from_secs(120), || async {
                self.process.check_running()?;
                let text = std::fs::read_to_string(&self.stdout)?;
                let path = text.lines().find_map(|line| line.strip_prefix("export KUBECONFIG="));
                Ok(path.map_or(wait::Look::NotYet(text.clone()), |path| wait::Look::Done(PathBuf::from(path))))
            })
            .await
            .unwrap()
        }

        async fn fails(&self) -> String {
            assert!(!self.process.wait(SOON).await.unwrap().success());
            std::fs::read_to_string(self.process.log()).unwrap()
        }
    }

    async fn nothing_is_left(pids: &[u32], folder: &Path) {
        until("every part and the folder to go", SOON, || async {
            let left: Vec<u32> = pids.iter().copied().filter(|&pid| is_running(pid)).collect();
            let gone = left.is_empty() && !folder.exists();
            Ok(if gone { Look::Done(()) } else { Look::NotYet(format!("{left:?}, {}", folder.display())) })
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn no_part_outlives_a_harness_that_was_killed() {
        if skip_if(ControlPlane::missing()) {
            return;
        }
        let cluster = start(&["--nodes", "1"], &[]);
        let kubeconfig = cluster.kubeconfig().await;
        let parts = descendants(cluster.process.pid());
        // etcd, API server, controller manager, scheduler, kwok, and the guardian.
        assert_eq!(parts.len(), 6, "{parts:?}");
        cluster.process.kill().unwrap();
        nothing_is_left(&parts, kubeconfig.parent().unwrap()).await;
    }

    #[tokio::test]
    async fn it_ends_in_order_and_keeps_a_named_folder() {
        if skip_if(ControlPlane::missing()) {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("my cluster");
        let cluster = start(&["--nodes", "0", "--folder", folder.to_str().unwrap()], &[]);
        let printed = cluster.kubeconfig().await;
        assert_eq!(printed.to_str().unwrap(), format!("'{}'", folder.join("cluster/admin.kubeconfig").display()));
        let parts = descendants(cluster.process.pid());
        cluster.process.terminate().unwrap();
        assert!(cluster.process.wait(SOON).await.unwrap().success());
        nothing_is_left(&parts, Path::new("/nonexistent")).await;
        assert!(folder.join("cluster/kube-apiserver.log").exists());
    }

    #[tokio::test]
    async fn ready_made_binaries_are_used_and_a_wrong_folder_is_named() {
        if skip_if(ControlPlane::missing()) {
            return;
        }
        let empty = tempfile::tempdir().unwrap();
        let error = start(&[], &[(ASSETS, empty.path())]).fails().await;
        assert!(error.contains("KUBEBUILDER_ASSETS") && error.contains("there is no etcd"), "{error}");

        let built = Part::ControlPlane.binary().await.unwrap();
        let assets = tempfile::tempdir().unwrap();
        for name in ["etcd", "kube-apiserver"] {
            let mark = assets.path().join(format!("{name}.used"));
            let script = format!("#!/bin/sh\n: >{}\nexec {} {name} \"$@\"\n", mark.display(), built.display());
            let path = assets.path().join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let cluster = start(&["--nodes", "0"], &[(ASSETS, assets.path())]);
        cluster.kubeconfig().await;
        assert!(["etcd.used", "kube-apiserver.used"].iter().all(|mark| assets.path().join(mark).exists()));
    }

    #[tokio::test]
    async fn an_existing_cluster_is_used_as_it_is() {
        if skip_if(ControlPlane::missing()) {
            return;
        }
        let plane = ControlPlane::shared().await.unwrap();
        let cluster = start(&[], &[(EXISTING, plane.kubeconfig())]);
        assert_eq!(cluster.kubeconfig().await, plane.kubeconfig());
        assert_eq!(descendants(cluster.process.pid()).len(), 1, "the guardian, and no second control plane");

        let proxy = ApiProxy::start(plane.kubeconfig()).await.unwrap();
        proxy.down(true);
        let error = start(&[], &[(EXISTING, proxy.kubeconfig())]).fails().await;
        assert!(error.contains("does not answer") && error.contains(proxy.url()), "{error}");
    }
}
