//! Making keys.

use jiff::Timestamp;

use super::error::{ManageError, ManageErrorKind};
use super::issued::IssuedKey;
use super::limits::{check_end, check_metadata, check_scopes, check_text};
use super::manager::KeyManager;
use super::new_key::NewKey;
use crate::identity::Identity;
use crate::key::token::ApiKey;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
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
    ///   than 64 scopes, the metadata or the [actor](Self::acting_as) is out of its bounds, or the
    ///   end is not in the future ([`InvalidInput`](ManageErrorKind::InvalidInput));
    /// - the clock reads before 1970, so that no end can be judged
    ///   ([`ClockUnset`](ManageErrorKind::ClockUnset));
    /// - a key was issued with this idempotency key
    ///   ([`AlreadyIssued`](ManageErrorKind::AlreadyIssued), with the id of that key);
    /// - the owner has as many keys [as allowed](NewKey::with_max_keys_of_owner)
    ///   ([`TooManyKeys`](ManageErrorKind::TooManyKeys));
    /// - the operating system's random source or the store fails.
    pub async fn issue(&self, new: NewKey) -> Result<IssuedKey, ManageError> {
        let now = self.now()?;
        let expires_at = new.lifetime.end(now)?;
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
        let asked = new.lifetime.end(now)?.or(maker_end);
        if let (Some(asked), Some(maker_end)) = (asked, maker_end)
            && asked > maker_end
        {
            return Err(exceeds(
                "expected an end no later than that of the key that makes a key",
            ));
        }
        self.issue_until(new, asked, now).await
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
        check_metadata(&new.metadata)?;
        check_end(expires_at, now)?;
        let mut context = self.acting.context(now)?;
        if let Some(key) = new.idempotency_key {
            context = context.with_idempotency_key(key);
        }
        if let Some(max) = new.max_keys_of_owner {
            context = context.with_max_keys_of_owner(max);
        }

        let key = ApiKey::generate(&self.format)?;
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
