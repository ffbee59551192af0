use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Value, json};

use super::*;

/// Pods with what each level has against them. The same Pods are shown to a real API server (`tests/e2e/policy.rs`).
const PODS: &str = include_str!("testdata/pods.json");

fn broken(pod: &PodTemplateSpec, level: Level) -> Vec<String> {
    let line = |Violation { control, container, detail }: Violation| {
        let words = [container.as_deref().unwrap_or_default(), control.name(), &detail];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    violations(pod, level).into_iter().map(line).collect()
}

#[test]
fn every_control_is_held_at_its_level() {
    let cases: Vec<Value> = serde_json::from_str(PODS).unwrap();
    let mut controls = std::collections::BTreeSet::new();
    for case in cases {
        let name = case["case"].as_str().unwrap();
        let pod = json!({"metadata": {"annotations": case["annotations"]}, "spec": case["spec"]});
        let pod: PodTemplateSpec = serde_json::from_value(pod).unwrap();
        assert_eq!(broken(&pod, Level::Privileged), [""; 0], "{name}");
        for level in [Level::Baseline, Level::Restricted] {
            let expected: Vec<&str> =
                case[level.name()].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
            assert_eq!(broken(&pod, level), expected, "{name}, {level}");
            controls.extend(violations(&pod, level).into_iter().map(|violation| violation.control));
        }
    }
    assert_eq!(controls.len(), 15, "a control has no case: {controls:?}");
}

#[test]
fn an_exception_is_for_one_app_and_one_thing() {
    let app = |name: &str| format!("/ws/w/prv/p/cls/c/app/{name}").parse::<AppId>().unwrap();
    let exception = |name: &str, what| Exception { app: app(name), what };
    let policy = Policy {
        level: Level::Restricted,
        exceptions: vec![
            exception("vpn", Allowed::Capability("NET_ADMIN".to_owned())),
            exception("vpn", Allowed::Sysctl("net.ipv4.ip_forward".to_owned())),
            exception("old", Allowed::Control(Control::Root)),
        ],
    };
    assert!(policy.excepts(&app("vpn"), Control::Capabilities, "NET_ADMIN"));
    assert!(policy.excepts(&app("vpn"), Control::Sysctls, "net.ipv4.ip_forward"));
    assert!(policy.excepts(&app("old"), Control::Root, "0"));
    for (name, control, detail) in [
        ("vpn", Control::Capabilities, "SYS_ADMIN"),
        ("vpn", Control::Capabilities, ""),
        ("vpn", Control::Sysctls, "NET_ADMIN"),
        ("vpn", Control::Root, "0"),
        ("old", Control::Capabilities, "NET_ADMIN"),
        ("other", Control::Capabilities, "NET_ADMIN"),
    ] {
        assert!(!policy.excepts(&app(name), control, detail), "{name} {control:?} {detail}");
    }
    let all = Hardening { non_root: true, no_escalation: true, drop_capabilities: true, seccomp: true };
    assert_eq!(policy.hardening(&app("vpn")), all);
    assert_eq!(policy.hardening(&app("old")), Hardening { non_root: false, ..all });
    assert_eq!(Policy::default().hardening(&app("vpn")), Hardening::default());
}
