use super::*;

const SERVICES: Topic = Topic::Owned(Kind::Service);

fn sighting(name: &str, version: u64, instance: &str) -> Sighting {
    Sighting {
        namespace: Some("shop".into()),
        name: name.into(),
        uid: format!("uid-{name}"),
        version: version.to_string(),
        instance: Some(instance.into()).filter(|instance: &String| !instance.is_empty()),
        body: format!("\"{name}{version}\"").into_bytes(),
    }
}

fn slot(name: &str) -> Slot {
    Slot::of(SERVICES, &sighting(name, 0, ""))
}

fn names(store: &Store, instance: &str) -> Vec<String> {
    store.of_instance(instance).into_iter().map(|(slot, entry)| format!("{} {}", slot.name, entry.version)).collect()
}

fn instances(all: impl IntoIterator<Item = Arc<str>>) -> Vec<String> {
    all.into_iter().map(|instance| instance.to_string()).collect()
}

#[test]
fn a_newer_version_wins_whichever_way_it_came() {
    let mut store = Store::default();
    assert_eq!(instances(store.seen(SERVICES, sighting("web", 9, "a"))), ["a"]);
    let revision = store.revision("a");
    // The watch is behind what was written.
    for version in [8, 9] {
        assert_eq!(instances(store.seen(SERVICES, sighting("web", version, "a"))), [] as [&str; 0]);
    }
    assert_eq!((names(&store, "a"), store.revision("a")), (vec!["web 9".to_owned()], revision));
    // As numbers, not as texts.
    store.seen(SERVICES, sighting("web", 10, "a"));
    assert_eq!(names(&store, "a"), ["web 10"]);
    assert_ne!(store.revision("a"), revision);
}

#[test]
fn a_late_answer_does_not_bring_back_what_was_deleted() {
    let mut store = Store::default();
    store.seen(SERVICES, sighting("web", 5, "a"));
    assert_eq!(store.gone(&slot("web"), "7").as_deref(), Some("a"));
    store.seen(SERVICES, sighting("web", 6, "a"));
    assert_eq!(names(&store, "a"), [] as [&str; 0]);
    // Another of the same name is.
    store.seen(SERVICES, sighting("web", 8, "a"));
    assert_eq!(names(&store, "a"), ["web 8"]);
    assert_eq!(store.gone(&slot("web"), "7"), None, "a late deletion is not of the new one");
    assert_eq!(names(&store, "a"), ["web 8"]);
}

#[test]
fn a_list_finds_what_went_and_keeps_what_was_written_since() {
    let mut store = Store::default();
    for (name, version) in [("old", 3), ("same", 4), ("written", 20)] {
        store.seen(SERVICES, sighting(name, version, "a"));
    }
    store.seen(Topic::Owned(Kind::Secret), sighting("other-kind", 1, "a"));
    let before = store.revision("a");
    let changed = store.replace(SERVICES, vec![sighting("same", 4, "a"), sighting("new", 9, "b")], "10");
    assert_eq!(instances(changed), ["a", "b"]);
    assert_eq!(names(&store, "a"), ["other-kind 1", "same 4", "written 20"]);
    assert_ne!(store.revision("a"), before);
    let before = store.revision("a");
    let again = vec![sighting("same", 4, "a"), sighting("written", 20, "a"), sighting("new", 9, "b")];
    assert_eq!(instances(store.replace(SERVICES, again, "30")), [] as [&str; 0]);
    assert_eq!(store.revision("a"), before, "a list without news is none");
}

#[test]
fn an_object_that_changes_hands_concerns_both() {
    let mut store = Store::default();
    store.seen(SERVICES, sighting("web", 1, "a"));
    assert_eq!(instances(store.seen(SERVICES, sighting("web", 2, "b"))), ["a", "b"]);
    assert_eq!((names(&store, "a").len(), names(&store, "b").len()), (0, 1));
    assert_eq!(instances(store.seen(SERVICES, sighting("web", 3, ""))), ["b"]);
    assert_eq!(names(&store, "b").len(), 0);
    assert_eq!(store.revision("b"), 0);
}

#[test]
fn nothing_of_an_app_is_revision_zero_and_leaves_nothing() {
    let mut store = Store::default();
    store.seen(SERVICES, sighting("web", 1, "a"));
    store.gone(&slot("web"), "2");
    assert_eq!(store.revision("a"), 0);
    assert!(store.instances.is_empty() && store.entries.is_empty());
    store.seen(SERVICES, sighting("web", 3, "a"));
    assert!(store.revision("a") > 0);
}

#[test]
fn deletions_are_not_remembered_without_end() {
    let mut store = Store::default();
    for number in 0..u64::try_from(MOST_GRAVES).unwrap() * 2 {
        store.gone(&slot(&format!("web{number}")), &number.to_string());
    }
    assert!(store.graves.len() <= MOST_GRAVES);
}

#[test]
fn namespaces_tell_which_apps_a_source_has() {
    let mut store = Store::default();
    let topic = Topic::Owned(Kind::Namespace);
    let namespace = |name: &str, version: u64, app: &str, source: &str| {
        let body = serde_json::json!({"metadata": {"annotations": {
            "kompox.dev/app": app, "kompox.dev/source": source}}});
        Sighting { namespace: None, body: body.to_string().into_bytes(), ..sighting(name, version, "a") }
    };
    store.seen(topic, namespace("n1", 1, "w/p/c/a", "ops"));
    store.seen(topic, namespace("n2", 2, "w/p/c/b", "other"));
    assert_eq!(store.apps_of_source("ops").collect::<Vec<_>>(), ["w/p/c/a"]);
    store.seen(topic, namespace("n1", 3, "w/p/c/a", "other"));
    assert_eq!(store.apps_of_source("ops").count(), 0);
    store.gone(&Slot { topic, namespace: None, name: "n2".into() }, "4");
    assert_eq!(store.apps_of_source("other").collect::<Vec<_>>(), ["w/p/c/a"]);
}

#[test]
fn versions_that_are_no_numbers_are_only_equal_or_not() {
    assert!(is_newer("10", "9") && !is_newer("9", "10") && !is_newer("9", "9"));
    assert!(is_newer("b", "a") && is_newer("a", "b") && !is_newer("a", "a"));
}
