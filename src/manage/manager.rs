//! The manager of keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::error::{ManageError, ManageErrorKind};
use super::issued::IssuedKey;
use super::limits::{check_end, check_reason, check_scopes, check_text, invalid};
use super::new_key::{Lifetime, NewKey};
use crate::clock::{Clock, SystemClock};
use crate::identity::Identity;
use crate::key::format::KeyFormat;
use crate::key::hasher::KeyHasher;
use crate::key::token::ApiKey;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::moment::Moment;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
use crate::record::update::KeyUpdate;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;
use crate::verify::verifier::Verifier;

/// Issues keys and leads them through their life.
///
/// See the [module](super) for an example. It checks nobody's right to do so: that is the
/// caller's part.
#[derive(Clone)]
pub struct KeyManager<S> {
    pub(super) store: S,
    format: KeyFormat,
    pub(super) hasher: KeyHasher,
    pub(super) clock: Arc<dyn Clock>,
}

impl<S: KeyRegistry> KeyManager<S> {
    /// A manager with the default format, SHA-256 and the system's clock.
    pub fn new(store: S) -> Self {
        Self {
            store,
            format: KeyFormat::default(),
            hasher: KeyHasher::sha256(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Makes keys of this format. Default: `tc_` and 64 digits.
    #[must_use]
    pub fn with_format(self, format: KeyFormat) -> Self {
        Self { format, ..self }
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

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Makes a key. Its plaintext is in the result, and nowhere else.
    ///
    /// When the store's answer is lost, the key may have been made all the same, and nobody has its
    /// plaintext: it is in its owner's [`list`](Self::list), where it can be revoked or rotated.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - owner or name is empty, longer than 256 octets or has control characters, there are more
    ///   than 64 scopes, or the end is not in the future
    ///   ([`InvalidInput`](ManageErrorKind::InvalidInput));
    /// - the clock reads before 1970, so that no end can be judged
    ///   ([`ClockUnset`](ManageErrorKind::ClockUnset));
    /// - the operating system's random source or the store fails.
    pub async fn issue(&self, new: NewKey) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        let expires_at = end_of(new.lifetime, now)?;
        self.issue_until(new, expires_at, now).await
    }

    /// Makes a key on behalf of whoever sent a request.
    ///
    /// The new key belongs to the maker's owner, and has no scope and no lifetime that the maker
    /// lacks. Without an end of its own it gets the maker's. The maker is looked up once more, so
    /// one that was revoked or lost a scope since its request began makes nothing of it.
    ///
    /// Revoking the maker later does not revoke what it made.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue), and [`Exceeds`](ManageErrorKind::Exceeds) when
    /// - the new key's owner is not the maker's;
    /// - it asks for a scope or an end that the maker lacks;
    /// - the maker does not work any more.
    pub async fn delegate(&self, maker: &Identity, new: NewKey) -> Result<IssuedKey, ManageError> {
        let exceeds = |message: &'static str| ManageError::new(ManageErrorKind::Exceeds, message);
        let now = self.now()?;
        let record = self.store.get(&maker.key_id()).await?;
        let record = record.ok_or_else(|| exceeds("the key that makes a key was deleted"))?;
        let secret = record
            .secret_versions()
            .iter()
            .find(|version| version.number() == maker.secret_version())
            .ok_or_else(|| exceeds("the secret that makes a key was superseded"))?;

        // A superseded secret must not outlive its overlap in a key that it makes.
        let maker_end = [record.expires_at(), secret.retires_at()]
            .into_iter()
            .flatten()
            .min();
        if record.status(now) != KeyStatus::Active || maker_end.is_some_and(|end| now >= end) {
            return Err(exceeds("the key that makes a key does not work any more"));
        }
        if &*new.owner != record.owner() {
            return Err(exceeds("expected the owner of the key that makes a key"));
        }
        if !record.scopes().contains_all(&new.scopes) {
            return Err(exceeds(
                "expected no scope that the key that makes a key lacks",
            ));
        }
        let asked = end_of(new.lifetime, now)?.or(maker_end);
        if let (Some(asked), Some(maker_end)) = (asked, maker_end)
            && asked > maker_end
        {
            return Err(exceeds(
                "expected an end no later than that of the key that makes a key",
            ));
        }
        self.issue_until(new, asked, now).await
    }

    /// The key of that id.
    ///
    /// Compare its owner with the caller's before you show it.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, ManageError> {
        Ok(self.store.get(id).await?)
    }

    /// One page of an owner's keys, in the order of their ids: oldest first, to the millisecond.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the store fails.
    pub async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, ManageError> {
        Ok(self.store.list(owner, page).await?)
    }

    /// Changes name, scopes or expiration date of a key.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - the name or scopes are out of their bounds, or the end is not in the future;
    /// - the key does not exist or is revoked;
    /// - the store fails.
    pub async fn update(
        &self,
        id: &KeyId,
        update: KeyUpdate,
    ) -> Result<Arc<KeyRecord>, ManageError> {
        if let Some(name) = update.name() {
            check_text("a name", name)?;
        }
        if let Some(scopes) = update.scopes() {
            check_scopes(scopes)?;
        }
        if let Some(end) = update.expires_at().flatten() {
            check_end(Some(end), self.now()?)?;
        }
        self.apply(id, KeyChange::Update(update)).await
    }

    /// Gives a key a new secret; the old ones work for `grace` longer, or less where they had an
    /// earlier end. With no grace they end at once, whatever the clocks of other hosts say.
    ///
    /// When the store's answer is lost, the old secrets may have been given their end all the same:
    /// rotate again, within the grace.
    ///
    /// Id, owner, name, scopes and expiration date stay. There is no instant at which neither
    /// secret works. The new plaintext is in the result, and nowhere else.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - the key does not exist, is revoked, or has expired, so that no new secret would work;
    /// - too many of its secrets still work
    ///   ([`MAX_SECRET_VERSIONS`](KeyChange::MAX_SECRET_VERSIONS));
    /// - the clock reads before 1970;
    /// - the operating system's random source or the store fails.
    ///
    /// A store that timed out may have rotated the key all the same. The new plaintext is lost then,
    /// and the old ones have their end: rotate again.
    pub async fn rotate(&self, id: &KeyId, grace: Duration) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        let record = self
            .store
            .get(id)
            .await?
            .ok_or_else(ManageError::not_found)?;
        if record.expires_at().is_some_and(|end| now >= end) {
            let message = "the key has expired; expected a later expiration date before a rotation";
            return Err(ManageError::new(ManageErrorKind::Refused, message));
        }
        let key = ApiKey::generate(&self.format)?;
        let change = KeyChange::Rotate {
            digest: self.hasher.digest(&key),
            prefix: key.prefix(),
            at: now,
            others_retire_at: end_of_others(now, grace),
        };
        let record = self.apply(id, change).await?;
        Ok(IssuedKey { key, record })
    }

    /// Refuses a key until it is enabled again. A disabled key may be disabled again.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the key does not exist or is revoked, or the store fails.
    pub async fn disable(&self, id: &KeyId) -> Result<Arc<KeyRecord>, ManageError> {
        self.apply(id, KeyChange::Disable).await
    }

    /// Lets a disabled key work again.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the key does not exist or is revoked, or the store fails.
    pub async fn enable(&self, id: &KeyId) -> Result<Arc<KeyRecord>, ManageError> {
        self.apply(id, KeyChange::Enable).await
    }

    /// Refuses a key for ever, with all its secrets. The record stays, with the reason.
    ///
    /// A key that is revoked already keeps its first reason.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - the reason is longer than 1,024 octets or has control characters;
    /// - the key does not exist;
    /// - the store fails.
    pub async fn revoke(&self, id: &KeyId, reason: &str) -> Result<Arc<KeyRecord>, ManageError> {
        check_reason(reason)?;
        self.apply(
            id,
            KeyChange::Revoke(Revocation::new(self.clock.now(), reason)),
        )
        .await
    }

    /// Removes a key from the store. Prefer [`revoke`](Self::revoke), which leaves a record.
    ///
    /// Copies that a cache, a backup or a thread of a [`MemoryStore`](crate::store::MemoryStore)
    /// made of the record may live on for a while; no plaintext is in them.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when the key does not exist or the store fails.
    pub async fn delete(&self, id: &KeyId) -> Result<(), ManageError> {
        self.apply(id, KeyChange::Delete).await.map(drop)
    }

    async fn issue_until(
        &self,
        new: NewKey,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<IssuedKey, ManageError> {
        check_text("an owner", &new.owner)?;
        check_text("a name", &new.name)?;
        check_scopes(&new.scopes)?;
        check_end(expires_at, now)?;

        let key = ApiKey::generate(&self.format)?;
        let version = SecretVersion::new(1, self.hasher.digest(&key), key.prefix(), now);
        let record = KeyRecord::new(KeyId::generate(now)?, new.owner, new.name, now)
            .with_scopes(new.scopes)
            .with_expires_at(expires_at)
            .with_secret_versions([version]);
        let record = self.store.insert(record).await?;
        Ok(IssuedKey { key, record })
    }

    /// The time, by a clock that has been set.
    fn now(&self) -> Result<Timestamp, ManageError> {
        let now = self.clock.now();
        if now < Timestamp::UNIX_EPOCH {
            let message = format!("expected a clock that reads 1970 or later, found {now}");
            return Err(ManageError::new(ManageErrorKind::ClockUnset, message));
        }
        Ok(now)
    }

    async fn apply(&self, id: &KeyId, change: KeyChange) -> Result<Arc<KeyRecord>, ManageError> {
        Ok(self.store.apply(id, &change).await?)
    }
}

impl<S: KeyRegistry + Clone> KeyManager<S> {
    /// A verifier of this manager's keys: the same store, format, hasher and clock.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.store.clone())
            .with_format(self.format)
            .with_hasher(self.hasher.clone())
            .with_clock(self.clock.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for KeyManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyManager")
            .field("store", &self.store)
            .field("format", &self.format)
            .field("hasher", &self.hasher)
            .finish_non_exhaustive()
    }
}

/// The end as the record will keep it, so that it is judged as such.
fn end_of(lifetime: Lifetime, now: Timestamp) -> Result<Option<Timestamp>, ManageError> {
    let end = match lifetime {
        Lifetime::Unlimited => return Ok(None),
        Lifetime::Until(end) => end,
        Lifetime::For(lifetime) => later(now, lifetime).ok_or_else(|| {
            invalid(format!(
                "expected a lifetime that ends before the year 10000, found {lifetime:?}"
            ))
        })?,
    };
    Ok(Some(Moment::floor(end).timestamp()))
}

fn end_of_others(now: Timestamp, grace: Duration) -> Timestamp {
    if grace.is_zero() {
        KeyChange::AT_ONCE
    } else {
        later(now, grace).unwrap_or(Timestamp::MAX)
    }
}

fn later(now: Timestamp, by: Duration) -> Option<Timestamp> {
    let by = SignedDuration::try_from(by).ok()?;
    now.checked_add(by).ok()
}
