//! Who makes a change, when and why.

use jiff::Timestamp;

use super::moment::Moment;
use super::recipient::Recipient;

/// Who makes a change, when and why, for the audit trail. The time is truncated to microseconds.
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
    recipient: Option<Recipient>,
}

impl ChangeContext {
    /// Who makes a change, unless it is said: `application`.
    pub const DEFAULT_ACTOR: &'static str = "application";

    /// A change at that time by the application, without a reason.
    pub fn new(at: Timestamp) -> Self {
        Self {
            at: Moment::floor(at),
            actor: Self::DEFAULT_ACTOR.into(),
            reason: Box::default(),
            recipient: None,
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

    /// Sets the key whose holder receives the plaintext that a rotation makes. Defaults to none: the
    /// application receives it.
    #[must_use]
    pub fn with_recipient(self, recipient: Option<Recipient>) -> Self {
        Self { recipient, ..self }
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

    /// The key whose holder receives the plaintext that a rotation makes.
    pub fn recipient(&self) -> Option<&Recipient> {
        self.recipient.as_ref()
    }
}
