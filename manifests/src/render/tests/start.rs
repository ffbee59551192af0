use super::*;
use crate::model::{HealthCheck, Labels, Starter, Until};

fn with_health(name: &str) -> Service {
    let health = HealthCheck {
        command: strings(&["check", "$(X)"]),
        interval: 10,
        timeout: 3,
        retries: 4,
        start_period: 60,
        start_interval: 7,
    };
    let mut service = service(name);
    service.runtime.health = Some(health);
    service
}

fn pod(app: &App) -> Value {
    let slots = Slots {
        volumes: app.volumes.iter().map(|volume| (volume.name.clone(), local(&volume.name))).collect(),
        ..Slots::default()
    };
    let objects = render(app, &slots);
    objects.into_iter().find(|object| object.key.kind == Kind::Deployment).unwrap().body["spec"]["template"]["spec"]
        .clone()
}

#[test]
fn a_health_check_makes_a_container_ready_and_kills_nothing() {
    let mut app = app();
    app.project.services = vec![with_health("web")];
    let container = pod(&app)["containers"][0].clone();
    let probe = json!({
        "exec": {"command": ["check", "$$(X)"]},
        "initialDelaySeconds": 60, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 4,
    });
    assert_eq!(container["readinessProbe"], probe);
    assert_eq!((container.get("livenessProbe"), container.get("startupProbe")), (None, None));
    app.project.services[0].runtime.liveness = true;
    assert_eq!(pod(&app)["containers"][0]["livenessProbe"], probe);
}

#[test]
fn what_others_wait_for_starts_in_order_behind_the_folders() {
    let mut app = app();
    app.volumes = vec![volume("data", 3)];
    app.project.services = vec![service("app"), with_health("db"), with_health("job"), service("queue")];
    app.project.services[0].mounts = vec![mount("data", Some("a"), "/a")];
    let starter = |service: &str, until| Starter { service: service.to_owned(), until };
    app.project.pod.first =
        vec![starter("queue", Until::Started), starter("db", Until::Healthy), starter("job", Until::Completed)];
    let pod = pod(&app);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&pod["initContainers"]), ["init-volume-subpaths", "queue", "db", "job"]);
    assert_eq!(names(&pod["containers"]), ["app"]);
    let [folders, queue, db, job] = pod["initContainers"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!((folders.get("restartPolicy"), job.get("restartPolicy")), (None, None));
    assert_eq!((&queue["restartPolicy"], &db["restartPolicy"]), (&json!("Always"), &json!("Always")));
    assert_eq!((queue.get("startupProbe"), job.get("startupProbe")), (None, None));
    // The API server refuses probes of a container that runs to its end.
    assert_eq!(job.get("readinessProbe"), None);
    assert!(db.get("readinessProbe").is_some());
    let startup = &db["startupProbe"];
    assert_eq!(startup["periodSeconds"], 7);
    let covered = startup["periodSeconds"].as_i64().unwrap() * startup["failureThreshold"].as_i64().unwrap();
    assert!(covered >= 24 * 3_600, "{covered}");
}

#[test]
fn exposed_ports_follow_the_published_ones() {
    use crate::model::{Port, Protocol};
    let mut app = app();
    app.project.services[0].container_ports = vec![80];
    let port = |number, protocol| Port { number, protocol };
    app.project.services[0].runtime.exposed =
        vec![port(80, Protocol::Tcp), port(80, Protocol::Udp), port(9000, Protocol::Tcp)];
    let ports = &pod(&app)["containers"][0]["ports"];
    let expected = json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 9000}]);
    assert_eq!(*ports, expected);
}

#[test]
fn what_the_pod_and_its_containers_are_told() {
    use crate::model::{MemoryMount, Runtime, Security};
    let mut app = app();
    app.project.services[0].runtime = Runtime {
        working_dir: Some("/srv".to_owned()),
        tty: true,
        stdin: true,
        pull_policy: Some("Always"),
        memory_mounts: vec![MemoryMount { target: "/run".to_owned(), size: Some(1 << 20), read_only: false }],
        security: Security {
            user: Some(0),
            cap_drop: ["ALL".to_owned()].into(),
            no_new_privileges: Some(true),
            apparmor: Some("mine".to_owned()),
            ..Security::default()
        },
        ..Runtime::default()
    };
    let shared = &mut app.project.pod;
    shared.grace_period = Some(90);
    shared.groups = [44].into();
    shared.sysctls = BTreeMap::from([("a.b".to_owned(), "1".to_owned())]);
    shared.hosts = BTreeMap::from([("10.0.0.1".to_owned(), ["x".to_owned()].into())]);
    shared.name_servers = strings(&["1.1.1.1"]);
    shared.dns_options = vec![("rotate".to_owned(), None)];
    shared.architecture = Some("arm64".to_owned());
    shared.host_name = Some("mail".to_owned());
    let pod = pod(&app);
    let container = &pod["containers"][0];
    assert_eq!((&container["workingDir"], &container["imagePullPolicy"]), (&json!("/srv"), &json!("Always")));
    assert_eq!((&container["tty"], &container["stdin"]), (&json!(true), &json!(true)));
    assert_eq!(container["volumeMounts"], json!([{"mountPath": "/run", "name": "memory-filesystem-0"}]));
    let security = json!({
        "allowPrivilegeEscalation": false, "runAsUser": 0, "capabilities": {"drop": ["ALL"]},
        "appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"},
    });
    assert_eq!(container["securityContext"], security);
    let memory = json!([{"name": "memory-filesystem-0", "emptyDir": {"medium": "Memory", "sizeLimit": "1048576"}}]);
    assert_eq!(pod["volumes"], memory);
    assert_eq!(pod["terminationGracePeriodSeconds"], 90);
    assert_eq!(pod["securityContext"], json!({"supplementalGroups": [44], "sysctls": [{"name": "a.b", "value": "1"}]}));
    assert_eq!(pod["hostAliases"], json!([{"ip": "10.0.0.1", "hostnames": ["x"]}]));
    assert_eq!(pod["dnsConfig"], json!({"nameservers": ["1.1.1.1"], "options": [{"name": "rotate"}]}));
    assert_eq!(pod["nodeSelector"]["kubernetes.io/arch"], "arm64");
    assert_eq!(pod["hostname"], "mail");
}

#[test]
fn hooks_belong_to_containers_that_keep_running() {
    use crate::model::Runtime;
    let hooked = |name: &str| {
        let runtime = Runtime {
            post_start: Some(strings(&["a", "$(b)"])),
            pre_stop: Some(strings(&["c"])),
            ..Runtime::default()
        };
        Service { runtime, ..service(name) }
    };
    let mut app = app();
    app.project.services = vec![hooked("app"), hooked("job"), hooked("queue")];
    app.project.pod.first = vec![
        Starter { service: "job".to_owned(), until: Until::Completed },
        Starter { service: "queue".to_owned(), until: Until::Started },
    ];
    let pod = pod(&app);
    let lifecycle =
        json!({"postStart": {"exec": {"command": ["a", "$$(b)"]}}, "preStop": {"exec": {"command": ["c"]}}});
    assert_eq!(pod["containers"][0]["lifecycle"], lifecycle);
    // The API refuses hooks of an init container that ends.
    assert_eq!(pod["initContainers"][0]["lifecycle"], json!(null));
    assert_eq!(pod["initContainers"][1]["lifecycle"], lifecycle);
}

#[test]
fn what_people_write_onto_pod_and_deployment() {
    let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let mut app = app();
    app.project.pod.labels = Labels { labels: pair("team", "x"), annotations: pair("url", "https://x") };
    app.project.pod.deployment_labels = Labels { labels: pair("tier", "y"), ..Labels::default() };
    let objects = render(&app, &Slots::default());
    let deployment = &objects.iter().find(|object| object.key.kind == Kind::Deployment).unwrap().body;
    assert_eq!(deployment["metadata"]["labels"]["tier"], "y");
    let template = &deployment["spec"]["template"]["metadata"];
    assert_eq!((&template["labels"]["team"], &template["annotations"]["url"]), (&json!("x"), &json!("https://x")));
    assert_eq!((&template["labels"]["tier"], &deployment["metadata"]["annotations"]), (&json!(null), &json!(null)));
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], json!({"app": "app1-app"}));
}

#[test]
fn further_names_are_headless_services() {
    let mut app = app();
    let at = app.project.services[0].at.clone();
    app.project.aliases = vec![crate::diagnostic::Spanned::new("database".to_owned(), at)];
    let objects = render(&app, &Slots::default());
    let services = objects.iter().filter(|object| object.key.kind == Kind::Service);
    let services: Vec<_> = services.filter(|object| object.body["spec"]["clusterIP"] == "None").collect();
    let names: Vec<&str> = services.iter().map(|object| object.key.name.as_str()).collect();
    assert_eq!(names, ["database", "web"]);
    assert_eq!(services[0].body["spec"], services[1].body["spec"]);
}
