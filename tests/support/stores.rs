//! Stores with a will of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tower_api_key::MemoryStore;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{KeyStore, StoreError, StoreErrorKind};

pub(crate) type Found = Result<Option<Arc<KeyRecord>>, StoreError>;

/// Answers each look-up only when it is let through; never without waiting.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    pub(crate) inner: S,
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl<S> Gated<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            gate: Arc::new(Semaphore::new(0)),
            asked: Arc::default(),
        }
    }

    /// Lets this many look-ups through.
    pub(crate) fn let_through(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// How many look-ups have begun.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for Gated<S> {
    async fn find(&self, digest: &KeyDigest) -> Found {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.inner.find(digest).await
    }
}

/// Answers after a few turns of the runtime; never without waiting.
#[derive(Clone)]
pub(crate) struct Yielding<S>(pub(crate) S);

#[async_trait]
impl<S: KeyStore> KeyStore for Yielding<S> {
    async fn find(&self, digest: &KeyDigest) -> Found {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.0.find(digest).await
    }
}

/// Counts the questions to another store.
#[derive(Clone, Default)]
pub(crate) struct Counting<S> {
    pub(crate) inner: S,
    count: Arc<AtomicUsize>,
}

impl<S> Counting<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            count: Arc::default(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for Counting<S> {
    async fn find(&self, digest: &KeyDigest) -> Found {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inner.find(digest).await
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Found> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inner.try_find(digest)
    }
}

/// Gives every question the same answer, at once or when it is waited for.
#[derive(Clone)]
pub(crate) enum Fixed {
    Now(Option<Arc<KeyRecord>>),
    Later(Option<Arc<KeyRecord>>),
    FailsNow,
    FailsLater,
}

impl Fixed {
    fn answer(&self) -> Found {
        match self {
            Self::Now(record) | Self::Later(record) => Ok(record.clone()),
            Self::FailsNow | Self::FailsLater => Err(unreachable_store()),
        }
    }
}

#[async_trait]
impl KeyStore for Fixed {
    async fn find(&self, _: &KeyDigest) -> Found {
        tokio::task::yield_now().await;
        self.answer()
    }

    fn try_find(&self, _: &KeyDigest) -> Option<Found> {
        matches!(self, Self::Now(_) | Self::FailsNow).then(|| self.answer())
    }
}

/// The failure of a store that cannot be reached.
pub(crate) fn unreachable_store() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "no connection")
}

/// Panics at one of the three places where a store is called, until it is repaired.
#[derive(Clone)]
pub(crate) struct Panics {
    inner: MemoryStore,
    place: Place,
    repaired: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    InFindNow,
    WhenCalled,
    WhenPolled,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::InFindNow, Self::WhenCalled, Self::WhenPolled];
}

impl Panics {
    pub(crate) fn new(inner: MemoryStore, place: Place) -> Self {
        Self {
            inner,
            place,
            repaired: Arc::default(),
        }
    }

    pub(crate) fn repair(&self) {
        self.repaired.store(true, Ordering::SeqCst);
    }

    fn at(&self, place: Place) {
        let broken = !self.repaired.load(Ordering::SeqCst);
        assert!(
            !(broken && self.place == place),
            "the store panics {place:?}"
        );
    }
}

// Written by hand, since `async_trait` has no place before the future.
impl KeyStore for Panics {
    fn find<'a, 'b, 'c>(
        &'a self,
        digest: &'b KeyDigest,
    ) -> Pin<Box<dyn Future<Output = Found> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        self.at(Place::WhenCalled);
        Box::pin(async {
            tokio::task::yield_now().await;
            self.at(Place::WhenPolled);
            self.inner.find(digest).await
        })
    }

    fn try_find(&self, _: &KeyDigest) -> Option<Found> {
        self.at(Place::InFindNow);
        None
    }
}

/// Never answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hangs;

#[async_trait]
impl KeyStore for Hangs {
    async fn find(&self, _: &KeyDigest) -> Found {
        std::future::pending().await
    }
}
