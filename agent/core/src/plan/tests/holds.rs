//! What waits for a person, and how exactly that is let go.

use serde_json::json;

use super::super::*;
use super::world::{World, set_by};

/// The digest of the only hold.
#[track_caller]
fn held(world: &World) -> HoldDigest {
    let plan = world.plan();
    let digests: Vec<HoldDigest> = plan
        .actions
        .iter()
        .filter_map(|action| match &action.what {
            What::Held { digest, .. } => Some(digest.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(digests.len(), 1, "{}", text::to_text(&plan));
    digests[0].clone()
}

#[track_caller]
fn nothing_held(world: &World) {
    assert_eq!(world.plan().counts().held, 0, "{}", world.text());
}

mod mounts {
    use super::*;

    const MOUNT: &str = "./data/postgres:/var/lib/postgresql";

    /// Two volumes; the second has a disk too.
    fn two_volumes() -> World {
        let mut world = World::deployed();
        world.edit("kompoxops.yml", "  volumes:\n", "  volumes:\n    - {name: second, size: 1Gi}\n");
        world.edit("kompoxops.yml", "    - {name: second, size: 1Gi}\n", "");
        world
    }

    #[test]
    fn another_folder_under_a_mount_is_held_and_says_what_was_there() {
        let mut world = World::deployed();
        world.edit("compose.yml", MOUNT, "./elsewhere:/var/lib/postgresql");
        let text = world.text();
        let words = "service `postgres` had `data/postgres` on volume `default` at /var/lib/postgresql/data and would get \
                     `elsewhere` on volume `default`";
        assert!(text.contains(words) && text.contains("compose.yml:"), "{text}");
        assert!(world.plan().obstacle().is_some());
    }

    #[test]
    fn one_word_lets_exactly_that_go() {
        let mut world = World::deployed();
        world.edit("compose.yml", MOUNT, "./elsewhere:/var/lib/postgresql");
        let first = held(&world);
        world.accept();
        nothing_held(&world);
        assert!(world.plan().writes());
        world.edit("compose.yml", "./elsewhere:", "./third:");
        assert_ne!(held(&world), first, "another place is another word");
    }

    #[test]
    fn a_relative_path_that_moves_with_the_first_volume_is_held() {
        let mut world = two_volumes();
        world.edit("kompoxops.yml", "  volumes:\n", "  volumes:\n    - {name: second, size: 1Gi}\n");
        let text = world.text();
        assert!(text.contains("which is `second` now"), "{text}");
        assert!(text.contains("`data/gitea` on volume `default`"), "{text}");
        held(&world);
    }

    #[test]
    fn a_renamed_volume_is_held_before_it_gets_an_empty_disk() {
        let mut world = World::deployed();
        world.edit("kompoxops.yml", "- name: default", "- name: other");
        world.observed.prospects.insert("other".into(), super::super::world::binding("local:other"));
        held(&world);
        assert!(world.plan().obstacle().is_some());
    }

    #[test]
    fn the_record_counts_for_more_than_what_people_edited() {
        let mut world = World::deployed();
        world.record();
        world.settings.may_restart = true;
        let live = world.live(Kind::Deployment, "app");
        let mount = "/spec/template/spec/containers/1/volumeMounts/0/subPath";
        *live.body.pointer_mut(mount).unwrap() = json!("edited");
        nothing_held(&world);
        // Without the record, what runs is what was applied.
        world.settings.applied = None;
        held(&world);
    }

    #[test]
    fn what_runs_already_is_not_held_for_an_old_record() {
        let mut world = World::deployed();
        world.record();
        world.edit("compose.yml", MOUNT, "./elsewhere:/var/lib/postgresql");
        world.accept();
        world.apply();
        world.settings.accepted.clear();
        nothing_held(&world);
    }

    #[test]
    fn new_mounts_and_new_services_are_free() {
        let mut world = World::deployed();
        world.edit("compose.yml", MOUNT, "./data/postgres:/var/lib/postgresql\n      - ./more:/more");
        nothing_held(&world);
        nothing_held(&World::gitea());
    }
}

mod restarts {
    use super::*;

    /// The agent renders something otherwise than the one that applied last.
    fn other_renderer() -> World {
        let mut world = World::deployed();
        world.record();
        let live = world.live(Kind::Deployment, "app");
        let annotations = live.body.pointer_mut("/spec/template/metadata/annotations").unwrap();
        annotations["kompox.dev/compose-content-hash"] = json!("older");
        world
    }

    #[test]
    fn a_restart_that_no_commit_asks_for_waits_alone() {
        let mut world = other_renderer();
        let ports = json!({"f:spec": {"f:selector": {}}});
        set_by(world.live(Kind::Service, "app1-app"), "kubectl", "/spec/selector", json!({"app": "x"}), ports);
        let plan = world.plan();
        held(&world);
        assert!(plan.obstacle().is_none(), "{}", text::to_text(&plan));
        assert_eq!((plan.counts().changed, plan.undone().count()), (1, 1), "the Service is mended all the same");
        assert!(text::to_text(&plan).contains("the commit asks for nothing new; this would restart the Pod"));
    }

    #[test]
    fn a_commit_a_window_or_a_word_lets_it_go() {
        let mut commit = other_renderer();
        commit.settings.inputs = Some("i2".into());
        nothing_held(&commit);
        let mut window = other_renderer();
        window.settings.may_restart = true;
        nothing_held(&window);
        let mut word = other_renderer();
        word.accept();
        nothing_held(&word);
        assert_eq!(word.plan().counts().changed, 1);
        let mut unknown = other_renderer();
        unknown.settings.applied = None;
        nothing_held(&unknown);
    }

    #[test]
    fn what_operators_changed_in_the_cluster_takes_effect() {
        let mut world = other_renderer();
        world.observed.external_hashes.insert((Kind::Secret, "app1-app-gitea-override".into()), "x".into());
        nothing_held(&world);
        assert_eq!(world.plan().counts().changed, 1);
    }

    #[test]
    fn peoples_edits_of_the_template_are_reverted_all_the_same() {
        let mut world = World::deployed();
        world.record();
        let image = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"postgres\"}": {"f:image": {}}}}}}});
        let live = world.live(Kind::Deployment, "app");
        set_by(live, "kubectl-set", "/spec/template/spec/containers/1/image", json!("postgres:16"), image);
        nothing_held(&world);
        assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
    }
}

mod new_disks {
    use super::*;

    #[test]
    fn a_word_makes_the_disk() {
        let mut world = World::gitea();
        world.settings.new_disks = NewDisks::Hold;
        let digest = held(&world);
        let mut rebuilt = World::gitea();
        rebuilt.settings.rebuild = vec!["shop".into()];
        assert_eq!(held(&rebuilt), digest, "the same would happen");
        world.accept();
        assert_eq!(world.plan().counts().disks_created, 1);
    }
}
