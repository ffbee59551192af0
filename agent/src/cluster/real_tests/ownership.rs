//! Whose field it is, and how the agent gets it back.

use super::*;

/// Everything of an object but what moves by itself.
fn content(live: &LiveObject) -> Value {
    let mut body = live.body.clone();
    body.as_object_mut().unwrap().remove("status");
    let metadata = body["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    metadata.remove("resourceVersion");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        annotations.remove("pv.kubernetes.io/bind-completed");
    }
    body
}

fn managers(live: &LiveObject) -> Vec<String> {
    let entries = live.body["metadata"]["managedFields"].as_array().unwrap();
    let mut names: Vec<String> = entries.iter().map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn edits_with_kubectl_are_reverted_and_a_restart_is_kept() {
    let Some(scene) = Scene::new().await else { return };
    let desired = scene.object(Kind::Deployment, "web", deployment());
    let applied = scene.cluster.apply(&desired, false).await.unwrap();

    scene.person(&["set", "env", "deploy/web", "-c", "gitea", "EXTRA=1", "USER_GID=2000"]);
    scene.person(&["set", "image", "deploy/web", "postgres=postgres:16"]);
    scene.person(&["scale", "deploy/web", "--replicas", "3"]);
    scene.person(&["label", "deploy/web", "team=blue"]);
    scene.person(&["annotate", "deploy/web", "note=hello"]);
    scene.person(&["rollout", "restart", "deploy/web"]);
    let editor = "sed -i 's/containerPort: 3000/containerPort: 3001/; s/PeriodSeconds: 30/PeriodSeconds: 31/'";
    let edited = Command::new("kubectl")
        .args(["-n", &scene.namespace, "edit", "deploy/web"])
        .envs([("KUBECONFIG", scene.kubeconfig.to_str().unwrap()), ("EDITOR", editor)])
        .output()
        .unwrap();
    assert!(edited.status.success(), "{edited:?}");
    let drifted = scene.live(&desired.key).await;
    assert_eq!(at(&drifted, ".spec.replicas"), Some(&json!(3)));
    assert_eq!(at(&drifted, ".spec.template.spec.terminationGracePeriodSeconds"), Some(&json!(31)));

    let conflict = scene.cluster.apply(&desired, false).await.unwrap_err();
    let Cause::Conflict(conflicts) = &conflict.cause else { panic!("{conflict}") };
    for conflict in conflicts {
        let owners = other_owners(&drifted, &conflict.field);
        assert!(owners.iter().any(|owner| owner.manager == conflict.manager), "{conflict:?} {owners:?}");
    }
    assert!(conflicts.iter().any(|conflict| conflict.subresource.as_deref() == Some("scale")), "{conflicts:?}");

    let corrected = scene.correct(&desired).await;
    let mut expected = content(&applied);
    // Kept on purpose, or not the agent's to decide.
    let restarted = ".spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt";
    assert!(at(&corrected, restarted).is_some());
    expected["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
        at(&corrected, restarted).unwrap().clone();
    expected["metadata"]["annotations"] = json!({"note": "hello"});
    expected["metadata"]["generation"] = corrected.body["metadata"]["generation"].clone();
    assert_eq!(content(&corrected), expected);

    let again = scene.live(&desired.key).await;
    assert_eq!(takeover(&again, &desired.body, &Managers::default()), None);
    let dry = scene.cluster.dry_run(&desired, false).await.unwrap();
    assert_eq!(content(&dry), content(&again), "nothing is left to correct");
}

/// One object of each kind that people could have applied by hand, with an `extra` field that the
/// agent does not want.
fn every_kind(scene: &Scene) -> Vec<(Object, Value)> {
    let plain = [
        (Kind::ServiceAccount, "web", json!({})),
        (
            Kind::Role,
            "web-access",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
        ),
        (
            Kind::RoleBinding,
            "web-access",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web-access"},
                "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": scene.namespace}]}),
        ),
        (
            Kind::NetworkPolicy,
            "web",
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]}]}}),
        ),
        (
            Kind::PersistentVolumeClaim,
            "data",
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "none", "volumeName": "kompox-test-none"}}),
        ),
        (Kind::ConfigMap, "web", json!({"data": {"a": "1"}})),
        (Kind::Secret, "web", json!({"type": "Opaque", "data": {"a": "aGVsbG8="}})),
        (
            Kind::Service,
            "web",
            json!({"spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 3000}]}}),
        ),
        (
            Kind::Service,
            "headless",
            json!({"spec": {"clusterIP": "None", "selector": {"app": "web"}, "publishNotReadyAddresses": true}}),
        ),
        (Kind::Deployment, "web", deployment()),
        (
            Kind::Ingress,
            "web",
            json!({"spec": {"ingressClassName": "traefik", "rules": [{"host": "a.example.com", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}}]}}]}}),
        ),
    ];
    plain
        .into_iter()
        .map(|(kind, name, rest)| {
            let object = scene.object(kind, name, rest);
            let mut by_hand = object.body.clone();
            by_hand["metadata"]["labels"]["extra"] = json!("label");
            match kind {
                Kind::ConfigMap => by_hand["data"]["extra"] = json!("x"),
                Kind::Secret => by_hand["data"]["extra"] = json!("eA=="),
                Kind::Service => by_hand["spec"]["sessionAffinity"] = json!("ClientIP"),
                Kind::Deployment => by_hand["spec"]["template"]["spec"]["hostname"] = json!("extra"),
                Kind::Ingress => by_hand["spec"]["tls"] = json!([{"hosts": ["extra.example.com"]}]),
                Kind::ServiceAccount => by_hand["automountServiceAccountToken"] = json!(false),
                _ => {}
            }
            (object, by_hand)
        })
        .collect()
}

async fn adopts(arguments: &[&str], old_manager: &str) {
    let Some(by_hand) = Scene::new().await else { return };
    let Some(fresh) = Scene::new().await else { return };
    let objects = every_kind(&by_hand);
    by_hand.person_applies(arguments, &objects.iter().map(|(_, body)| body).collect::<Vec<_>>());
    for ((object, _), (clean, _)) in objects.iter().zip(every_kind(&fresh)) {
        let key = &object.key;
        let before = by_hand.live(key).await;
        assert!(managers(&before).iter().any(|manager| manager == old_manager), "{key}: {:?}", managers(&before));

        let adopted = by_hand.correct(object).await;
        assert!(kompox_core::ownership::is_applied_by_agent(&adopted), "{key}");
        let expected = fresh.cluster.apply(&clean, false).await.unwrap();
        for field in ["spec", "data", "rules", "roleRef", "type", "automountServiceAccountToken"] {
            let (mut found, mut wanted) = (adopted.body[field].clone(), expected.body[field].clone());
            for body in [&mut found, &mut wanted] {
                // Given out by the server.
                for given in ["clusterIP", "clusterIPs"] {
                    if key.name != "headless" && body.get(given).is_some() {
                        body[given] = json!("given");
                    }
                }
            }
            assert_eq!(found, wanted, "{key} {field}");
        }
        assert_eq!(adopted.label("extra"), None, "{key}");
        let live = by_hand.live(key).await;
        assert_eq!(takeover(&live, &object.body, &Managers::default()), None, "{key}");
        assert_eq!(content(&by_hand.cluster.dry_run(object, false).await.unwrap()), content(&live), "{key}");
    }
}

#[tokio::test]
async fn objects_of_client_side_apply_are_adopted_and_lose_what_is_not_wanted() {
    adopts(&["apply"], "kubectl-client-side-apply").await;
}

#[tokio::test]
async fn objects_of_the_older_command_line_are_adopted_and_lose_what_is_not_wanted() {
    adopts(&["apply", "--server-side", "--field-manager=kompox-converter"], "kompox-converter").await;
}

#[tokio::test]
async fn a_controller_keeps_its_field_unless_forced() {
    let Some(scene) = Scene::new().await else { return };
    let desired = scene.object(Kind::ConfigMap, "web", json!({"data": {"a": "ours"}}));
    let theirs = scene.object(Kind::ConfigMap, "web", json!({"data": {"a": "theirs", "b": "theirs"}}));
    scene.person_applies(&["apply", "--server-side", "--field-manager=helm"], &[&theirs.body]);

    let live = scene.live(&desired.key).await;
    assert_eq!(takeover(&live, &desired.body, &Managers::default()), None);
    let error = scene.cluster.dry_run(&desired, false).await.unwrap_err();
    let Cause::Conflict(conflicts) = &error.cause else { panic!("{error}") };
    assert_eq!((conflicts[0].field.as_str(), conflicts[0].manager.as_str()), (".data.a", "helm"));
    assert_eq!(scene.cluster.apply(&desired, false).await.unwrap_err().label(), "conflict");

    let forced = scene.cluster.apply(&desired, true).await.unwrap();
    assert_eq!(forced.body["data"], json!({"a": "ours", "b": "theirs"}));
}

#[tokio::test]
async fn a_takeover_of_a_stale_object_changes_nothing() {
    let Some(scene) = Scene::new().await else { return };
    let desired = scene.object(Kind::ConfigMap, "web", json!({"data": {"a": "1"}}));
    let applied = scene.cluster.apply(&desired, false).await.unwrap();
    scene.person(&["label", "configmap/web", "team=blue"]);
    let error = scene.cluster.patch_managed_fields(&desired.key, &applied.resource_version, &[]).await.unwrap_err();
    assert_eq!(error.cause, Cause::Changed);
    assert_eq!(managers(&scene.live(&desired.key).await), ["kompox-agent", "kubectl-label"]);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let Some(scene) = Scene::new().await else { return };
    let desired = scene.object(Kind::ConfigMap, "web", json!({"data": {"a": "1"}}));
    let dry = scene.cluster.dry_run(&desired, false).await.unwrap();
    assert_eq!((dry.body["data"]["a"].as_str(), dry.resource_version.as_str()), (Some("1"), ""));
    assert_eq!(scene.cluster.get(&desired.key).await.unwrap(), None);

    let mut missing = desired;
    missing.key.namespace = Some("kompox-test-none".into());
    missing.body["metadata"]["namespace"] = json!("kompox-test-none");
    let error = scene.cluster.dry_run(&missing, false).await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound("the Namespace kompox-test-none".into()));
}

#[tokio::test]
async fn what_the_server_refuses_is_typed() {
    let Some(scene) = Scene::new().await else { return };
    let mut unknown = deployment();
    unknown["spec"]["replica"] = json!(1);
    let error = scene.cluster.dry_run(&scene.object(Kind::Deployment, "web", unknown), false).await.unwrap_err();
    assert!(error.label() == "invalid" && error.to_string().contains(".spec.replica"), "{error}");

    let canary = "canary-4711!";
    let secret = scene.object(Kind::Secret, "web", json!({"data": {"key": canary}}));
    let error = scene.cluster.dry_run(&secret, false).await.unwrap_err();
    assert!(error.label() == "invalid" && !format!("{error:?}").contains(canary), "{error:?}");

    scene.cluster.apply(&scene.object(Kind::Deployment, "web", deployment()), false).await.unwrap();
    let mut other = deployment();
    other["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    let error = scene.cluster.dry_run(&scene.object(Kind::Deployment, "web", other), false).await.unwrap_err();
    assert!(error.is_immutable(), "{error}");
}
