use super::*;

#[test]
fn everything_that_the_baseline_maps() {
    let service = case()
        .load(&web(
            "entrypoint: [\"/entry\", \"a b\"]\ncommand: serve --x='1 2'\nenvironment: {B: 1.10, A: yes, C: true, D: \"\"}\n\
             ports: [\"80:80\", {target: 80, published: 81, protocol: tcp}]\nprofiles: []\nrestart: unless-stopped\n\
             deploy: {replicas: 1, mode: replicated}\nscale: 1\nx-kompox: {resources: {cpu: 0.5, memory: 256Mi}, limits: {memory: 1Gi}}\n\
             x-other: {anything: [goes]}\nprivileged: false\n",
        ))
        .service();
    assert_eq!(service.image.value, "nginx");
    assert_eq!(service.entrypoint, Some(strings(&["/entry", "a b"])));
    assert_eq!(service.command, Some(strings(&["serve", "--x=1 2"])));
    let environment: Vec<String> = service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["A=yes", "B=1.1", "C=true", "D="]);
    assert_eq!(service.container_ports, [80]);
    assert_eq!(service.env_file, None);
    assert_eq!(service.resources.requests["cpu"], "500m");
    assert_eq!(service.resources.requests["memory"], "256Mi");
    assert_eq!(service.resources.limits["memory"], "1Gi");
    assert_eq!(service.at.to_string(), "app/compose.yml:2:3");
}

#[test]
fn environment_as_a_list() {
    let case = case().file("app/.env", "INHERITED=x\n");
    let service = case.load(&web("environment: [A=1, \"B=x=y\", C=, A=2, INHERITED]")).service();
    let environment: Vec<String> = service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["A=2", "B=x=y", "C=", "INHERITED=x"]);
}

#[test]
fn a_variable_without_a_value_is_left_out() {
    for lines in ["environment: {A: }", "environment: [A]"] {
        let outcome = case().load(&web(lines));
        outcome.finds("warning compose.yml:4:19: `A` has no value here and none in `.env`, and is left out");
        assert!(outcome.loaded.unwrap().project.services[0].environment.is_empty());
    }
}

#[test]
fn bad_environments_are_named() {
    for lines in [
        "environment: {1A: x}",
        "environment: [\"a b=x\"]",
        "environment: [\"=x\"]",
        "environment: {\"\": x}",
        "environment: [\"\"]",
        "environment: {1A: }",
    ] {
        case().load(&web(lines)).finds("error compose.yml:4:19: a name in `environment` holds letters");
    }
    case().load(&web("environment: {A: [x]}")).found();
    let found = case().load(&web("environment: {A: [x]}\n")).found();
    assert_eq!(found, ["error compose.yml:4:22: `A` must be a string, number or boolean, found a list"]);
    let found = case().load(&web("environment: A=1\n")).found();
    assert_eq!(found, ["error compose.yml:4:18: `environment` must be a list or a mapping, found a string"]);
}

#[test]
fn names_of_services() {
    let load = |name: &str| case().load(&format!("services:\n  {name}: {{image: a}}\n"));
    for (name, help) in [
        ("my_db", Some("call it `my-db`")),
        ("My.App", Some("call it `my-app`")),
        ("1a", Some("give it another name")),
        ("_", Some("give it another name")),
    ] {
        let outcome = load(name);
        outcome.finds(&format!("error compose.yml:2:3: `{name}` cannot name a service"));
        assert_eq!(outcome.diagnostics[0].help.as_deref(), help);
    }
    assert_eq!(load(&"a".repeat(63)).found(), [""; 0]);
    assert_eq!(load(&"a".repeat(64)).found().len(), 1);
    for name in ["app1-app", "app1-apple", "app1-box-x"] {
        load(name).finds("error compose.yml:2:3: service names that begin with");
    }
    load("init-volume-subpaths").finds("error compose.yml:2:3: `init-volume-subpaths` is the name of the container");
    assert_eq!(load("app1").found(), [""; 0]);
}

#[test]
fn services_with_profiles_stay_out() {
    let compose = "services:\n  a: {image: a}\n  b: {profiles: [debug], build: ., ports: [nonsense]}\n";
    let outcome = case().load(compose);
    outcome.finds("info compose.yml:3:3: the service `b` is left out, because it belongs to a profile");
    assert_eq!(outcome.loaded.unwrap().project.services.len(), 1);
    let found = case().load("services:\n  b: {image: b, profiles: [debug]}\n").found();
    assert!(found.iter().any(|line| line.starts_with("error compose.yml:2:3: no service takes part")), "{found:?}");
}

#[test]
fn one_mistake_hides_no_other() {
    let compose = "services:\n  web: {env_file: none.env, ports: [80], environment: 5}\n  db: {}\n";
    let found = case().rule("main", 80, &[]).load(compose).found();
    let starts = [
        "error compose.yml:2:37: `80` names no host port",
        "error compose.yml:2:3: service `web` has no `image`",
        "error compose.yml:2:55: `environment` must be",
        "error compose.yml:2:19: cannot read `none.env`",
        "error compose.yml:3:3: service `db` has no `image`",
    ];
    // Which ports are published is not known, so the rule is not blamed.
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for start in starts {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start} is missing in {found:#?}");
    }
}

#[test]
fn images() {
    let found = |body: &str| case().load(&format!("services:\n  web: {body}\n")).found();
    assert_eq!(found("{}"), ["error compose.yml:2:3: service `web` has no `image`"]);
    // A misspelt key is one mistake, not two; a key for another tool is no misspelling.
    assert_eq!(found("{imgae: a}"), ["error compose.yml:2:9: service `web` has no key `imgae`"]);
    assert_eq!(found("{x-image: a}"), ["error compose.yml:2:3: service `web` has no `image`"]);
    assert_eq!(
        found("{build: .}"),
        ["error compose.yml:2:9: service `web` has `build` but no `image`, and nothing is built here"]
    );
    assert_eq!(found("{image: \"a b\"}"), ["error compose.yml:2:16: `a b` is no image reference"]);
    case()
        .load("services:\n  web: {image: Foo/bar:1}\n")
        .finds("error compose.yml:2:16: `Foo/bar:1` is no image reference");
    let help = |image: &str| {
        let case = case().file("app/.env", "OWNER=Mine\n");
        case.load(&format!("services:\n  web: {{image: {image}}}\n")).diagnostics.remove(0).help.unwrap()
    };
    assert_eq!(help("Foo/bar:1"), "write names in lower case: did you mean `foo/bar`?");
    assert_eq!(help("$OWNER/bar"), "write names in lower case");
    assert_eq!(found("{image: \"\"}"), ["error compose.yml:2:16: `` is no image reference"]);
    assert_eq!(
        found("{image: a, build: .}"),
        ["info compose.yml:2:19: `build` of service `web` has no effect: the image is pulled, never built"]
    );
    assert_eq!(found("5"), ["error compose.yml:2:8: service `web` must be a mapping, found an integer"]);
}

#[test]
fn networks_are_defined() {
    let load =
        |networks: &str| case().load(&(web(&format!("networks: {networks}")) + "networks: {front: {}, back: }\n"));
    let keeps = "warning compose.yml:4:5: `networks` of service `web` keeps nothing apart";
    for networks in ["[front, default]", "{back: }"] {
        let found = load(networks).found();
        assert!(!found.is_empty() && found.iter().all(|line| !line.starts_with("error")), "{networks}: {found:?}");
        assert!(found.iter().any(|line| line.starts_with(keeps)), "{networks}: {found:?}");
    }
    for (networks, at, name, help) in [
        ("[fornt]", "4:16", "fornt", "did you mean `front`?"),
        ("{other: {aliases: [x]}}", "4:16", "other", "define it under `networks` of the file, or remove it here"),
    ] {
        let outcome = load(networks);
        let errors: Vec<&Diagnostic> =
            outcome.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
        let [error] = errors[..] else { panic!("{:?}", outcome.found()) };
        assert_eq!(error.to_string(), format!("app/compose.yml:{at}: there is no network `{name}`"));
        assert_eq!(error.help.as_deref(), Some(help));
    }
}

#[test]
fn a_nul_character_is_refused_wherever_it_stands() {
    for (lines, place) in [
        ("command: [a, \"b\\0\"]", "4:18"),
        ("entrypoint: \"b\\0\"", "4:17"),
        ("environment: {A: \"b\\0\"}", "4:22"),
        ("annotations: {a: \"b\\0\"}", "4:22"),
        ("x-other: {\"a\\0\": b}", "4:15"),
        ("healthcheck: {test: [CMD, \"b\\x00\"]}", "4:31"),
        ("post_start: [{command: [\"b\\0\"]}]", "4:29"),
        ("working_dir: \"/b\\0\"", "4:18"),
        ("volumes: [\"db:/b\\0\"]", "4:15"),
        ("x-other: \"\\0\"", "4:14"),
    ] {
        case().load(&web(lines)).finds(&format!("error compose.yml:{place}: the text holds a NUL character"));
    }
    let extended = case().file("app/b.yml", "services: {b: {image: b, command: \"\\0\"}}\n");
    extended.load("include: [b.yml]\n").finds("error b.yml:1:35: the text holds a NUL character");
    let name = case().load("name: \"\\0\"\nservices: {b: {image: b}}\n");
    name.finds("error compose.yml:1:7: the text holds a NUL character");
}

#[test]
fn commands() {
    case().load(&web("command: a; b")).finds("error compose.yml:4:14: `command` needs a shell for its `;`");
    case().load(&web("entrypoint: \"'a\"")).finds("error compose.yml:4:17: `entrypoint` cannot be split into words");
    case()
        .load(&web("entrypoint: []"))
        .finds("error compose.yml:4:17: an empty `entrypoint` cannot take the image's away");
    case().load(&web("command: \"\"")).finds("error compose.yml:4:14: an empty `command` cannot take the image's away");
    for words in ["[1]", "[1, true]"] {
        let found = case().load(&web(&format!("command: {words}"))).found();
        assert!(found.iter().all(|line| line.contains("`command` must be a string")), "{found:?}");
    }
    case().load(&web("command: [sleep, 5]")).finds("error compose.yml:4:22: `command` must be a string");
    assert_eq!(case().load(&web("entrypoint: /a\ncommand: []")).service().command, None);
    assert_eq!(case().load(&web("command: >\n  a\n  b")).service().command, Some(strings(&["a", "b"])));
}

#[test]
fn one_pod_has_one_of_everything() {
    case()
        .load(&web("deploy: {replicas: 2}"))
        .finds("error compose.yml:4:24: `deploy.replicas` of service `web` must be 1");
    case()
        .load(&web("deploy: {replicas: \"0\"}"))
        .finds("error compose.yml:4:24: `deploy.replicas` of service `web` must be 1");
    case().load(&web("deploy: {mode: global}")).finds("error compose.yml:4:20: `deploy.mode` of service `web` must be");
    case().load(&web("scale: 3")).finds("error compose.yml:4:12: `scale` of service `web` must be 1");
    case()
        .load(&web("network_mode: host"))
        .finds("error compose.yml:4:19: service `web` asks for the network of the host");
    case()
        .load(&web("network_mode: none"))
        .finds("error compose.yml:4:19: `network_mode: none` of service `web` cannot");
    case()
        .load(&web("network_mode: bridge"))
        .finds("info compose.yml:4:19: `network_mode` of service `web` has no effect");
    case()
        .load(&web("restart: on-failure:3"))
        .finds("warning compose.yml:4:14: `restart` of service `web` has no effect");
    case().load(&web("restart: no")).finds("warning compose.yml:4:14: `restart` of service `web` has no effect");
    case().load(&web("restart: maybe")).finds("error compose.yml:4:14: `restart` of service `web` must be");
}

#[test]
fn resources() {
    case()
        .load(&web("x-kompox: {resources: {cpus: 1}}"))
        .finds("error compose.yml:4:28: `x-kompox.resources` of service `web` has no key `cpus`");
    case()
        .load(&web("x-kompox: {limits: {memory: 1GB}}"))
        .finds("error compose.yml:4:33: `memory` is not a number with one of");
    case()
        .load(&web("x-kompox: {limit: {memory: 1Gi}}"))
        .finds("error compose.yml:4:16: `x-kompox` of service `web` has no key `limit`");
    let both = "x-kompox: {resources: {memory: 2Gi, cpu: 100m}, limits: {memory: 1025Mi, cpu: 0.1}}";
    case().load(&web(both)).finds("error compose.yml:4:36: `memory` asks for more than its limit `1025Mi`");
    case().load(&web("x-kompox: {limits: {cpu: -0.5}}")).finds("error compose.yml:4:30: `cpu` must not be negative");
    assert_eq!(case().load(&web("x-kompox: {limits: }")).service().resources.limits.len(), 0);
}
