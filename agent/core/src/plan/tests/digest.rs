//! A plan's digest is the same for the same plan, and for no other.

use proptest::prelude::*;
use serde_json::json;

use super::super::*;
use super::world::{World, set_by};

fn changed() -> World {
    let mut world = World::deployed();
    world.edit("compose.yml", "postgres:17", "postgres:18");
    world
}

#[test]
fn a_digest_is_the_same_in_every_process() {
    // Written down once: reviews name plans by it.
    assert_eq!(
        changed().plan().digest().to_string(),
        "1efdc7766b29d192fe17556ffbe930276ae3dac31e10012b506483bc9353914f"
    );
}

#[test]
fn versions_times_and_words_have_no_part_in_it() {
    let digest = changed().plan().digest();
    let mut later = changed();
    for live in later.observed.objects.values_mut() {
        live.resource_version = "99".into();
        live.body["metadata"]["resourceVersion"] = json!("99");
        live.body["status"] = json!({"replicas": 1});
    }
    later.settings.now = "2026-06-01T00:00:00Z".parse().unwrap();
    later.settings.commit_time = "2026-06-01T00:00:00Z".parse().unwrap();
    assert_eq!(later.plan().digest(), digest);
    let mut reworded = changed().plan();
    for action in &mut reworded.actions {
        action.reason = "other words".into();
        action.origin = None;
    }
    reworded.actions.reverse();
    assert_eq!(reworded.digest(), digest);
    // A disk is named after the time of the commit, which a merge changes.
    let mut first = World::gitea();
    let before = first.plan().digest();
    first.settings.commit_time = "2026-06-01T00:00:00Z".parse().unwrap();
    assert_eq!(first.plan().digest(), before);
}

#[test]
fn whatever_else_differs_gives_another_one() {
    let mut all = vec![changed().plan().digest(), World::deployed().plan().digest(), World::gitea().plan().digest()];
    let mut with = |change: &dyn Fn(&mut World)| {
        let mut world = changed();
        change(&mut world);
        all.push(world.plan().digest());
    };
    with(&|world| world.edit("compose.yml", "postgres:18", "postgres:19"));
    with(&|world| world.edit("compose-postgres.env", "change-me", "another"));
    with(&|world| world.observed.objects.retain(|key, _| key.kind != Kind::Ingress));
    with(&|world| {
        let fields = json!({"f:spec": {"f:replicas": {}}});
        set_by(world.live(Kind::Deployment, "app"), "kubectl", "/spec/replicas", json!(0), fields);
    });
    with(&|world| world.in_app("  reconcile: {suspend: true}\n"));
    // The value that is replaced has part in it: a reviewer has seen it.
    with(&|world| {
        let image = "/spec/template/spec/containers/1/image";
        *world.live(Kind::Deployment, "app").body.pointer_mut(image).unwrap() = json!("postgres:16");
    });
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    let (one, other) = (changed().plan(), World::gitea().plan());
    assert_eq!(PlanDigest::of_all([&one, &other]), PlanDigest::of_all([&other, &one]));
    assert_ne!(PlanDigest::of_all([&one, &other]), PlanDigest::of_all([&one]));
}

#[test]
fn an_object_that_was_made_anew_meanwhile_is_another_one_to_delete() {
    let stray = |uid: &str| {
        let mut world = World::deployed();
        let mut stray = world.live(Kind::Secret, "gitea").clone();
        stray.key.name = "stray".into();
        stray.uid = uid.into();
        world.observed.objects.insert(stray.key.clone(), stray);
        world.plan().digest()
    };
    assert_eq!(stray("a"), stray("a"));
    assert_ne!(stray("a"), stray("b"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nobody can try passwords against a digest: it is the same whatever they are.
    #[test]
    fn secrets_have_no_part_in_it_but_that_they_change(one in "[a-zA-Z0-9]{8,20}", other in "[a-zA-Z0-9]{8,20}") {
        let digest = |password: &str| {
            let mut world = World::deployed();
            world.edit("compose-postgres.env", "change-me", &format!("x{password}"));
            world.edit("compose.yml", "USER_UID=1000", &format!("DB_PASSWORD={password}"));
            world.plan().digest()
        };
        prop_assert_eq!(digest(&one), digest(&other));
    }

    /// The order in which anything was observed or written means nothing.
    #[test]
    fn a_digest_is_stable_over_orders_and_runs(seed in any::<u64>(), image in "[a-z]{1,8}") {
        let mut world = World::deployed();
        world.edit("compose.yml", "postgres:17", &format!("postgres:{image}"));
        let plan = world.plan();
        let mut shuffled = world.plan();
        let length = shuffled.actions.len().max(1);
        shuffled.actions.rotate_left(usize::try_from(seed % u64::try_from(length).unwrap()).unwrap());
        // A map that keeps another order of names.
        for action in &mut shuffled.actions {
            if let What::Change { object, .. } = &mut action.what {
                let text = object.body.to_string();
                object.body = serde_json::from_str(&text).unwrap();
            }
        }
        prop_assert_eq!(plan.digest(), shuffled.digest());
        prop_assert_eq!(plan.digest(), world.plan().digest());
    }
}
