use std::sync::Mutex;

use k8s_openapi::api::apps::v1::Deployment;
use kompox_core::health::Workload;
use serde_json::json;

use super::*;
use crate::cluster::error::Cause;
use crate::cluster::faulty::{Fault, Faulty};
use crate::cluster::memory::Memory;

const LIMITS: Limits =
    Limits { deadline: Duration::from_secs(20), patience: Duration::from_secs(10), settle: Duration::ZERO };

fn workload(available: i32) -> Workload {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web", "uid": "d", "generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available},
    }))
    .unwrap();
    Workload { deployment: Some(deployment), ..Workload::default() }
}

fn cluster(workloads: impl IntoIterator<Item = Workload>) -> Faulty<Memory> {
    let memory = Memory::default();
    *memory.workloads.lock().unwrap() = workloads.into_iter().collect();
    Faulty::new(memory)
}

#[tokio::test]
async fn changes_are_told_once_each() {
    let api = cluster([workload(0), workload(0), workload(1)]);
    let told = Mutex::new(Vec::new());
    let outcome = await_healthy(&api, "shop", "web", LIMITS, std::future::pending(), |health| {
        told.lock().unwrap().push(health.to_string());
    });
    assert_eq!(outcome.await.unwrap(), Outcome::Healthy);
    assert_eq!(*told.lock().unwrap(), ["progressing: 0 of 1 Pods are available"]);
}

#[tokio::test]
async fn a_cancelled_wait_ends_at_once_even_inside_a_call() {
    let api = cluster([workload(0)]).fault("workload", 0, Fault::Hang);
    let began = Instant::now();
    let outcome = await_healthy(&api, "shop", "web", LIMITS, sleep(Duration::from_millis(50)), |_| {}).await;
    assert_eq!(outcome.unwrap(), Outcome::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn the_deadline_tells_what_it_was_waiting_for() {
    let api = cluster([workload(0)]);
    let limits = Limits { deadline: Duration::from_millis(100), ..LIMITS };
    let outcome = await_healthy(&api, "shop", "web", limits, std::future::pending(), |_| {}).await.unwrap();
    let Outcome::Failed { reason, timed_out: true } = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason.text, "0 of 1 Pods are available");
}

#[tokio::test]
async fn passing_trouble_is_borne_and_refusal_is_not() {
    let unavailable = Cause::Unavailable { message: "etcd".into(), after: None };
    let api = cluster([workload(1)]).fault("workload", 0, Fault::Refuse(unavailable.clone()));
    let outcome = await_healthy(&api, "shop", "web", LIMITS, std::future::pending(), |_| {}).await;
    assert_eq!(outcome.unwrap(), Outcome::Healthy);

    let api = cluster([workload(1)]).fault("workload", 0, Fault::Refuse(Cause::Forbidden("no".into())));
    let outcome = await_healthy(&api, "shop", "web", LIMITS, std::future::pending(), |_| {}).await;
    assert_eq!(outcome.unwrap_err().label(), "forbidden");

    let api = cluster([workload(1)]).fault("workload", 0, Fault::Refuse(unavailable));
    let limits = Limits { deadline: Duration::ZERO, ..LIMITS };
    let outcome = await_healthy(&api, "shop", "web", limits, std::future::pending(), |_| {}).await;
    assert_eq!(outcome.unwrap_err().label(), "unavailable", "the deadline passed without an answer");
}
