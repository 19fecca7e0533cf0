//! The audit trail: who did what to a key, when and why.

use jiff::Timestamp;

use super::action::AuditAction;
use super::change::KeyChange;
use super::context::ChangeContext;
use super::detail;
use super::id::KeyId;
use super::key::KeyRecord;
use super::moment::Moment;

/// One entry of the audit trail: who did what to a key, when and why.
///
/// It holds neither digests nor plaintexts. [`of_insert`](Self::of_insert) and
/// [`of_change`](Self::of_change) make it, so that it is the same in every store; a store numbers
/// and keeps it, and reads it back with [`new`](Self::new) and the `with_*` methods. The time is
/// kept to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    number: u64,
    at: Moment,
    action: AuditAction,
    key_id: KeyId,
    owner: Box<str>,
    actor: Box<str>,
    reason: Box<str>,
    detail: Box<str>,
}

impl AuditEntry {
    /// An entry read from a store: that was done to a key of that owner at that time, by
    /// [`ChangeContext::DEFAULT_ACTOR`], with an empty reason and the detail `{}`.
    pub fn new(
        number: u64,
        at: Timestamp,
        action: AuditAction,
        key_id: KeyId,
        owner: impl Into<Box<str>>,
    ) -> Self {
        Self {
            number,
            at: Moment::floor(at),
            action,
            key_id,
            owner: owner.into(),
            actor: ChangeContext::DEFAULT_ACTOR.into(),
            reason: Box::default(),
            detail: detail::NONE.into(),
        }
    }

    /// The entry of a key that is added, with the number 0.
    pub fn of_insert(record: &KeyRecord, context: &ChangeContext) -> Self {
        let detail = detail::of_insert(record);
        Self::of(AuditAction::Issued, record, context, detail)
    }

    /// The entry of a change that makes this record another, with the number 0; `None` if the
    /// change leaves it as it is.
    ///
    /// `after` is what [`KeyChange::applied_to`] gave. Of a revocation, the reason is that of the
    /// context, or else its own.
    pub fn of_change(
        change: &KeyChange,
        before: &KeyRecord,
        after: Option<&KeyRecord>,
        context: &ChangeContext,
    ) -> Option<Self> {
        if after == Some(before) {
            return None;
        }
        let detail = detail::of_change(change, before, after);
        let mut entry = Self::of(AuditAction::of(change), before, context, detail);
        if let (KeyChange::Revoke(revocation), true) = (change, entry.reason.is_empty()) {
            entry.reason = revocation.reason().into();
        }
        Some(entry)
    }

    fn of(
        action: AuditAction,
        record: &KeyRecord,
        context: &ChangeContext,
        detail: Box<str>,
    ) -> Self {
        Self::new(0, context.at(), action, record.id(), record.owner())
            .with_actor(context.actor())
            .with_reason(context.reason())
            .with_detail(detail)
    }

    /// The entry with the number that the store gives it.
    #[must_use]
    pub fn with_number(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The entry with that actor.
    #[must_use]
    pub fn with_actor(self, actor: impl Into<Box<str>>) -> Self {
        Self {
            actor: actor.into(),
            ..self
        }
    }

    /// The entry with that reason.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<Box<str>>) -> Self {
        Self {
            reason: reason.into(),
            ..self
        }
    }

    /// The entry with that detail, the text of a JSON object.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Box<str>>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// The place of the entry in the store's trail: a later entry has a higher number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was done, by the clock of whoever did it.
    pub fn at(&self) -> Timestamp {
        self.at.timestamp()
    }

    /// What was done.
    pub fn action(&self) -> AuditAction {
        self.action
    }

    /// The key to which it was done, which need not exist any more.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The owner of the key.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Who did it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Why it was done; empty if nobody said.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What exactly was done, as the text of a JSON object.
    ///
    /// | action | its members |
    /// | --- | --- |
    /// | `issued` | `name`, `scopes`, `expires_at`, `metadata` |
    /// | `updated` | those of the four and `disabled` that changed, each an object with `from` and `to` |
    /// | `rotated` | `version`, `prefix` and `others_retire_at` of the new secret |
    /// | others | none |
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
