use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::cluster::faulty::{Fault, Faulty};
use crate::cluster::lease::lost_signal;
use crate::cluster::memory::{self, Memory};

fn key() -> ObjectKey {
    ObjectKey { kind: Kind::ConfigMap, namespace: Some("shop".into()), name: "web".into() }
}

fn object() -> Object {
    memory::object(key(), json!({"metadata": {"name": "web"}}))
}

fn fenced(api: Faulty<Memory>) -> (Arc<Faulty<Memory>>, Fenced, watch::Sender<Option<Instant>>) {
    let api = Arc::new(api);
    let (valid, signal) = lost_signal(Duration::from_secs(60));
    (api.clone(), Fenced::new(api, signal), valid)
}

#[tokio::test]
async fn nothing_is_written_after_the_lease_is_lost() {
    let (inner, api, valid) = fenced(Faulty::new(Memory::default()));
    let live = api.apply(&object(), false).await.unwrap();
    valid.send_replace(None);
    let before = inner.calls().len();
    let version = live.resource_version.as_str();
    let refused = [
        api.apply(&object(), false).await.map(drop),
        api.create(&key(), &json!({})).await.map(drop),
        api.patch(&key(), version, &json!({})).await.map(drop),
        api.patch_managed_fields(&key(), version, &[]).await.map(drop),
        api.delete(&key(), &live.uid, version).await.map(drop),
    ];
    for outcome in refused {
        assert_eq!(outcome.unwrap_err().label(), "lease-lost");
    }
    assert_eq!(inner.calls().len(), before, "not even asked");
    api.get(&key()).await.unwrap().unwrap();
    api.dry_run(&object(), false).await.unwrap();
}

#[tokio::test]
async fn a_write_under_way_is_abandoned() {
    let (_, api, valid) = fenced(Faulty::new(Memory::default()).fault("apply", 0, Fault::Hang));
    let object = object();
    let (outcome, ()) = tokio::join!(api.apply(&object, false), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        valid.send_replace(None);
    });
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "apply ConfigMap shop/web: the Lease was lost, so nothing is written any more"
    );
}

#[tokio::test]
async fn a_holder_whose_renewals_stopped_writes_no_more() {
    let (valid, signal) = lost_signal(Duration::from_millis(20));
    let api = Fenced::new(Arc::new(Memory::default()), signal);
    api.apply(&object(), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(api.apply(&object(), false).await.unwrap_err().label(), "lease-lost");
    drop(valid);
}
