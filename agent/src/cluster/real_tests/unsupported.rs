//! Fields that a real API server drops because their feature gate is off.

use kompox_core::plan::unsupported::dropped;

use super::*;

#[tokio::test]
async fn a_field_behind_a_gate_is_missing_in_the_answer_to_a_dry_run() {
    let Some(scene) = Scene::new().await else { return };
    let mut body = deployment();
    let whole = scene.object(Kind::Deployment, "web", body.clone());
    let answer = scene.cluster.dry_run(&whole, false).await.unwrap();
    assert!(dropped(&whole, &answer).is_empty(), "{:?}", dropped(&whole, &answer));

    // `ContainerStopSignals`, which no version switches on.
    let container = &mut body["spec"]["template"]["spec"]["containers"][0];
    container["lifecycle"] = json!({"stopSignal": "SIGQUIT", "preStop": {"exec": {"command": ["true"]}}});
    let name = container["name"].as_str().unwrap().to_owned();
    let object = scene.object(Kind::Deployment, "web", body);
    let answer = scene.cluster.dry_run(&object, false).await.unwrap();
    let path = format!("spec.template.spec.containers[{name}].lifecycle.stopSignal");
    assert_eq!(dropped(&object, &answer).into_iter().collect::<Vec<_>>(), [path]);
}
