//! The cache.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::core::Core;
use super::flight::Found;
use super::look_up::{LookUp, Way};
use super::options::{CacheOptions, InvalidCacheOptions};
use super::stats::{CacheStats, FeedState};
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::store::contain::{contain, contain_future};
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::feed::{ChangeFeed, FeedListener};
use crate::store::contract::key_store::KeyStore;

/// Remembers what another store has answered, in bounded memory and for a bounded time.
///
/// What is remembered is answered without waiting, without a lock, and without a runtime.
/// Expiration dates are judged at every request all the same. Of many requests at a time for one
/// key that is not remembered, one asks the store, and all get its answer, even when the one is
/// dropped. Clones share one cache.
///
/// A thread keeps copies of the records that it is asked for most, 4,096 at most for all its stores
/// in memory and caches together. A copy answers only as long as what it was made from, but stays
/// in memory until another takes its place or the thread ends.
///
/// ```
/// use tower_api_key::store::{CacheOptions, CachedStore};
/// use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore};
///
/// let store = CachedStore::watching(MemoryStore::new(), CacheOptions::new())?;
/// let keys = KeyManager::new(store.clone()); // what it changes, this cache forgets at once
/// let layer = ApiKeyLayer::new(store);
/// # Ok::<(), tower_api_key::store::InvalidCacheOptions>(())
/// ```
///
/// # How long a revoked key may still be let in
///
/// For how long, once the change was committed in the store, a request may *begin* and still be
/// let in. The same holds for every other change: disabled, deleted, rotated, fewer scopes.
///
/// | the change was made | and the feed | for how long |
/// | --- | --- | --- |
/// | through this cache or a clone | – | until the call returns, fails or is dropped |
/// | elsewhere | is in step, as that of a `MemoryStore` is | until the call returns |
/// | elsewhere | tells it | until it is told: as long as the message takes |
/// | elsewhere | is lost, or gives no proof | the fallback time to live (5 s), or the look-up deadline (1 s) if that is longer |
/// | elsewhere | does not exist ([`new`](Self::new)) | the time to live (60 s), or the look-up deadline if that is longer |
/// | elsewhere, unheard, and the store cannot be asked | any of the last two | [`with_stale_if_error`](CacheOptions::with_stale_if_error), if that is set and longer |
///
/// - A request that began before the cache heard of a change may get the answer of a look-up that
///   began before, at most the look-up deadline later. A request that begins after never does, and
///   no such answer is remembered.
/// - A change that was made although its call failed or was dropped, later than that, counts as
///   made elsewhere.
/// - What the store's own look-ups lag behind, as on a replica, comes on top.
///
/// # Look-ups
///
/// A look-up runs on the tokio runtime of the request that began it, to its end or its deadline,
/// whether anybody still waits or not: clients who leave do not make room for more of them. The
/// runtime needs its timer enabled. Where it stands still, those who wait elsewhere give up after
/// twice the deadline. A panic of the store is an [`Unavailable`](StoreErrorKind::Unavailable)
/// error. A record without the digest that was asked for is a
/// [`Corrupt`](StoreErrorKind::Corrupt) one, and is not remembered.
///
/// What a look-up finds of a key is remembered under each of its digests that was remembered
/// before, so that a key never stands otherwise under one secret than was read since under another.
pub struct CachedStore<S>(Arc<Shared<S>>);

struct Shared<S> {
    core: Arc<Core>,
    store: S,
}

impl<S: KeyStore + 'static> CachedStore<S> {
    /// A cache that hears of no changes but those that are made through it: a change that is made
    /// elsewhere takes effect here within the time to live.
    ///
    /// # Errors
    ///
    /// [`InvalidCacheOptions`] when
    /// - a capacity, the look-ups under way or a second, the deadline or the fallback is zero;
    /// - the jitter exceeds 100 percent;
    /// - the age for answers while the store fails does not exceed the time to live, or that is
    ///   zero.
    pub fn new(store: S, options: CacheOptions) -> Result<Self, InvalidCacheOptions> {
        Self::over(store, options, false)
    }

    /// A cache that listens to the store's feed: a change that is made elsewhere takes effect here
    /// as soon as it is told.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn watching(store: S, options: CacheOptions) -> Result<Self, InvalidCacheOptions>
    where
        S: ChangeFeed,
    {
        let cached = Self::over(store, options, true)?;
        let core: Arc<dyn FeedListener> = cached.0.core.clone();
        let listener: Weak<dyn FeedListener> = Arc::downgrade(&core);
        cached.0.store.watch(listener);
        Ok(cached)
    }

    fn over(store: S, options: CacheOptions, has_feed: bool) -> Result<Self, InvalidCacheOptions> {
        options.check()?;
        let core = Arc::new(Core::new(options, has_feed));
        Ok(Self(Arc::new(Shared { core, store })))
    }
}

impl<S> CachedStore<S> {
    /// The store that is asked for what is not remembered.
    pub fn inner(&self) -> &S {
        &self.0.store
    }

    /// Forgets a key, as after a change of it that this cache cannot hear of.
    ///
    /// It also forgets which keys are unknown, in case the key is new.
    pub fn invalidate(&self, id: &KeyId) {
        self.core().forget(&[*id], true);
    }

    /// Forgets everything. The memory is used again rather than freed.
    pub fn clear(&self) {
        self.core().forget_all();
    }

    /// Whether this cache hears of changes at present, for a health page.
    pub fn feed_state(&self) -> FeedState {
        let core = self.core();
        core.feed_state(&core.state())
    }

    /// What this cache holds and has done, for a metrics page.
    pub fn stats(&self) -> CacheStats {
        self.core().stats()
    }

    pub(super) fn core(&self) -> &Core {
        &self.0.core
    }
}

#[async_trait]
impl<S: KeyStore + 'static> KeyStore for CachedStore<S> {
    async fn find(&self, digest: &KeyDigest) -> Found {
        if let Some(answer) = self.0.core.answer_now(digest) {
            return Ok(answer);
        }
        let runtime = Handle::try_current().map_err(|error| {
            let message = "expected a tokio runtime for a look-up, found none";
            StoreError::new(StoreErrorKind::Misconfigured, message).with_source(error)
        })?;
        let flight = match LookUp::way(&self.0.core, digest) {
            Way::Answered(answer) => return answer,
            Way::Join(flight) => flight,
            Way::Begin(look_up, flight) => {
                // As a task, so that it ends whether this request waits for it or not.
                runtime.spawn(run(self.0.clone(), look_up));
                flight
            }
        };
        // The task keeps the deadline, unless its runtime stands still.
        let limit = self.0.core.options.look_up_deadline.saturating_mul(2);
        let answer = timeout(limit, flight.landed()).await;
        answer.unwrap_or_else(|_| Err(late(limit)))
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Found> {
        self.0.core.answer_now(digest).map(Ok)
    }
}

/// Asks the store, for as long as the deadline allows.
async fn run<S: KeyStore + 'static>(shared: Arc<Shared<S>>, look_up: LookUp) {
    let deadline = shared.core.options.look_up_deadline;
    let find = async {
        let find = contain(|| shared.store.find(look_up.digest()))?;
        contain_future(find).await
    };
    let found = match timeout(deadline, find).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "the store panicked",
        )),
        Err(_) => Err(late(deadline)),
    };
    look_up.land(found);
}

fn late(limit: Duration) -> StoreError {
    let message = format!("expected an answer within {limit:?}, found none");
    StoreError::new(StoreErrorKind::TimedOut, message)
}

impl<S> Clone for CachedStore<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for CachedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedStore")
            .field("options", &self.core().options)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
