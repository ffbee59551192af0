use super::*;
use crate::cluster::memory::Memory;

#[tokio::test]
async fn what_was_saved_is_loaded() {
    let api = Memory::default();
    assert_eq!(load(&api, "fleet").await.unwrap(), None);
    let first = save(&api, "fleet", &json!({"applied": "abc"}), None).await.unwrap();
    assert_eq!(load(&api, "fleet").await.unwrap(), Some(first.clone()));
    let second = save(&api, "fleet", &json!({"outbox": []}), Some(&first.resource_version)).await.unwrap();
    assert_eq!(load(&api, "fleet").await.unwrap(), Some(second), "replaced as a whole, not merged");
    assert_eq!(load(&api, "other").await.unwrap(), None);
}

#[tokio::test]
async fn a_document_that_somebody_else_saved_is_not_overwritten() {
    let api = Memory::default();
    let first = save(&api, "fleet", &json!(1), None).await.unwrap();
    assert_eq!(save(&api, "fleet", &json!(2), None).await.unwrap_err().label(), "already-exists");
    save(&api, "fleet", &json!(3), Some(&first.resource_version)).await.unwrap();
    assert_eq!(save(&api, "fleet", &json!(4), Some(&first.resource_version)).await.unwrap_err().label(), "changed");
    assert_eq!(load(&api, "fleet").await.unwrap().unwrap().value, json!(3));
}

#[tokio::test]
async fn a_document_that_is_too_large_is_not_sent() {
    let api = crate::cluster::faulty::Faulty::new(Memory::default());
    let error = save(&api, "fleet", &json!("x".repeat(LIMIT)), None).await.unwrap_err();
    assert_eq!(error.cause, Cause::TooLarge { size: LIMIT + 2, limit: LIMIT });
    assert_eq!(api.calls(), Vec::<String>::new());
    save(&api, "fleet", &json!("x".repeat(LIMIT - 2)), None).await.unwrap();
}

#[tokio::test]
async fn a_document_that_a_person_broke_is_told() {
    let api = Memory::default();
    api.create(&key("fleet"), &json!({"metadata": {}, "data": {DOCUMENT: "{half"}})).await.unwrap();
    let message = load(&api, "fleet").await.unwrap_err().to_string();
    assert!(message.contains("ConfigMap k4x-system/kompox-source-fleet") && message.contains("delete"), "{message}");
    api.create(&key("empty"), &json!({"metadata": {}})).await.unwrap();
    assert_eq!(load(&api, "empty").await.unwrap().unwrap().value, Value::Null);
}

#[tokio::test]
async fn the_document_does_not_look_like_an_object_of_an_app() {
    let api = Memory::default();
    save(&api, "fleet", &json!(1), None).await.unwrap();
    assert_eq!(api.list_owned(Kind::ConfigMap).await.unwrap(), []);
}
