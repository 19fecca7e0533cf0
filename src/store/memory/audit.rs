//! The memory store's audit trail and idempotency keys.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::record::audit::AuditEntry;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::moment::Moment;
use crate::store::contract::audit::{AuditPage, AuditPageRequest};

/// The newest entries of an audit trail, and the newest idempotency keys.
#[derive(Default)]
pub(super) struct Trail {
    last_number: u64,
    /// Oldest first.
    entries: VecDeque<AuditEntry>,
    /// By owner and key.
    inserted: BTreeMap<(Box<str>, [u8; 32]), InsertedKey>,
}

/// What an insert with an idempotency key has added, and when.
struct InsertedKey {
    id: KeyId,
    at: Moment,
    number: u64,
}

impl Trail {
    /// How many entries, and how many idempotency keys, are kept.
    pub(super) const CAPACITY: usize = 10_000;

    pub(super) fn write(&mut self, entry: AuditEntry) {
        self.last_number += 1;
        if self.entries.len() == Self::CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry.with_number(self.last_number));
    }

    /// The key that an earlier insert with that idempotency key has added.
    pub(super) fn inserted(&self, owner: &str, key: &[u8; 32]) -> Option<KeyId> {
        Some(self.inserted.get(&(owner.into(), *key))?.id)
    }

    /// Remembers the idempotency key of a new key.
    pub(super) fn remember(&mut self, key: [u8; 32], record: &KeyRecord, at: Timestamp) {
        if self.inserted.len() == Self::CAPACITY {
            let oldest = self.inserted.iter().min_by_key(|(_, one)| one.number);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.map(|key| self.inserted.remove(&key));
        }
        let inserted = InsertedKey {
            id: record.id(),
            at: Moment::floor(at),
            number: self.last_number,
        };
        self.inserted.insert((record.owner().into(), key), inserted);
    }

    /// Forgets the idempotency key of a key that is deleted.
    pub(super) fn forget(&mut self, id: &KeyId) {
        self.inserted.retain(|_, one| one.id != *id);
    }

    pub(super) fn page(&self, owner: &str, page: &AuditPageRequest) -> AuditPage {
        let entries = self.entries.iter().rev();
        let own = entries
            .filter(|entry| page.cursor().is_none_or(|before| entry.number() < before))
            .filter(|entry| entry.owner() == owner);
        AuditPage::new(page, own.cloned())
    }

    /// Returns how many entries it removed.
    pub(super) fn forget_before(&mut self, at: Timestamp) -> usize {
        let at = Moment::floor(at);
        let before = self.entries.len();
        self.entries.retain(|entry| entry.at() >= at.timestamp());
        self.inserted.retain(|_, one| one.at >= at);
        before - self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::action::AuditAction;

    #[test]
    fn the_oldest_give_way() {
        let mut trail = Trail::default();
        let id = KeyId::from_bytes([1; 16]);
        let record = KeyRecord::new(id, "acct_42", "CI", Timestamp::UNIX_EPOCH);
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..=Trail::CAPACITY {
            let action = AuditAction::Issued;
            trail.write(AuditEntry::new(
                0,
                Timestamp::UNIX_EPOCH,
                action,
                id,
                "acct_42",
            ));
            trail.remember(key(number), &record, Timestamp::UNIX_EPOCH);
        }
        let last = AuditPageRequest::first(10).before(3);
        let entries = trail.page("acct_42", &last);
        let numbers: Vec<_> = entries.entries().iter().map(AuditEntry::number).collect();
        assert_eq!(numbers, [2]);
        assert_eq!(trail.inserted("acct_42", &key(0)), None);
        assert_eq!(trail.inserted("acct_42", &key(1)), Some(id));
        assert_eq!(trail.inserted("acct_42", &key(Trail::CAPACITY)), Some(id));
    }
}
