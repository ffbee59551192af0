//! What is kept of the files that an App is made of, for life without Git: read when they are written down, which is
//! when something new of them was applied.

use tracing::warn;

use crate::applied::{Files, Stored};
use crate::context::Wish;
use crate::kept::{Kept, NotKept};

/// What is to be written down of an App's files beside the record of what was applied.
pub(super) async fn to_keep(wish: &Wish, before: Option<&Stored>) -> Files {
    if is_kept(wish, before) {
        return Files::Same;
    }
    let (made_of, time) = (wish.made_of.clone(), wish.commit.time);
    let packing = tokio::task::spawn_blocking(move || Kept::of(&made_of, time)?.pack()).await;
    let packed = packing.unwrap_or_else(|_| Err(NotKept::Unreadable("the agent broke off; its log says where".into())));
    match packed {
        Ok(packed) => Files::Kept(wish.digest.to_string(), packed),
        Err(error) => {
            warn!(app = %wish.app.id, %error, "without Git and without the cache, the App will be left alone");
            match error {
                NotKept::TooLarge(_) | NotKept::Unpackable(_) => Files::Never(wish.digest.to_string()),
                NotKept::Unreadable(_) => Files::NotYet,
            }
        }
    }
}

/// Whether nothing has to be written down of an App's files.
pub(super) fn is_kept(wish: &Wish, before: Option<&Stored>) -> bool {
    before.and_then(|before| before.keeps.as_deref()).is_some_and(|kept| *kept == *wish.digest)
}
