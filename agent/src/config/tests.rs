use std::path::Path;

use kompox_manifests::policy::{Allowed, Exception, Level};

use super::*;
use crate::age_keys::AgeKeysFile;
use crate::secret::SecretFile;

/// Writes a file, and reads it as `--config` would.
fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yml");
    std::fs::write(&path, text).unwrap();
    let read = Given { config: Some(path), ..Given::default() }.load();
    shape::tests::compare(text, &read);
    read
}

/// What is wrong with a file: `line:column: message; help`.
fn refused(text: &str) -> Vec<String> {
    match load(text) {
        Err(ConfigError::Invalid(findings)) => findings
            .iter()
            .map(|finding| {
                let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                format!("{}:{}: {}{help}", finding.at.line, finding.at.column, finding.message)
            })
            .collect(),
        other => panic!("not refused: {other:?}"),
    }
}

/// A file with one source whose further keys are given.
fn source(keys: &str) -> String {
    format!("cluster: /ws/w/prv/p/cls/c\nsources:\n  - name: ops\n    url: https://git.example.com/o/r.git\n{keys}")
}

#[test]
fn the_whole_file_is_understood() {
    let text = "\
cluster: /ws/ops/prv/aks1/cls/cluster1
sources:
  - name: ops
    url: https://git.example.com/ops/apps.git
    ref: {branch: main}
    path: ./apps/
    interval: 1m30s
    auth: {tokenFile: /run/secrets/token}
    forge: {type: gitea, apiUrl: https://git.example.com/api/v1, tokenFile: status-token}
    review: {enabled: false, forks: false, label: kompox-plan, comment: true}
    webhook: {secretFile: hook-secret}
    allowForcePush: true
    decryption: {ageKeysFile: age.key}
  - name: dev
    url: ./work
newDisks: hold
server: {listen: 127.0.0.1:8080, webhooks: \"[::1]:8081\"}
maxDisruptions: 2
people: [rancher-*, argocd-ui]
statusName: blue
policy:
  podSecurity: restricted
  allow: [{app: /ws/ops/prv/aks1/cls/cluster1/app/vpn, capability: CAP_NET_ADMIN}]
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yml");
    std::fs::write(&path, text).unwrap();
    let config = Given { config: Some(path), ..Given::default() }.load().unwrap();
    let url = |text: &str| url::Url::parse(text).unwrap();
    let expected = Config {
        cluster: "/ws/ops/prv/aks1/cls/cluster1".parse().unwrap(),
        sources: vec![
            SourceConfig {
                name: "ops".to_owned(),
                location: Location::Remote(url("https://git.example.com/ops/apps.git")),
                reference: Reference::Branch("main".to_owned()),
                path: "apps".to_owned(),
                interval: Duration::from_secs(90),
                credentials: Some(Credentials::Token(SecretFile::new("/run/secrets/token"))),
                forge: ForgeChoice::Forge(ForgeConfig {
                    kind: ForgeKind::Gitea,
                    api: url("https://git.example.com/api/v1/"),
                    owner: "ops".to_owned(),
                    repository: "apps".to_owned(),
                    credentials: Credentials::Token(SecretFile::new(folder.path().join("status-token"))),
                }),
                webhook: Some(SecretFile::new(folder.path().join("hook-secret"))),
                allow_force_push: true,
                age_keys: Some(AgeKeysFile::new(folder.path().join("age.key"))),
            },
            SourceConfig {
                name: "dev".to_owned(),
                location: Location::Folder(folder.path().join("./work")),
                reference: Reference::Default,
                path: String::new(),
                interval: Duration::from_secs(30),
                credentials: None,
                forge: ForgeChoice::None(
                    "no commit statuses are written: the source is a path on this machine".to_owned(),
                ),
                webhook: None,
                allow_force_push: false,
                age_keys: None,
            },
        ],
        new_disks: NewDisks::Hold,
        max_disruptions: 2,
        people: vec!["rancher-*".to_owned(), "argocd-ui".to_owned()],
        status_name: "blue".to_owned(),
        policy: Policy {
            level: Level::Restricted,
            exceptions: vec![Exception {
                app: "/ws/ops/prv/aks1/cls/cluster1/app/vpn".parse().unwrap(),
                what: Allowed::Capability("NET_ADMIN".to_owned()),
            }],
        },
        served: Served {
            status: Some("127.0.0.1:8080".parse().unwrap()),
            webhooks: Some("[::1]:8081".parse().unwrap()),
        },
    };
    assert_eq!(config, expected);
}

#[test]
fn little_is_enough() {
    let config = load(&source("")).unwrap();
    assert_eq!((config.status_name.as_str(), config.new_disks), ("c", NewDisks::Allow));
    assert_eq!(config.sources[0].reference, Reference::Default);
    let given = Given {
        cluster: Some("/ws/w/prv/p/cls/c".to_owned()),
        source: Some("https://codeberg.org/o/r.git".to_owned()),
        token_file: Some("/run/token".into()),
        ..Given::default()
    };
    let config = given.load().unwrap();
    assert_eq!(config.sources[0].name, "default");
    assert!(matches!(&config.sources[0].forge, ForgeChoice::Forge(forge) if forge.owner == "o"));
}

#[test]
fn flags_replace_scalars_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yml");
    std::fs::write(&path, "sources: [{name: a, url: https://h/o/r}]\nnewDisks: allow\n").unwrap();
    let given = Given {
        config: Some(path),
        cluster: Some("/ws/w/prv/p/cls/other".to_owned()),
        status_name: Some("green".to_owned()),
        new_disks: Some("hold".to_owned()),
        ..Given::default()
    };
    let config = given.load().unwrap();
    assert_eq!(config.cluster.cluster, "other");
    assert_eq!((config.status_name.as_str(), config.new_disks), ("green", NewDisks::Hold));
}

#[test]
fn wrong_flags_are_named() {
    let cluster = || Some("/ws/w/prv/p/cls/c".to_owned());
    let source = || Some("https://h/o/r".to_owned());
    let cases = [
        (Given::default(), "give --config FILE, or --cluster ID and --source URL|PATH"),
        (Given { cluster: cluster(), ..Given::default() }, "give --config FILE, or --cluster ID and --source URL|PATH"),
        (Given { source: source(), ..Given::default() }, "--source also needs --cluster ID"),
        (
            Given { cluster: Some("c".to_owned()), source: source(), ..Given::default() },
            "--cluster: `c` is not of the form `/ws/W/prv/P/cls/C` with DNS-1123 names",
        ),
        (
            Given { cluster: cluster(), source: Some("https://t0k@h/o/r".to_owned()), ..Given::default() },
            "--source: a URL must not hold a user name or password; put the token into a file and name it in \
             `auth: {tokenFile: …}` (--token-file)",
        ),
        (
            Given {
                cluster: cluster(),
                source: Some(".".to_owned()),
                token_file: Some("t".into()),
                ..Given::default()
            },
            "--token-file has no meaning for a path on this machine",
        ),
        (
            Given { cluster: cluster(), source: source(), new_disks: Some("yes".to_owned()), ..Given::default() },
            "--new-disks is neither `allow` nor `hold`",
        ),
        (
            Given { cluster: cluster(), source: source(), status_name: Some("a b".to_owned()), ..Given::default() },
            "--status-name: a status name has 1 to 63 letters, digits, `-`, `_` and `.`",
        ),
        (
            Given { config: Some("/no/such/agent.yml".into()), ..Given::default() },
            "cannot read the configuration file /no/such/agent.yml: No such file or directory (os error 2)",
        ),
    ];
    for (given, message) in cases {
        assert_eq!(given.load().unwrap_err().to_string(), message);
    }
}

#[test]
fn mistakes_of_form_are_shown_with_their_place() {
    let unknown = refused("cluster: /ws/w/prv/p/cls/c\nsources: []\nsorces: []\n");
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].starts_with("3:1: unknown field `sorces`"), "{unknown:?}");
    let nested = refused(&source("    ref: {brunch: main}\n"));
    assert!(nested[0].starts_with("5:11: unknown field `brunch`"), "{nested:?}");
    let twice = refused("cluster: a\ncluster: b\n");
    assert!(twice[0].starts_with("2:1: ") && twice[0].contains("cluster"), "{twice:?}");
    let kind = refused("cluster: a\nsources: none\n");
    assert!(kind[0].starts_with("2:10: "), "{kind:?}");
    let broken = refused("cluster: [\n");
    assert_eq!(broken.len(), 1);
    for text in ["", "---\n---\n", "a: &x [*x]\n", "\u{0}", "sources: {<<: {a: b}}\n"] {
        assert!(!refused(text).is_empty(), "{text:?}");
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let missing = [
        "1:1: `cluster` is missing; write `cluster: /ws/W/prv/P/cls/C` or give --cluster",
        "1:1: `sources` is missing; name at least one source by `name` and `url`",
    ];
    assert_eq!(
        refused(
            "newDisks: hold
"
        ),
        missing
    );
    let empty = refused("cluster: /ws/w/prv/p/cls/c\nsources: []\n");
    assert_eq!(empty, ["2:10: `sources` is empty; name at least one source by `name` and `url`"]);
    let nameless = refused("sources: [{url: https://h/o/r}]\n");
    assert!(nameless[0].contains("missing field `name`"), "{nameless:?}");
}

#[test]
fn all_wrong_values_are_reported_together() {
    let text = "\
cluster: cluster1
sources:
  - name: Ops
    url: ftp://example.com/x
    path: ../other
    interval: 30
  - name: ok
    url: https://git.example.com/o/r.git
    ref: {branch: main, tag: v1}
    interval: 100ms
  - name: ok
    url: https://git.example.com/o/r.git
    ref: {commit: abc}
newDisks: maybe
statusName: a/b
";
    let expected = [
        "1:10: `cluster1` is not of the form `/ws/W/prv/P/cls/C` with DNS-1123 names; name the Cluster by its resource ID",
        "14:11: `newDisks` is neither `allow` nor `hold`; write `allow` or `hold`",
        "3:11: `Ops` is no DNS-1123 name; use lower-case letters, digits and `-`, at most 63",
        "4:10: the URL's scheme is not supported; write an https:// URL, a file:// URL, or the path of a repository or folder",
        "5:11: `path` leads out of the repository; write a path below its root",
        "6:15: `30` is no duration; write a duration like `30s`, `5m` or `1h30m`",
        "9:10: `ref` needs exactly one of `branch`, `tag` and `commit`",
        "10:15: an interval is between 1s and 24h; write a duration like `30s`, `5m` or `1h30m`",
        "11:11: there is already a source `ok`; give every source a name of its own",
        "13:19: a commit is named by its 40 lower-case hexadecimal digits",
    ];
    assert_eq!(refused(text), expected);
}

#[test]
fn keys_of_later_versions_are_refused_by_name() {
    let cases = [
        ("    verify: {mode: head}\n", "5:13: `verify` is not supported by this version; remove it"),
        (
            "    review: {enabled: true}\n",
            "5:13: `review` is not supported by this version; write `review: {enabled: false}`",
        ),
        ("    review: {}\n", "5:13: `review` is not supported by this version; write `review: {enabled: false}`"),
        ("    ref: {semver: '>=1'}\n", "5:19: `ref.semver` is not supported by this version; remove it"),
        (
            "    auth: {sshKeyFile: k, knownHostsFile: h}\n",
            "5:24: `auth.sshKeyFile` is not supported by this version; remove it",
        ),
        (
            "    auth: {githubApp: {appId: 1, installationId: 2, keyFile: k}}\n",
            "5:23: `auth.githubApp` is not supported by this version; remove it",
        ),
        (
            "    forge: {type: github, tokenFile: t}\n",
            "5:12: commit statuses on `github` are not supported by this version; remove `forge`",
        ),
        ("server: {listen: localhost}\n", "5:18: `listen` is no IP address with a port; write e.g. `127.0.0.1:8080`"),
        (
            "policy: {podSecurity: strict}\n",
            "5:23: `podSecurity` is none of the levels of the Pod Security Standards; write `privileged`, `baseline` or \
             `restricted`",
        ),
        (
            "policy: {allow: [{app: web, capability: NET_ADMIN}]}\n",
            "5:24: `web` is not of the form `/ws/W/prv/P/cls/C/app/A` with DNS-1123 names; name the App by its resource \
             ID",
        ),
        (
            "policy: {allow: [{app: /ws/w/prv/p/cls/c/app/a, capability: net admin}]}\n",
            "5:61: `net admin` is no capability; write it like `NET_ADMIN`, or `ALL`",
        ),
        (
            "policy: {allow: [{app: /ws/w/prv/p/cls/c/app/a, control: hostPath}]}\n",
            "5:58: there are no exceptions from `hostPath`; write one of: privileged, capabilities, appArmor, seccomp, \
             sysctls, privilegeEscalation, root",
        ),
        (
            "policy: {allow: [{app: /ws/w/prv/p/cls/c/app/a}]}\n",
            "5:18: an exception needs exactly one of `capability`, `sysctl` and `control`; write one entry for each thing \
             that the App may do",
        ),
        (
            "people: [\"*\"]\n",
            "5:10: this is no name of a field manager; write a field manager as `kubectl get --show-managed-fields` has it, or its \
             beginning and `*`",
        ),
        ("maxDisruptions: 0\n", "5:17: `maxDisruptions` is not from 1 to 1000; write e.g. 1"),
    ];
    for (keys, expected) in cases {
        let found = refused(&source(keys));
        assert_eq!(found[0], expected, "{keys}");
    }
}

#[test]
fn webhooks_and_what_is_listened_on_must_fit_together() {
    let hook = "    webhook: {secretFile: s}\n";
    let same = "6:42: `webhooks` and `listen` are the same address; give webhooks a port of their own: only that one is to \
                be exposed";
    let cases = [
        (
            hook.to_owned(),
            "5:14: `webhook` needs an address that is listened on; write `server: {webhooks: \"0.0.0.0:8081\"}`, or remove `webhook`",
        ),
        (
            format!("{hook}server: {{listen: 127.0.0.1:8080}}\n"),
            "5:14: `webhook` needs an address that is listened on; write `server: {webhooks: \"0.0.0.0:8081\"}`, or remove `webhook`",
        ),
        (
            "server: {webhooks: 127.0.0.1:8081}\n".to_owned(),
            "5:20: `webhooks` has no effect: no source has a `webhook`; write `webhook: {secretFile: …}` at a source, or \
             remove `webhooks`",
        ),
        (
            format!("{hook}server: {{webhooks: \":8081\"}}\n"),
            "6:20: `webhooks` is no IP address with a port; write e.g. `127.0.0.1:8080`",
        ),
        (
            format!("{hook}server: {{}}\n"),
            "6:9: `server` is empty; write `listen` with an address for probes and metrics, or `webhooks` with one for \
             webhooks",
        ),
        (format!("{hook}server: {{listen: 127.0.0.1:80, webhooks: 127.0.0.1:80}}\n"), same),
        (format!("{hook}server: {{listen: 127.0.0.1:80, webhooks: \"0.0.0.0:80\"}}\n"), same),
        (
            format!("{hook}server: {{listen: \"[::]:8080\", webhooks: 127.0.0.1:8080}}\n"),
            &same.replacen("6:42", "6:41", 1),
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(refused(&source(&keys)), [expected], "{keys}");
    }
    assert!(refused(&source("    webhook: {}\n"))[0].contains("missing field `secretFile`"));
    for fits in [
        "server: {webhooks: \"0.0.0.0:8081\"}\n",
        "server: {listen: \"0.0.0.0:8080\", webhooks: \"0.0.0.0:8081\"}\n",
        "server: {listen: 127.0.0.1:8080, webhooks: \"[::1]:8080\"}\n",
    ] {
        assert!(load(&source(&format!("{hook}{fits}"))).is_ok(), "{fits}");
    }
}

#[test]
fn credentials_and_forges_must_fit_together() {
    let cases = [
        (
            "    auth: {usernameFile: u}\n",
            "5:11: `auth` needs either `tokenFile`, or `usernameFile` and `passwordFile`",
        ),
        (
            "    auth: {tokenFile: t, passwordFile: p}\n",
            "5:11: `auth` needs either `tokenFile`, or `usernameFile` and `passwordFile`",
        ),
        ("    forge: {type: gitea}\n", "5:12: commit statuses need a token; name it in `forge.tokenFile` or `auth`"),
        ("    forge: {tokenFile: t}\n", "5:12: `forge.type` is missing; write `type: gitea`"),
        (
            "    forge: {type: gitlub}\n",
            "5:12: there is no forge type `gitlub`; write `type: gitea` (also for Forgejo)",
        ),
        (
            "    forge: {type: gitea, tokenFile: t, apiUrl: http://git.example.com/api/v1}\n",
            "5:48: http:// is only accepted for this machine's own addresses; write an https:// URL",
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(refused(&source(keys)), [expected], "{keys}");
    }
    let folder =
        "cluster: /ws/w/prv/p/cls/c\nsources:\n  - {name: a, url: /tmp, auth: {tokenFile: t}, ref: {tag: v}}\n";
    let found = refused(folder);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|line| line.contains("`ref` has no meaning for a folder")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("`auth` has no meaning for a path")), "{found:?}");
}

#[test]
fn a_password_in_a_url_is_never_quoted() {
    for url in [
        "https://bob:canary-4711@git.example.com/o/r.git",
        "https://canary-4711@git.example.com/o/r.git",
        "https://bob:canary-4711@@git example.com/o/r.git",
        "ftp://bob:canary-4711@host/x",
        "https://git.example.com/o/r.git?token=canary-4711",
    ] {
        let text = format!("cluster: nonsense\nsources:\n  - {{name: a, url: '{url}'}}\n  - {{nome: b}}\n");
        let part = text.replace("  - {nome: b}\n", "");
        for text in [text.clone(), part] {
            let Err(ConfigError::Invalid(findings)) = load(&text) else { panic!("{url} is accepted") };
            for finding in &findings {
                assert!(finding.at.file.text.is_empty(), "{url}: the file may be quoted");
                assert!(!format!("{finding} {:?}", finding.help).contains("canary"), "{finding}");
            }
        }
        let error = Location::parse(url, Path::new("")).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    // A value that does not fit is quoted by the parser itself.
    let error = load("cluster: /ws/w/prv/p/cls/c\nsources: https://bob:canary-4711@host/r\n").unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[test]
fn locations_are_a_closed_list() {
    let parse = |text: &str| Location::parse(text, Path::new("/base"));
    let remote = |text: &str| Ok(Location::Remote(url::Url::parse(text).unwrap()));
    assert_eq!(parse("https://git.example.com/o/r.git"), remote("https://git.example.com/o/r.git"));
    assert_eq!(parse("HTTPS://git.example.com/o/r"), remote("https://git.example.com/o/r"));
    assert_eq!(parse("http://127.0.0.1:3000/o/r"), remote("http://127.0.0.1:3000/o/r"));
    assert_eq!(parse("http://[::1]:3000/o/r"), remote("http://[::1]:3000/o/r"));
    assert_eq!(parse("file:///srv/apps.git"), Ok(Location::Repository("/srv/apps.git".into())));
    assert_eq!(parse("apps.git"), Ok(Location::Repository("/base/apps.git".into())));
    assert_eq!(parse("./apps"), Ok(Location::Folder("/base/./apps".into())));
    assert_eq!(parse("/etc"), Ok(Location::Folder("/etc".into())));
    let bad = [
        ("", "the URL is empty"),
        ("--upload-pack=touch /tmp/x", "a URL must not start with `-`"),
        (" https://h/o/r", "a URL must not hold control characters or white space around it"),
        ("https://h/o/r\n", "a URL must not hold control characters or white space around it"),
        ("http://git.example.com/o/r", "http:// is only accepted for this machine's own addresses"),
        ("http://127.0.0.1.example.com/o/r", "http:// is only accepted for this machine's own addresses"),
        ("https://git.example.com/", "the URL names no repository"),
        ("https://", "the URL cannot be read"),
        ("https://good.example.com\\@evil.example.com/o/r", "the URL cannot be read"),
        ("https://h/o/r#main", "the URL of a repository has no `?` or `#`"),
        ("ssh://git@host/o/r", "Git over SSH is not supported by this version"),
        ("git@host:o/r.git", "Git over SSH is not supported by this version"),
        ("git://host/o/r", "git:// is neither encrypted nor authenticated"),
        ("ext::sh -c whoami", "Git over SSH is not supported by this version"),
        ("javascript://x", "the URL's scheme is not supported"),
        ("file://host/srv/apps.git", "a file:// URL needs an absolute path and nothing else"),
        ("file:///srv/apps.git?x", "a file:// URL needs an absolute path and nothing else"),
    ];
    for (text, message) in bad {
        assert_eq!(parse(text).unwrap_err().message, message, "{text:?}");
    }
}

#[test]
fn a_bare_repository_is_told_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("store");
    for inner in ["objects", "refs"] {
        std::fs::create_dir_all(bare.join(inner)).unwrap();
    }
    assert_eq!(Location::parse("store", folder.path()), Ok(Location::Folder(bare.clone())));
    std::fs::write(bare.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    assert_eq!(Location::parse("store", folder.path()), Ok(Location::Repository(bare)));
    let named = folder.path().join("work.git");
    std::fs::create_dir(&named).unwrap();
    assert_eq!(Location::parse("work.git", folder.path()), Ok(Location::Folder(named)));
}

#[test]
fn names_that_git_cannot_have_are_refused() {
    for name in ["main", "feature/x", "v1.2.3", "ä"] {
        assert!(load(&source(&format!("    ref: {{branch: {name}}}\n"))).is_ok(), "{name}");
    }
    for name in ["\"-x\"", "a..b", "\"a b\"", "a~1", "\"\"", "\"a\\0b\"", "/a", "a.lock", "\"@{-1}\""] {
        let found = refused(&source(&format!("    ref: {{branch: {name}}}\n")));
        assert!(found[0].contains("Git has no such names"), "{name}: {found:?}");
    }
}

#[test]
fn a_changed_file_gives_a_changed_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yml");
    std::fs::write(&path, source("")).unwrap();
    let given = Given { config: Some(path.clone()), ..Given::default() };
    let before = given.load().unwrap();
    assert_eq!(given.load().unwrap(), before);
    std::fs::write(&path, source("    interval: 5m\n")).unwrap();
    assert_ne!(given.load().unwrap(), before);
}
