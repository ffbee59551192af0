//! Health as the real controllers and scheduler write it.

use super::*;

async fn until(what: &str, mut check: impl AsyncFnMut() -> Option<Health>) -> Health {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(health) = check().await {
            return health;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The health of the Deployment `web` once it has this label.
async fn health(scene: &Scene, label: &str) -> Health {
    until(label, async || {
        let health = health::assess(&scene.cluster.workload(&scene.namespace, "web").await.unwrap());
        (health.reason().map(|reason| reason.label) == Some(label)).then_some(health)
    })
    .await
}

#[tokio::test]
async fn the_schedulers_words_and_a_containers_trouble_are_read_out() {
    let Some(scene) = Scene::new().await else { return };
    let mut impossible = deployment();
    impossible["spec"]["template"]["spec"]["nodeSelector"] = json!({"kompox.dev/test": "no-such-node"});
    scene.cluster.apply(&scene.object(Kind::Deployment, "web", impossible.clone()), false).await.unwrap();
    let text = health(&scene, "Unschedulable").await.to_string();
    assert!(text.contains("no node takes Pod web-") && text.contains("nodes"), "{text}");

    let pod = scene.person(&["get", "pods", "-o", "name"]).trim().to_owned();
    let status = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "True"}], "containerStatuses": [
        {"name": "gitea", "image": "gitea:1", "imageID": "", "ready": false, "restartCount": 0,
         "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]}});
    scene.person(&["patch", &pod, "--subresource=status", "-p", &status.to_string()]);
    let text = health(&scene, "ImagePullBackOff").await.to_string();
    assert!(text.contains("the image gitea:1 of container gitea"), "{text}");

    // A new template: the old Pod's trouble is not the new one's.
    impossible["spec"]["template"]["spec"]["containers"][0]["image"] = json!("gitea:2");
    scene.cluster.apply(&scene.object(Kind::Deployment, "web", impossible), false).await.unwrap();
    health(&scene, "Unschedulable").await;
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_read_out() {
    let Some(scene) = Scene::new().await else { return };
    scene.person(&["create", "quota", "none", "--hard=pods=0"]);
    scene.cluster.apply(&scene.object(Kind::Deployment, "web", deployment()), false).await.unwrap();
    let text = health(&scene, "ReplicaFailure").await.to_string();
    assert!(text.contains("exceeded quota: none"), "{text}");
}

#[tokio::test]
async fn a_claim_without_a_volume_is_read_out() {
    let Some(scene) = Scene::new().await else { return };
    let mut with_volume = deployment();
    with_volume["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    scene.cluster.apply(&scene.object(Kind::Deployment, "web", with_volume), false).await.unwrap();
    let text = health(&scene, "VolumeMissing").await.to_string();
    assert!(text.ends_with("the PersistentVolumeClaim data does not exist"), "{text}");

    let name = &scene.namespace;
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/nonexistent"},
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": name, "name": "another"}}});
    scene.person_applies(&["create"], &[&volume]);
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "none", "volumeName": name}});
    scene.cluster.apply(&scene.object(Kind::PersistentVolumeClaim, "data", claim), false).await.unwrap();
    let text = health(&scene, "VolumeNotBound").await.to_string();
    scene.kubectl(&["delete", "persistentvolume", name, "--wait=false"]);
    assert!(text.contains("already bound to a different claim"), "{text}");
}
