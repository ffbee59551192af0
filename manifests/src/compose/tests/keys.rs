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

/// What the baseline reads, or judges by its value.
const READ: &str = "build command configs deploy entrypoint env_file environment extends image network_mode ports profiles \
    restart scale secrets volumes";

#[test]
fn every_key_of_the_schema_is_mapped_or_reported() {
    for key in SCHEMA.split_whitespace().filter(|key| !READ.split_whitespace().any(|read| read == *key)) {
        let outcome = case().load(&web(&format!("{key}: something")));
        let [diagnostic] = outcome.diagnostics.as_slice() else { panic!("{key}: {:?}", outcome.found()) };
        assert_eq!(diagnostic.code, "unmapped-key", "{key}");
        assert_eq!(diagnostic.at.line, 4, "{key}");
        assert!(diagnostic.message.starts_with(&format!("`{key}` of service `web` ")), "{key}: {diagnostic}");
        assert!(diagnostic.help.is_some(), "{key}");
        assert_eq!(outcome.loaded.is_none(), diagnostic.severity == Severity::Error, "{key}");
    }
}

#[test]
fn what_would_weaken_a_container_rejects_the_file() {
    for key in ["user", "cap_drop", "read_only", "security_opt", "privileged", "tmpfs", "working_dir", "extra_hosts"] {
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
    let error = "service `web` depends on `debug`, which is left out: it belongs to a profile";
    assert_eq!(found("[debug]"), [format!("error compose.yml:4:18: {error}")]);
    assert_eq!(found("{debug: {condition: service_started}}"), [format!("error compose.yml:4:18: {error}")]);
    assert_eq!(found("{debug: {condition: service_started, required: false}}"), [""; 0]);
}
