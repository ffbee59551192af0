use super::*;

const TWO: &str = "services:\n  a: {image: a, ports: [\"8080:80\", \"8443:80\"]}\n  b: {image: b, ports: [{target: 9090, published: \"9000\"}]}\n";

#[test]
fn rules_meet_the_container_ports() {
    let outcome = case().rule("tls", 8443, &["a.example.org"]).rule("metrics", 9000, &[]).load(TWO);
    assert_eq!(outcome.found(), [""; 0]);
    let loaded = outcome.loaded.unwrap();
    let rules: Vec<(&str, u16, u16)> =
        loaded.rules.iter().map(|rule| (rule.name.as_str(), rule.port, rule.container_port)).collect();
    assert_eq!(rules, [("tls", 8443, 80), ("metrics", 9000, 9090)]);
    assert_eq!(loaded.project.services[0].container_ports, [80]);
}

#[test]
fn a_rule_needs_a_published_port() {
    let outcome = case().rule("main", 80, &[]).load(TWO);
    outcome.finds("error kompoxapp.yml:1:1: the Compose file publishes no host port 80");
    assert_eq!(outcome.diagnostics[0].help.as_deref(), Some("it publishes `8080`, `8443` and `9000`"));
    let outcome = case().rule("main", 80, &[]).load(&web(""));
    assert!(outcome.diagnostics[0].help.as_deref().unwrap().starts_with("publish it in a service"));
}

#[test]
fn rules_are_different() {
    case()
        .rule("a", 8080, &[])
        .rule("b", 8080, &[])
        .load(TWO)
        .finds("error kompoxapp.yml:1:1: port 8080 has a rule already");
    case()
        .rule("a", 8080, &[])
        .rule("a", 8443, &[])
        .load(TWO)
        .finds("error kompoxapp.yml:1:1: a rule `a` exists already");
    for name in ["1st", "web-", "a--b"] {
        case().rule(name, 8080, &[]).load(TWO).finds(&format!("error kompoxapp.yml:1:1: `{name}` cannot name a rule"));
    }
}

#[test]
fn an_app_that_publishes_ports_can_name_a_service() {
    let load = |case: Case| Case { app: "2048", ..case }.load(TWO);
    load(case().rule("main", 8080, &[]))
        .finds("error kompoxapp.yml:1:1: the Service `2048-app` would begin with a digit");
    assert_eq!(load(case()).found(), [""; 0]);
}

#[test]
fn services_share_one_network() {
    let compose = "services:\n  a: {image: a, ports: [\"8080:80\"]}\n  b: {image: b, ports: [\"8081:80\"]}\n";
    case()
        .load(compose)
        .finds("error compose.yml:3:25: container port 80 of `b` is published by `a` too, at compose.yml:2:25");
    let compose = "services:\n  a: {image: a, ports: [\"8080:80\"]}\n  b: {image: b, ports: [\"8080:81\"]}\n";
    case()
        .load(compose)
        .finds("error compose.yml:3:25: host port 8080 of `b` is published by `a` too, at compose.yml:2:25");
    let inherited = "services:\n  a: {image: a, ports: [\"80:81\"]}\n  b: {extends: a}\n";
    assert_eq!(
        case().load(inherited).found(),
        [
            "error compose.yml:2:25: host port 80 of `b` is published by `a` too, by the same line",
            "error compose.yml:2:25: container port 81 of `b` is published by `a` too, by the same line, and both run in one Pod",
        ]
    );
    case().load(&web("ports: [\"1:1\", \"1:2\"]")).finds("error compose.yml:4:20: host port 1 is published already");
}

#[test]
fn hosts_have_one_rule() {
    let with = |one: &[&'static str], other: &[&'static str]| {
        let case = Case { domain: Some("ops.example.com"), ..case() };
        case.rule("a", 8080, one).rule("b", 9000, other).load(TWO)
    };
    with(&["x.org"], &["x.org"]).finds("error kompoxapp.yml:1:1: `x.org` stands in another rule already");
    with(&["a.ops.example.com"], &[])
        .finds("error kompoxapp.yml:1:1: `a.ops.example.com` lies under the cluster's domain");
    with(&["ops.example.com"], &[]).finds("error kompoxapp.yml:1:1: `ops.example.com` lies under the cluster's domain");
    with(&["X.org"], &[]).finds("error kompoxapp.yml:1:1: `X.org` is no host name");
    let address = with(&["10.0.0.1"], &[]);
    address.finds("error kompoxapp.yml:1:1: `10.0.0.1` is no host name");
    assert!(address.diagnostics[0].help.as_deref().unwrap().starts_with("write a name"));
    let outcome = with(&["x.org", "y.org", "x.org"], &["devops.example.com"]);
    outcome.finds("warning kompoxapp.yml:1:1: `x.org` stands in this rule already");
    let rules = outcome.loaded.unwrap().rules;
    assert_eq!(rules[0].hosts, ["x.org", "y.org"]);
    assert_eq!(rules[1].hosts, ["devops.example.com"]);
}

#[test]
fn default_hosts_have_a_length() {
    const DOMAIN: &str = concat!(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
    let load = |domain| Case { domain: Some(domain), ..case() }.rule("a", 8080, &[]).load(TWO);
    // `app1-4d94cw-8080.` are 17 characters.
    assert_eq!(DOMAIN.len(), 236);
    assert_eq!(load(DOMAIN).found(), [""; 0]);
    let longer: &'static str = Box::leak(format!("{DOMAIN}a").into_boxed_str());
    let found = load(longer).found();
    assert!(found.len() == 1 && found[0].ends_with("has 254 characters, 1 too many"), "{found:?}");
}

#[test]
fn bad_ports_are_named() {
    for (port, expected) in [
        ("3000", "4:13: `3000` names no host port"),
        ("\"3000\"", "4:13: `3000` names no host port"),
        ("\"127.0.0.1:80:80\"", "4:13: `127.0.0.1:80:80` binds to an address of the host"),
        ("\"53:53/udp\"", "4:13: `53:53/udp` is no TCP port"),
        ("\"80-81:80-81\"", "4:13: `80-81:80-81` is a range of ports"),
        ("{target: 80}", "4:13: `ports` of service `web` needs `published`"),
        ("{published: 80}", "4:13: `ports` of service `web` needs `target`"),
        ("{target: 80, published: 0}", "4:37: `published` must be a port"),
        ("{target: 80, published: \"80-90\"}", "4:37: `published` is a range of ports"),
        ("{target: 53, published: 53, protocol: udp}", "4:51: the port is no TCP port"),
        ("{target: 80, published: 80, host_ip: 127.0.0.1}", "4:41: `ports.host_ip` of service `web` cannot be kept"),
        ("[80]", "4:13: `ports` must be a number or a mapping, found a list"),
    ] {
        let found = case().load(&web(&format!("ports: [{port}]"))).found();
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("error compose.yml:{expected}")),
            "{port}: {found:?}"
        );
    }
}
