use super::*;
use crate::model::{MemoryMount, Pod};

/// Amounts by name.
type Amounts = Vec<(String, String)>;

/// Requests and limits.
fn resources(lines: &str) -> (Amounts, Amounts) {
    let resources = case().load(&web(lines)).service().resources;
    (resources.requests.into_iter().collect(), resources.limits.into_iter().collect())
}

fn pairs(list: &[(&str, &str)]) -> Amounts {
    list.iter().map(|&(name, amount)| (name.to_owned(), amount.to_owned())).collect()
}

#[test]
fn resources_in_all_their_forms() {
    let deploy =
        "deploy: {resources: {limits: {cpus: \"1.5\", memory: 512M}, reservations: {cpus: 0.25, memory: 128mb}}}";
    let expected = (pairs(&[("cpu", "250m"), ("memory", "128Mi")]), pairs(&[("cpu", "1500m"), ("memory", "512Mi")]));
    assert_eq!(resources(deploy), expected);
    let short = resources("cpus: 2\nmem_limit: 1gb\nmem_reservation: 1000");
    assert_eq!(short, (pairs(&[("memory", "1k")]), pairs(&[("cpu", "2"), ("memory", "1Gi")])));
    assert_eq!(resources("cpus: 0\nmem_limit: 0"), (pairs(&[]), pairs(&[])));
    assert_eq!(
        resources("mem_limit: 1g\ndeploy: {resources: {limits: {memory: 1024m}}}").1,
        pairs(&[("memory", "1Gi")])
    );
}

#[test]
fn resources_that_contradict_each_other() {
    for (lines, expected) in [
        (
            "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}",
            "error compose.yml:4:16: `mem_limit` contradicts",
        ),
        ("cpus: 1\nx-kompox: {limits: {cpu: 2}}", "info compose.yml:4:11: `cpus` has no effect: `x-kompox` says `2`"),
        ("mem_limit: 1m\nmem_reservation: 2m", "error compose.yml:5:22: the service asks for `2Mi` of `memory`"),
        ("mem_limit: much", "error compose.yml:4:16: `mem_limit` must be a number of bytes"),
        ("cpus: all", "error compose.yml:4:11: `cpus` must be a number of processors"),
        (
            "deploy: {resources: {limits: {pids: 5}}}",
            "warning compose.yml:4:35: `deploy.resources.limits.pids` of service `web`",
        ),
        ("deploy: {resources: {limits: 5}}", "error compose.yml:4:34: `limits` must be a mapping"),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
            "warning compose.yml:4:51: the container gets one GPU",
        ),
    ] {
        case().load(&web(lines)).finds(expected);
    }
}

#[test]
fn security() {
    let lines = "user: 1000:2000\ncap_add: [CAP_CHOWN, setuid]\ncap_drop: [ALL]\nread_only: true\n\
                 security_opt: [\"no-new-privileges:true\", apparmor:mine]";
    let security = case().load(&web(lines)).service().runtime.security;
    assert_eq!((security.user, security.group), (Some(1000), Some(2000)));
    assert_eq!(security.cap_add.into_iter().collect::<Vec<_>>(), ["CHOWN", "SETUID"]);
    assert_eq!(security.cap_drop.into_iter().collect::<Vec<_>>(), ["ALL"]);
    assert!(
        security.read_only
            && security.no_new_privileges == Some(true)
            && !security.seccomp_unconfined
            && !security.privileged
    );
    assert_eq!(security.apparmor.as_deref(), Some("mine"));
    assert_eq!(case().load(&web("user: \"0\"")).service().runtime.security.user, Some(0));
    for (lines, expected) in [
        ("user: www-data", "error compose.yml:4:11: `user: www-data` is no number"),
        ("user: \"1000:staff\"", "error compose.yml:4:11: `user: 1000:staff` is no number"),
        ("user: \"4294967295\"", "error compose.yml:4:11: `user: 4294967295` is no number"),
        ("cap_add: [\"a b\"]", "error compose.yml:4:15: `a b` is no capability"),
        ("security_opt: [label:disable]", "error compose.yml:4:20: `security_opt: label:disable` cannot be kept"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
}

#[test]
fn processes_and_their_memory() {
    let runtime = case()
        .load(&web("working_dir: /srv\ntty: true\nstdin_open: true\npull_policy: always\ntmpfs: [/run, \"/tmp:size=64m\"]\nshm_size: 1gb"))
        .service()
        .runtime;
    assert_eq!((runtime.working_dir.as_deref(), runtime.pull_policy), (Some("/srv"), Some("Always")));
    assert!(runtime.tty && runtime.stdin);
    let memory = |target: &str, size| MemoryMount { target: target.to_owned(), size, read_only: false };
    let expected = [memory("/run", None), memory("/tmp", Some(64 << 20)), memory("/dev/shm", Some(1 << 30))];
    assert_eq!(runtime.memory_mounts, expected);
    for (lines, expected) in [
        ("working_dir: srv", "error compose.yml:4:18: `srv` is no absolute path"),
        ("pull_policy: build", "error compose.yml:4:18: nothing is built here"),
        ("pull_policy: daily", "warning compose.yml:4:18: images are not pulled at intervals"),
        ("pull_policy: often", "error compose.yml:4:18: `pull_policy` cannot be `often`"),
        ("tmpfs: run", "error compose.yml:4:12: `run` is no absolute path"),
        ("tmpfs: \"/run:noexec\"", "warning compose.yml:4:12: the option `noexec` of a tmpfs has no effect"),
        ("tmpfs: /m\nvolumes: [\"db:/m\"]", "error compose.yml:4:12: `/m` is mounted twice"),
        ("shm_size: big", "error compose.yml:4:15: `shm_size` must be a number of bytes"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
}

fn pod(lines: &str) -> Pod {
    case().load(&web(lines)).project().pod
}

#[test]
fn keys_that_hold_for_the_whole_pod() {
    let pod = pod(
        "stop_grace_period: 1m30s\nsysctls: {net.ipv4.tcp_syncookies: 0}\ngroup_add: [44]\nplatform: linux/arm64/v8\n\
         extra_hosts: [\"a.lan:10.0.0.1\", \"b=10.0.0.1\", \"c:[::1]\"]\ndns: 1.1.1.1\ndns_search: [a.lan]\ndns_opt: [\"ndots:2\", rotate]",
    );
    assert_eq!((pod.grace_period, pod.architecture.as_deref()), (Some(90), Some("arm64")));
    assert_eq!(pod.sysctls["net.ipv4.tcp_syncookies"], "0");
    assert_eq!(pod.groups.into_iter().collect::<Vec<_>>(), [44]);
    assert_eq!(pod.hosts["10.0.0.1"].iter().collect::<Vec<_>>(), ["a.lan", "b"]);
    assert!(pod.hosts["::1"].contains("c"));
    assert_eq!((pod.name_servers, pod.dns_searches), (strings(&["1.1.1.1"]), strings(&["a.lan"])));
    assert_eq!(pod.dns_options, [("ndots".to_owned(), Some("2".to_owned())), ("rotate".to_owned(), None)]);
    for (lines, expected) in [
        ("sysctls: [x]", "error compose.yml:4:15: `x` has no value"),
        ("group_add: [video]", "error compose.yml:4:17: the group `video` is no number"),
        ("extra_hosts: [\"a:host-gateway\"]", "error compose.yml:4:19: `host-gateway` is no IP address"),
        ("extra_hosts: {A_B: 10.0.0.1}", "error compose.yml:4:19: `A_B` is no host name"),
        ("platform: windows/amd64", "error compose.yml:4:15: `windows/amd64` is no platform"),
        ("dns: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]", "error compose.yml:4:10: Kubernetes takes 3 name servers"),
        ("dns_opt: [\"::1\"]", "error compose.yml:4:15: `::1` is no option of the resolver"),
        ("stop_grace_period: 30", "error compose.yml:4:24: `stop_grace_period` must be a string"),
    ] {
        case().load(&web(lines)).finds(expected);
    }
    let many: Vec<String> = (0..33).map(|number| format!("d{number}")).collect();
    let many = format!("dns_search: [{}]", many.join(", "));
    case().load(&web(&many)).finds("error compose.yml:4:17: Kubernetes takes 32 search domains at most");
}

#[test]
fn services_that_want_different_pods_are_both_named() {
    let two = |one: &str, other: &str| {
        case().load(&format!("services:\n  a: {{image: a, {one}}}\n  b: {{image: b, {other}}}\n"))
    };
    for (one, other) in [
        ("platform: linux/amd64", "platform: linux/arm64"),
        ("dns: 1.1.1.1", "dns: 1.1.1.2"),
        ("extra_hosts: {x: 1.1.1.1}", "extra_hosts: {x: 1.1.1.2}"),
        ("sysctls: {net.ipv4.tcp_syncookies: 0}", "sysctls: {net.ipv4.tcp_syncookies: 1}"),
        ("dns_opt: [rotate]", "dns_opt: [debug]"),
    ] {
        let found = two(one, other).found();
        let named =
            |line: &String| line.starts_with("error compose.yml:3:") && line.contains("of `b` contradicts that of `a`");
        assert_eq!(found.iter().filter(|line| named(line)).count(), 1, "{found:#?}");
    }
    let longest = two("stop_grace_period: 10s", "stop_grace_period: 2m").project();
    assert_eq!(longest.pod.grace_period, Some(120));
    let shared = two("group_add: [5]", "tty: true");
    shared.finds("info compose.yml:2:17: `group_add` of `a` holds for all services");
}
