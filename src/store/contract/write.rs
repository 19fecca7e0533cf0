//! What a store is asked to write, and under which conditions.

use std::sync::Arc;

use super::feed::FeedEvent;
use crate::record::action::AuditAction;
use crate::record::audit::AuditEntry;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::transition::Transition;

/// A key to be added, and what must hold for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Insert {
    /// The key.
    pub record: Arc<KeyRecord>,
    /// The entry of the audit trail, which the store has yet to number.
    pub audit: AuditEntry,
    /// Adds the key only if this key is unchanged.
    pub acting: Option<ActingKey>,
    /// Adds the key only if no earlier insert for the same owner had these bytes.
    pub idempotency_key: Option<[u8; 32]>,
    /// Adds the key only if its owner has fewer than that many keys that are not revoked. Expired and
    /// disabled keys count.
    pub max_keys_per_owner: Option<u64>,
}

impl Insert {
    /// The insert of a key in that context, without conditions.
    pub fn new(record: impl Into<Arc<KeyRecord>>, context: &ChangeContext) -> Self {
        let record = record.into();
        Self {
            audit: AuditEntry::of_insert(&record, context),
            record,
            acting: None,
            idempotency_key: None,
            max_keys_per_owner: None,
        }
    }

    /// Sets [`acting`](Self::acting). Defaults to none.
    #[must_use]
    pub fn with_acting(self, acting: Option<ActingKey>) -> Self {
        Self { acting, ..self }
    }

    /// Sets [`idempotency_key`](Self::idempotency_key). Defaults to none.
    #[must_use]
    pub fn with_idempotency_key(self, key: Option<[u8; 32]>) -> Self {
        Self {
            idempotency_key: key,
            ..self
        }
    }

    /// Sets [`max_keys_per_owner`](Self::max_keys_per_owner). Defaults to none.
    #[must_use]
    pub fn with_max_keys_per_owner(self, count: Option<u64>) -> Self {
        Self {
            max_keys_per_owner: count,
            ..self
        }
    }
}

/// What became of an [`Insert`] that was not rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The key was added.
    Created,
    /// Nothing was added: an earlier insert with the same idempotency key added this key, shown as it
    /// is now.
    Existing(Arc<KeyRecord>),
}

/// A change of a key, and what must hold for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The key to be changed.
    pub id: KeyId,
    /// The [revision](KeyRecord::revision) that the key must have.
    pub expected_revision: u64,
    /// The key after the change; `None` deletes it.
    pub next: Option<Arc<KeyRecord>>,
    /// Makes the change only if this key is unchanged. It may be the changed key itself.
    pub acting: Option<ActingKey>,
    /// The entry of the audit trail, which the store has yet to number.
    pub audit: AuditEntry,
}

impl Commit {
    /// The commit of a transition from that record; `None` if the transition leaves it as it is.
    pub fn of(before: &KeyRecord, transition: Transition) -> Option<Self> {
        let (next, audit) = transition.into_parts();
        Some(Self {
            id: before.id(),
            expected_revision: before.revision(),
            next: next.map(Arc::new),
            acting: None,
            audit: audit?,
        })
    }

    /// Sets [`acting`](Self::acting). Defaults to none.
    #[must_use]
    pub fn with_acting(self, acting: Option<ActingKey>) -> Self {
        Self { acting, ..self }
    }

    /// What a change feed reports once this is committed.
    pub fn event(&self) -> FeedEvent {
        match self.audit.action() {
            AuditAction::Rotated => FeedEvent::Added(self.id),
            _ => FeedEvent::Changed(self.id),
        }
    }
}

/// A key on whose behalf another is added or changed, as it was when that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActingKey {
    /// The id of the key.
    pub id: KeyId,
    /// The [revision](KeyRecord::revision) that it must still have.
    pub revision: u64,
}
