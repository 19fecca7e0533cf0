//! The manager of keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::acting::Acting;
use super::advice::policy::AdvicePolicy;
use super::delegation::Delegate;
use super::error::{ManageError, ManageErrorKind};
use super::issued::IssuedKey;
use super::lifetime::later;
use super::limits::{check_end, check_metadata, check_name, check_reason, check_scopes};
use super::policy::IssuePolicy;
use crate::clock::{Clock, SystemClock};
use crate::identity::Identity;
use crate::key::format::KeyFormat;
use crate::key::formats::{InvalidKeyFormats, KeyFormats};
use crate::key::hasher::KeyHasher;
use crate::key::token::ApiKey;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::revocation::Revocation;
use crate::record::update::KeyUpdate;
use crate::store::contract::registry::KeyRegistry;
use crate::verify::verifier::Verifier;

/// Issues keys and leads them through their life.
///
/// See the [module](super) for an example. It checks nobody's right to do so: that is the
/// caller's part. Every change leaves an entry in the [audit trail](Self::audit).
///
/// # Errors
///
/// Every change fails with [`ManageError`] when
/// - the key does not exist ([`NotFound`](ManageErrorKind::NotFound));
/// - it has another revision than [expected](Self::if_revision)
///   ([`RevisionMismatch`](ManageErrorKind::RevisionMismatch));
/// - the [actor](Self::acting_as) or the [reason](Self::because) is out of its bounds, or
///   [looks like an API key](Self::looks_like_key) ([`InvalidInput`](ManageErrorKind::InvalidInput));
/// - it gives the key what the [policy](Self::with_issue_policy) does not allow
///   ([`OutsidePolicy`](ManageErrorKind::OutsidePolicy));
/// - it is made [on behalf of](Self::on_behalf_of) a key that lacks what it gives
///   ([`Exceeds`](ManageErrorKind::Exceeds));
/// - the store fails.
#[derive(Clone)]
pub struct KeyManager<S> {
    pub(super) store: S,
    pub(super) formats: KeyFormats,
    pub(super) hasher: KeyHasher,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) acting: Acting,
    pub(super) advice_policy: AdvicePolicy,
    pub(super) policy: IssuePolicy,
}

impl<S: KeyRegistry> KeyManager<S> {
    /// A manager with the default format, SHA-256 and the system's clock.
    pub fn new(store: S) -> Self {
        Self {
            store,
            formats: KeyFormats::one(KeyFormat::default()),
            hasher: KeyHasher::sha256(),
            clock: Arc::new(SystemClock::new()),
            acting: Acting::application(),
            advice_policy: AdvicePolicy::new(),
            policy: IssuePolicy::new(),
        }
    }

    /// Makes and accepts keys of this format only. Defaults to `tc_` and 64 hex characters.
    #[must_use]
    pub fn with_format(self, format: KeyFormat) -> Self {
        let formats = KeyFormats::one(format);
        Self { formats, ..self }
    }

    /// Makes keys of the first of these formats and accepts keys of all of them, such as an old prefix
    /// beside a new one.
    ///
    /// The [verifier](Self::verifier) accepts them, an [import](Self::import) takes keys of them, and no
    /// text that [looks like one of them](Self::looks_like_key) is stored.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyFormats`] when there is no format, or two have the same prefix.
    pub fn with_formats(
        self,
        formats: impl IntoIterator<Item = KeyFormat>,
    ) -> Result<Self, InvalidKeyFormats> {
        let formats = KeyFormats::new(formats)?;
        Ok(Self { formats, ..self })
    }

    /// Digests keys with this hasher, which the layer must have too: see
    /// [`verifier`](Self::verifier). Default: SHA-256.
    #[must_use]
    pub fn with_hasher(self, hasher: KeyHasher) -> Self {
        Self { hasher, ..self }
    }

    /// Takes the time from this clock. Default: the system's.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Holds what it issues and changes to this policy. Default: one that allows everything.
    #[must_use]
    pub fn with_issue_policy(self, policy: IssuePolicy) -> Self {
        Self { policy, ..self }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Whether the plaintext of a key, or half of it, stands in a string, by itself or within more text.
    ///
    /// It looks for the prefix of one of the manager's [formats](Self::with_formats) and 32 hex
    /// characters or more, without regard to case. Such a string is rejected as owner, name, scope, metadata, actor or reason, so that it is stored and
    /// shown nowhere. Ask before a form shows again what was typed.
    ///
    /// ```
    /// use tower_api_key::{KeyManager, MemoryStore};
    ///
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let key = format!("tc_{}", "0123456789abcdef".repeat(4));
    /// assert!(keys.looks_like_key(&format!("key of CI: {key}")));
    /// assert!(!keys.looks_like_key("tc_01234567"));
    /// ```
    pub fn looks_like_key(&self, text: &str) -> bool {
        self.formats.have_key_in(text)
    }

    /// Changes name, scopes, expiration date or metadata of a key, and disables or enables it, in one
    /// step.
    ///
    /// # Errors
    ///
    /// As every change; and [`ManageError`] when
    /// - the name, scopes or metadata are out of their bounds or [look like an API
    ///   key](Self::looks_like_key), or the new expiration is not in the future
    ///   ([`InvalidInput`](ManageErrorKind::InvalidInput));
    /// - the update sets an expiration, and the clock reads before 1970
    ///   ([`ClockUnset`](ManageErrorKind::ClockUnset));
    /// - the key is revoked ([`Refused`](ManageErrorKind::Refused)).
    pub async fn update(
        &self,
        id: &KeyId,
        update: KeyUpdate,
    ) -> Result<Arc<KeyRecord>, ManageError> {
        if let Some(name) = update.name() {
            check_name(name, &self.formats)?;
        }
        if let Some(scopes) = update.scopes() {
            check_scopes(scopes, &self.formats)?;
        }
        if let Some(metadata) = update.metadata() {
            check_metadata(metadata, &self.formats)?;
        }
        if let Some(end) = update.expires_at().flatten() {
            check_end(Some(end), self.now()?)?;
        }
        self.apply(id, KeyChange::Update(update), self.clock.now())
            .await
    }

    /// Gives a key a new secret. Previous secrets stay valid for the grace period, or less where they
    /// expire earlier. With a grace period of zero they expire at the time of the rotation: requests
    /// that still send them are denied, on a host whose clock is behind once it reads that time.
    ///
    /// [`DEFAULT_GRACE_PERIOD`](super::DEFAULT_GRACE_PERIOD), a day, gives clients time to change.
    ///
    /// When the store's answer is lost, the old secrets may have been given their end all the same:
    /// rotate again, within the grace.
    ///
    /// Id, owner, name, scopes and expiration date stay. There is no instant at which neither
    /// secret works. The new plaintext is in the result, and nowhere else.
    ///
    /// # Errors
    ///
    /// As every change; and [`ManageError`] when
    /// - the key is revoked, or has expired, so that no new secret would work;
    /// - too many of its secrets still work
    ///   ([`MAX_SECRET_VERSIONS`](KeyChange::MAX_SECRET_VERSIONS));
    /// - the clock reads before 1970;
    /// - the operating system's random source fails.
    ///
    /// A store that timed out may have rotated the key all the same. The new plaintext is lost then,
    /// and the old ones have their end: rotate again.
    pub async fn rotate(&self, id: &KeyId, grace: Duration) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        let key = ApiKey::generate(self.formats.first())?;
        let change = KeyChange::Rotate {
            digest: self.hasher.digest(&key),
            prefix: key.prefix(),
            at: now,
            others_retire_at: later(now, grace).unwrap_or(Timestamp::MAX),
        };
        let record = self.apply(id, change, now).await?;
        Ok(IssuedKey { key, record })
    }

    /// Refuses a key until it is enabled again. A disabled key may be disabled again.
    ///
    /// # Errors
    ///
    /// As every change; and [`ManageError`] when the key is revoked.
    pub async fn disable(&self, id: &KeyId) -> Result<Arc<KeyRecord>, ManageError> {
        self.apply(id, KeyChange::Disable, self.clock.now()).await
    }

    /// Lets a disabled key work again.
    ///
    /// # Errors
    ///
    /// As every change; and [`ManageError`] when the key is revoked.
    pub async fn enable(&self, id: &KeyId) -> Result<Arc<KeyRecord>, ManageError> {
        self.apply(id, KeyChange::Enable, self.clock.now()).await
    }

    /// Refuses a key for ever, with all its secrets. The record stays, with the reason.
    ///
    /// A key that is revoked already keeps its first reason.
    ///
    /// # Errors
    ///
    /// As every change; and [`ManageError`] when the reason is longer than 1,024 bytes, has control
    /// characters or [looks like an API key](Self::looks_like_key).
    pub async fn revoke(&self, id: &KeyId, reason: &str) -> Result<Arc<KeyRecord>, ManageError> {
        check_reason(reason, &self.formats)?;
        let now = self.clock.now();
        let revocation = Revocation::new(now, reason);
        self.apply(id, KeyChange::Revoke(revocation), now).await
    }

    /// Removes a key, with the counts of its uses; the audit trail stays. Prefer
    /// [`revoke`](Self::revoke), which leaves a record: an [import](Self::import) of the same key would
    /// create a deleted one again.
    ///
    /// Copies that a cache, a backup or a thread of a [`MemoryStore`](crate::store::MemoryStore)
    /// made of the record may live on for a while; no plaintext is in them.
    ///
    /// # Errors
    ///
    /// As every change.
    pub async fn delete(&self, id: &KeyId) -> Result<(), ManageError> {
        let deleted = self.apply(id, KeyChange::Delete, self.clock.now()).await;
        deleted.map(drop)
    }

    /// The time, by a clock that has been set.
    pub(super) fn now(&self) -> Result<Timestamp, ManageError> {
        let now = self.clock.now();
        if now < Timestamp::UNIX_EPOCH {
            let message = format!("expected a clock that reads 1970 or later, found {now}");
            return Err(ManageError::new(ManageErrorKind::ClockUnset, message));
        }
        Ok(now)
    }
}

impl<S: Clone> KeyManager<S> {
    /// The same manager for changes that somebody makes, such as `acct_42` or `support:jane`: 1 to
    /// 256 octets without control characters. Default: `application`.
    ///
    /// ```
    /// use tower_api_key::{KeyManager, MemoryStore, NewKey};
    ///
    /// # futures::executor::block_on(async {
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let id = keys.issue(NewKey::new("acct_42", "CI")).await?.record.id();
    /// keys.acting_as("support:jane").because("ticket 4711").disable(&id).await?;
    ///
    /// let trail = keys.audit("acct_42", &Default::default()).await?;
    /// let newest = &trail.entries()[0];
    /// assert_eq!(newest.actor(), "support:jane");
    /// assert_eq!(newest.action().to_string(), "disabled");
    /// # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn acting_as(&self, actor: &str) -> Self {
        let mut manager = self.clone();
        manager.acting.actor = actor.into();
        manager
    }

    /// The same manager for changes with that reason, which may be empty: at most 1,024 octets
    /// without control characters. Default: empty.
    #[must_use]
    pub fn because(&self, reason: &str) -> Self {
        let mut manager = self.clone();
        manager.acting.reason = reason.into();
        manager
    }

    /// The same manager for keys that this key issues, and for changes that it makes to others.
    ///
    /// It issues and changes only keys of the same owner, whose scopes and expiration lie within those
    /// of the acting key: a key of another owner is [not found](ManageErrorKind::NotFound), and
    /// whatever else lies outside [exceeds](ManageErrorKind::Exceeds) the acting key. A key that is
    /// issued without an expiration gets that of the acting key.
    ///
    /// Every commit is conditional on the acting key being unchanged, so a key that was revoked makes
    /// no further change. Each secret records what its recipient was allowed to do when the plaintext
    /// was handed out; a later change that makes the key stronger lets that secret expire, so the
    /// holder of a key never has a working secret stronger than that key was. Revoking the acting key
    /// later does not revoke keys that it issued: look at the owner's keys.
    ///
    /// The [actor](Self::acting_as) is `key:` and the id of the acting key.
    #[must_use]
    pub fn on_behalf_of(&self, maker: &Identity) -> Self {
        let mut manager = self.acting_as(&format!("key:{}", maker.key_id()));
        manager.acting.delegate = Some(Delegate::new(maker));
        manager
    }

    /// The same manager for changes of a key that has this [revision](KeyRecord::revision) still.
    /// It issues keys all the same.
    ///
    /// ```
    /// use tower_api_key::manage::ManageErrorKind;
    /// use tower_api_key::{KeyManager, MemoryStore, NewKey};
    ///
    /// # futures::executor::block_on(async {
    /// let keys = KeyManager::new(MemoryStore::new());
    /// let seen = keys.issue(NewKey::new("acct_42", "CI")).await?.record;
    /// keys.disable(&seen.id()).await?; // meanwhile
    ///
    /// let late = keys.if_revision(seen.revision()).revoke(&seen.id(), "unused").await;
    /// assert_eq!(late.unwrap_err().kind(), ManageErrorKind::RevisionMismatch);
    /// # Ok::<(), tower_api_key::manage::ManageError>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn if_revision(&self, revision: u64) -> Self {
        let mut manager = self.clone();
        manager.acting.expected_revision = Some(revision);
        manager
    }
}

impl<S: KeyRegistry + Clone + 'static> KeyManager<S> {
    /// A verifier of this manager's keys: the same store, formats, hasher and clock.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.store.clone())
            .accepting(self.formats.clone())
            .with_hasher(self.hasher.clone())
            .with_clock(self.clock.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for KeyManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyManager")
            .field("store", &self.store)
            .field("formats", &self.formats)
            .field("hasher", &self.hasher)
            .finish_non_exhaustive()
    }
}
