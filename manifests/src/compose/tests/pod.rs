use super::*;
use crate::model::MemoryMount;

#[test]
fn labels_of_compose_become_labels_or_annotations() {
    let project = case()
        .load(&web(
            "labels: {com.example.team: a, com.example.url: \"https://x/\", empty: }\nannotations: [a.b/c=d e]\ndeploy: {labels: [x=1]}",
        ))
        .project();
    let pod = project.pod;
    let of =
        |map: &BTreeMap<String, String>| map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    assert_eq!(of(&pod.labels.labels), ["com.example.team=a", "empty="]);
    assert_eq!(of(&pod.labels.annotations), ["a.b/c=d e", "com.example.url=https://x/"]);
    assert_eq!(of(&pod.deployment_labels.labels), ["x=1"]);
}

#[test]
fn labels_that_cannot_be_given() {
    for (lines, expected) in [
        ("labels: {app: x}", "error compose.yml:4:14: `app` in `labels` belongs to the cluster"),
        ("annotations: {kompox.dev/app: x}", "error compose.yml:4:19: `kompox.dev/app` in `annotations` belongs"),
        (
            "annotations: [container.apparmor.security.beta.kubernetes.io/web=unconfined]",
            "error compose.yml:4:19: `container.apparmor.security.beta.kubernetes.io/web` in",
        ),
        ("labels: {\"a b\": x}", "warning compose.yml:4:14: `a b` in `labels` is left out"),
        ("labels: [traefik.enable=true]", "warning compose.yml:4:14: the label `traefik.enable` publishes nothing"),
        ("labels: 5", "error compose.yml:4:13: `labels` must be a list or a mapping"),
        ("labels: {a: [b]}", "error compose.yml:4:17: `a` must be a string, number or boolean"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
    let two = "services:\n  a: {image: a, labels: {k: v}}\n  b: {image: b, labels: [k=w]}\n";
    case().load(two).finds("warning compose.yml:3:26: `k` of `b` is left out: the Pod has the value of `a`");
    let long = format!("annotations: {{a: {}}}", "x".repeat(300_000));
    case().load(&web(&long)).finds("error compose.yml:4:5: the annotations come to 300001 bytes");
}

#[test]
fn hooks_run_one_command() {
    let service = case().load(&web("post_start: [{command: touch '/a b'}]\npre_stop: [{command: [a, b c]}]")).service();
    assert_eq!(service.runtime.post_start, Some(strings(&["touch", "/a b"])));
    assert_eq!(service.runtime.pre_stop, Some(strings(&["a", "b c"])));
    let outcome = case().load(&web("pre_stop: [{command: [a, b c]}, {command: d}]"));
    outcome.finds("info compose.yml:4:15: the commands of `pre_stop` run one after the other");
    let service = outcome.loaded.unwrap().project.services.remove(0);
    assert_eq!(service.runtime.pre_stop, Some(strings(&["sh", "-c", "a 'b c' && d"])));
    for (lines, expected) in [
        ("pre_stop: [{command: }]", "error compose.yml:4:17: a hook of `pre_stop` has no command"),
        ("pre_stop: [{user: a}]", "error compose.yml:4:16: `pre_stop` of service `web` needs `command`"),
        ("post_start: [{command: a, user: b}]", "error compose.yml:4:31: `post_start.user` of service `web` cannot"),
        ("post_start: [{command: a | b}]", "error compose.yml:4:28: `command` needs a shell"),
    ] {
        let found = case().load(&web(lines)).found();
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn what_a_job_cannot_have_is_said() {
    let text = "services:
  app: {image: a, depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: b, healthcheck: {test: a}, pre_stop: [{command: a}]}
";
    let found = case().load(text).found();
    for expected in [
        "warning compose.yml:3:3: the health check of `job` never runs",
        "warning compose.yml:3:3: the `pre_stop` of `job` never runs",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn gpus_are_a_resource_of_the_node() {
    let limits = |lines: &str| case().load(&web(lines)).loaded.unwrap().project.services.remove(0).resources.limits;
    assert_eq!(limits("gpus: [{count: 2}]")["nvidia.com/gpu"], "2");
    assert_eq!(limits("gpus: all")["nvidia.com/gpu"], "1");
    assert_eq!(limits("gpus: [{driver: amd, count: \"1\"}]")["amd.com/gpu"], "1");
    let devices = |request: &str| format!("deploy: {{resources: {{reservations: {{devices: [{request}]}}}}}}");
    assert_eq!(
        limits(&devices("{capabilities: [gpu], count: 1}, {capabilities: [gpu], count: 3}"))["nvidia.com/gpu"],
        "4"
    );
    assert!(limits("gpus: []").is_empty());
    for (lines, expected) in [
        ("gpus: all", "warning compose.yml:4:11: the container gets one GPU"),
        ("gpus: [{count: all}]", "warning compose.yml:4:20: the container gets one GPU"),
        ("gpus: some", "error compose.yml:4:11: `gpus` cannot be `some`"),
        ("gpus: [{count: many}]", "error compose.yml:4:20: `count` must be a whole number"),
        ("gpus: [{driver: intel, count: 1}]", "error compose.yml:4:12: no resource of a node is known"),
        ("gpus: [{device_ids: [a]}]", "error compose.yml:4:13: `gpus.device_ids` of service `web` cannot be kept"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
    case().load(&web(&devices("{capabilities: [tpu]}"))).finds("error compose.yml:4:66: the device is no GPU");
    case()
        .load(&web(&devices("{count: 1}")))
        .finds("error compose.yml:4:51: `deploy.resources.reservations.devices` of service `web` needs `capabilities`");
}

#[test]
fn a_volume_may_be_in_memory() {
    let memory = |volume: &str| case().load(&web(&format!("volumes: [{volume}]"))).service().runtime.memory_mounts;
    let mount = |size, read_only| vec![MemoryMount { target: "/x".to_owned(), size, read_only }];
    assert_eq!(memory("{type: tmpfs, target: /x}"), mount(None, false));
    assert_eq!(
        memory("{type: tmpfs, target: /x, read_only: true, tmpfs: {size: 64m, mode: 0o1777}}"),
        mount(Some(64 << 20), true)
    );
    for (lines, expected) in [
        ("volumes: [{type: tmpfs, target: x}]", "error compose.yml:4:37: `x` is no absolute path"),
        ("volumes: [{type: tmpfs, target: /x, source: db}]", "warning compose.yml:4:41: `source` has no effect"),
        (
            "volumes: [{type: tmpfs, target: /x, tmpfs: {mode: 0700}}]",
            "warning compose.yml:4:55: the option `mode` of a tmpfs has no effect",
        ),
        ("volumes: [{type: tmpfs, target: /x, tmpfs: {size: -5}}]", "error compose.yml:4:55: `size` must be from 0"),
        ("tmpfs: /x\nvolumes: [{type: tmpfs, target: /x}]", "error compose.yml:4:12: `/x` is mounted twice"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
}

#[test]
fn options_that_are_kept_or_reported() {
    for (options, expected) in [
        ("bind, source: ./a, target: /x, bind: {create_host_path: false}", "`create_host_path: false` has no effect"),
        ("volume, source: db, target: /x, volume: {nocopy: false}", "`nocopy: false` has no effect"),
    ] {
        let found = case().load(&web(&format!("volumes: [{{type: {options}}}]"))).found();
        assert!(found.len() == 1 && found[0].starts_with("warning") && found[0].contains(expected), "{found:?}");
    }
}
