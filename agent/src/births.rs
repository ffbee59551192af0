//! Who makes the Namespace of a new App: one after the other where several would make the same, and nobody
//! waits for the making of another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// The turns that are taken or waited for, by Namespace.
#[derive(Debug, Default)]
pub(crate) struct Births {
    turns: Mutex<BTreeMap<String, Weak<Turn>>>,
}

impl Births {
    /// Waits until nobody else makes this Namespace. The turn ends with what is returned.
    pub(crate) async fn turn(&self, namespace: &str) -> OwnedMutexGuard<()> {
        self.of(namespace).lock_owned().await
    }

    fn of(&self, namespace: &str) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(namespace).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(namespace.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn only_who_makes_the_same_namespace_waits() {
        let births = Births::default();
        let first = births.turn("a").await;
        assert!(births.turn("a").now_or_never().is_none());
        let other = births.turn("b").now_or_never().unwrap();
        drop(first);
        assert!(births.turn("a").now_or_never().is_some());
        drop(other);
        drop(births.turn("c").await);
        births.of("d");
        assert_eq!(births.turns.lock().unwrap().len(), 1, "what has ended is forgotten");
    }
}
