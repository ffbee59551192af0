use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn disk(name: &str, created: i64, assigned: bool) -> Disk {
    Disk {
        name: name.to_owned(),
        handle: format!("handle-of-{name}"),
        volume: "data".to_owned(),
        size: 1 << 30,
        zone: None,
        assigned,
        created: at(created),
        state: DiskState::Ready,
        attachment: Attachment::NotReported,
        claim: Some("ours00".into()),
        protected: false,
        op_key: None,
        source: None,
        options: BTreeMap::new(),
        tags: BTreeMap::new(),
    }
}

fn op() -> OpKey {
    OpKey::new("ws/prv/cls/app/data", 1, "create")
}

fn scope() -> DiskScope {
    DiskScope::of(&"/ws/ops/prv/aks1/cls/cluster1/app/app1".parse().unwrap())
}

mod names {
    use super::*;

    #[test]
    fn keep_to_their_limits() {
        assert!("a".repeat(16).parse::<VolumeName>().is_ok());
        assert!("a".repeat(17).parse::<VolumeName>().is_err());
        assert!("a".repeat(24).parse::<DiskName>().is_ok());
        assert!("a".repeat(25).parse::<DiskName>().is_err());
        assert!("a".repeat(25).parse::<SnapshotName>().is_err());
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "..", "a b", "é", "a\0"] {
            assert!(bad.parse::<DiskName>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn errors_say_what_is_allowed() {
        let error = "Bad_Name".parse::<DiskName>().unwrap_err().to_string();
        assert!(error.contains("`Bad_Name` is no disk name") && error.contains("1 to 24"), "{error}");
    }

    #[test]
    fn an_unnamed_disk_is_named_after_the_commits_time_and_the_key() {
        // 1_758_780_235 = 0t34rij in base 36.
        let name = unnamed_disk_name(1_758_780_235, &op());
        assert_eq!(name.as_str().len(), 12);
        assert!(name.as_str().starts_with("0t34rij"), "{name}");
        assert_eq!(name, unnamed_disk_name(1_758_780_235, &op()));
        let other = OpKey::new("ws/prv/cls/app/db", 1, "create");
        assert_ne!(name, unnamed_disk_name(1_758_780_235, &other));
        assert_eq!(name.as_str()[7..], unnamed_disk_name(5, &op()).as_str()[7..]);
    }

    #[test]
    fn unnamed_disks_sort_by_age() {
        assert!(unnamed_disk_name(1_758_780_235, &op()) < unnamed_disk_name(1_758_780_236, &op()));
        assert!(unnamed_disk_name(35, &op()) < unnamed_disk_name(36, &op()));
    }

    #[test]
    fn keys_of_different_operations_differ() {
        // The parts must not run into each other.
        assert_ne!(OpKey::new("ab", 1, "c"), OpKey::new("a", 1, "bc"));
        assert_eq!(op(), OpKey::new("ws/prv/cls/app/data", 1, "create"));
        assert_ne!(op(), OpKey::new("ws/prv/cls/app/data", 2, "create"));
    }

    #[test]
    fn a_key_is_read_back_from_its_tag() {
        assert_eq!(op().as_str().parse::<OpKey>().unwrap(), op());
        for bad in ["", "xyz", &"A".repeat(32), &"0".repeat(31)] {
            assert!(bad.parse::<OpKey>().is_err(), "{bad:?} must be refused");
        }
    }

    proptest! {
        #[test]
        fn every_commit_time_gives_a_valid_name(second: i64) {
            let name = unnamed_disk_name(second, &op());
            prop_assert_eq!(name.as_str().parse::<DiskName>().unwrap(), name);
        }
    }
}

mod sources {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for (text, wanted) in [
            ("", DiskSource::Empty),
            ("disk:old", DiskSource::Disk("old".parse().unwrap())),
            ("snapshot:nightly-1", DiskSource::Snapshot("nightly-1".parse().unwrap())),
            ("snapshot:latest", DiskSource::LatestSnapshot { before: None }),
            (
                "snapshot:latest@2026-11-20T03:00:00Z",
                DiskSource::LatestSnapshot { before: Some("2026-11-20T03:00:00Z".parse().unwrap()) },
            ),
            ("existing:/subscriptions/s", DiskSource::Existing("/subscriptions/s".into())),
            ("/subscriptions/s/disks/d", DiskSource::Native("/subscriptions/s/disks/d".into())),
        ] {
            let source: DiskSource = text.parse().unwrap();
            assert_eq!(source, wanted);
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn a_bare_name_is_a_snapshot() {
        assert_eq!("nightly".parse(), Ok(DiskSource::Snapshot("nightly".parse().unwrap())));
    }

    #[test]
    fn bad_sources_say_why() {
        for (text, wanted) in [
            ("disk:", "is no disk name"),
            ("snapshot:Not_Good", "is no snapshot name"),
            ("snapshot:latest@yesterday", "is no instant"),
            ("existing:", "handle of the existing disk is missing"),
        ] {
            let error = text.parse::<DiskSource>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}

#[test]
fn a_first_disk_is_empty_and_as_its_volume_says() {
    let file = std::sync::Arc::new(kompox_manifests::diagnostic::SourceFile { path: "f".into(), text: String::new() });
    let volume = Volume {
        name: "data".into(),
        size: 10 << 30,
        kind: VolumeKind::Disk,
        options: BTreeMap::from([("sku".into(), "Premium_LRS".into())]),
        source: None,
        deletion_policy: kompox_manifests::model::DeletionPolicy::Retain,
        claim: kompox_manifests::model::DiskClaim::Keep,
        at: kompox_manifests::diagnostic::Span::file(&file),
    };
    let spec = DiskSpec::first(&volume, op(), 1_758_780_235);
    assert_eq!((spec.volume.as_str(), spec.size, &spec.source), ("data", 10 << 30, &DiskSource::Empty));
    assert_eq!(spec.name, unnamed_disk_name(1_758_780_235, &op()).as_str());
    assert_eq!((spec.options, spec.op_key), (volume.options, op()));
}

mod scopes {
    use super::*;

    #[test]
    fn own_tags_are_recognised() {
        let scope = scope();
        assert_eq!((scope.provider_hash.as_str(), scope.app_id_hash.as_str()), ("1nedct", "4d94cw"));
        assert_eq!(scope.check_ownership(&scope.tags()), Ok(()));
        assert_eq!(scope.tags()[tags::CLUSTER], scope.cluster_hash);
    }

    #[test]
    fn another_clusters_claim_is_not_another_owner() {
        let scope = scope();
        let mut found = scope.tags();
        found.insert(tags::CLUSTER.into(), "other0".into());
        assert_eq!(scope.check_ownership(&found), Ok(()));
    }

    #[test]
    fn the_older_workspace_tag_is_read() {
        let scope = scope();
        let mut found = scope.tags();
        let workspace = found.remove(tags::WORKSPACE).unwrap();
        found.insert(tags::OLD_WORKSPACE.into(), workspace);
        assert_eq!(scope.check_ownership(&found), Ok(()));
        found.insert(tags::OLD_WORKSPACE.into(), "another".into());
        assert!(scope.check_ownership(&found).is_err());
    }

    #[test]
    fn any_other_difference_is_foreign() {
        let scope = scope();
        for key in [tags::MANAGED_BY, tags::APP_ID_HASH, tags::WORKSPACE, tags::PROVIDER, tags::APP] {
            let mut changed = scope.tags();
            changed.insert(key.into(), "else".into());
            assert_eq!(scope.check_ownership(&changed).unwrap_err().key, key);
            let mut missing = scope.tags();
            missing.remove(key);
            let error = scope.check_ownership(&missing).unwrap_err();
            assert_eq!((error.key, error.found.clone()), (key, None));
            assert!(error.to_string().contains("is missing"), "{error}");
        }
    }

    #[test]
    fn claims_are_told_apart() {
        let mut disk = disk("a", 1, false);
        assert_eq!(disk.claim_state("ours00"), ClaimState::Ours);
        assert_eq!(disk.claim_state("other0"), ClaimState::Foreign("ours00"));
        disk.claim = None;
        assert_eq!(disk.claim_state("ours00"), ClaimState::Unclaimed);
    }
}

#[test]
fn disks_are_ordered_newest_first_then_by_name() {
    let mut disks = [disk("b", 1, false), disk("z", 2, false), disk("a", 1, false)];
    disks.sort_by(by_age);
    assert_eq!(disks.iter().map(|disk| disk.name.as_str()).collect::<Vec<_>>(), ["z", "a", "b"]);
}

mod assigned {
    use super::*;

    fn choose<'a>(disks: &'a [Disk], hints: AssignHints<'_>) -> Assigned<'a> {
        choose_assigned(disks, "data", hints)
    }

    #[test]
    fn exactly_one_is_taken_whatever_the_hints_say() {
        let disks = [disk("a", 1, true), disk("b", 2, false)];
        let hints = AssignHints { bound_handle: Some("handle-of-b"), op_key: None };
        assert_eq!(choose(&disks, hints), Assigned::One(&disks[0]));
    }

    #[test]
    fn disks_of_other_volumes_and_dying_ones_do_not_count() {
        let mut other = disk("a", 1, true);
        other.volume = "db".to_owned();
        let mut dying = disk("b", 1, true);
        dying.state = DiskState::Deleting;
        assert_eq!(choose(&[other, dying], AssignHints::default()), Assigned::NoDisk);
    }

    #[test]
    fn the_bound_disk_settles_none_and_two() {
        let hints = AssignHints { bound_handle: Some("handle-of-a"), op_key: None };
        for assigned in [false, true] {
            let disks = [disk("a", 1, assigned), disk("b", 2, assigned)];
            let wanted = Assigned::Repair { disk: &disks[0], because: RepairReason::Bound };
            assert_eq!(choose(&disks, hints), wanted);
        }
    }

    #[test]
    fn the_only_disk_of_the_resumed_operation_is_assigned() {
        let op = op();
        let mut made = disk("a", 1, false);
        made.op_key = Some(op.clone());
        let disks = [made];
        let hints = AssignHints { bound_handle: None, op_key: Some(&op) };
        let wanted = Assigned::Repair { disk: &disks[0], because: RepairReason::SameOperation };
        assert_eq!(choose(&disks, hints), wanted);
        assert_eq!(choose(&disks, AssignHints::default()), Assigned::Undecided(vec![&disks[0]]));
    }

    #[test]
    fn beside_another_disk_the_operation_proves_nothing() {
        let op = op();
        let mut first = disk("a", 1, false);
        first.op_key = Some(op.clone());
        let disks = [first, disk("b", 2, false)];
        let hints = AssignHints { bound_handle: None, op_key: Some(&op) };
        assert_eq!(choose(&disks, hints), Assigned::Undecided(vec![&disks[1], &disks[0]]));
    }

    #[test]
    fn age_never_decides() {
        let disks = [disk("a", 1, true), disk("b", 2, true)];
        let hints = AssignHints { bound_handle: Some("handle-of-elsewhere"), op_key: None };
        assert_eq!(choose(&disks, hints), Assigned::Undecided(vec![&disks[1], &disks[0]]));
    }
}

mod pasts {
    use super::*;

    /// What is changed in a blank past, and the words that must follow from it.
    type Change = (&'static str, fn(&mut VolumePast));

    fn blank() -> VolumePast {
        VolumePast {
            disks: Ok(Vec::new()),
            snapshots: Ok(Vec::new()),
            persistent_volumes: Ok(Vec::new()),
            disk_objects: Ok(Vec::new()),
            deployed: Ok(None),
        }
    }

    fn look(past: &VolumePast) -> EarlierLife {
        earlier_life(past, "data", &op(), "ours00")
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            name: "s".into(),
            handle: "h".into(),
            volume: "data".into(),
            size: 1,
            created: at(1),
            state: SnapshotState::Ready,
            claim: None,
            protected: false,
            op_key: None,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_volume_without_a_past_may_get_an_empty_disk() {
        assert_eq!(look(&blank()), EarlierLife::None);
    }

    #[test]
    fn the_past_of_another_volume_is_no_past() {
        let mut past = blank();
        let mut other = disk("a", 1, true);
        other.volume = "db".into();
        past.disks = Ok(vec![other]);
        let mut of_another = snapshot();
        of_another.volume = "db".into();
        past.snapshots = Ok(vec![of_another]);
        assert_eq!(look(&past), EarlierLife::None);
    }

    #[test]
    fn every_trace_counts() {
        let changes: [Change; 5] = [
            ("disk `a`", |past| past.disks = Ok(vec![disk("a", 1, false)])),
            ("snapshot `s`", |past| past.snapshots = Ok(vec![snapshot()])),
            ("PersistentVolume `pv`", |past| past.persistent_volumes = Ok(vec!["pv".into()])),
            ("KompoxDisk `kd`", |past| past.disk_objects = Ok(vec!["kd".into()])),
            ("deployed with this volume before (4f2a)", |past| past.deployed = Ok(Some("4f2a".into()))),
        ];
        for (wanted, change) in changes {
            let mut past = blank();
            change(&mut past);
            // A failed look-up beside it may not hide it.
            if past.snapshots == Ok(Vec::new()) {
                past.snapshots = Err("throttled".into());
            }
            let EarlierLife::Traces(traces) = look(&past) else { panic!("{wanted} must count") };
            assert_eq!(traces.len(), 1);
            assert!(traces[0].to_string().contains(wanted), "{}", traces[0]);
        }
    }

    #[test]
    fn what_nobody_can_say_is_never_taken_for_nothing() {
        let changes: [Change; 5] = [
            ("disks: down", |past| past.disks = Err("down".into())),
            ("snapshots: down", |past| past.snapshots = Err("down".into())),
            ("PersistentVolumes: down", |past| past.persistent_volumes = Err("down".into())),
            ("KompoxDisks: down", |past| past.disk_objects = Err("down".into())),
            ("earlier deploys: down", |past| past.deployed = Err("down".into())),
        ];
        for (wanted, change) in changes {
            let mut past = blank();
            change(&mut past);
            assert_eq!(look(&past), EarlierLife::Unknown(vec![wanted.to_owned()]));
        }
    }

    #[test]
    fn its_own_half_made_disk_is_finished_not_doubled() {
        let mut past = blank();
        let mut half = disk("a", 1, false);
        half.op_key = Some(op());
        past.disks = Ok(vec![half.clone()]);
        assert_eq!(look(&past), EarlierLife::HalfMade(Box::new(half.clone())));
        past.snapshots = Err("down".into());
        assert!(matches!(look(&past), EarlierLife::Unknown(_)), "it may have lived long enough for a snapshot");
        past.snapshots = Ok(Vec::new());
        half.claim = Some("other0".into());
        past.disks = Ok(vec![half]);
        assert!(matches!(look(&past), EarlierLife::Traces(_)), "another cluster's disk is not ours to finish");
    }

    #[test]
    fn its_own_disk_from_long_ago_is_an_earlier_life() {
        let mut old = disk("a", 1, false);
        old.op_key = Some(op());
        let mut past = blank();
        past.disks = Ok(vec![old.clone(), disk("b", 2, false)]);
        assert!(matches!(look(&past), EarlierLife::Traces(traces) if traces.len() == 2));
        past.disks = Ok(vec![old]);
        past.deployed = Ok(Some("4f2a".into()));
        assert!(matches!(look(&past), EarlierLife::Traces(traces) if traces.len() == 2));
    }
}
