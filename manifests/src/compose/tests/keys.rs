use super::*;

/// Keys of a service in the Compose Specification's schema.
const SCHEMA: &str = "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs \
    container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset \
    credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint \
    env_file environment expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc \
    isolation label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models \
    network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop privileged \
    profiles provider pull_policy pull_refresh_after read_only restart runtime scale secrets security_opt shm_size \
    stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts \
    volumes volumes_from working_dir";

/// Values that mean something to the keys that are read; the others are reported whatever they say.
const VALUES: &[(&str, &str)] = &[
    ("build", "."),
    ("cap_add", "[NET_ADMIN]"),
    ("cap_drop", "[ALL]"),
    ("configs", "[c]"),
    ("cpus", "0.5"),
    ("depends_on", "{other: {condition: service_started}}"),
    ("deploy", "{resources: {limits: {cpus: 1}}}"),
    ("dns", "1.1.1.1"),
    ("dns_opt", "[rotate]"),
    ("dns_search", "a.lan"),
    ("env_file", "a.env"),
    ("environment", "{A: b}"),
    ("expose", "[80]"),
    ("extends", "other"),
    ("extra_hosts", "[\"a:1.1.1.1\"]"),
    ("group_add", "[5]"),
    ("healthcheck", "{test: a}"),
    ("image", "another"),
    ("mem_limit", "1g"),
    ("mem_reservation", "1g"),
    ("network_mode", "bridge"),
    ("platform", "linux/amd64"),
    ("ports", "[\"80:80\"]"),
    ("privileged", "true"),
    ("profiles", "[x]"),
    ("pull_policy", "always"),
    ("read_only", "true"),
    ("restart", "on-failure"),
    ("scale", "2"),
    ("secrets", "[s]"),
    ("security_opt", "[no-new-privileges]"),
    ("shm_size", "1g"),
    ("stdin_open", "true"),
    ("stop_grace_period", "1m"),
    ("sysctls", "{net.ipv4.tcp_syncookies: 0}"),
    ("tmpfs", "/run"),
    ("tty", "true"),
    ("user", "1000"),
    ("volumes", "[\"db:/db\"]"),
    ("working_dir", "/srv"),
];

#[test]
fn every_key_of_the_schema_changes_the_project_or_is_reported() {
    let files = || case().file("app/a.env", "A=b\n").file("app/f", "x");
    let compose = |line: &str| {
        format!(
            "services:\n  web:\n    {line}\n  other: {{image: o, environment: {{O: o}}}}\nconfigs: {{c: {{file: f}}}}\nsecrets: {{s: {{file: f}}}}\n"
        )
    };
    // Unused configs and secrets are reported, with or without the key.
    let reports = |outcome: &Outcome| {
        outcome
            .diagnostics
            .iter()
            .map(|found| found.message.clone())
            .filter(|text| !text.contains("so it is not made"))
            .collect::<Vec<_>>()
    };
    let without = files().load(&compose("image: w")).loaded.unwrap().project;
    // Positions shift with the line, so the typed parts are compared by what they say.
    for key in SCHEMA.split_whitespace() {
        let value = VALUES.iter().find(|(known, _)| *known == key).map_or("something", |(_, value)| value);
        let line = if key == "image" { format!("image: {value}") } else { format!("image: w\n    {key}: {value}") };
        let outcome = files().load(&compose(&line));
        if reports(&outcome).is_empty() {
            let with = outcome.loaded.unwrap().project;
            let flat = |project: &Project| {
                let text = format!("{project:?}");
                let at = |word: &&str| !word.contains("compose.yml:");
                text.split_whitespace().filter(at).collect::<Vec<_>>().join(" ")
            };
            assert_ne!(flat(&with), flat(&without), "{key} changes nothing");
        } else if !VALUES.iter().any(|(known, _)| *known == key)
            && !["command", "entrypoint", "working_dir"].contains(&key)
        {
            let [diagnostic] =
                outcome.diagnostics.iter().filter(|found| found.code == "unmapped-key").collect::<Vec<_>>()[..]
            else {
                panic!("{key}: {:?}", outcome.found());
            };
            assert!(diagnostic.message.starts_with(&format!("`{key}` of service `web` ")), "{key}: {diagnostic}");
            assert_eq!(diagnostic.at.line, 4, "{key}");
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
    for lines in ["privileged: false", "cap_add: []", "labels: {}", "user: \"\"", "healthcheck:", "tty: false"] {
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
        ("name: x\n", "info compose.yml:4:1: `name` of the Compose file has no effect"),
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
