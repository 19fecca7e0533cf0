//! The memory store's audit trail, and what no insert may repeat.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::audit_page::{AuditPage, AuditPageRequest};
use crate::record::audit::AuditEntry;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::moment::Moment;

/// The newest entries of an audit trail, and the newest idempotency keys.
#[derive(Default)]
pub(super) struct Journal {
    last_number: u64,
    /// Oldest first.
    entries: VecDeque<AuditEntry>,
    issued: BTreeMap<[u8; 32], Issued>,
}

/// What an insert with an idempotency key has added, and when.
struct Issued {
    id: KeyId,
    at: Moment,
    number: u64,
}

impl Journal {
    /// How many entries, and how many idempotency keys, are kept.
    pub(super) const CAPACITY: usize = 10_000;

    pub(super) fn write(&mut self, entry: AuditEntry) {
        self.last_number += 1;
        if self.entries.len() == Self::CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry.with_number(self.last_number));
    }

    /// The key that an earlier insert with the context's idempotency key has added.
    pub(super) fn issued(&self, context: &ChangeContext) -> Option<KeyId> {
        let issued = self.issued.get(context.idempotency_key()?)?;
        Some(issued.id)
    }

    pub(super) fn remember(&mut self, id: KeyId, context: &ChangeContext) {
        let Some(key) = context.idempotency_key() else {
            return;
        };
        if self.issued.len() == Self::CAPACITY {
            let oldest = self.issued.iter().min_by_key(|(_, issued)| issued.number);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| self.issued.remove(&key));
        }
        let issued = Issued {
            id,
            at: Moment::floor(context.at()),
            number: self.last_number,
        };
        self.issued.insert(*key, issued);
    }

    /// Forgets the idempotency key of a key that is deleted.
    pub(super) fn forget(&mut self, id: &KeyId) {
        self.issued.retain(|_, issued| issued.id != *id);
    }

    pub(super) fn page(&self, owner: &str, page: &AuditPageRequest) -> AuditPage {
        let entries = self.entries.iter().rev();
        let own = entries
            .filter(|entry| page.cursor().is_none_or(|before| entry.number() < before))
            .filter(|entry| entry.owner() == owner);
        AuditPage::new(page, own.cloned())
    }

    /// How many entries it forgot.
    pub(super) fn forget_before(&mut self, at: Timestamp) -> usize {
        let at = Moment::floor(at);
        let before = self.entries.len();
        self.entries.retain(|entry| entry.at() >= at.timestamp());
        self.issued.retain(|_, issued| issued.at >= at);
        before - self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::action::AuditAction;

    #[test]
    fn the_oldest_give_way() {
        let mut journal = Journal::default();
        let id = KeyId::from_bytes([1; 16]);
        let context = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            ChangeContext::new(Timestamp::UNIX_EPOCH).with_idempotency_key(key)
        };
        for number in 0..=Journal::CAPACITY {
            let action = AuditAction::Issued;
            journal.write(AuditEntry::new(
                0,
                Timestamp::UNIX_EPOCH,
                action,
                id,
                "acct_42",
            ));
            journal.remember(id, &context(number));
        }
        let last = AuditPageRequest::first(10).before(3);
        let entries = journal.page("acct_42", &last);
        let numbers: Vec<_> = entries.entries().iter().map(AuditEntry::number).collect();
        assert_eq!(numbers, [2]);
        assert_eq!(journal.issued(&context(0)), None);
        assert_eq!(journal.issued(&context(1)), Some(id));
        assert_eq!(journal.issued(&context(Journal::CAPACITY)), Some(id));
    }
}
