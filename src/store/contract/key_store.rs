//! The read side of a store.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::StoreError;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;

/// Finds keys by their digest; all that verification needs of a store.
///
/// # For implementers
///
/// - Look up the *whole* digest, through an index; never the display prefix alone.
/// - Return the record whatever its state: the verifier checks revocation and expiration.
/// - A key that does not exist is `Ok(None)`; `Err` is for a store that cannot answer.
/// - After a revocation was written, a lookup must not return the older record. Where it may, as
///   with a lagging replica, the lag adds to the time that a revoked key still works.
/// - Bound your waits, or let [`TimeoutStore`](crate::store) do it.
/// - Dropping the future must not harm other lookups. A panic denies the request with 503.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Returns the record whose secrets include this digest.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot answer.
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError>;

    /// Looks up a key without waiting; `None` if [`find`](Self::find) would have to wait.
    ///
    /// The middleware tries this first, and allocates no future when it returns an answer. It must
    /// not block. Defaults to `None`.
    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        let _ = digest;
        None
    }
}

#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).find(digest).await
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        (**self).try_find(digest)
    }
}

#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Box<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).find(digest).await
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        (**self).try_find(digest)
    }
}
