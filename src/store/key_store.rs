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
/// - Look the *whole* digest up, through an index; never the shown prefix alone.
/// - Return the record whatever its state: the verifier judges revocation and expiry.
/// - A key that does not exist is `Ok(None)`; `Err` is for a store that cannot tell.
/// - After a revocation has been written, a look-up must not return the older record. Where it
///   may, as with a lagging replica, the lag adds to the time that a revoked key still works.
/// - Bound your waits, or let [`DeadlineStore`](crate::store) do it.
/// - Dropping the future must harm no other look-up. A panic is contained and refuses the request.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// The record whose secret versions include this digest.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell whether there is one.
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError>;

    /// The answer of [`find`](Self::find), if it can be had without waiting; `None` otherwise.
    ///
    /// The middleware asks here first, and makes no future when it is answered. The default never
    /// answers. It must not block.
    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        let _ = digest;
        None
    }
}

#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).find(digest).await
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        (**self).find_now(digest)
    }
}

#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Box<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        (**self).find(digest).await
    }

    fn find_now(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        (**self).find_now(digest)
    }
}
