//! The agent's reading of the Pod Security Standards against the API server's own.

use anyhow::{Context as _, Result, ensure};
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::Folder;
use kompox_tests::parts::{self, Part};
use kompox_tests::wait::{Look, until};
use serde_json::{Value, json};

use crate::world::LONG;
use kompox_tests::kubectl::{kubectl, output_of};

/// Pods with what each level has against them.
const PODS: &str = include_str!("../../manifests/src/policy/testdata/pods.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_the_same_pods() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane]) {
        return Ok(());
    }
    let plane = ControlPlane::start(Options::default()).await?;
    let folder = Folder::temporary("policy")?;
    let cases: Vec<Value> = serde_json::from_str(PODS)?;
    let cases: Vec<&Value> = cases.iter().filter(|case| case["server"] != false).collect();
    for level in ["baseline", "restricted"] {
        let namespace = format!("level-{level}");
        kubectl(plane.kubeconfig(), &["create", "namespace", &namespace])?;
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        kubectl(plane.kubeconfig(), &["label", "namespace", &namespace, &label])?;
        // Without its account no Pod is taken at all.
        until("the account of the namespace", LONG, async || {
            let found = kubectl(plane.kubeconfig(), &["-n", &namespace, "get", "serviceaccount", "default"]);
            Ok(found.map_or_else(|error| Look::NotYet(error.to_string()), Look::Done))
        })
        .await?;
        let pods: Vec<Value> = cases.iter().enumerate().map(|(number, case)| pod(number, case)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
        folder.write("pods.json", &list.to_string())?;
        let file = folder.path().join("pods.json");
        let arguments = ["-n", &namespace, "create", "--dry-run=server", "-o", "name", "-f", &file.to_string_lossy()];
        let output = output_of(plane.kubeconfig(), &arguments)?;
        let (accepted, refused) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for (number, case) in cases.iter().enumerate() {
            let expected = case[level].as_array().context("no list")?.is_empty();
            let name = &case["case"];
            let taken = accepted.lines().any(|line| line == format!("pod/case-{number}"));
            ensure!(taken == expected, "{name} at {level}: expected {expected}\n{refused}");
            let why = refused.lines().find(|line| line.contains(&format!("\"case-{number}\"")));
            let by_policy = why.is_some_and(|line| line.contains("violates PodSecurity"));
            ensure!(taken || by_policy, "{name} at {level} is refused for something else: {why:?}");
        }
    }
    Ok(())
}

fn pod(number: usize, case: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("case-{number}"), "annotations": case["annotations"]},
        "spec": case["spec"],
    })
}
