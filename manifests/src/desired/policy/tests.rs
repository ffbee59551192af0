use serde_json::{Value, json};

use crate::desired::{Desired, Terms, desire};
use crate::labels::POD_SECURITY;
use crate::object::Kind;
use crate::policy::{Allowed, Control, Exception, Level, Policy, violations};
use crate::render;
use crate::source::MemoryTree;

const APP: &str = "/ws/ops/prv/home/cls/c1/app/web";
const ENTRY: &str = "version: v1\nworkspace: {name: ops}\nprovider: {name: home, driver: local}\ncluster: {name: c1}\n\
                     app: {name: web, compose: file:compose.yml, volumes: [{name: default, size: 1Gi}]}\n";

/// A service `web` with further lines, from line 4 on; `db` is beside it.
fn commit(lines: &str, level: Level, exceptions: Vec<Allowed>) -> Desired {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let compose = format!("services:\n  web:\n    image: nginx\n{lines}  db: {{image: postgres}}\n");
    let exception = |what| Exception { app: APP.parse().unwrap(), what };
    let policy = Policy { level, exceptions: exceptions.into_iter().map(exception).collect() };
    let tree = MemoryTree::new([("kompoxops.yml", ENTRY), ("compose.yml", &compose)]);
    desire(&tree, "", &Terms { policy, ..Terms::default() })
}

fn found(desired: &Desired) -> Vec<String> {
    desired.diagnostics.iter().map(|finding| format!("{} {finding}", finding.severity)).collect()
}

/// The level that the Namespace enforces, and the Pod's spec.
fn rendered(desired: &Desired) -> (String, Value) {
    assert_eq!(found(desired), [""; 0]);
    let app = desired.apps().next().unwrap();
    let objects = render::render(app, &super::some_disks(app));
    let body = |kind| &objects.iter().find(|object| object.key.kind == kind).unwrap().body;
    let enforced = body(Kind::Namespace)["metadata"]["labels"][POD_SECURITY].as_str().unwrap().to_owned();
    // Whatever the policy lets through must be able to run in its Namespace.
    let pod = serde_json::from_value(body(Kind::Deployment)["spec"]["template"].clone()).unwrap();
    let level = Level::ALL.into_iter().find(|level| level.name() == enforced).unwrap();
    assert_eq!(violations(&pod, level), []);
    (enforced, body(Kind::Deployment)["spec"]["template"]["spec"].clone())
}

#[test]
fn what_goes_beyond_the_level_is_an_error_at_the_line_that_asks() {
    for (lines, line, what) in [
        ("privileged: true", "4:17", "`privileged: true`"),
        ("cap_add: [CHOWN, net_admin]", "4:22", "the capability `NET_ADMIN`"),
        ("cap_add:\n  - CAP_SYS_TIME", "5:9", "the capability `SYS_TIME`"),
        ("security_opt: [seccomp:unconfined]", "4:20", "to run without a seccomp profile"),
        ("security_opt: [apparmor=unconfined]", "4:20", "to run without a profile of AppArmor"),
        ("sysctls: {net.core.somaxconn: 1024}", "4:15", "the kernel parameter `net.core.somaxconn`"),
        ("sysctls: [kernel.msgmax=1]", "4:15", "the kernel parameter `kernel.msgmax`"),
    ] {
        for level in [Level::Baseline, Level::Restricted] {
            let desired = commit(lines, level, vec![]);
            let expected =
                format!("error compose.yml:{line}: {what} is more than the Pod Security level `{level}` allows");
            assert!(found(&desired).contains(&expected), "{expected}: {:#?}", found(&desired));
            assert!(!desired.is_sound());
        }
        let loosest = commit(lines, Level::Privileged, vec![]);
        assert!(loosest.is_sound(), "{:#?}", found(&loosest));
    }
    for (lines, line, what) in [
        ("user: \"0:1000\"", "4:11", "to run as root"),
        ("security_opt: [\"no-new-privileges:false\"]", "4:20", "to let programs gain privileges"),
        ("cap_add: [CHOWN]", "4:15", "the capability `CHOWN`"),
    ] {
        assert!(commit(lines, Level::Baseline, vec![]).is_sound());
        let expected =
            format!("error compose.yml:{line}: {what} is more than the Pod Security level `restricted` allows");
        assert_eq!(found(&commit(lines, Level::Restricted, vec![])), [expected]);
    }
}

#[test]
fn the_way_out_is_named() {
    let desired = commit("cap_add: [NET_ADMIN]", Level::Baseline, vec![]);
    let help = desired.diagnostics[0].help.as_deref().unwrap();
    assert!(
        help.ends_with(&format!("`policy: {{allow: [{{app: {APP}, capability: NET_ADMIN}}]}}` in agent.yml")),
        "{help}"
    );
}

#[test]
fn an_exception_lets_one_thing_through() {
    let capability = |name: &str| Allowed::Capability(name.to_owned());
    let (enforced, pod) = rendered(&commit("cap_add: [NET_ADMIN]", Level::Baseline, vec![capability("NET_ADMIN")]));
    assert_eq!(enforced, "privileged");
    assert_eq!(pod["containers"][1]["securityContext"]["capabilities"], json!({"add": ["NET_ADMIN"]}));
    let other = commit("cap_add: [NET_ADMIN, SYS_TIME]", Level::Baseline, vec![capability("NET_ADMIN")]);
    assert_eq!(found(&other).len(), 1);
    // An exception that nobody uses opens nothing.
    assert_eq!(rendered(&commit("tty: true", Level::Baseline, vec![capability("NET_ADMIN")])).0, "baseline");
    let (enforced, pod) = rendered(&commit("cap_add: [CHOWN]", Level::Restricted, vec![capability("CHOWN")]));
    assert_eq!(enforced, "baseline");
    assert_eq!(pod["containers"][1]["securityContext"]["capabilities"], json!({"add": ["CHOWN"], "drop": ["ALL"]}));
    let (enforced, pod) = rendered(&commit("user: \"0\"", Level::Restricted, vec![Allowed::Control(Control::Root)]));
    assert_eq!(enforced, "baseline");
    assert_eq!(pod["securityContext"], json!({"seccompProfile": {"type": "RuntimeDefault"}}));
}

#[test]
fn an_unsafe_kernel_parameter_that_is_allowed_is_a_warning() {
    let allowed = Allowed::Sysctl("net.core.somaxconn".to_owned());
    let desired = commit("sysctls: {net.core.somaxconn: 1024}", Level::Baseline, vec![allowed]);
    let expected = "warning compose.yml:4:15: nodes refuse the Pod unless their kubelets allow the kernel parameter \
                    `net.core.somaxconn`";
    assert_eq!(found(&desired)[1..], [expected]);
    assert_eq!(desired.apps().next().unwrap().pod_security.enforced, Level::Privileged);
}

#[test]
fn the_default_level_leaves_pods_as_they_are() {
    let (enforced, pod) = rendered(&commit("volumes: [\"./data:/data\"]", Level::Baseline, vec![]));
    assert_eq!(enforced, "baseline");
    assert!(!pod.to_string().contains("securityContext"), "{pod:#}");
}

#[test]
fn a_restricted_pod_conforms_with_its_own_init_container() {
    let (enforced, pod) =
        rendered(&commit("volumes: [\"./data:/data\"]\ncap_drop: [CHOWN]", Level::Restricted, vec![]));
    assert_eq!(enforced, "restricted");
    assert_eq!(
        pod["securityContext"],
        json!({
            "fsGroup": 65534,
            "fsGroupChangePolicy": "OnRootMismatch",
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    let hardened = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(pod["containers"][0]["securityContext"], hardened);
    assert_eq!(pod["containers"][1]["securityContext"], hardened);
    let mut nobody = hardened;
    nobody["runAsUser"] = json!(65534);
    assert_eq!(pod["initContainers"][0]["securityContext"], nobody);
}
