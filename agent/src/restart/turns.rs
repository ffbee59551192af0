//! How many Pods of one source may be down at once by our doing: `maxDisruptions`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kompox_manifests::id::AppId;

/// See the module. An App takes a turn before its Pod is stopped, and gives it back when it is available again
/// or has failed for good.
#[derive(Debug)]
pub(crate) struct Turns {
    most: usize,
    lanes: Mutex<BTreeMap<Option<String>, Lane>>,
}

/// The Apps of one source.
#[derive(Debug, Default)]
struct Lane {
    /// Those that have a turn.
    down: BTreeSet<AppId>,
    /// Those that want one, the first to ask first.
    waiting: VecDeque<AppId>,
    /// Those of them that asked in the look that is under way.
    asking: BTreeSet<AppId>,
    /// Those whose state this process has judged; of the others it goes by what the cluster shows.
    judged: BTreeSet<AppId>,
}

impl Default for Turns {
    /// One at a time.
    fn default() -> Self {
        Self::new(1)
    }
}

impl Turns {
    /// At most so many at once, at least one.
    pub(crate) fn new(most: u32) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX).max(1), lanes: Mutex::default() }
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Option<String>, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a turn. `others` are the other Apps of the source, each with the question whether the cluster shows
    /// that its Pod is being replaced: an earlier process may have begun that. It is asked only of Apps that this
    /// process has not looked at yet.
    ///
    /// # Errors
    /// Those that are down, or come first.
    pub(crate) fn take<'a, Q: FnOnce() -> bool>(
        &self,
        source: Option<&str>,
        app: &AppId,
        others: impl IntoIterator<Item = (&'a AppId, Q)>,
    ) -> Result<(), Vec<AppId>> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(source.map(str::to_owned)).or_default();
        if lane.down.contains(app) {
            return Ok(());
        }
        let unknown = others.into_iter().filter(|(other, _)| !lane.judged.contains(*other));
        let begun_before = unknown.filter_map(|(other, is_between_pods)| is_between_pods().then(|| other.clone()));
        let mut down: BTreeSet<AppId> = begun_before.chain(lane.down.iter().cloned()).collect();
        down.remove(app);
        if !lane.waiting.contains(app) {
            lane.waiting.push_back(app.clone());
        }
        let place = lane.waiting.iter().position(|other| other == app).unwrap_or_default();
        if down.len() + place < self.most {
            lane.waiting.remove(place);
            lane.down.insert(app.clone());
            return Ok(());
        }
        lane.asking.insert(app.clone());
        Err(down.into_iter().chain(lane.waiting.iter().take(place).cloned()).collect())
    }

    /// No turn is wanted any more.
    pub(crate) fn leave(&self, source: Option<&str>, app: &AppId) {
        if let Some(lane) = self.lanes().get_mut(&source.map(str::to_owned)) {
            lane.waiting.retain(|other| other != app);
        }
    }

    /// A look at an App has ended. Where it did not ask for a turn (any more: it was paused, or something stands in its
    /// way), it keeps no other one waiting. Gives the Apps that may try again now.
    pub(crate) fn looked(&self, source: Option<&str>, app: &AppId) -> Vec<AppId> {
        let mut lanes = self.lanes();
        let Some(lane) = lanes.get_mut(&source.map(str::to_owned)) else { return Vec::new() };
        let before = lane.waiting.len();
        if !lane.asking.remove(app) {
            lane.waiting.retain(|other| other != app);
        }
        if lane.waiting.len() < before { lane.waiting.iter().take(self.most).cloned().collect() } else { Vec::new() }
    }

    /// An App is still on its way. `between_pods` tells whether its Pod was replaced: when this process knows
    /// nothing of that, an earlier one has begun it, and it takes a turn however many there are.
    pub(crate) fn goes_on(&self, source: Option<&str>, app: &AppId, between_pods: impl FnOnce() -> bool) {
        let mut lanes = self.lanes();
        let lane = lanes.entry(source.map(str::to_owned)).or_default();
        if !lane.judged.contains(app) {
            lane.judged.insert(app.clone());
            if between_pods() {
                lane.down.insert(app.clone());
            }
        }
    }

    /// An App is available, or has failed for good. Gives the Apps that may try again now.
    pub(crate) fn ended(&self, source: Option<&str>, app: &AppId) -> Vec<AppId> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(source.map(str::to_owned)).or_default();
        let is_news = lane.judged.insert(app.clone()) | lane.down.remove(app);
        if is_news { lane.waiting.iter().take(self.most).cloned().collect() } else { Vec::new() }
    }

    /// An App is no longer there.
    pub(crate) fn gone(&self, source: Option<&str>, app: &AppId) -> Vec<AppId> {
        self.leave(source, app);
        self.ended(source, app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPS: Option<&str> = Some("ops");
    type Question = fn() -> bool;
    const NOBODY: [(&AppId, Question); 0] = [];

    fn app(name: &str) -> AppId {
        format!("/ws/w/prv/p/cls/c/app/{name}").parse().unwrap()
    }

    fn take(turns: &Turns, name: &str) -> Result<(), Vec<String>> {
        let taken = turns.take(OPS, &app(name), NOBODY);
        taken.map_err(|others| others.into_iter().map(|other| other.app.clone()).collect())
    }

    fn names(apps: Vec<AppId>) -> Vec<String> {
        apps.into_iter().map(|app| app.app.clone()).collect()
    }

    #[test]
    fn one_after_the_other_in_the_order_of_asking() {
        let turns = Turns::default();
        assert_eq!(take(&turns, "a"), Ok(()));
        assert_eq!(take(&turns, "a"), Ok(()), "it has its turn");
        assert_eq!(take(&turns, "b"), Err(vec!["a".into()]));
        assert_eq!(take(&turns, "c"), Err(vec!["a".into(), "b".into()]));
        turns.goes_on(OPS, &app("a"), || false);
        assert_eq!(take(&turns, "b"), Err(vec!["a".into()]), "still down");
        assert_eq!(names(turns.ended(OPS, &app("a"))), ["b"]);
        assert_eq!(take(&turns, "c"), Err(vec!["b".into()]), "not before its turn");
        assert_eq!(take(&turns, "b"), Ok(()));
        assert_eq!(take(&turns, "c"), Err(vec!["b".into()]));
        assert_eq!(names(turns.ended(OPS, &app("b"))), ["c"]);
        assert_eq!(take(&turns, "c"), Ok(()));
    }

    #[test]
    fn as_many_as_the_configuration_says() {
        let turns = Turns::new(2);
        assert_eq!((take(&turns, "a"), take(&turns, "b")), (Ok(()), Ok(())));
        assert_eq!(take(&turns, "c"), Err(vec!["a".into(), "b".into()]));
        turns.ended(OPS, &app("b"));
        assert_eq!(take(&turns, "c"), Ok(()));
        assert_eq!(take(&Turns::new(0), "a"), Ok(()), "never none at all");
    }

    #[test]
    fn who_no_longer_wants_to_or_is_gone_holds_nobody_up() {
        let turns = Turns::default();
        take(&turns, "a").unwrap();
        take(&turns, "b").unwrap_err();
        take(&turns, "c").unwrap_err();
        turns.leave(OPS, &app("b"));
        assert_eq!(names(turns.gone(OPS, &app("a"))), ["c"]);
        assert_eq!(take(&turns, "c"), Ok(()));
    }

    #[test]
    fn who_does_not_ask_again_keeps_nobody_waiting() {
        let turns = Turns::default();
        take(&turns, "a").unwrap();
        for waiting in ["b", "c"] {
            take(&turns, waiting).unwrap_err();
            assert_eq!(names(turns.looked(OPS, &app(waiting))), Vec::<String>::new(), "it has asked in this look");
        }
        assert_eq!(names(turns.ended(OPS, &app("a"))), ["b"]);
        // Somebody has paused it meanwhile.
        assert_eq!(names(turns.looked(OPS, &app("b"))), ["c"]);
        assert_eq!(take(&turns, "c"), Ok(()));
        assert_eq!(names(turns.looked(OPS, &app("c"))), Vec::<String>::new());
        assert_eq!(take(&turns, "b"), Err(vec!["c".into()]), "it comes last now");
    }

    #[test]
    fn sources_do_not_wait_for_each_other() {
        let turns = Turns::default();
        take(&turns, "a").unwrap();
        assert_eq!(turns.take(Some("other"), &app("b"), NOBODY), Ok(()));
        assert_eq!(turns.take(None, &app("c"), NOBODY), Ok(()));
    }

    #[test]
    fn what_an_earlier_process_began_counts() {
        let turns = Turns::default();
        let (a, z) = (app("a"), app("z"));
        let between = || [(&a, true), (&z, false)].map(|(app, answer)| (app, move || answer));
        assert_eq!(turns.take(OPS, &app("b"), between()), Err(vec![app("a")]), "the cluster shows it");
        turns.goes_on(OPS, &app("a"), || true);
        assert_eq!(turns.take(OPS, &app("b"), NOBODY), Err(vec![app("a")]), "and so does a look at it");
        assert_eq!(names(turns.ended(OPS, &app("a"))), ["b"], "it is up, or has failed for good");
        let not_asked = || panic!("it is known how it is");
        assert_eq!(turns.take(OPS, &app("b"), [(&a, not_asked)]), Ok(()), "one that failed counts no more");
        turns.goes_on(OPS, &app("c"), || false);
        turns.goes_on(OPS, &app("c"), || true);
        assert_eq!(names(turns.ended(OPS, &app("b"))), Vec::<String>::new());
        assert_eq!(take(&turns, "d"), Ok(()), "a first deploy takes no turn");
    }
}
