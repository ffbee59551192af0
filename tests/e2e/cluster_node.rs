//! A real node: Pods that really run. Needs root and containerd; skipped with a line that says what is
//! missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::skip_if;
use kompox_tests::process::{Process, descendants, is_running};
use kompox_tests::wait::{Look, until};
use kube::api::{Api, LogParams, PostParams};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_pod_really_runs_and_writes_to_the_node() {
    if skip_if(RealNode::missing()) {
        return;
    }
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let node = RealNode::start(&plane, "real-1", &[("kompox.dev/node-pool", "user")]).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let pods = Api::<Pod>::namespaced(plane.client().await.unwrap(), "default");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "writer" },
        "spec": {
            "nodeSelector": { "kompox.dev/node-pool": "user" },
            "terminationGracePeriodSeconds": 1,
            "initContainers": [{
                "name": "ready-first",
                "image": BUSYBOX,
                "restartPolicy": "Always",
                "command": ["sh", "-c", "sleep 1; touch /tmp/up; sleep 3600"],
                "startupProbe": { "exec": { "command": ["test", "-e", "/tmp/up"] }, "periodSeconds": 1 },
            }],
            "containers": [{
                "name": "main",
                "image": BUSYBOX,
                "command": ["sh", "-c", "echo written > /data/file; echo logged; sleep 3600"],
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            }],
            "volumes": [{ "name": "data", "hostPath": { "path": disk.path(), "type": "Directory" } }],
        },
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    until("the Pod's file", SOON, || async {
        let seen = pods.get("writer").await?.status.map(|status| format!("{status:?}"));
        let written = std::fs::read_to_string(disk.path().join("file")).is_ok_and(|text| text == "written\n");
        Ok(if written { Look::Done(()) } else { Look::NotYet(seen.unwrap_or_default()) })
    })
    .await
    .unwrap();
    let parameters = LogParams { container: Some("main".to_owned()), ..LogParams::default() };
    assert_eq!(pods.logs("writer", &parameters).await.unwrap(), "logged\n");

    let processes = descendants(node.pid());
    assert!(processes.len() > 5, "containerd, kubelet, shims and containers: {processes:?}");
    node.leave(&plane).await.unwrap();
    assert_eq!(std::fs::read_to_string(disk.path().join("file")).unwrap(), "written\n", "the disk outlives the node");
    let left: Vec<_> = processes.into_iter().filter(|&pid| is_running(pid)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn no_trace_of_a_node_outlives_a_harness_that_was_killed() {
    if skip_if(RealNode::missing()) {
        return;
    }
    let folder = Folder::temporary("program").unwrap();
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    let program =
        Process::spawn_split("cluster", command.args(["--nodes=0", "--real-node"]), &stdout, &stderr).unwrap();
    until("the cluster to be up", SOON, || async {
        program.check_running()?;
        let up = std::fs::read_to_string(&stdout)?.contains("export KUBECONFIG=");
        Ok(if up { Look::Done(()) } else { Look::NotYet("no KUBECONFIG".to_owned()) })
    })
    .await
    .unwrap();
    let processes = descendants(program.pid());
    let place = processes.iter().find_map(|pid| {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        words.split('\0').find(|word| word.starts_with("kpx")).map(str::to_owned)
    });
    let place = place.expect("the name of the node's bridge and control groups");
    let bridge = Path::new("/sys/class/net").join(&place);
    assert!(bridge.exists());
    assert!(!control_groups(&place).is_empty());

    program.kill().unwrap();
    until("every trace of the node to go", SOON, || async {
        let running: Vec<_> = processes.iter().filter(|&&pid| is_running(pid)).collect();
        let groups = control_groups(&place);
        let gone = running.is_empty() && groups.is_empty() && !bridge.exists();
        Ok(if gone { Look::Done(()) } else { Look::NotYet(format!("{running:?} {groups:?} {bridge:?}")) })
    })
    .await
    .unwrap();
}

/// The node's group in every hierarchy.
fn control_groups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    hierarchies.chain([root.to_owned()]).map(|path| path.join(name)).filter(|path| path.exists()).collect()
}
