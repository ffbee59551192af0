mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::diagnostic::{SourceFile, Span, Spanned};
use crate::hash;
use crate::model::{
    Choice, Cluster, FileMount, FileObject, Ingress, IngressRule, LabelSelector, Mount, NetworkPort, NetworkRule,
    Placement, Project, Protection, Provider, Reconcile, Resources, SecretBytes, SecretMap, Service, VolumeKind,
};
use crate::policy::PodSecurity;
use crate::slots::{NodePools, PvSource, VolumeBinding, VolumeClass};

fn at(line: u32) -> Span {
    let file = Arc::new(SourceFile { path: "app.yml".to_owned(), text: String::new() });
    Span { line, ..Span::file(&file) }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&item| item.to_owned()).collect()
}

fn app() -> App {
    App {
        id: "/ws/ops/prv/local1/cls/cluster1/app/app1".parse().unwrap(),
        at: at(1),
        entry: "app.yml".to_owned(),
        provider: Provider { driver: Spanned::new("local".to_owned(), at(2)), settings: BTreeMap::new() },
        cluster: Cluster {
            existing: true,
            ingress_namespace: "traefik".to_owned(),
            ingress_controller: None,
            ingress_service_account: None,
            domain: None,
            cert_resolver: None,
            cert_email: None,
            certificates: Vec::new(),
            provisioning_protection: Protection::None,
            installation_protection: Protection::None,
            settings: BTreeMap::new(),
        },
        ingress: Ingress::default(),
        volumes: Vec::new(),
        placement: Placement::default(),
        network_rules: Vec::new(),
        reconcile: Reconcile::default(),
        snapshot_policies: Vec::new(),
        settings: BTreeMap::new(),
        resources: BTreeMap::new(),
        project: Project { services: vec![service("web")], ..Project::default() },
        pod_security: PodSecurity::default(),
    }
}

fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        at: at(10),
        image: Spanned::new("nginx:1.27".to_owned(), at(11)),
        entrypoint: None,
        command: None,
        environment: BTreeMap::new(),
        env_file: None,
        encrypted: std::collections::BTreeSet::new(),
        container_ports: Vec::new(),
        mounts: Vec::new(),
        configs: Vec::new(),
        secrets: Vec::new(),
        resources: Resources::default(),
        runtime: crate::model::Runtime::default(),
    }
}

fn volume(name: &str, line: u32) -> Volume {
    Volume {
        name: name.to_owned(),
        size: 1 << 30,
        kind: VolumeKind::Disk,
        options: BTreeMap::new(),
        source: None,
        deletion_policy: crate::model::DeletionPolicy::Retain,
        claim: crate::model::DiskClaim::Keep,
        at: at(line),
    }
}

fn mount(volume: &str, sub_path: Option<&str>, target: &str) -> Mount {
    Mount {
        volume: volume.to_owned(),
        sub_path: sub_path.map(str::to_owned),
        target: target.to_owned(),
        read_only: false,
        at: at(20),
    }
}

fn local(handle: &str) -> VolumeBinding {
    VolumeBinding {
        handle: handle.to_owned(),
        size: None,
        class: VolumeClass {
            storage_class: "kompox-local".to_owned(),
            access_modes: strings(&["ReadWriteOnce"]),
            source: PvSource::Local { path: format!("/var/lib/kompox/disks/{handle}") },
            node_affinity: vec![("kubernetes.io/hostname".to_owned(), strings(&["node1"]))],
        },
    }
}

fn file(name: &str, key: &str, text: &str) -> FileObject {
    let content =
        FileContent::File { key: key.to_owned(), bytes: SecretBytes(text.as_bytes().to_vec()), encrypted: false };
    FileObject { name: name.to_owned(), at: at(30), content }
}

fn file_mount(name: &str, target: &str, mode: Option<u32>) -> FileMount {
    FileMount { name: name.to_owned(), target: target.to_owned(), mode, at: at(31) }
}

fn find<'a>(objects: &'a [Object], kind: Kind, name: &str) -> &'a Object {
    let named = objects.iter().find(|object| object.key.kind == kind && object.key.name == name);
    named.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn pod(objects: &[Object]) -> &Value {
    &find(objects, Kind::Deployment, "app1-app").body["spec"]["template"]["spec"]
}

fn pod_hash(objects: &[Object]) -> String {
    let annotations = "/spec/template/metadata/annotations/kompox.dev~1compose-content-hash";
    find(objects, Kind::Deployment, "app1-app").body.pointer(annotations).unwrap().as_str().unwrap().to_owned()
}

fn assert_minimal(value: &Value, path: &str) {
    match value {
        Value::Object(map) => {
            assert!(!map.is_empty() || path.ends_with("/podSelector"), "{path} is an empty map");
            map.iter().for_each(|(key, value)| assert_minimal(value, &format!("{path}/{key}")));
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path} is an empty list");
            items.iter().for_each(|item| assert_minimal(item, path));
        }
        leaf => assert!(!leaf.is_null(), "{path} is null"),
    }
}

#[test]
fn the_smallest_app_has_no_ingress_and_nothing_empty() {
    let objects = render(&app(), &Slots::default());
    let keys: Vec<String> = objects.iter().map(|object| object.key.to_string()).collect();
    let namespace = Names::of(&app().id).namespace;
    let expected = [
        format!("Namespace {namespace}"),
        format!("ServiceAccount {namespace}/app1"),
        format!("Role {namespace}/app1-access"),
        format!("RoleBinding {namespace}/app1-access"),
        format!("NetworkPolicy {namespace}/app1"),
        format!("Service {namespace}/web"),
        format!("Deployment {namespace}/app1-app"),
    ];
    assert_eq!(keys, expected);
    for Object { key, body, .. } in &objects {
        assert_eq!(body["apiVersion"], key.kind.api_version());
        assert_eq!(body["kind"], key.kind.name());
        assert_eq!(body["metadata"]["name"], key.name);
        assert_eq!(body["metadata"].get("namespace"), key.namespace.as_ref().map(|name| json!(name)).as_ref());
        assert!(body.get("status").is_none());
        assert_minimal(body, &key.to_string());
    }
    let container = json!({
        "envFrom": [
            {"secretRef": {"name": "app1-app-web-base", "optional": true}},
            {"secretRef": {"name": "app1-app-web-override", "optional": true}},
        ],
        "image": "nginx:1.27",
        "name": "web",
    });
    assert_eq!(pod(&objects), &json!({"containers": [container], "nodeSelector": {"kompox.dev/node-pool": "user"}}));
}

#[test]
fn the_source_is_written_where_pruning_looks_for_it() {
    let mut app = app();
    app.volumes = vec![volume("db", 5)];
    let slots = Slots {
        source: Some("main".to_owned()),
        volumes: BTreeMap::from([("db".to_owned(), local("d1"))]),
        ..Slots::default()
    };
    let objects = render(&app, &slots);
    for Object { key, body, .. } in &objects {
        let owner = body["metadata"]["annotations"].get("kompox.dev/source");
        let expected = matches!(key.kind, Kind::Namespace | Kind::PersistentVolume).then(|| json!("main"));
        assert_eq!(owner, expected.as_ref(), "{key}");
    }
    assert_eq!(objects[0].body["metadata"]["annotations"]["kompox.dev/app"], "ops/local1/cluster1/app1");
    assert_eq!(objects[0].body["metadata"]["annotations"]["kompox.dev/provider-driver"], "local");
}

#[test]
fn a_local_disk_binds_one_claim_on_its_node() {
    let mut app = app();
    app.volumes = vec![volume("db", 5)];
    app.project.services[0].mounts = vec![mount("db", None, "/data")];
    let binding = VolumeBinding { size: Some(5_000_000_000), ..local("d1") };
    let slots = Slots { volumes: BTreeMap::from([("db".to_owned(), binding)]), ..Slots::default() };
    let objects = render(&app, &slots);
    let names = Names::of(&app.id);
    let name = names.volume("db", "d1");
    let volume = find(&objects, Kind::PersistentVolume, &name);
    assert_eq!(volume.origin.line, 5);
    let previous = |objects: &[Object]| {
        let annotations = &find(objects, Kind::PersistentVolume, &name).body["metadata"]["annotations"];
        annotations.get("kompox.dev/volume-handle-previous").cloned()
    };
    assert_eq!(previous(&objects), None);
    let previous_handles = BTreeMap::from([("db".to_owned(), "d0".to_owned()), ("other".to_owned(), "d9".to_owned())]);
    assert_eq!(previous(&render(&app, &Slots { previous_handles, ..slots })), Some(json!("d0")));
    let requirement = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]});
    assert_eq!(
        volume.body["spec"],
        json!({
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "4769Mi"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name, "namespace": names.namespace},
            "local": {"path": "/var/lib/kompox/disks/d1"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "kompox-local",
            "volumeMode": "Filesystem",
        })
    );
    let claim = &find(&objects, Kind::PersistentVolumeClaim, &name).body["spec"];
    assert_eq!(claim["volumeName"], json!(name));
    assert_eq!(claim["resources"], json!({"requests": {"storage": "4769Mi"}}));
    // The root of a volume exists: nothing to make.
    assert_eq!(pod(&objects).get("initContainers"), None);
}

#[test]
fn a_volume_without_a_disk_is_left_out_and_named() {
    let mut app = app();
    app.volumes = vec![volume("default", 5), volume("db", 6)];
    app.project.services[0].mounts = vec![mount("db", Some("a"), "/db"), mount("default", Some("it's/b"), "/default")];
    let slots = Slots { volumes: BTreeMap::from([("default".to_owned(), local("d1"))]), ..Slots::default() };
    let missing: Vec<&str> = missing_volumes(&app, &slots).iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(missing, ["db"]);
    let objects = render(&app, &slots);
    assert_eq!(objects.iter().filter(|object| object.key.kind == Kind::PersistentVolume).count(), 1);
    let pod = pod(&objects);
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 1);
    assert_eq!(
        pod["containers"][0]["volumeMounts"],
        json!([{"mountPath": "/default", "name": "default", "subPath": "it's/b"}])
    );
    let script = &pod["initContainers"][0]["command"][2];
    assert_eq!(script, &json!(r"mkdir -m 1777 -p '/work/default/it'\''s/b'"));
}

#[test]
fn pools_and_zones_select_or_require() {
    let mut app = app();
    app.placement =
        Placement { pools: Choice::AnyOf(strings(&["a", "b"])), zones: Choice::AnyOf(strings(&["1", "2"])) };
    let terms = |objects: &[Object]| {
        let terms = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        pod(objects).pointer(terms).cloned()
    };
    let pools = json!({"key": "kompox.dev/node-pool", "operator": "In", "values": ["a", "b"]});
    let zones = json!({"key": "kompox.dev/node-zone", "operator": "In", "values": ["1", "2"]});
    let objects = render(&app, &Slots::default());
    assert_eq!(terms(&objects), Some(json!([{"matchExpressions": [pools, zones]}])));
    assert_eq!(pod(&objects).get("nodeSelector"), None);

    let unlabelled = Slots { node_pools: NodePools::Unlabelled, ..Slots::default() };
    let objects = render(&app, &unlabelled);
    assert_eq!(terms(&objects), Some(json!([{"matchExpressions": [zones]}])));

    app.placement = Placement { pools: Choice::One("gpu".to_owned()), zones: Choice::One("3".to_owned()) };
    let objects = render(&app, &Slots::default());
    assert_eq!(pod(&objects)["nodeSelector"], json!({"kompox.dev/node-pool": "gpu", "kompox.dev/node-zone": "3"}));
    assert_eq!(terms(&objects), None);
    let objects = render(&app, &unlabelled);
    assert_eq!(pod(&objects)["nodeSelector"], json!({"kompox.dev/node-zone": "3"}));

    app.placement = Placement::default();
    assert_eq!(pod(&render(&app, &unlabelled)).get("nodeSelector"), None);
}

#[test]
fn a_file_with_two_modes_is_two_files_of_one_volume() {
    let mut app = app();
    app.project.configs = vec![file("conf", "a.conf", "x")];
    app.project.services[0].configs = vec![
        file_mount("conf", "/a", Some(0o444)),
        file_mount("conf", "/b", Some(0o400)),
        file_mount("conf", "/c", None),
    ];
    let objects = render(&app, &Slots::default());
    let pod = pod(&objects);
    assert_eq!(
        pod["volumes"],
        json!([{"name": "cfg-conf", "configMap": {"name": "app1-app--cfg-conf", "items": [
            {"key": "a.conf", "path": "a.conf"},
            {"key": "a.conf", "mode": 0o400, "path": "0400/a.conf"},
            {"key": "a.conf", "mode": 0o444, "path": "0444/a.conf"},
        ]}}])
    );
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let sub_paths: Vec<&Value> = mounts.iter().map(|mount| &mount["subPath"]).collect();
    assert_eq!(sub_paths, ["0444/a.conf", "0400/a.conf", "a.conf"]);
    assert!(mounts.iter().all(|mount| mount["readOnly"] == true));
}

#[test]
fn an_external_object_is_mounted_by_its_compose_name_and_never_rendered() {
    let mut app = app();
    let content = FileContent::External { object: "shared-tls".to_owned() };
    app.project.secrets = vec![FileObject { name: "tls".to_owned(), at: at(30), content }];
    app.project.services[0].secrets = vec![file_mount("tls", "/run/secrets/tls", None)];
    let objects = render(&app, &Slots::default());
    assert!(objects.iter().all(|object| object.key.kind != Kind::Secret));
    assert_eq!(
        pod(&objects)["volumes"],
        json!([{"name": "sec-tls", "secret": {"secretName": "shared-tls", "items": [{"key": "tls", "path": "tls"}]}}])
    );
    let expected =
        ["app1-app--pull", "app1-app-web-override", "shared-tls"].map(|name| (Kind::Secret, name.to_owned()));
    assert_eq!(external_names(&app), expected);
}

#[test]
fn the_pull_secret_is_referenced_only_when_it_exists() {
    let mut slots = Slots::default();
    assert_eq!(pod(&render(&app(), &slots)).get("imagePullSecrets"), None);
    slots.external_hashes.insert((Kind::Secret, "app1-app--pull".to_owned()), "abcdef".to_owned());
    let objects = render(&app(), &slots);
    assert_eq!(pod(&objects)["imagePullSecrets"], json!([{"name": "app1-app--pull"}]));
    assert_eq!(pod_hash(&objects), hash::short("abcdef"));
}

#[test]
fn the_pod_hash_follows_the_order_of_references() {
    let mut app = app();
    app.project.configs = vec![file("b", "b", "b"), file("c", "c", "c")];
    app.project.secrets = vec![file("a", "a", "a")];
    app.project.services = vec![service("db"), service("web")];
    app.project.services[0].secrets = vec![file_mount("a", "/a", None)];
    app.project.services[0].configs = vec![file_mount("c", "/c", None), file_mount("b", "/b", None)];
    app.project.services[1].env_file = Some(SecretMap(BTreeMap::from([("K".to_owned(), "v".to_owned())])));
    let external = |pairs: [(&str, &str); 2]| {
        pairs.into_iter().map(|(name, hash)| ((Kind::Secret, name.to_owned()), hash.to_owned())).collect()
    };
    let slots = Slots {
        external_hashes: external([("app1-app--pull", "pull"), ("app1-app-db-override", "over")]),
        ..Slots::default()
    };
    let one = |text: &str| hash::content([(text, text)]);
    let base = hash::content([("K", "v")]);
    let expected = format!("pullover{base}{}{}{}", one("b"), one("c"), one("a"));
    assert_eq!(pod_hash(&render(&app, &slots)), hash::short(expected));
    // A ConfigMap of the Secret's name is another object.
    let other = Slots {
        external_hashes: BTreeMap::from([((Kind::ConfigMap, "app1-app-db-override".to_owned()), "over".to_owned())]),
        ..Slots::default()
    };
    assert_eq!(pod_hash(&render(&app, &other)), pod_hash(&render(&app, &Slots::default())));
}

#[test]
fn network_rules_follow_the_agents_own() {
    let mut app = app();
    app.cluster.ingress_namespace = "kube-system".to_owned();
    let selector = LabelSelector {
        match_labels: BTreeMap::new(),
        match_expressions: vec![("team".to_owned(), "Exists".to_owned(), Vec::new())],
    };
    app.network_rules = vec![
        NetworkRule { from: vec![selector], ports: vec![NetworkPort { protocol: "UDP".to_owned(), port: 53 }] },
        NetworkRule { from: vec![LabelSelector::default()], ports: Vec::new() },
    ];
    let objects = render(&app, &Slots::default());
    let spec = &find(&objects, Kind::NetworkPolicy, "app1").body["spec"];
    let namespace = Names::of(&app.id).namespace;
    let own = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace, "kube-system"]});
    assert_eq!(
        spec["ingress"],
        json!([
            {"from": [{"namespaceSelector": {"matchExpressions": [own]}}]},
            {
                "from": [{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}],
                "ports": [{"port": 53, "protocol": "UDP"}],
            },
            {"from": [{"namespaceSelector": {}}]},
        ])
    );
}

#[test]
fn ingresses_appear_with_their_hosts() {
    let mut app = app();
    let rule = |name: &str, port, hosts: &[&str], line| IngressRule {
        name: name.to_owned(),
        port,
        container_port: 80,
        hosts: strings(hosts),
        at: at(line),
    };
    app.ingress.rules = vec![rule("main", 8080, &[], 40), rule("admin", 8081, &["a.example.org"], 41)];
    let objects = render(&app, &Slots::default());
    let ingresses: Vec<&Object> = objects.iter().filter(|object| object.key.kind == Kind::Ingress).collect();
    assert_eq!(ingresses.iter().map(|object| object.key.name.as_str()).collect::<Vec<_>>(), ["app1-app-custom"]);
    assert_eq!(ingresses[0].origin.line, 41);
    let annotations = &ingresses[0].body["metadata"]["annotations"];
    assert_eq!(annotations.get("traefik.ingress.kubernetes.io/router.tls.certresolver"), None);
    assert_eq!(find(&objects, Kind::Service, "app1-app").origin.line, 40);

    app.cluster.domain = Some(Spanned::new("ops.example.com".to_owned(), at(3)));
    app.cluster.cert_resolver = Some("cluster".to_owned());
    app.ingress.cert_resolver = Some("own".to_owned());
    let objects = render(&app, &Slots::default());
    let custom = find(&objects, Kind::Ingress, "app1-app-custom");
    let resolver = &custom.body["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.tls.certresolver"];
    assert_eq!(resolver, "own");
    let default = find(&objects, Kind::Ingress, "app1-app-default");
    let resolver = "traefik.ingress.kubernetes.io/router.tls.certresolver";
    assert_eq!(default.body["metadata"]["annotations"].get(resolver), None);
    assert_eq!(default.body["spec"]["rules"].as_array().unwrap().len(), 2);
}

#[test]
fn without_services_there_is_no_deployment() {
    let mut app = app();
    app.project.services.clear();
    assert!(render(&app, &Slots::default()).iter().all(|object| object.key.kind != Kind::Deployment));
}
