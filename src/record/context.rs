//! Who makes a change, when and why, and what must hold for it.

use jiff::Timestamp;

use super::moment::Moment;

/// Who makes a change, when and why, for the audit trail, and what must still hold for it to be
/// made.
///
/// The time is kept to the microsecond.
///
/// ```
/// use jiff::Timestamp;
/// use tower_api_key::record::ChangeContext;
///
/// let context = ChangeContext::new(Timestamp::now())
///     .with_actor("support:jane")
///     .with_reason("ticket 4711");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeContext {
    at: Moment,
    actor: Box<str>,
    reason: Box<str>,
    expected_revision: Option<u64>,
    max_keys_of_owner: Option<u64>,
    idempotency_key: Option<[u8; 32]>,
}

impl ChangeContext {
    /// Who makes a change, unless it is said: `application`.
    pub const DEFAULT_ACTOR: &'static str = "application";

    /// A change at that time by the application, without a reason and without conditions.
    pub fn new(at: Timestamp) -> Self {
        Self {
            at: Moment::floor(at),
            actor: Self::DEFAULT_ACTOR.into(),
            reason: Box::default(),
            expected_revision: None,
            max_keys_of_owner: None,
            idempotency_key: None,
        }
    }

    /// Says who makes the change. Default: [`DEFAULT_ACTOR`](Self::DEFAULT_ACTOR).
    #[must_use]
    pub fn with_actor(self, actor: impl Into<Box<str>>) -> Self {
        Self {
            actor: actor.into(),
            ..self
        }
    }

    /// Says why the change is made. Default: an empty text.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<Box<str>>) -> Self {
        Self {
            reason: reason.into(),
            ..self
        }
    }

    /// Makes a change only of a key with that [revision](super::key::KeyRecord::revision). An
    /// insert does not mind it. Default: of any.
    #[must_use]
    pub fn with_expected_revision(self, revision: u64) -> Self {
        Self {
            expected_revision: Some(revision),
            ..self
        }
    }

    /// Adds a key only if its owner has fewer than that many that are not revoked, expired and
    /// disabled ones included. Only an insert of one key minds it. Default: however many there are.
    #[must_use]
    pub fn with_max_keys_of_owner(self, count: u64) -> Self {
        Self {
            max_keys_of_owner: Some(count),
            ..self
        }
    }

    /// Adds a key only if no earlier one was added with these octets, which should be a digest of
    /// the owner and of what the client sent. Only an insert of one key minds it. Default: adds it.
    #[must_use]
    pub fn with_idempotency_key(self, key: [u8; 32]) -> Self {
        Self {
            idempotency_key: Some(key),
            ..self
        }
    }

    /// When the change is made.
    pub fn at(&self) -> Timestamp {
        self.at.timestamp()
    }

    /// Who makes it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Why it is made.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The revision that the key must have, if it matters.
    pub fn expected_revision(&self) -> Option<u64> {
        self.expected_revision
    }

    /// How many keys that are not revoked the owner may have after an insert, if it matters.
    pub fn max_keys_of_owner(&self) -> Option<u64> {
        self.max_keys_of_owner
    }

    /// What no earlier insert may have had, if it matters.
    pub fn idempotency_key(&self) -> Option<&[u8; 32]> {
        self.idempotency_key.as_ref()
    }

    /// The same without what only an insert of one key minds.
    pub(crate) fn for_many(&self) -> Self {
        Self {
            max_keys_of_owner: None,
            idempotency_key: None,
            ..self.clone()
        }
    }
}
