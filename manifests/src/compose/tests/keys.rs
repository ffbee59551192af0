use super::*;
use crate::compose::keys::reference;

/// Values that fit the keys of a service and ask for something; any text fits the others.
const VALUES: &[(&str, &str)] = &[
    ("annotations", "{a.example.com/b: c}"),
    ("attach", "false"),
    ("blkio_config", "{weight: 300}"),
    ("build", "."),
    ("cap_add", "[NET_ADMIN]"),
    ("cap_drop", "[ALL]"),
    ("cgroup", "host"),
    ("configs", "[c]"),
    ("container_name", "another"),
    ("cpu_count", "1"),
    ("cpus", "0.5"),
    ("credential_spec", "{file: x}"),
    ("depends_on", "{other: {condition: service_started}}"),
    ("deploy", "{resources: {limits: {cpus: 1}}}"),
    ("develop", "{watch: [{path: ., action: sync}]}"),
    ("device_cgroup_rules", "[x]"),
    ("devices", "[/dev/x]"),
    ("dns", "1.1.1.1"),
    ("dns_opt", "[rotate]"),
    ("dns_search", "a.lan"),
    ("env_file", "a.env"),
    ("environment", "{A: b}"),
    ("expose", "[80]"),
    ("extends", "other"),
    ("external_links", "[x]"),
    ("extra_hosts", "[\"a:1.1.1.1\"]"),
    ("gpus", "[{count: 1}]"),
    ("group_add", "[5]"),
    ("healthcheck", "{test: a}"),
    ("image", "another"),
    ("init", "true"),
    ("labels", "{a.b: c}"),
    ("links", "[\"other:else\"]"),
    ("logging", "{driver: x}"),
    ("mem_limit", "1g"),
    ("mem_reservation", "1g"),
    ("models", "[x]"),
    ("network_mode", "bridge"),
    ("networks", "{a: {aliases: [else]}}"),
    ("oom_kill_disable", "true"),
    ("platform", "linux/amd64"),
    ("ports", "[\"80:80\"]"),
    ("post_start", "[{command: [a]}]"),
    ("pre_start", "[{image: x}]"),
    ("pre_stop", "[{command: [a]}]"),
    ("privileged", "true"),
    ("profiles", "[x]"),
    ("provider", "{type: x}"),
    ("pull_policy", "always"),
    ("read_only", "true"),
    ("restart", "on-failure"),
    ("scale", "2"),
    ("secrets", "[s]"),
    ("security_opt", "[no-new-privileges]"),
    ("shm_size", "1g"),
    ("stdin_open", "true"),
    ("stop_grace_period", "1m"),
    ("storage_opt", "{size: 1g}"),
    ("sysctls", "{net.ipv4.tcp_syncookies: 0}"),
    ("tmpfs", "/run"),
    ("tty", "true"),
    ("ulimits", "{nofile: 5}"),
    ("use_api_socket", "true"),
    ("user", "\"1000\""),
    ("volumes", "[\"db:/db\"]"),
    ("volumes_from", "[other]"),
    ("working_dir", "/srv"),
    ("x-kompox", "{limits: {cpu: 1}}"),
];

/// The keys of a service, each with what happens to it.
fn keys_of_a_service() -> Vec<(String, &'static str)> {
    let own =
        |path: &str| path.strip_prefix("services.*.").filter(|key| !key.contains(['.', '[', '*'])).map(str::to_owned);
    reference::keys().into_iter().filter_map(|key| Some((own(&key.path)?, key.handling))).collect()
}

#[test]
fn every_key_of_a_service_changes_the_project_or_is_reported() {
    let files = || case().file("app/a.env", "A=b\n").file("app/f", "x");
    let compose = |line: &str| {
        format!(
            "services:\n  web:\n    {line}\n  other: {{image: o, environment: {{O: o}}}}\nconfigs: {{c: {{file: f}}}}\nsecrets: {{s: {{file: f}}}}\n"
        )
    };
    // Unused configs and secrets are reported, with or without the key.
    let reports = |outcome: &Outcome| {
        let messages = outcome.diagnostics.iter().map(|found| found.message.clone());
        messages.filter(|text| !text.contains("so it is not made")).collect::<Vec<_>>()
    };
    // Positions shift with the line, so the typed parts are compared by what they say.
    let flat = |project: &Project| {
        let text = format!("{project:?}");
        let at = |word: &&str| !word.contains("compose.yml:");
        text.split_whitespace().filter(at).collect::<Vec<_>>().join(" ")
    };
    let without = files().load(&compose("image: w")).loaded.unwrap().project;
    let keys = keys_of_a_service();
    assert!(keys.len() > 90, "{keys:?}");
    for (key, handling) in keys {
        let value = VALUES.iter().find(|(known, _)| *known == key).map_or("something", |(_, value)| value);
        let line = if key == "image" { format!("image: {value}") } else { format!("image: w\n    {key}: {value}") };
        let outcome = files().load(&compose(&line));
        assert!(outcome.diagnostics.iter().all(|found| found.code != "wrong-type"), "{key}: {:?}", outcome.found());
        if handling == "mapped" {
            let unchanged = |loaded: &Loaded| flat(&loaded.project) == flat(&without);
            assert!(
                !reports(&outcome).is_empty() || !outcome.loaded.as_ref().is_none_or(unchanged),
                "{key} changes nothing"
            );
        } else {
            let unmapped: Vec<_> = outcome.diagnostics.iter().filter(|found| found.code == "unmapped-key").collect();
            let [diagnostic] = unmapped[..] else { panic!("{key}: {:?}", outcome.found()) };
            assert!(diagnostic.message.starts_with(&format!("`{key}` of service `web` ")), "{key}: {diagnostic}");
            assert_eq!((diagnostic.at.line, diagnostic.severity.name()), (4, handling), "{key}");
            assert!(diagnostic.help.is_some(), "{key}");
        }
    }
}

#[test]
fn what_would_weaken_a_container_rejects_the_file() {
    for key in ["user", "read_only", "security_opt", "privileged", "tmpfs", "working_dir", "extra_hosts"] {
        let outcome = case().load(&web(&format!("{key}: [x]")));
        assert!(outcome.loaded.is_none(), "{key}");
    }
}

#[test]
fn keys_that_ask_for_nothing_are_fine() {
    for lines in ["privileged: false", "cap_add: []", "labels: {}", "user: \"\"", "command:", "tty: false"] {
        assert_eq!(case().load(&web(lines)).found(), [""; 0], "{lines}");
    }
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    let outcome = case().load(&web("comand: x"));
    outcome.finds("error compose.yml:4:5: service `web` has no key `comand`");
    assert_eq!(outcome.diagnostics[0].help.as_deref(), Some("did you mean `command`?"));
    let outcome = case().load(&web("whatever: x"));
    assert!(outcome.diagnostics[0].help.as_deref().unwrap().contains("`x-`"));
    case().load(&(web("") + "service: {}\n")).finds("error compose.yml:4:1: the Compose file has no key `service`");
}

#[test]
fn a_misspelt_key_is_not_missing_too() {
    let outcome = case().load("services:\n  web: {imgae: nginx}\n");
    outcome.finds("error compose.yml:2:9: service `web` has no key `imgae`");
    case()
        .load("servces:\n  web: {image: nginx}\n")
        .finds("error compose.yml:1:1: the Compose file has no key `servces`");
    // A key of another tool is no misspelling.
    case().load("services:\n  web: {x-image: nginx}\n").finds("error compose.yml:2:3: service `web` has no `image`");
}

#[test]
fn keys_of_other_tools_are_left_alone() {
    let compose = web("x-custom: {a: $$b}") + "x-anchors: [1]\n";
    assert_eq!(case().load(&compose).found(), [""; 0]);
}

#[test]
fn top_level_keys() {
    for (lines, expected) in [
        ("version: \"3\"\n", "info compose.yml:4:1: `version` of the Compose file has no effect"),
        ("networks: {a: }\n", "info compose.yml:4:1: `networks` of the Compose file has no effect"),
        ("models: {a: {model: b}}\n", "error compose.yml:4:1: `models` of the Compose file cannot be kept"),
    ] {
        case().load(&(web("") + lines)).finds(expected);
    }
}

#[test]
fn what_takes_part_cannot_need_what_belongs_to_a_profile() {
    let found = |depends: &str| {
        let other = "  debug: {image: x, profiles: [debug]}\n";
        let found = case().load(&(web(&format!("depends_on: {depends}")) + other)).found();
        found.into_iter().filter(|line| line.starts_with("error")).collect::<Vec<_>>()
    };
    let error = "`debug` is waited for, but belongs to a profile and does not take part";
    assert_eq!(found("[debug]"), [format!("error compose.yml:4:18: {error}")]);
    assert_eq!(found("{debug: {condition: service_started}}"), [format!("error compose.yml:4:18: {error}")]);
    assert_eq!(found("{debug: {condition: service_started, required: false}}"), [""; 0]);
}
