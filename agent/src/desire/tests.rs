use super::*;
use crate::testing::World;

fn wanted(world: &World) -> Wanted {
    desire(&world.commit(1), &world.agent.cluster_id, &mut Conversions::default())
}

#[test]
fn a_broken_entry_of_another_cluster_is_not_ours_to_report() {
    let mut world = World::new();
    world.app("blog");
    world.edit("blog/kompoxops.yml", "name: c1", "name: c2");
    assert_eq!(wanted(&world).apps.len(), 1);
    world.edit("blog/compose.yml", "image: nginx:1", "image: [1]");
    let ours = wanted(&world);
    assert_eq!((ours.apps.len(), ours.rejected.len()), (1, 0));
    let theirs = desire(&world.commit(1), &"/ws/w1/prv/p1/cls/c2".parse().unwrap(), &mut Conversions::default());
    assert_eq!((theirs.apps.len(), theirs.rejected.len()), (0, 1));
    assert!(theirs.rejected[0].cause.contains("blog/compose.yml:3:"), "{}", theirs.rejected[0].cause);
}

#[test]
fn what_a_broken_entry_claims_may_be_in_the_commit() {
    let mut world = World::new();
    world.app("blog");
    world.edit("blog/compose.yml", "image: nginx:1", "image: [1]");
    let wanted = wanted(&world);
    assert!(wanted.lists("w1/p1/c1/shop") && !wanted.lists("w1/p1/c1/blog"));
    assert!(wanted.may_list("w1/p1/c1/blog"));
    assert!(!wanted.may_list("w1/p1/c1/gone"));
    world.edit("blog/kompoxops.yml", "version: v1", "version: [");
    assert!(
        desire(&world.commit(1), &world.agent.cluster_id, &mut Conversions::default()).may_list("w1/p1/c1/gone"),
        "nobody can say what it lists"
    );
}
