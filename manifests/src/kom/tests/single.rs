use super::{load_files, report, with_app};
use crate::kom::ParentSpec;
use crate::model::Protection;

fn reported(text: &str) -> String {
    report(&load_files(&[("kompoxops.yml", text)]).1)
}

#[test]
fn all_sections_make_the_ids() {
    let text = concat!(
        "version: v1\n",
        "workspace: {name: ops, settings: {A: 1}}\n",
        "provider: {name: aks1, driver: aks, settings: {B: }}\n",
        "cluster:\n",
        "  name: c1\n",
        "  existing: true\n",
        "  ingress:\n",
        "    namespace: edge\n",
        "    controller: traefik\n",
        "    serviceAccount: sa\n",
        "    domain: apps.example.com\n",
        "    certResolver: prod\n",
        "    certEmail: a@example.com\n",
        "    certificates: [{name: x, source: https://vault/x}]\n",
        "  protection: {provisioning: cannotDelete, installation: readOnly}\n",
        "  settings: {C: 2}\n",
        "app: {name: web, compose: file:compose.yml}\n",
    );
    let (loaded, diagnostics) = load_files(&[("apps/web/kompoxops.yml", text)]);
    assert_eq!(report(&diagnostics), "");
    let ids: Vec<String> = loaded.parents.iter().map(|parent| parent.id.to_string()).collect();
    assert_eq!(ids, ["/ws/ops", "/ws/ops/prv/aks1", "/ws/ops/prv/aks1/cls/c1"]);
    let app = &loaded.apps[0];
    assert_eq!((app.folder.as_str(), app.compose.as_str()), ("apps/web", Some("file:compose.yml")));
    assert_eq!(app.at.to_string(), "apps/web/kompoxops.yml:17:13");
    assert_eq!(loaded.provider(&app.id).unwrap().driver.value, "aks");
    assert_eq!(loaded.provider(&app.id).unwrap().settings["B"], "");
    let cluster = loaded.cluster(&app.id).unwrap();
    assert_eq!((cluster.existing, cluster.ingress_namespace.as_str()), (true, "edge"));
    assert_eq!(cluster.ingress_controller.as_deref(), Some("traefik"));
    assert_eq!(cluster.ingress_service_account.as_deref(), Some("sa"));
    assert_eq!(cluster.domain.as_ref().unwrap().value, "apps.example.com");
    assert_eq!(cluster.cert_resolver.as_deref(), Some("prod"));
    assert_eq!(cluster.cert_email.as_deref(), Some("a@example.com"));
    assert_eq!(
        (cluster.certificates[0].name.as_str(), cluster.certificates[0].source.as_str()),
        ("x", "https://vault/x")
    );
    assert_eq!(cluster.provisioning_protection, Protection::CannotDelete);
    assert_eq!(cluster.installation_protection, Protection::ReadOnly);
    assert!(matches!(&loaded.parents[0].spec, ParentSpec::Workspace(settings) if settings["A"] == "1"));
    let plain = load_files(&[("kompoxops.yml", &with_app(""))]).0;
    let cluster = plain.cluster(&plain.claims[0].value).unwrap();
    assert_eq!((cluster.existing, cluster.ingress_namespace.as_str()), (false, "traefik"));
}

#[test]
fn what_is_missing_is_said_at_once() {
    insta::assert_snapshot!(reported("workspace: {}\nprovider: {name: P, diver: x}\ncluster: text\nvolumes: []\n"), @r"
    error[missing-key] kompoxops.yml:1:1: `kompoxops.yml` needs `version` | add `version:`
    error[wrong-type] kompoxops.yml:3:10: `cluster` must be a mapping, found a string | write a mapping
    error[missing-key] kompoxops.yml:1:1: `kompoxops.yml` needs `app` | add `app:`
    error[unknown-key] kompoxops.yml:4:1: `kompoxops.yml` has no key `volumes` | known keys are `version`, `workspace`, `provider`, `cluster` and `app`
    error[missing-key] kompoxops.yml:1:12: `workspace` needs `name` | add `name:`
    error[bad-name] kompoxops.yml:2:18: `name` must be a DNS label; `P` is none | use a-z, 0-9 and `-`, 1 to 63 characters, no `-` at either end
    error[missing-key] kompoxops.yml:2:11: `provider` needs `driver` | add `driver:`
    error[unknown-key] kompoxops.yml:2:21: `provider` has no key `diver` | did you mean `driver`?
    ");
    let (loaded, _) = load_files(&[("kompoxops.yml", "version: v1\n")]);
    assert!(loaded.uncertain && loaded.claims.is_empty());
}

#[test]
fn clusters_are_checked() {
    let text = with_app("").replace(
        "  name: c1\n",
        "  name: c1\n  existing: 'yes'\n  ingress: {namespace: A, domain: 'https://x', certificates: [{name: x}]}\n  protection: {provisioning: readonly, installation: locked}\n",
    );
    insta::assert_snapshot!(reported(&text), @r"
    error[wrong-type] kompoxops.yml:6:13: `existing` must be `true` or `false`, found a string | write `true` or `false`, without quotes
    error[bad-name] kompoxops.yml:7:24: `namespace` must be a DNS label; `A` is none | use a-z, 0-9 and `-`, 1 to 63 characters, no `-` at either end
    error[bad-name] kompoxops.yml:7:35: `domain` must be a domain name; `https://x` is none | write it in lower case, without scheme, port or final dot, e.g. `apps.example.com`
    error[missing-key] kompoxops.yml:7:63: `certificates[]` needs `source` | add `source:`
    error[unknown-value] kompoxops.yml:8:30: `provisioning` cannot be `readonly` | did you mean `readOnly`?
    error[unknown-value] kompoxops.yml:8:54: `installation` cannot be `locked` | write one of `none`, `cannotDelete` and `readOnly`
    ");
}

#[test]
fn the_version_is_v1() {
    insta::assert_snapshot!(reported(&with_app("").replace("v1", "v2")), @r"error[kom-version] kompoxops.yml:1:10: `version` is `v2`; only `v1` is known | write `version: v1`");
    insta::assert_snapshot!(reported(&with_app("").replace("v1", "1")), @r#"error[wrong-type] kompoxops.yml:1:10: `version` must be a string, found an integer | put it in quotes: "1""#);
}

#[test]
fn it_is_one_document() {
    insta::assert_snapshot!(reported(""), @r"error[kom-document] kompoxops.yml:1:1: kompoxops.yml is empty | use kompoxapp.yml for several documents; see the examples");
    insta::assert_snapshot!(reported("---\n---\n- a\n"), @r"error[wrong-type] kompoxops.yml:3:1: `kompoxops.yml` must be a mapping, found a list | write a mapping");
    insta::assert_snapshot!(reported("a: 1\n---\nb: 1\n"), @r"error[kom-document] kompoxops.yml:3:1: kompoxops.yml holds one document; this is a second one | use kompoxapp.yml for several documents; see the examples");
    assert_eq!(reported(&format!("---\n{}---\n", with_app(""))), "");
}

#[test]
fn broken_files_are_uncertain() {
    for text in ["a: b: c\n", "a: \"x\n", "\u{feff}a: 1\n", "a: 1\na: 2\n", "text\n"] {
        let (loaded, diagnostics) = load_files(&[("kompoxops.yml", text)]);
        assert!(loaded.uncertain, "{text:?}");
        assert_eq!(diagnostics.len(), 1, "{text:?}");
    }
    let large = format!("#{}\n", "x".repeat(1 << 20));
    insta::assert_snapshot!(reported(&large), @r"error[unreadable] kompoxops.yml:1:1: `kompoxops.yml` cannot be read: it has 1048578 bytes, more than the limit of 1048576 | make it smaller");
}
