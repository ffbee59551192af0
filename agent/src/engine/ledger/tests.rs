use std::time::Duration;

use kompox_core::plan::{Counts, Refused};
use kompox_manifests::desired::Conversions;

use super::*;
use crate::desire;
use crate::failure::{Failure, Kind};
use crate::testing::{World, commit_id};

/// What a commit of the world asks for.
fn generation(world: &World, number: u32) -> Arc<Generation> {
    let commit = world.commit(number);
    let wanted = desire::desire(&commit, &world.agent.cluster_id, &mut Conversions::default());
    Arc::new(Generation::new(CommitRef::of(&commit), wanted))
}

fn names(apps: &[AppId]) -> Vec<&str> {
    apps.iter().map(|app| app.app.as_str()).collect()
}

/// Ends a look at an App with this state; whether that was news.
fn end(ledger: &mut Ledger, app: &AppId, state: State) -> bool {
    let (wish, _, memory) = ledger.begin(app).unwrap();
    ledger.end(&wish, memory, &AppOutcome::untouched(&wish, state))
}

fn id(app: &str) -> AppId {
    AppId::new("/ws/w1/prv/p1/cls/c1".parse().unwrap(), app)
}

fn failed(kind: Kind) -> State {
    State::Failed(Failure { text: "broken".into(), label: "test", kind })
}

fn three() -> World {
    let mut world = World::new();
    world.app("blog");
    world.app("wiki");
    world
}

#[tokio::test]
async fn another_commit_concerns_what_it_changes_what_was_not_well_and_what_left() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(1), "main")));
    assert_eq!(names(&ledger.take(generation(&world, 1))), ["blog", "shop", "wiki"]);
    end(&mut ledger, &id("blog"), State::Healthy);
    end(&mut ledger, &id("shop"), State::Healthy);
    end(&mut ledger, &id("wiki"), failed(Kind::Unhealthy));
    assert_eq!(names(&ledger.take(generation(&world, 2))), ["wiki"]);
    let outcome = ledger.outcome(&[]).unwrap();
    assert!(!outcome.complete, "of the other commit nothing is known of wiki");
    assert!(outcome.apps.iter().all(|app| app.commit.id == commit_id(2)));
    end(&mut ledger, &id("wiki"), State::Healthy);
    assert!(ledger.outcome(&[]).unwrap().complete);

    world.edit("blog/web.env", "A=1", "A=2");
    world.files.retain(|file, _| !file.starts_with("wiki/"));
    assert_eq!(names(&ledger.take(generation(&world, 3))), ["blog", "wiki"]);
    assert!(ledger.begin(&id("wiki")).is_none(), "nothing is asked of it any more");
    assert_eq!(ledger.apps().count(), 2);
}

#[tokio::test]
async fn what_came_of_an_older_wish_is_not_entered() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(1), "main")));
    ledger.take(generation(&world, 1));
    let (wish, _, memory) = ledger.begin(&id("blog")).unwrap();
    world.edit("blog/web.env", "A=1", "A=2");
    ledger.take(generation(&world, 2));
    assert!(!ledger.is_asked(&wish));
    assert!(!ledger.end(&wish, memory, &AppOutcome::untouched(&wish, State::Healthy)));
    assert!(ledger.outcome_of(&id("blog")).is_none());
    // One that asks for the same does count, for the newer commit.
    let (wish, _, memory) = ledger.begin(&id("shop")).unwrap();
    ledger.take(generation(&world, 3));
    assert!(ledger.is_asked(&wish));
    assert!(ledger.end(&wish, memory, &AppOutcome::untouched(&wish, State::Healthy)));
    assert_eq!(ledger.outcome_of(&id("shop")).unwrap().commit.id, commit_id(3));
}

#[tokio::test]
async fn news_is_what_was_not_so_before() {
    let world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(1), "main")));
    ledger.take(generation(&world, 1));
    assert!(end(&mut ledger, &id("blog"), State::Progressing("starting".into())));
    assert!(!end(&mut ledger, &id("blog"), State::Progressing("starting".into())));
    assert!(end(&mut ledger, &id("blog"), State::Healthy));
    assert!(!end(&mut ledger, &id("blog"), State::Healthy));
    let (wish, _, memory) = ledger.begin(&id("blog")).unwrap();
    let done = Counts { changed: 1, ..Counts::default() };
    assert!(ledger.end(&wish, memory, &AppOutcome::of(&wish, done, State::Healthy)), "something was written");
    assert_eq!(ledger.record().unwrap().done["w1/p1/c1/blog"].changed, 1);
}

#[tokio::test]
async fn what_is_remembered_of_an_app_stays_with_it() {
    let world = three();
    let mut ledger = Ledger::default();
    ledger.take(generation(&world, 1));
    let (wish, _, mut memory) = ledger.begin(&id("blog")).unwrap();
    let limits =
        kompox_core::health::Limits { settle: Duration::ZERO, ..kompox_core::health::Limits::of_app(None, false) };
    memory.rollout(&wish.digest, true, limits).settled = true;
    ledger.end(&wish, memory, &AppOutcome::untouched(&wish, State::Healthy));
    let (wish, _, memory) = ledger.begin(&id("blog")).unwrap();
    assert!(memory.was_healthy(&wish.digest));
}

#[tokio::test]
async fn an_app_that_left_counts_until_the_next_commit() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(2), "main")));
    ledger.take(generation(&world, 1));
    world.files.retain(|file, _| !file.starts_with("wiki/"));
    assert_eq!(names(&ledger.take(generation(&world, 2))), ["blog", "shop", "wiki"]);
    let shop = ledger.begin(&id("shop")).unwrap().0;
    end(&mut ledger, &id("blog"), State::Healthy);
    end(&mut ledger, &id("shop"), State::Healthy);
    assert!(ledger.gave_up(&id("wiki")) && !ledger.gave_up(&id("shop")));
    let present = [id("wiki")];
    assert!(!ledger.outcome(&present).unwrap().complete, "it was not looked at");
    let left = |state, deleted| AppOutcome {
        id: id("wiki"),
        done: Counts { deleted, ..Counts::default() },
        ..AppOutcome::untouched(&shop, state)
    };
    assert!(ledger.end_departure(&id("wiki"), Some(left(failed(Kind::Obstacle), 0))));
    assert!(!ledger.end_departure(&id("wiki"), Some(left(failed(Kind::Obstacle), 0))));
    let outcome = ledger.outcome(&present).unwrap();
    assert_eq!((outcome.complete, outcome.failures().count()), (true, 1));
    assert!(ledger.end_departure(&id("wiki"), Some(left(State::Removed, 9))));
    assert_eq!(ledger.record().unwrap().done["w1/p1/c1/wiki"].deleted, 9);
    assert!(!ledger.end_departure(&id("shop"), None), "it is listed");
    ledger.take(generation(&world, 3));
    assert_eq!(ledger.outcome(&[]).unwrap().apps.len(), 2);
}

#[tokio::test]
async fn an_app_that_may_be_asked_for_says_whose_act_tells() {
    let mut world = three();
    let mut ledger = Ledger::default();
    let doubt = |ledger: &Ledger, app: &str| ledger.doubt(&id(app)).unwrap_or_default();
    let start = "nothing was fetched of it since the agent started";
    assert!(doubt(&ledger, "wiki").starts_with(&format!("{start}; make it readable")));
    ledger.not_fetched(&Fault::retry("remote", "no route"));
    assert!(doubt(&ledger, "wiki").starts_with(&format!("{start}: no route; make it readable")));
    ledger.take(Arc::new(Generation::new(CommitRef::of(&world.commit(1)), Wanted::recalled(Vec::new()))));
    assert!(doubt(&ledger, "wiki").contains("only what was applied last is known"));
    ledger.not_fetched(&Fault::retry("remote", "no route"));
    ledger.take(generation(&world, 1));
    assert_eq!((doubt(&ledger, "wiki"), ledger.gave_up(&id("wiki"))), (String::new(), false), "it lists it");
    world.edit("wiki/compose.yml", "image: nginx:1", "imago: nginx:1");
    ledger.take(generation(&world, 2));
    let told = doubt(&ledger, "wiki");
    assert!(
        told.starts_with("its entry wiki/kompoxops.yml lists the App and is rejected: wiki/compose.yml:"),
        "{told}"
    );
    assert_eq!((doubt(&ledger, "gone"), ledger.gave_up(&id("gone"))), (String::new(), true), "another entry's fault");
    world.edit("wiki/kompoxops.yml", "version: v1", "version: [");
    ledger.take(generation(&world, 3));
    let told = doubt(&ledger, "gone");
    assert!(told.starts_with("not all of its entries can be read: wiki/kompoxops.yml:"), "{told}");
    world.files.retain(|file, _| !file.starts_with("wiki/"));
    ledger.take(generation(&world, 4));
    assert_eq!((doubt(&ledger, "wiki"), ledger.gave_up(&id("wiki"))), (String::new(), true));
}

#[tokio::test]
async fn news_of_the_cluster_concerns_the_apps_that_it_is_about() {
    let world = three();
    let mut ledger = Ledger::default();
    let generation = generation(&world, 1);
    ledger.take(Arc::clone(&generation));
    let names = |app: usize| generation.wanted.apps[app].names.clone();
    let news = [
        News::App(names(0).hashes.instance.as_str().into()),
        News::App("other".into()),
        News::Namespace(names(2).namespace.clone()),
        News::Nodes,
    ];
    let concerned = ledger.concerned(&news.into());
    assert_eq!(concerned, [generation.wanted.apps[0].app.id.clone(), generation.wanted.apps[2].app.id.clone()]);
}

#[tokio::test]
async fn an_app_that_is_worked_on_is_looked_at_anew_when_a_person_asks_meanwhile() {
    let world = three();
    let mut ledger = Ledger::default();
    ledger.take(generation(&world, 1));
    let blog = id("blog");
    let refused = |memory: &Memory| memory.refusal(&commit_id(1)).is_some();
    let failure = Failure { text: "broken".into(), label: "test", kind: Kind::Rejected };
    let refuse = |ledger: &mut Ledger, asked: bool| {
        let (wish, _, mut memory) = ledger.begin(&blog).unwrap();
        memory.refused(&commit_id(1), &failure);
        if asked {
            ledger.look_anew(&blog);
        }
        ledger.end(&wish, memory, &AppOutcome::untouched(&wish, State::Healthy));
        ledger.begin(&blog).unwrap().2
    };
    assert!(refused(&refuse(&mut ledger, false)), "what is known spares a look");
    let mut memory = refuse(&mut ledger, true);
    assert!(!refused(&memory) && memory.asks_providers());
    assert!(!memory.asks_providers(), "one look anew is enough");
    assert!(refused(&refuse(&mut ledger, false)), "likewise");
}

#[tokio::test]
async fn what_is_held_stays_in_the_record_until_its_app_was_looked_at() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(2), "main")));
    ledger.take(generation(&world, 1));
    world.files.retain(|file, _| !file.starts_with("wiki/"));
    ledger.take(generation(&world, 2));
    let fact = |digit: &str| HeldFact { digest: digit.repeat(16).parse().unwrap(), reason: "held".into() };
    let shop = ledger.begin(&id("shop")).unwrap().0;
    let held =
        |app: &str, holds| AppOutcome { id: id(app), holds, ..AppOutcome::untouched(&shop, failed(Kind::Obstacle)) };
    ledger.end(&shop, Memory::default(), &held("shop", vec![fact("a")]));
    ledger.end_departure(&id("wiki"), Some(held("wiki", vec![fact("b"), fact("c")])));
    let present = [id("wiki")];
    let listed = |ledger: &mut Ledger| {
        let outcome = ledger.outcome(&present).unwrap();
        let record = ledger.enter(&outcome).unwrap();
        record.held.iter().map(|held| held.digest.to_string()[..1].to_owned()).collect::<String>()
    };
    assert_eq!(listed(&mut ledger), "abc");
    // A person accepts one of them: everything that waits is looked at again, and not all at once.
    ledger.take(generation(&world, 2));
    assert_eq!(listed(&mut ledger), "abc");
    ledger.end_departure(&id("wiki"), Some(held("wiki", vec![fact("c")])));
    assert_eq!(listed(&mut ledger), "ac");
    end(&mut ledger, &id("shop"), State::Healthy);
    assert_eq!(listed(&mut ledger), "c");
}

#[tokio::test]
async fn a_way_back_does_not_cover_up_a_commit_that_came_meanwhile() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(1), "main")));
    ledger.take(generation(&world, 1));
    let (healthy, _, memory) = ledger.begin(&id("blog")).unwrap();
    ledger.end(&healthy, memory, &AppOutcome::untouched(&healthy, State::Healthy));
    world.edit("blog/web.env", "A=1", "A=2");
    ledger.take(generation(&world, 2));
    let (refused, _, memory) = ledger.begin(&id("blog")).unwrap();
    ledger.end(&refused, memory, &AppOutcome::untouched(&refused, failed(Kind::Unhealthy)));
    let given_up = Refused { inputs: refused.digest.to_string(), commit: commit_id(2), reason: "broken".into() };
    let way_back = Arc::new(Wish { instead_of: Some(Arc::new(given_up)), ..Wish::clone(&healthy) });
    let mut covered = Ledger::new(Some(CommitRecord::new(&commit_id(2), "main")));
    covered.take(generation(&world, 2));
    covered.pin(Arc::clone(&way_back));
    assert_eq!(covered.begin(&id("blog")).unwrap().0.digest, healthy.digest);

    world.edit("blog/web.env", "A=2", "A=3");
    ledger.take(generation(&world, 3));
    ledger.pin(way_back);
    let (now, _, _) = ledger.begin(&id("blog")).unwrap();
    assert!(now.instead_of.is_none() && now.digest != refused.digest && now.digest != healthy.digest);
}

#[tokio::test]
async fn a_removal_that_keeps_failing_is_counted() {
    let mut world = three();
    let mut ledger = Ledger::new(Some(CommitRecord::new(&commit_id(1), "main")));
    ledger.take(generation(&world, 1));
    let (wish, _, _) = ledger.begin(&id("blog")).unwrap();
    world.files.retain(|file, _| !file.starts_with("blog/"));
    ledger.take(generation(&world, 2));
    let fault = || AppOutcome::untouched(&wish, failed(Kind::Fault(kompox_core::next::Next::Retry { after: None })));
    for times in 1..=3 {
        assert!(ledger.end_departure(&id("blog"), Some(fault())), "each time more is said of it");
        let outcome = ledger.outcome(&[id("blog")]).unwrap();
        let blog = outcome.apps.iter().find(|app| app.id == id("blog")).unwrap();
        assert_eq!(blog.faults, times);
    }
    let held = AppOutcome::untouched(&wish, failed(Kind::Obstacle));
    assert!(ledger.end_departure(&id("blog"), Some(held.clone())));
    assert!(!ledger.end_departure(&id("blog"), Some(held)));
}
