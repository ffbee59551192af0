use super::*;
use crate::cluster::faulty::{Fault, Faulty};
use crate::cluster::memory::Memory;

fn id(cluster: &str) -> ClusterId {
    format!("/ws/ops/prv/aks/cls/{cluster}").parse().unwrap()
}

async fn annotation(api: &dyn ClusterApi) -> Option<String> {
    api.get(&system_namespace()).await.unwrap()?.annotation(CLUSTER_ANNOTATION).map(str::to_owned)
}

#[tokio::test]
async fn checking_writes_nothing() {
    let api = Faulty::new(Memory::default());
    assert_eq!(check(&api, &id("one")).await.unwrap(), Identity::Unclaimed);
    assert_eq!(api.calls(), ["get Namespace k4x-system"]);
}

#[tokio::test]
async fn the_first_claim_counts() {
    let api = Memory::default();
    claim(&api, &id("one")).await.unwrap();
    claim(&api, &id("one")).await.unwrap();
    assert_eq!(check(&api, &id("one")).await.unwrap(), Identity::Confirmed);
    let refused = claim(&api, &id("two")).await.unwrap_err();
    assert_eq!((refused.label(), refused.next()), ("wrong-cluster", kompox_core::next::Next::Stalled));
    insta::assert_snapshot!(refused, @"check the cluster: this is the cluster ops/aks/one, not ops/aks/two; check the kubeconfig and its context (the Namespace k4x-system says so in its annotation kompox.dev/cluster)");
    assert_eq!(check(&api, &id("two")).await.unwrap_err(), refused);
    assert_eq!(annotation(&api).await.as_deref(), Some("ops/aks/one"));
}

#[tokio::test]
async fn a_namespace_that_exists_is_annotated() {
    let api = Memory::default();
    let body = json!({"metadata": {"name": SYSTEM_NAMESPACE, "labels": {"team": "ops"}}});
    api.create(&system_namespace(), &body).await.unwrap();
    claim(&api, &id("one")).await.unwrap();
    let namespace = api.get(&system_namespace()).await.unwrap().unwrap();
    assert_eq!(namespace.annotation(CLUSTER_ANNOTATION), Some("ops/aks/one"));
    assert_eq!(namespace.label("team"), Some("ops"));
}

#[tokio::test]
async fn a_claim_that_lost_a_race_looks_at_the_winner() {
    let api = Faulty::new(Memory::default()).fault("create", 0, Fault::LoseReply);
    assert_eq!(claim(&api, &id("one")).await.unwrap_err().label(), "timed-out");
    claim(&api, &id("one")).await.unwrap();

    let api = Faulty::new(Memory::default()).fault("create", 0, Fault::Refuse(Cause::AlreadyExists));
    claim(&api, &id("one")).await.unwrap();
    assert_eq!(annotation(&api).await.as_deref(), Some("ops/aks/one"), "looked again, and nobody had written");
}

#[tokio::test]
async fn a_claim_does_not_try_for_ever() {
    let mut api = Faulty::new(Memory::default());
    for _ in 0..10 {
        api = api.fault("create", 0, Fault::Refuse(Cause::AlreadyExists));
    }
    assert_eq!(claim(&api, &id("one")).await.unwrap_err().label(), "already-exists");
    assert_eq!(api.calls().len(), 2 * ATTEMPTS);
}

#[tokio::test]
async fn a_namespace_that_is_going_away_is_not_claimed() {
    let api = Memory::default();
    let body = json!({"metadata": {"name": SYSTEM_NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    api.create(&system_namespace(), &body).await.unwrap();
    assert_eq!(claim(&api, &id("one")).await.unwrap_err().label(), "terminating");
}
