//! Making keys.

use jiff::Timestamp;

use super::error::ManageError;
use super::issued::IssuedKey;
use super::limits::{check_end, check_metadata, check_name, check_owner, check_scopes};
use super::manager::KeyManager;
use super::mandate::Maker;
use super::new_key::NewKey;
use crate::identity::Identity;
use crate::key::token::ApiKey;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::registry::KeyRegistry;

impl<S: KeyRegistry> KeyManager<S> {
    /// Makes a key. Its plaintext is in the result, and nowhere else.
    ///
    /// When the store's answer is lost, the key may have been made all the same, and nobody has its
    /// plaintext: it is in its owner's [`list`](Self::list), where it can be revoked or rotated. With
    /// an [idempotency key](NewKey::with_idempotency_key), issue it again: no second key is made.
    ///
    /// # Errors
    ///
    /// [`ManageError`] when
    /// - owner or name is empty, longer than 256 octets or has control characters, there are more
    ///   than 64 scopes, the metadata or the [actor](Self::acting_as) is out of its bounds, one of
    ///   them [looks like an API key](Self::looks_like_key), or the expiration is not in the future
    ///   ([`InvalidInput`](super::ManageErrorKind::InvalidInput));
    /// - the [policy](Self::with_issue_policy) does not allow it
    ///   ([`OutsidePolicy`](super::ManageErrorKind::OutsidePolicy));
    /// - the manager acts [on behalf of](Self::on_behalf_of) a key that may not make it
    ///   ([`Exceeds`](super::ManageErrorKind::Exceeds));
    /// - the clock reads before 1970, so that no end can be judged
    ///   ([`ClockUnset`](super::ManageErrorKind::ClockUnset));
    /// - a key was issued with this idempotency key
    ///   ([`AlreadyIssued`](super::ManageErrorKind::AlreadyIssued), with the id of that key);
    /// - the owner has as many keys [as allowed](NewKey::with_max_keys_of_owner)
    ///   ([`TooManyKeys`](super::ManageErrorKind::TooManyKeys));
    /// - the operating system's random source or the store fails.
    pub async fn issue(&self, new: NewKey) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        if let Some(maker) = &self.acting.maker {
            return self.issue_within(maker, new, now).await;
        }
        let expires_at = new.lifetime.end(now)?;
        self.issue_until(new, expires_at, now).await
    }

    /// Makes a key on behalf of whoever sent a request.
    ///
    /// The new key belongs to the maker's owner, and has no scope and no lifetime that the maker
    /// lacks. Without an end of its own it gets the maker's. The maker is looked up once more, so
    /// one that was revoked or lost a scope since its request began makes nothing of it.
    ///
    /// Revoking the maker later does not revoke what it made, nor what it makes in the very moment:
    /// look at the owner's keys after you have revoked one that makes others.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue), and [`Exceeds`](super::ManageErrorKind::Exceeds) when
    /// - the new key's owner is not the maker's;
    /// - it asks for a scope or an end that the maker lacks;
    /// - the maker does not work any more.
    pub async fn delegate(&self, maker: &Identity, new: NewKey) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        self.issue_within(&Maker::new(maker), new, now).await
    }

    async fn issue_within(
        &self,
        maker: &Maker,
        new: NewKey,
        now: Timestamp,
    ) -> Result<IssuedKey, ManageError> {
        let mandate = maker.mandate(&self.store, now).await?;
        let end = new.lifetime.end(now)?.or(mandate.end());
        mandate.check(&new.owner, &new.scopes, end)?;
        self.issue_until(new, end, now).await
    }

    async fn issue_until(
        &self,
        new: NewKey,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<IssuedKey, ManageError> {
        check_owner(&new.owner, &self.formats)?;
        check_name(&new.name, &self.formats)?;
        check_scopes(&new.scopes, &self.formats)?;
        check_metadata(&new.metadata, &self.formats)?;
        check_end(expires_at, now)?;
        self.policy.check_scopes(&new.scopes)?;
        self.policy.check_end(now, expires_at)?;
        let mut context = self.acting.context(now, &self.formats)?;
        if let Some(key) = new.idempotency_key {
            context = context.with_idempotency_key(key);
        }
        let limits = [new.max_keys_of_owner, self.policy.max_keys_of_owner()];
        if let Some(max) = limits.into_iter().flatten().min() {
            context = context.with_max_keys_of_owner(max);
        }

        let key = ApiKey::generate(self.formats.first())?;
        let version = SecretVersion::new(1, self.hasher.digest(&key), key.prefix(), now);
        let id = KeyId::generate(now)?;
        let record = KeyRecord::new(id, new.owner, new.name, now)
            .with_scopes(new.scopes)
            .with_expires_at(expires_at)
            .with_metadata(new.metadata)
            .with_secret_versions([version]);
        let record = self.store.insert(record, &context).await?;
        if record.id() != id {
            return Err(ManageError::already_issued(record.id()));
        }
        Ok(IssuedKey { key, record })
    }
}
