//! The stable names of actions.

use serde::Serialize;

use super::action::What;

/// What an action does, by name. The names never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ActionKind {
    /// A disk is made and assigned.
    NewEmptyDisk,
    /// A disk is assigned.
    AssignDisk,
    /// An object is created.
    Create,
    /// An object is changed.
    Change,
    /// An object is deleted and made anew.
    Replace,
    /// A PersistentVolume whose claim was deleted is made free for it again.
    GiveBack,
    /// An object is deleted.
    Delete,
    /// Nothing is done on purpose.
    Keep,
    /// It is left as it is although it should change.
    Left,
    /// It waits for something else.
    Awaited,
    /// It cannot be done.
    Blocked,
    /// It waits for a person.
    Held,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NewEmptyDisk,
        Self::AssignDisk,
        Self::Create,
        Self::Change,
        Self::Replace,
        Self::GiveBack,
        Self::Delete,
        Self::Keep,
        Self::Left,
        Self::Awaited,
        Self::Blocked,
        Self::Held,
    ];

    /// The kind of an action.
    #[must_use]
    pub const fn of(what: &What) -> Self {
        match what {
            What::CreateDisk(_) => Self::NewEmptyDisk,
            What::AssignDisk(_) => Self::AssignDisk,
            What::Create { .. } => Self::Create,
            What::Change { .. } => Self::Change,
            What::Replace { .. } => Self::Replace,
            What::GiveBack { .. } => Self::GiveBack,
            What::Delete(_) => Self::Delete,
            What::Keep(_) | What::Drifted { .. } => Self::Keep,
            What::Left { .. } => Self::Left,
            What::Awaited { .. } => Self::Awaited,
            What::Blocked { .. } => Self::Blocked,
            What::Held { .. } => Self::Held,
        }
    }

    /// The name in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NewEmptyDisk => "newEmptyDisk",
            Self::AssignDisk => "assignDisk",
            Self::Create => "create",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::GiveBack => "giveBack",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Left => "left",
            Self::Awaited => "awaited",
            Self::Blocked => "blocked",
            Self::Held => "held",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kinds_word_is_its_name_in_json() {
        for kind in ActionKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
    }
}
