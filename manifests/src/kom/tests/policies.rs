use super::{app_of, app_report};
use crate::model::{Consistency, HookFailure, Trigger};

#[test]
fn every_field_of_a_policy_is_read() {
    let text = concat!(
        "volumes: [{name: default, size: 1Gi}, {name: db, size: 1Gi}]\n",
        "snapshotPolicies:\n",
        "  - name: nightly\n",
        "    volumes: [default, db]\n",
        "    schedule: \"0 3 * * *\"\n",
        "    timeZone: Asia/Tokyo\n",
        "    jitter: 10m\n",
        "    startDeadline: 6h\n",
        "    suspend: true\n",
        "    retention:\n",
        "      keepLast: 3\n      keepHourly: 0\n      keepDaily: 7\n      keepWeekly: 4\n      keepMonthly: 6\n      keepYearly: 1\n",
        "      keepWithin: 48h\n      keepWithinHourly: 1h\n      keepWithinDaily: 7d\n      keepWithinWeekly: 4w\n",
        "      keepWithinMonthly: 100d\n      keepWithinYearly: 800d\n      minGood: 2\n",
        "    hooks:\n",
        "      pre: {service: db, command: [psql, -c, CHECKPOINT, 1], timeout: 30s, onError: continue}\n",
        "      post: {service: db, command: [\"true\"]}\n",
        "    consistency: quiesce\n",
        "  - name: predeploy\n",
        "    on: deploy\n",
        "    retention: {keepLast: 5}\n",
        "    required: true\n",
        "    hooks: {session: {service: db, command: [x], ready: READY, timeout: 5m}}\n",
    );
    let app = app_of(text);
    let [nightly, predeploy] = app.snapshot_policies.as_slice() else { panic!() };
    assert_eq!((nightly.name.as_str(), nightly.volumes.len(), nightly.suspend), ("nightly", 2, true));
    let Trigger::Schedule { cron, time_zone, jitter, start_deadline } = &nightly.trigger else { panic!() };
    assert_eq!((cron.value.as_str(), *jitter, *start_deadline), ("0 3 * * *", 600, Some(21_600)));
    assert_eq!(time_zone.as_ref().unwrap().value, "Asia/Tokyo");
    let keep = nightly.retention.keep;
    assert_eq!([keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly], [3, 0, 7, 4, 6, 1]);
    let within = nightly.retention.within;
    let days = [within.all, within.daily, within.weekly, within.monthly, within.yearly].map(|span| span / 86_400);
    assert_eq!((days, within.hourly, nightly.retention.min_good), ([2, 7, 28, 100, 800], 3_600, 2));
    let pre = nightly.hooks.pre.as_ref().unwrap();
    assert_eq!(
        (pre.command.join(" "), pre.timeout, pre.on_error),
        ("psql -c CHECKPOINT 1".into(), 30, HookFailure::Continue)
    );
    let post = nightly.hooks.post.as_ref().unwrap();
    assert_eq!((post.timeout, post.on_error, nightly.consistency), (60, HookFailure::Fail, Consistency::Quiesce));
    assert_eq!(predeploy.trigger, Trigger::Deploy { required: true });
    let session = predeploy.hooks.session.as_ref().unwrap();
    assert_eq!((session.ready.as_str(), session.timeout), ("READY", 300));
    insta::assert_snapshot!(app_report(text), @r"warning[not-supported-yet] kompoxops.yml:10:3: this version of the agent does not act on `snapshotPolicies` of the App yet | it is checked, and takes effect with a later version");
}

#[test]
fn policies_are_checked() {
    insta::assert_snapshot!(app_report(concat!(
        "volumes: [{name: default, size: 1Gi}, {name: shared, size: 1Gi, type: files}]\n",
        "snapshotPolicies:\n",
        "  - {name: a, schedule: 0 3 * *, retention: {keepLast: 1}}\n",
        "  - {name: a, schedule: '@dayly', retention: {keepLast: 0}}\n",
        "  - {name: b, schedule: 'TZ=UTC 0 3 * * *', retention: {keepWithin: 7}}\n",
        "  - {name: c, schedule: '@daily', on: deploy, retention: {keeplast: 1, minGood: 0, keepDaily: -1}}\n",
        "  - {name: thirteen-long, retention: {}}\n",
        "  - {name: d, on: push, volumes: [defaul, shared]}\n",
        "  - {name: e, on: deploy, jitter: 1m, timeZone: UTC, startDeadline: 1h, retention: {keepLast: 1}}\n",
        "  - {name: f, schedule: '@daily', required: true, retention: {keepLast: 99999}}\n",
        "  - name: g\n",
        "    schedule: '@daily'\n",
        "    startDeadline: 0s\n",
        "    retention: {keepLast: 1}\n",
        "    consistency: none\n",
        "    hooks:\n",
        "      pre: {service: db, command: []}\n",
        "      post: {command: psql, timeout: soon, onError: ignore}\n",
        "      session: {service: db, command: [x]}\n",
        "  - name: h\n",
        "    schedule: '@daily'\n",
        "    retention: {keepLast: 1}\n",
        "    hooks: {pre: {service: a, command: [b]}, session: {service: a, command: [b], ready: c}}\n",
        "  - name: h\n",
        "    schedule: '@daily'\n",
        "    retention: {keepLast: 1}\n",
    )), @r"
    error[bad-schedule] kompoxops.yml:11:27: a schedule has five fields; `0 3 * *` has 4 | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`
    error[bad-schedule] kompoxops.yml:12:27: `@dayly` is not one of cron's names | did you mean `@daily`?
    error[bad-retention] kompoxops.yml:12:48: no rule of `retention` keeps anything | add one, e.g. `keepLast: 7`
    error[bad-schedule] kompoxops.yml:13:27: the time zone does not belong into the schedule | give it as `timeZone`
    error[bad-duration] kompoxops.yml:13:71: `keepWithin` must be a duration; `7` is none | write it like `90s`, `10m`, `1h30m` or `7d`
    error[exclusive-keys] kompoxops.yml:14:7: `schedule` and `on` exclude each other | give one of the two
    error[out-of-range] kompoxops.yml:14:97: `keepDaily` must be from 0 to 10000, found -1 | write a number from this range
    error[out-of-range] kompoxops.yml:14:83: `minGood` must be from 1 to 10000, found 0 | write a number from this range
    error[unknown-key] kompoxops.yml:14:61: `retention` has no key `keeplast` | did you mean `keepLast`?
    error[bad-name] kompoxops.yml:15:14: `name` has at most 12 characters; `thirteen-long` has 13 | use a-z, 0-9 and `-`, 1 to 12 characters, no `-` at either end
    error[exclusive-keys] kompoxops.yml:15:7: `snapshotPolicies[]` needs `schedule` or `on: deploy` | give one of the two
    error[bad-retention] kompoxops.yml:15:40: no rule of `retention` keeps anything | add one, e.g. `keepLast: 7`
    error[unknown-volume] kompoxops.yml:16:37: the App has no volume `defaul` | did you mean `default`?
    error[unknown-volume] kompoxops.yml:16:45: the volume `shared` is of type `files`, which has no snapshots | name volumes of type `disk` only
    error[unknown-value] kompoxops.yml:16:21: `on` cannot be `push` | write `deploy`
    error[missing-key] kompoxops.yml:16:7: `snapshotPolicies[]` needs `retention` | add `retention:`
    error[exclusive-keys] kompoxops.yml:17:51: `timeZone` needs `schedule` | remove one of the two
    error[exclusive-keys] kompoxops.yml:17:37: `jitter` needs `schedule` | remove one of the two
    error[exclusive-keys] kompoxops.yml:17:71: `startDeadline` needs `schedule` | remove one of the two
    error[exclusive-keys] kompoxops.yml:18:47: `required` needs `on: deploy` | remove one of the two
    error[out-of-range] kompoxops.yml:18:75: `keepLast` must be from 0 to 10000, found 99999 | write a number from this range
    error[bad-duration] kompoxops.yml:21:22: `startDeadline` must be above zero | write it like `90s` or `10m`
    error[bad-command] kompoxops.yml:25:37: `command` has no words | write the program, and each of its arguments as a word
    error[missing-key] kompoxops.yml:26:15: `post` needs `service` | add `service:`
    error[wrong-type] kompoxops.yml:26:25: `command` must be a list, found a string | write a list
    error[bad-duration] kompoxops.yml:26:40: `timeout` must be a duration; `soon` is none | write it like `90s`, `10m`, `1h30m` or `7d`
    error[unknown-value] kompoxops.yml:26:55: `onError` cannot be `ignore` | write one of `fail` and `continue`
    error[missing-key] kompoxops.yml:27:18: `session` needs `ready` | add `ready:`
    error[unknown-value] kompoxops.yml:23:20: `consistency` cannot be `none` | write one of `crash` and `quiesce`
    error[exclusive-keys] kompoxops.yml:31:14: `session` takes the place of `pre` and `post` | keep one or the other
    error[duplicate-name] kompoxops.yml:32:13: there are two snapshot policies `h`; the first is on line 28 | rename one of the two
    warning[not-supported-yet] kompoxops.yml:10:3: this version of the agent does not act on `snapshotPolicies` of the App yet | it is checked, and takes effect with a later version
    ");
}
