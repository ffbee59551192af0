use super::{app_of, app_report};
use crate::model::{Choice, DeletionPolicy, DiskClaim, DriftPolicy, VolumeKind};

#[test]
fn every_field_of_an_app_is_read() {
    let app = app_of(concat!(
        "ingress:\n",
        "  certResolver: prod\n",
        "  rules:\n",
        "    - {name: main, port: 3000, hosts: [a.example.org, b.example.org]}\n",
        "volumes:\n",
        "  - name: default\n",
        "    size: 10Gi\n",
        "  - name: shared\n",
        "    size: 1.5G\n",
        "    type: files\n",
        "    options: {sku: Premium_LRS, iops: 3000, empty: }\n",
        "    source: snapshot:latest\n",
        "    deletionPolicy: Delete\n",
        "    claim: take\n",
        "deployment: {pools: [a, b], zone: 1}\n",
        "networkPolicy:\n",
        "  ingressRules:\n",
        "    - from:\n",
        "        - namespaceSelector:\n",
        "            matchLabels: {team: a}\n",
        "            matchExpressions: [{key: x/y, operator: In, values: [b, 1]}, {key: z, operator: Exists}]\n",
        "      ports: [{protocol: UDP, port: 53}, {port: 80}]\n",
        "reconcile: {drift: off, force: true, suspend: true, progressDeadline: 45m}\n",
        "settings: {A: 64, B: 0444, C: , D: yes, E: 1.10}\n",
        "resources: {cpu: 1}\n",
    ));
    assert_eq!(app.id.to_string(), "/ws/ops/prv/aks1/cls/c1/app/web");
    assert_eq!((app.folder.as_str(), app.local_files), ("", true));
    assert_eq!(app.cert_resolver.as_deref(), Some("prod"));
    assert_eq!(
        (app.rules[0].name.value.as_str(), app.rules[0].port.value, app.rules[0].hosts.len()),
        ("main", 3000, 2)
    );
    assert_eq!(app.rules[0].hosts[1].at.to_string(), "kompoxops.yml:12:57");
    let [default, shared] = app.volumes.as_slice() else { panic!() };
    assert_eq!((default.size, default.kind, default.source.as_ref()), (10 << 30, VolumeKind::Disk, None));
    assert_eq!((default.deletion_policy, default.claim), (DeletionPolicy::Retain, DiskClaim::Keep));
    assert_eq!((shared.size, shared.kind), (1_500_000_000, VolumeKind::Files));
    assert_eq!((shared.deletion_policy, shared.claim), (DeletionPolicy::Delete, DiskClaim::Take));
    assert_eq!(shared.source.as_ref().map(|source| source.value.as_str()), Some("snapshot:latest"));
    assert_eq!(format!("{:?}", shared.options), r#"{"empty": "", "iops": "3000", "sku": "Premium_LRS"}"#);
    assert_eq!(app.placement.pools, Choice::AnyOf(vec!["a".into(), "b".into()]));
    assert_eq!(app.placement.zones, Choice::One("1".into()));
    let rule = &app.network_rules[0];
    assert_eq!(format!("{:?}", rule.from[0].match_labels), r#"{"team": "a"}"#);
    assert_eq!(rule.from[0].match_expressions[0], ("x/y".into(), "In".into(), vec!["b".into(), "1".into()]));
    assert_eq!(rule.from[0].match_expressions[1], ("z".into(), "Exists".into(), vec![]));
    assert_eq!((rule.ports[0].protocol.as_str(), rule.ports[0].port), ("UDP", 53));
    assert_eq!((rule.ports[1].protocol.as_str(), rule.ports[1].port), ("TCP", 80));
    assert_eq!((app.reconcile.drift, app.reconcile.force, app.reconcile.suspend), (DriftPolicy::Off, true, true));
    assert_eq!(app.reconcile.progress_deadline, Some(2_700));
    assert_eq!(format!("{:?}", app.settings), r#"{"A": "64", "B": "0444", "C": "", "D": "yes", "E": "1.10"}"#);
    assert_eq!(format!("{:?}", app.resources), r#"{"cpu": "1"}"#);
}

#[test]
fn unknown_keys_are_errors_with_the_key_that_was_meant() {
    insta::assert_snapshot!(app_report("volume: []\ningress: {rule: [], hosts: []}\ndeployment: {nodes: 3}\n"), @r"
    error[unknown-key] kompoxops.yml:10:13: `ingress` has no key `rule` | did you mean `rules`?
    error[unknown-key] kompoxops.yml:10:23: `ingress` has no key `hosts` | known keys are `certResolver` and `rules`
    error[unknown-key] kompoxops.yml:11:16: `deployment` has no key `nodes` | did you mean `zones`?
    error[unknown-key] kompoxops.yml:9:3: `app` has no key `volume` | did you mean `volumes`?
    ");
}

#[test]
fn volumes_are_checked() {
    insta::assert_snapshot!(app_report(concat!(
        "volumes:\n",
        "  - {name: Default, size: 10Gi}\n",
        "  - {name: seventeen-letters, size: 10GiB}\n",
        "  - {name: a, size: 0}\n",
        "  - {name: a, size: 1.5}\n",
        "  - {size: 10gb}\n",
        "  - {name: b}\n",
        "  - {name: c, size: 9Ei, type: block, deletionPolicy: delete, claim: yes}\n",
        "  - {name: d, size: [1]}\n",
        "  - {name: e, size: -1Gi, sise: 1}\n",
        "  - text\n",
        "  - {name: f, size: ten}\n",
    )), @r"
    error[bad-name] kompoxops.yml:10:14: `name` must be a DNS label; `Default` is none | use a-z, 0-9 and `-`, 1 to 16 characters, no `-` at either end
    error[bad-name] kompoxops.yml:11:14: `name` has at most 16 characters; `seventeen-letters` has 17 | use a-z, 0-9 and `-`, 1 to 16 characters, no `-` at either end
    error[bad-size] kompoxops.yml:11:39: the size `10GiB` is not a number with one of Kubernetes' suffixes (k, M, G, T, Ki, Mi, Gi, Ti, …) | did you mean the unit `Gi`?
    error[bad-size] kompoxops.yml:12:23: the size `0` is not above zero | write it like `10Gi`
    error[bad-size] kompoxops.yml:13:23: the size `1.5` is no whole number of bytes | write it like `10Gi`; `m` means thousandths
    error[duplicate-name] kompoxops.yml:13:14: there are two volumes `a`; the first is on line 12 | rename one of the two
    error[missing-key] kompoxops.yml:14:7: `volumes[]` needs `name` | add `name:`
    error[bad-size] kompoxops.yml:14:14: the size `10gb` is not a number with one of Kubernetes' suffixes (k, M, G, T, Ki, Mi, Gi, Ti, …) | did you mean the unit `Gi`?
    error[missing-key] kompoxops.yml:15:7: `volumes[]` needs `size` | add `size:`
    error[bad-size] kompoxops.yml:16:23: the size `9Ei` is larger than Kubernetes can count | write it like `10Gi`
    error[unknown-value] kompoxops.yml:16:34: `type` cannot be `block` | write one of `disk` and `files`
    error[unknown-value] kompoxops.yml:16:57: `deletionPolicy` cannot be `delete` | did you mean `Delete`?
    error[unknown-value] kompoxops.yml:16:72: `claim` cannot be `yes` | write one of `keep` and `take`
    error[wrong-type] kompoxops.yml:17:23: `size` must be a size, found a list | write a size
    error[bad-size] kompoxops.yml:18:23: the size `-1Gi` is not above zero | write it like `10Gi`
    error[unknown-key] kompoxops.yml:18:29: `volumes[]` has no key `sise` | did you mean `size`?
    error[wrong-type] kompoxops.yml:19:7: `volumes[]` must be a mapping, found a string | write a mapping
    error[bad-size] kompoxops.yml:20:23: the size `ten` is not a number with one of Kubernetes' suffixes (k, M, G, T, Ki, Mi, Gi, Ti, …) | write it like `10Gi`
    ");
    insta::assert_snapshot!(app_report("volumes: {name: a}\n"), @r"error[wrong-type] kompoxops.yml:9:12: `volumes` must be a list, found a mapping | write a list");
}

#[test]
fn sources_are_checked() {
    for source in [
        "disk:main",
        "snapshot:nightly-1abc",
        "snapshot:latest",
        "snapshot:latest@2026-11-20T03:00:00Z",
        "snapshot:latest@2026-11-20t03:00:00.25+09:00",
        "nightly",
        "existing:/subscriptions/x/disks/y:z",
        "/subscriptions/x/disks/y",
        "arn:aws:ec2:x",
    ] {
        let app = app_of(&format!("volumes: [{{name: a, size: 1Gi, source: '{source}'}}]\n"));
        assert_eq!(app.volumes[0].source.as_ref().map(|source| source.value.as_str()), Some(source));
    }
    assert_eq!(app_of("volumes: [{name: a, size: 1Gi, source: ''}]\n").volumes[0].source, None);
    insta::assert_snapshot!(app_report(concat!(
        "volumes:\n",
        "  - {name: a, size: 1Gi, source: 'disk:'}\n",
        "  - {name: b, size: 1Gi, source: 'snapshot:Nightly'}\n",
        "  - {name: c, size: 1Gi, source: 'snapshot:latest@yesterday'}\n",
        "  - {name: d, size: 1Gi, source: 'snapshot:latest@2026-11-20T03:00:00'}\n",
        "  - {name: e, size: 1Gi, source: 'existing:'}\n",
        "  - {name: f, size: 1Gi, source: 'disk:twenty-five-letters-long-'}\n",
    )), @r"
    error[bad-name] kompoxops.yml:10:36: `source` must be a DNS label; `` is none | use a-z, 0-9 and `-`, 1 to 24 characters, no `-` at either end
    error[bad-name] kompoxops.yml:11:36: `source` must be a DNS label; `Nightly` is none | use a-z, 0-9 and `-`, 1 to 24 characters, no `-` at either end
    error[bad-source] kompoxops.yml:12:36: `yesterday` is not a point in time | write `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, `snapshot:latest@2026-11-20T03:00:00Z` or `existing:<id>`
    error[bad-source] kompoxops.yml:13:36: `2026-11-20T03:00:00` is not a point in time | write `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, `snapshot:latest@2026-11-20T03:00:00Z` or `existing:<id>`
    error[bad-source] kompoxops.yml:14:36: `existing:` needs the provider's identifier of the disk | write `disk:<name>`, `snapshot:<name>`, `snapshot:latest`, `snapshot:latest@2026-11-20T03:00:00Z` or `existing:<id>`
    error[bad-name] kompoxops.yml:15:36: `source` must be a DNS label; `twenty-five-letters-long-` is none | use a-z, 0-9 and `-`, 1 to 24 characters, no `-` at either end
    ");
}

#[test]
fn placement_is_one_or_several_never_both() {
    insta::assert_snapshot!(
        app_report("deployment: {pool: a, pools: [b], zone: 1, zones: [], selectors: {x: y}}\n"),
        @r"
        error[exclusive-keys] kompoxops.yml:9:32: `pool` and `pools` exclude each other | remove one of the two
        error[exclusive-keys] kompoxops.yml:9:53: `zone` and `zones` exclude each other | remove one of the two
        error[reserved-key] kompoxops.yml:9:57: `selectors` is reserved and has no meaning yet | remove it
        "
    );
    insta::assert_snapshot!(app_report("deployment: {pool: a b, zones: [1, 'x/y']}\n"), @r"
    error[bad-label] kompoxops.yml:9:22: `a b` cannot be the value of a label | use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end
    error[bad-label] kompoxops.yml:9:38: `x/y` cannot be the value of a label | use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end
    ");
    let app = app_of("deployment: {pools: [], zones:}\n");
    assert_eq!((app.placement.pools, app.placement.zones), (Choice::Unset, Choice::Unset));
}

#[test]
fn network_rules_are_checked() {
    insta::assert_snapshot!(app_report(concat!(
        "networkPolicy:\n",
        "  ingressRules:\n",
        "    - {ports: [{port: 1}]}\n",
        "    - {from: []}\n",
        "    - from: [{podSelector: {}}]\n",
        "      ports: [{port: 0}, {port: http}, {protocol: ICMP, port: 70000}, {}]\n",
        "    - from:\n",
        "        - namespaceSelector:\n",
        "            matchLabels: {'a b': c, d: 'e f', g: [h]}\n",
        "            matchExpressions:\n",
        "              - {key: a, operator: In}\n",
        "              - {key: b, operator: Exists, values: [c]}\n",
        "              - {key: -b, operator: Equals, values: ['x y']}\n",
        "              - {}\n",
        "  egressRules: []\n",
    )), @r"
    error[missing-key] kompoxops.yml:11:9: `ingressRules[]` needs `from` | add `from:`
    error[network-rule] kompoxops.yml:12:9: an empty `from` would let everyone in | name the namespaces; `- namespaceSelector: {}` stands for all of them
    error[missing-key] kompoxops.yml:13:16: `from[]` needs `namespaceSelector` | add `namespaceSelector:`
    error[unknown-key] kompoxops.yml:13:17: `from[]` has no key `podSelector` | the only key is `namespaceSelector`
    error[out-of-range] kompoxops.yml:14:24: `port` must be from 1 to 65535, found 0 | write a number from this range
    error[wrong-type] kompoxops.yml:14:35: `port` must be an integer, found a string | write an integer
    error[unknown-value] kompoxops.yml:14:53: `protocol` cannot be `ICMP` | write one of `TCP`, `UDP` and `SCTP`
    error[out-of-range] kompoxops.yml:14:65: `port` must be from 1 to 65535, found 70000 | write a number from this range
    error[missing-key] kompoxops.yml:14:73: `ports[]` needs `port` | add `port:`
    error[bad-label] kompoxops.yml:17:29: `a b` is not the key of a label | write `name` or `domain/name`, e.g. `kubernetes.io/metadata.name`
    error[bad-label] kompoxops.yml:17:42: `e f` cannot be the value of a label | use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end
    error[wrong-type] kompoxops.yml:17:52: `g` must be a string, found a list | write a string
    error[network-rule] kompoxops.yml:19:19: `In` needs `values` | list the values that are meant
    error[network-rule] kompoxops.yml:20:19: `Exists` takes no `values` | remove `values`
    error[bad-label] kompoxops.yml:21:25: `-b` is not the key of a label | write `name` or `domain/name`, e.g. `kubernetes.io/metadata.name`
    error[unknown-value] kompoxops.yml:21:39: `operator` cannot be `Equals` | write one of `In`, `NotIn`, `Exists` and `DoesNotExist`
    error[bad-label] kompoxops.yml:21:56: `x y` cannot be the value of a label | use letters, digits, `-`, `_` and `.`, at most 63, with a letter or digit at either end
    error[missing-key] kompoxops.yml:22:19: `matchExpressions[]` needs `key` | add `key:`
    error[missing-key] kompoxops.yml:22:19: `matchExpressions[]` needs `operator` | add `operator:`
    error[unknown-key] kompoxops.yml:23:5: `networkPolicy` has no key `egressRules` | did you mean `ingressRules`?
    ");
    assert_eq!(app_of("networkPolicy: {ingressRules: [{from: [{namespaceSelector: {}}]}]}\n").network_rules.len(), 1);
}

#[test]
fn ingress_rules_need_a_name_and_a_port() {
    insta::assert_snapshot!(
        app_report("ingress: {rules: [{name: 1, port: 70000}, {hosts: a.b}, {name: a, port: '80', hosts: [1]}]}\n"),
        @r#"
        error[wrong-type] kompoxops.yml:9:28: `name` must be a string, found an integer | put it in quotes: "1"
        error[out-of-range] kompoxops.yml:9:37: `port` must be from 1 to 65535, found 70000 | write a number from this range
        error[missing-key] kompoxops.yml:9:45: `rules[]` needs `name` | add `name:`
        error[missing-key] kompoxops.yml:9:45: `rules[]` needs `port` | add `port:`
        error[wrong-type] kompoxops.yml:9:53: `hosts` must be a list, found a string | write a list
        error[wrong-type] kompoxops.yml:9:75: `port` must be an integer, found a string | write it without quotes: 80
        error[wrong-type] kompoxops.yml:9:89: `hosts` must be a string, found an integer | put it in quotes: "1"
        "#
    );
}

#[test]
fn reconcile_is_checked_and_says_what_it_does_not_do_yet() {
    insta::assert_snapshot!(app_report(concat!(
        "reconcile:\n",
        "  drift: no\n",
        "  force: 1\n",
        "  suspend: perhaps\n",
        "  progressDeadline: 10\n",
        "  dependsOn: [db, /ws/ops/prv/aks1/cls/c1/app/db]\n",
        "  prepull: maybe\n",
        "  rollback: last\n",
        "  data: keep\n",
        "  windows:\n",
        "    - {schedule: 0 3 * * *, duration: 2h, timeZone: Asia/Tokyo}\n",
        "    - {schedule: '@nightly', duration: 0s}\n",
        "    - {cron: x}\n",
        "    - {schedule: 0 3 * * 7, duration: 30d, timeZone: Europe/Berlim}\n",
        "  prune: true\n",
    )), @r"
    error[unknown-value] kompoxops.yml:10:12: `drift` cannot be `no` | write one of `correct`, `report` and `off`
    error[wrong-type] kompoxops.yml:11:12: `force` must be `true` or `false`, found an integer | write `true` or `false`
    error[wrong-type] kompoxops.yml:12:14: `suspend` must be `true` or `false`, found a string | write `true` or `false`, without quotes
    error[bad-duration] kompoxops.yml:13:23: `progressDeadline` must be a duration; `10` is none | write it like `90s`, `10m`, `1h30m` or `7d`
    error[bad-id] kompoxops.yml:14:17: `dependsOn` names Apps by their ID: `db` is not of the form `/ws/W/prv/P/cls/C/app/A` with DNS-1123 names | write it like `/ws/ops/prv/aks1/cls/cluster1/app/web`
    error[wrong-type] kompoxops.yml:15:14: `prepull` must be `true` or `false`, found a string | write `true` or `false`, without quotes
    error[bad-duration] kompoxops.yml:20:42: `duration` must be above zero | write it like `90s` or `10m`
    error[bad-schedule] kompoxops.yml:20:20: `@nightly` is not one of cron's names | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`
    error[missing-key] kompoxops.yml:21:9: `windows[]` needs `schedule` | add `schedule:`
    error[missing-key] kompoxops.yml:21:9: `windows[]` needs `duration` | add `duration:`
    error[unknown-key] kompoxops.yml:21:10: `windows[]` has no key `cron` | known keys are `schedule`, `duration` and `timeZone`
    error[bad-duration] kompoxops.yml:22:41: a window is open for at most 7 days | shorten `duration`; without `windows`, a change waits for the next commit
    error[bad-time-zone] kompoxops.yml:22:56: there is no time zone `Europe/Berlim` | did you mean `Europe/Berlin`?
    error[bad-schedule] kompoxops.yml:22:20: `7` is no day of week | Sunday is `0`
    error[unknown-value] kompoxops.yml:16:15: `rollback` cannot be `last` | write one of `off` and `lastHealthy`
    warning[not-supported-yet] kompoxops.yml:17:5: this version of the agent does not act on `data` of reconcile yet | it is checked, and takes effect with a later version
    error[unknown-key] kompoxops.yml:23:5: `reconcile` has no key `prune` | known keys are `drift`, `force`, `suspend`, `progressDeadline`, `dependsOn`, `prepull`, `rollback`, `data` and `windows`
    ");
    let app = app_of("reconcile: {dependsOn: [/ws/ops/prv/aks1/cls/c1/app/db]}\n");
    assert_eq!(app.reconcile.depends_on[0].value.app, "db");
    assert!(app.reconcile.prepull, "on where nothing is said");
    assert!(!app.reconcile.rollback && app_of("reconcile: {rollback: lastHealthy}\n").reconcile.rollback);
    let with_data = "reconcile: {rollback: lastHealthy}\nvolumes: [{name: data, size: 1Gi}]\n";
    insta::assert_snapshot!(app_report(with_data), @"warning[not-supported-yet] kompoxops.yml:9:25: the App has volumes, so going back needs a snapshot from before the deploy, which this version does not make: it is not rolled back | it is checked, and takes effect with a later version");
    assert!(!app_of(with_data).reconcile.rollback);
    let app = app_of(concat!(
        "reconcile:\n  prepull: false\n",
        "  windows: [{schedule: '@weekly', duration: 2h30m, timeZone: Asia/Tokyo}, {schedule: 0 3 * * *, duration: 1h}]\n",
    ));
    assert!(!app.reconcile.prepull);
    let windows: Vec<(String, u64)> =
        app.reconcile.windows.iter().map(|window| (window.opens.to_string(), window.duration)).collect();
    assert_eq!(windows, [("@weekly Asia/Tokyo".to_owned(), 9_000), ("0 3 * * *".to_owned(), 3_600)]);
}

#[test]
fn names_leave_room_for_the_names_made_from_them() {
    let long = "a".repeat(46);
    let text = super::with_app("").replace("name: web", &format!("name: {long}"));
    let (loaded, diagnostics) = super::load_files(&[("kompoxops.yml", &text)]);
    insta::assert_snapshot!(super::report(&diagnostics), @r"error[name-too-long] kompoxops.yml:7:9: App name `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` has 46 characters, but the Namespace `k4x-<hash>-<app>-<hash>` leaves 45 characters for it | shorten the App's name");
    assert_eq!(loaded.claims.len(), 1);
}

#[test]
fn compose_is_needed_and_handed_on_as_it_is() {
    let text = super::with_app("").replace("  compose: {services: {}}\n", "");
    let (loaded, diagnostics) = super::load_files(&[("kompoxops.yml", &text)]);
    insta::assert_snapshot!(super::report(&diagnostics), @r"error[missing-key] kompoxops.yml:7:3: `app` needs `compose` | add `compose:`");
    assert_eq!((loaded.apps.len(), loaded.claims.len(), loaded.uncertain), (0, 1, false));
    let tagged = app_of("").compose;
    assert!(tagged.get("services").is_some());
}

#[test]
fn tags_have_no_meaning_outside_compose() {
    insta::assert_snapshot!(app_report("settings: !reset {A: !secret x}\n"), @r"
    error[yaml-tag] kompoxops.yml:9:13: the tag `!reset` has no meaning here | remove it
    error[yaml-tag] kompoxops.yml:9:24: the tag `!secret` has no meaning here | remove it
    ");
}
