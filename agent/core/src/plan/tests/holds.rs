//! What waits for a person, and how exactly that is let go.

use serde_json::{Value, json};

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
        world.rendered_otherwise();
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
        assert!(text::to_text(&plan).contains("the commit asks for nothing new, and this would restart the Pod"));
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

    /// A person's edit of the Deployment.
    type Edit = fn(&mut World);

    fn label(world: &mut World) {
        let live = world.live(Kind::Deployment, "app");
        live.body["metadata"]["labels"]["owner"] = json!("");
        let fields = json!({"f:metadata": {"f:labels": {"f:owner": {}}}});
        set_by(live, "kubectl-label", "/metadata/labels/owner", json!("me"), fields);
    }

    fn replicas(world: &mut World) {
        let fields = json!({"f:spec": {"f:replicas": {}}});
        set_by(world.live(Kind::Deployment, "app"), "kubectl", "/spec/replicas", json!(2), fields);
    }

    fn image(world: &mut World) {
        let image = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"postgres\"}": {"f:image": {}}}}}}});
        let live = world.live(Kind::Deployment, "app");
        set_by(live, "kubectl-set", "/spec/template/spec/containers/1/image", json!("postgres:16"), image);
    }

    /// `kubectl rollout restart`.
    fn restart(world: &mut World) {
        annotate(world, "kubectl-rollout", "kubectl.kubernetes.io/restartedAt");
    }

    fn annotate(world: &mut World, by: &str, name: &str) {
        let live = world.live(Kind::Deployment, "app");
        live.body["spec"]["template"]["metadata"]["annotations"][name] = json!("");
        let fields =
            json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, format!("f:{name}"): {}}}}}});
        let pointer = format!("/spec/template/metadata/annotations/{}", name.replace('/', "~1"));
        set_by(live, by, &pointer, json!("edited"), fields);
    }

    /// The agent renders a selector otherwise than the one that applied last.
    fn other_selector() -> World {
        let mut world = World::deployed();
        world.record();
        world.live(Kind::Deployment, "app").body["spec"]["selector"]["matchLabels"]["app"] = json!("older");
        world.rendered_otherwise();
        world
    }

    #[test]
    fn peoples_edits_are_reverted_all_the_same() {
        for edit in [label, replicas, image] as [Edit; 3] {
            let mut world = World::deployed();
            world.record();
            edit(&mut world);
            nothing_held(&world);
            assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
        }
    }

    #[test]
    fn what_the_renderer_changes_beside_the_pod_keeps_no_edit_waiting() {
        let mut world = World::deployed();
        world.record();
        world.live(Kind::Deployment, "app").body["metadata"]["labels"]["app.kubernetes.io/name"] = json!("older");
        image(&mut world);
        nothing_held(&world);
        assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
    }

    #[test]
    fn an_edit_lets_no_restart_ride_along() {
        let unedited = held(&other_renderer());
        for edit in [label, replicas, image, restart] as [Edit; 4] {
            let mut world = other_renderer();
            edit(&mut world);
            assert_eq!(held(&world), unedited, "the same Pod would follow: {}", world.text());
            assert!(!world.plan().writes(), "{}", world.text());
            let mut commit = world;
            commit.settings.inputs = Some("i2".into());
            nothing_held(&commit);
            assert_eq!(commit.plan().counts().changed, 1, "{}", commit.text());
            let mut word = other_renderer();
            word.accept();
            edit(&mut word);
            nothing_held(&word);
            assert_eq!(word.plan().counts().changed, 1, "{}", word.text());
        }
    }

    /// The plan's text without the digest of its hold, which every other renderer changes.
    fn unnamed(world: &World) -> String {
        world.text().replace(&held(world).to_string(), "DIGEST")
    }

    #[test]
    fn what_an_edit_waits_for_is_said() {
        let mut beside = other_renderer();
        label(&mut beside);
        insta::assert_snapshot!(unnamed(&beside), @r#"
        /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
          ! HELD           Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — edited by kubectl-label; metadata.labels.owner and 1 more differ; this agent renders the Pod otherwise than it was applied, or the nodes have changed; the commit asks for nothing new, and this would restart the Pod (compose.yml:2:3)
                to do: it is done with the App's next commit, or in a window of `reconcile.windows`; what people edited is put back with it, and can be undone by hand before
                to let it go: a commit with the line `Kompox-Accept: DIGEST`, or kompox-agent hold accept DIGEST
        "#);
        let mut within = other_renderer();
        image(&mut within);
        insta::assert_snapshot!(unnamed(&within), @r#"
        /ws/w1/prv/p1/cls/cluster1/app/app1 (kompoxops.yml:18:9)
          ! HELD           Deployment k4x-2dmn7i-app1-5iyixp/app1-app  — edited by kubectl-set; spec.template.metadata.annotations.kompox.dev/compose-content-hash and 1 more differ; this agent renders the Pod otherwise than it was applied, or the nodes have changed; the commit asks for nothing new, and this would restart the Pod (compose.yml:2:3)
                to do: it is done with the App's next commit, or in a window of `reconcile.windows`; what people edited is put back with it, and can be undone by hand before
                to let it go: a commit with the line `Kompox-Accept: DIGEST`, or kompox-agent hold accept DIGEST
        "#);
        // A wish of theirs is no edit that waits.
        let mut restarted = other_renderer();
        restart(&mut restarted);
        assert!(!restarted.text().contains("people edited"), "{}", restarted.text());
        assert!(
            restarted.text().contains("asks for nothing new, and this would restart the Pod"),
            "{}",
            restarted.text()
        );
    }

    /// The agent renders annotations of the Pod, and the one that applied last did not.
    fn newly_annotated() -> World {
        let mut world = World::deployed();
        world.record();
        let live = world.live(Kind::Deployment, "app");
        live.body["spec"]["template"]["metadata"]["annotations"] = json!({});
        let ours = live.body.pointer_mut("/metadata/managedFields/0/fieldsV1/f:spec/f:template/f:metadata").unwrap();
        ours.as_object_mut().unwrap().remove("f:annotations").unwrap();
        world.rendered_otherwise();
        world
    }

    #[test]
    fn what_the_renderer_adds_beside_an_edit_is_no_persons() {
        let mut world = newly_annotated();
        annotate(&mut world, "kubectl-annotate", "note");
        held(&world);
    }

    #[test]
    fn what_the_cluster_drops_keeps_no_edit_waiting() {
        let mut world = newly_annotated();
        held(&world);
        let key = world.live(Kind::Deployment, "app").key.clone();
        let hash = "spec.template.metadata.annotations.kompox.dev/compose-content-hash";
        world.observed.dropped.insert(key, [hash.to_owned()].into());
        nothing_held(&world);
        assert!(world.plan().actions.is_empty(), "{}", world.text());
        world.record();
        image(&mut world);
        nothing_held(&world);
        assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
    }

    /// A variable of the service `gitea` that people edit.
    const EDITED: &str = "USER_UID";
    /// One that they remove.
    const REMOVED: &str = "USER_GID";

    fn variables(world: &mut World) -> (&mut Vec<Value>, usize) {
        let live = world.live(Kind::Deployment, "app");
        let containers = live.body["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        let container = containers.iter().position(|container| container["name"] == "gitea").unwrap();
        (containers[container]["env"].as_array_mut().unwrap(), container)
    }

    /// What the agent holds of the variables.
    fn held_variables(world: &mut World) -> &mut serde_json::Map<String, Value> {
        let pointer =
            "/metadata/managedFields/0/fieldsV1/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"gitea\"}/f:env";
        let live = world.live(Kind::Deployment, "app");
        live.body.pointer_mut(pointer).unwrap().as_object_mut().unwrap()
    }

    /// `kubectl edit`: a variable is taken out. Nobody holds it any more.
    fn remove(world: &mut World) {
        let (variables, _) = variables(world);
        variables.retain(|variable| variable["name"] != REMOVED);
        held_variables(world).remove(&format!("k:{{\"name\":\"{REMOVED}\"}}")).unwrap();
    }

    /// `kubectl edit`: a variable gets its value from elsewhere. Nobody holds its `value` any more.
    fn refer(world: &mut World) {
        let (variables, container) = variables(world);
        let index = variables.iter().position(|variable| variable["name"] == EDITED).unwrap();
        variables[index] = json!({"name": EDITED, "valueFrom": ""});
        let key = format!("k:{{\"name\":\"{EDITED}\"}}");
        held_variables(world).get_mut(&key).unwrap().as_object_mut().unwrap().remove("f:value").unwrap();
        let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"gitea\"}": {
            "f:env": {key: {"f:valueFrom": {}}},
        }}}}}});
        let pointer = format!("/spec/template/spec/containers/{container}/env/{index}/valueFrom");
        let source = json!({"fieldRef": {"fieldPath": "metadata.name"}});
        set_by(world.live(Kind::Deployment, "app"), "kubectl-edit", &pointer, source, fields);
    }

    fn both(world: &mut World) {
        refer(world);
        remove(world);
    }

    fn removal_and_image(world: &mut World) {
        image(world);
        remove(world);
    }

    /// `kubectl edit`: a variable changes its place. Nobody holds an order.
    fn reorder(world: &mut World) {
        variables(world).0.rotate_left(1);
    }

    const REMOVALS: [Edit; 5] = [remove, refer, both, removal_and_image, reorder];

    #[test]
    fn what_people_remove_is_put_back_all_the_same() {
        for edit in REMOVALS {
            let mut world = World::deployed();
            world.record();
            edit(&mut world);
            nothing_held(&world);
            let plan = world.plan();
            assert_eq!((plan.counts().changed, plan.actions.len()), (1, 1), "{}", world.text());
            world.apply();
            assert!(world.plan().actions.is_empty(), "{}", world.text());
        }
    }

    #[test]
    fn what_people_remove_is_told_or_left_where_the_app_says_so() {
        for edit in REMOVALS {
            for (drift, kept) in [("report", 1), ("off", 0)] {
                let mut world = World::deployed();
                world.in_app(&format!("  reconcile: {{drift: {drift}}}\n"));
                world.record();
                edit(&mut world);
                let plan = world.plan();
                let is_kept = plan.actions.iter().all(|action| matches!(action.what, What::Drifted { .. }));
                assert!(is_kept && plan.actions.len() == kept, "{}", world.text());
                // Another commit that asks for the same Pod changes nothing of that.
                world.settings.inputs = Some("i2".into());
                assert!(!world.plan().writes(), "{}", world.text());
                // One that asks for another Pod is applied whole, also where it changes what people have edited.
                world.edit("compose.yml", "postgres:17", "postgres:18");
                assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
            }
        }
    }

    #[test]
    fn what_people_remove_lets_no_restart_ride_along() {
        let unedited = held(&other_renderer());
        for edit in REMOVALS {
            let mut world = other_renderer();
            edit(&mut world);
            assert_eq!(held(&world), unedited, "{}", world.text());
            assert!(!world.plan().writes(), "{}", world.text());
        }
    }

    #[test]
    fn what_is_held_is_not_written_down_until_it_is_let_go() {
        for start in [other_renderer, other_selector] {
            let mut world = start();
            for edit in [|_: &mut World| {}, image, remove] as [Edit; 3] {
                edit(&mut world);
                let digest = held(&world);
                world.apply();
                world.record();
                assert_eq!(held(&world), digest, "another look lets nothing go");
            }
            let mut commit = start();
            commit.settings.inputs = Some("i2".into());
            world.accept();
            for mut free in [world, commit] {
                nothing_held(&free);
                free.record();
                free.apply();
                free.settings.accepted.clear();
                assert!(free.plan().actions.is_empty(), "{}", free.text());
                // From now on, what differs is an edit.
                remove(&mut free);
                nothing_held(&free);
                assert_eq!(free.plan().counts().changed, 1, "{}", free.text());
            }
        }
    }

    #[test]
    fn a_pod_of_an_earlier_build_is_written_down_where_nothing_differs_and_held_where_something_does() {
        let mut edited = World::deployed();
        edited.record();
        edited.settings.applied.as_mut().unwrap().pod = None;
        let mut world = World::deployed();
        world.settings.applied = edited.settings.applied.clone();
        image(&mut edited);
        held(&edited);
        assert!(
            edited.text().contains("how the Pod was rendered when it was applied is not known"),
            "{}",
            edited.text()
        );
        edited.record();
        held(&edited);
        assert!(world.plan().actions.is_empty(), "{}", world.text());
        world.record();
        image(&mut world);
        nothing_held(&world);
        assert_eq!(world.plan().counts().changed, 1, "{}", world.text());
    }

    #[test]
    fn a_deployment_that_people_made_anew_is_put_back() {
        let mut world = World::deployed();
        world.record();
        world.live(Kind::Deployment, "app").body["spec"]["selector"]["matchLabels"]["app"] = json!("theirs");
        nothing_held(&world);
        assert_eq!(world.plan().counts().replaced, 1, "{}", world.text());
    }

    #[test]
    fn a_plan_that_writes_nothing_of_the_app_writes_down_no_pod() {
        let mut world = World::deployed();
        world.record();
        let applied = world.settings.applied.clone().unwrap();
        assert!(applied.pod.is_some());
        world.rendered_otherwise();
        world.in_app("  reconcile: {suspend: true}\n");
        world.record();
        assert_eq!(world.settings.applied.as_ref().unwrap().pod.as_deref(), Some("otherwise"));
        let older = AppliedRecord { pod: None, ..applied.clone() };
        assert!(applied.says_the_same(&older), "nobody has asked for anything");
        let read: AppliedRecord = serde_json::from_str(&serde_json::to_string(&older).unwrap()).unwrap();
        assert_eq!(read, older);
    }

    #[test]
    fn a_deployment_that_no_commit_makes_anew_waits() {
        for edit in [|_: &mut World| {}, label, image] as [Edit; 3] {
            let mut world = other_selector();
            edit(&mut world);
            let digest = held(&world);
            assert_ne!(digest, held(&other_renderer()), "a word for a restart is none for a deletion");
            assert!(!world.plan().writes() && world.plan().obstacle().is_none(), "{}", world.text());
            let why = "spec.selector never changes in place; this agent renders the Pod otherwise than it was applied, or \
                       the nodes have changed; the commit asks for nothing new, and making it anew would restart the Pod";
            assert!(world.text().contains(why), "{}", world.text());
            let mut window = other_selector();
            edit(&mut window);
            window.settings.may_restart = true;
            world.accept();
            let mut commit = other_selector();
            edit(&mut commit);
            commit.settings.inputs = Some("i2".into());
            for free in [world, window, commit] {
                nothing_held(&free);
                assert_eq!(free.plan().counts().replaced, 1, "{}", free.text());
            }
        }
    }

    #[test]
    fn a_service_is_made_anew_all_the_same() {
        let mut world = World::deployed();
        world.record();
        world.live(Kind::Service, "postgres").body["spec"]["clusterIP"] = json!("10.0.0.7");
        nothing_held(&world);
        assert_eq!(world.plan().counts().replaced, 1, "{}", world.text());
    }
}

mod new_disks {
    use super::*;

    #[test]
    fn a_word_makes_the_disk() {
        let mut world = World::gitea();
        world.settings.new_disks = NewDisks::Hold;
        world.accept();
        assert_eq!(world.plan().counts().disks_created, 1);
    }

    #[test]
    fn a_word_is_good_for_one_disk_and_for_what_was_seen() {
        let mut world = World::gitea();
        world.settings.new_disks = NewDisks::Hold;
        let word = held(&world);
        let mut said = vec![word.clone()];
        let mut asked = |change: &dyn Fn(&mut Settings)| {
            let mut other = World::gitea();
            other.settings.new_disks = NewDisks::Hold;
            change(&mut other.settings);
            other.settings.accepted.extend(said.iter().cloned());
            // None of those before is a word for this.
            said.push(held(&other));
            other.accept();
            assert_eq!(other.plan().counts().disks_created, 1, "{}", other.text());
        };
        // Its disk was made, and is lost with everything that speaks of it.
        asked(&|settings| drop(settings.spent.insert("default".into(), word.clone())));
        // So is the cluster, and its other Apps have their disks still, or they have not.
        asked(&|settings| settings.installation = "k2".into());
        asked(&|settings| settings.rebuild = vec!["shop".into()]);
        asked(&|settings| settings.rebuild = vec!["blog".into(), "shop".into()]);
        asked(&|settings| (settings.rebuild, settings.installation) = (vec!["shop".into()], "k2".into()));
        // What made another volume's disk is no reason to ask anew.
        world.settings.spent.insert("other".into(), word.clone());
        assert_eq!(held(&world), word);
    }
}
