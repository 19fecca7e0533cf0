//! Which keys have changed of late.

use std::collections::VecDeque;

use crate::record::id::KeyId;

/// The latest changes, so that a look-up that began before one of them does not remember what it
/// found.
pub(super) struct Changes {
    /// How many there have been.
    count: u64,
    /// The keys of the last of them.
    recent: VecDeque<KeyId>,
    /// The last one after which an unknown key may be known.
    last_added: u64,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            recent: VecDeque::with_capacity(KEPT),
            last_added: 0,
        }
    }

    /// A point in time: that after all changes up to now.
    pub(super) fn now(&self) -> u64 {
        self.count
    }

    /// Notes that this key has changed.
    pub(super) fn note(&mut self, id: KeyId) {
        self.count += 1;
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    /// Notes that this key was added, or another secret of it.
    pub(super) fn note_added(&mut self, id: KeyId) {
        self.note(id);
        self.last_added = self.count;
    }

    /// Notes that any key may have changed.
    pub(super) fn note_all(&mut self) {
        self.count += 1;
        self.recent.clear();
        self.last_added = self.count;
    }

    /// Whether this key may have changed since then; yes, where that is forgotten.
    pub(super) fn may_concern(&self, id: &KeyId, since: u64) -> bool {
        match usize::try_from(self.count - since) {
            Ok(later) if later <= self.recent.len() => {
                self.recent.iter().rev().take(later).any(|one| one == id)
            }
            _ => true,
        }
    }

    /// Whether a key that was unknown then may be known now.
    pub(super) fn may_have_added(&self, since: u64) -> bool {
        self.last_added > since
    }
}

/// How many changes are remembered. A look-up during which there were more is not remembered.
const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: KeyId = KeyId::from_bytes([1; 16]);
    const OTHER: KeyId = KeyId::from_bytes([2; 16]);

    #[test]
    fn a_change_concerns_its_key_and_what_began_before() {
        let mut changes = Changes::new();
        let before = changes.now();
        assert!(!changes.may_concern(&ONE, before));
        changes.note(ONE);
        assert!(changes.may_concern(&ONE, before));
        assert!(!changes.may_concern(&OTHER, before));
        assert!(!changes.may_concern(&ONE, changes.now()));
        assert!(!changes.may_have_added(before));
        changes.note_added(OTHER);
        assert!(changes.may_have_added(before));
        assert!(!changes.may_have_added(changes.now()));
    }

    #[test]
    fn what_is_forgotten_may_concern_every_key() {
        let mut changes = Changes::new();
        let before = changes.now();
        for _ in 0..KEPT {
            changes.note(ONE);
        }
        assert!(!changes.may_concern(&OTHER, before));
        changes.note(ONE);
        assert!(changes.may_concern(&OTHER, before));
        assert!(!changes.may_concern(&OTHER, before + 1));
        assert_eq!(changes.recent.len(), KEPT);

        let before = changes.now();
        changes.note_all();
        changes.note(ONE);
        assert!(changes.may_concern(&OTHER, before));
        assert!(!changes.may_concern(&OTHER, before + 1));
        assert!(changes.may_have_added(before));
    }
}
