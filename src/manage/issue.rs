//! Making keys.

use std::sync::Arc;

use jiff::Timestamp;

use super::change::{MAX_TRIES, contended, is_conflict};
use super::delegation::Delegation;
use super::error::ManageError;
use super::issued::IssuedKey;
use super::limits::{check_end, check_metadata, check_name, check_owner, check_scopes};
use super::manager::KeyManager;
use super::new_key::NewKey;
use crate::key::token::ApiKey;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::{Insert, Inserted};

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
        let key = ApiKey::generate(self.formats.first())?;
        let id = KeyId::generate(now)?;
        let context = self.acting.context(now, &self.formats)?;
        for _ in 0..MAX_TRIES {
            let delegation = self.delegation().await?;
            let mut expires_at = new.lifetime.end(now)?;
            if let Some(delegation) = &delegation {
                expires_at = expires_at.or(delegation.expires_at());
                delegation.check(&new.owner, &new.scopes, expires_at)?;
            }
            self.check_new(&new, expires_at, now)?;
            let recipient = delegation.as_ref().map(Delegation::recipient);
            let secret = SecretVersion::new(1, self.hasher.digest(&key), key.prefix(), now)
                .with_recipient(recipient);
            let record = KeyRecord::new(id, &*new.owner, &*new.name, now)
                .with_scopes(new.scopes.clone())
                .with_expires_at(expires_at)
                .with_metadata(new.metadata.clone())
                .with_secret_versions([secret]);
            let record = Arc::new(record);
            let limits = [new.max_keys_of_owner, self.policy.max_keys_of_owner()];
            let insert = Insert::new(record.clone(), &context)
                .with_acting(delegation.map(|delegation| delegation.acting_key()))
                .with_idempotency_key(new.idempotency_key)
                .with_max_keys_per_owner(limits.into_iter().flatten().min());
            match self.store.insert(insert).await {
                Ok(Inserted::Created) => return Ok(IssuedKey { key, record }),
                Ok(Inserted::Existing(earlier)) => {
                    return Err(ManageError::already_issued(earlier.id()));
                }
                // The acting key has changed.
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended().into())
    }

    fn check_new(
        &self,
        new: &NewKey,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), ManageError> {
        check_owner(&new.owner, &self.formats)?;
        check_name(&new.name, &self.formats)?;
        check_scopes(&new.scopes, &self.formats)?;
        check_metadata(&new.metadata, &self.formats)?;
        check_end(expires_at, now)?;
        self.policy.check_scopes(&new.scopes)?;
        self.policy.check_end(now, expires_at)
    }
}
