use super::*;

fn aliases(outcome: Outcome) -> Vec<String> {
    outcome.loaded.unwrap().project.aliases.into_iter().map(|alias| alias.value).collect()
}

#[test]
fn every_name_that_compose_gives_a_service_reaches_it() {
    let outcome = case().load(
        "services:
  web: {image: a, links: [\"db:sql\", db], container_name: front, hostname: front}
  db: {image: a, networks: {default: {aliases: [database, sql, web, db]}}}
",
    );
    outcome.diagnostics.iter().for_each(|found| assert_ne!(found.severity, Severity::Error, "{found}"));
    let first: Vec<&str> =
        outcome.loaded.as_ref().unwrap().project.pod.first.iter().map(|first| first.service.as_str()).collect();
    assert_eq!(first, ["db"], "what is linked starts first");
    assert_eq!(aliases(outcome), ["database", "front", "sql"]);
}

#[test]
fn names_that_no_service_can_have() {
    for (lines, expected) in [
        ("networks: {a: {aliases: [my_db]}}", "error compose.yml:4:30: nothing is reached by `my_db` of `aliases`"),
        ("networks: {a: {aliases: [app1-app2]}}", "error compose.yml:4:30: nothing is reached by `app1-app2`"),
        ("links: [\"web:a.b\"]", "error compose.yml:4:13: nothing is reached by `a.b` of `links`"),
        ("container_name: my_web", "info compose.yml:4:21: nothing is reached by `my_web` of `container_name`"),
    ] {
        let found = case().load(&web(lines)).found();
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
    let outcome = case().load(&web("networks: {a: {aliases: [my_db]}}"));
    let helps: Vec<_> = outcome.diagnostics.iter().filter_map(|found| found.help.as_deref()).collect();
    assert!(helps.contains(&"call it `my-db`"), "{helps:?}");
}

#[test]
fn a_pod_has_one_host_name() {
    let two = |one: &str, other: &str| {
        let text = format!("services:\n  a: {{image: a, hostname: {one}}}\n  b: {{image: b, hostname: {other}}}\n");
        case().load(&text)
    };
    assert_eq!(two("x", "x").loaded.unwrap().project.pod.host_name.as_deref(), Some("x"));
    let outcome = two("x", "z");
    assert!(outcome.found().iter().any(|line| line.starts_with("warning compose.yml:3:27: `b` is not called `z`")));
    let project = outcome.loaded.unwrap().project;
    assert_eq!(project.pod.host_name, None);
    assert_eq!(project.aliases.len(), 2);
    let found = case().load(&web("hostname: a.b")).found();
    assert!(found[0].starts_with("warning compose.yml:4:15: `a.b` cannot be the host name of a Pod"), "{found:?}");
}

#[test]
fn links_and_shared_networks_are_waited_for() {
    case().load(&web("links: [nobody]")).finds("error compose.yml:4:13: there is no service `nobody` to wait for");
    let text = "services:\n  a: {image: a, network_mode: \"service:b\"}\n  b: {image: b}\n";
    let first = case().load(text).loaded.unwrap().project.pod.first;
    assert_eq!(first.into_iter().map(|first| first.service).collect::<Vec<_>>(), ["b"]);
}
