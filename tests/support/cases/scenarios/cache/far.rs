//! A store that is far from the cache: its look-ups can be counted, held back and failed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{ChangeFeed, FeedEvent, FeedListener, StoreError, StoreErrorKind};
use tower_api_key::{IssuedKey, KeyManager, KeyStore, MemoryStore};

use crate::scenarios::kit::{manager, new_key};

/// A memory store with switches. Its keys are changed beside the cache, and its feed tells what the
/// test has it tell. Clones share one.
#[derive(Clone)]
pub(crate) struct Far(Arc<Switches>);

struct Switches {
    keys: KeyManager<MemoryStore>,
    asked: AtomicUsize,
    found: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    panics: AtomicBool,
    fails: Mutex<Option<StoreErrorKind>>,
    gates: Mutex<Option<Gates>>,
    listeners: Mutex<Vec<Weak<dyn FeedListener>>>,
}

/// What the look-ups wait for which began when these were closed, one permit each: before they
/// read, and between reading and answering.
#[derive(Clone)]
pub(crate) struct Gates {
    pub(crate) before: Arc<Semaphore>,
    pub(crate) after: Arc<Semaphore>,
}

impl Far {
    pub(crate) fn new() -> Self {
        Self::with(manager())
    }

    /// The store of this manager.
    pub(crate) fn with(keys: KeyManager<MemoryStore>) -> Self {
        Self(Arc::new(Switches {
            keys,
            asked: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            fails: Mutex::default(),
            gates: Mutex::default(),
            listeners: Mutex::default(),
        }))
    }

    pub(crate) fn keys(&self) -> &KeyManager<MemoryStore> {
        &self.0.keys
    }

    pub(crate) async fn issue(&self) -> IssuedKey {
        self.0.keys.issue(new_key()).await.unwrap()
    }

    /// How many look-ups have begun.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// How many look-ups have found a key.
    pub(crate) fn found(&self) -> usize {
        self.0.found.load(Ordering::SeqCst)
    }

    /// How many look-ups are under way, and how many there have been at a time.
    pub(crate) fn under_way(&self) -> (usize, usize) {
        let [now, most] = [&self.0.under_way, &self.0.most_under_way];
        (now.load(Ordering::SeqCst), most.load(Ordering::SeqCst))
    }

    pub(crate) fn panic(&self, panics: bool) {
        self.0.panics.store(panics, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self, kind: impl Into<Option<StoreErrorKind>>) {
        *self.0.fails.lock().unwrap() = kind.into();
    }

    /// The look-ups that begin from now on wait at these gates.
    pub(crate) fn hold(&self) -> Gates {
        let closed = || Arc::new(Semaphore::new(0));
        let (before, after) = (closed(), closed());
        let gates = Gates { before, after };
        *self.0.gates.lock().unwrap() = Some(gates.clone());
        gates
    }

    /// The look-ups that begin from now on do not wait.
    pub(crate) fn let_go(&self) {
        *self.0.gates.lock().unwrap() = None;
    }

    /// Tells the listeners.
    pub(crate) fn tell(&self, event: FeedEvent) {
        let listeners = self.0.listeners.lock().unwrap();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.on_event(event);
        }
    }
}

impl Switches {
    async fn answer(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let gates = self.gates.lock().unwrap().clone();
        if let Some(gates) = &gates {
            gates.before.acquire().await.unwrap().forget();
        }
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants");
        let failure = *self.fails.lock().unwrap();
        if let Some(kind) = failure {
            return Err(StoreError::new(kind, "as the test wants"));
        }
        let found = self.keys.store().find(digest).await;
        if let Some(gates) = &gates {
            gates.after.acquire().await.unwrap().forget();
        }
        found
    }
}

/// Counts a look-up for as long as it lives.
struct UnderWay<'a>(&'a Switches);

impl<'a> UnderWay<'a> {
    fn of(switches: &'a Switches) -> Self {
        switches.asked.fetch_add(1, Ordering::SeqCst);
        let now = switches.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        switches.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(switches)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl KeyStore for Far {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let _under_way = UnderWay::of(&self.0);
        let found = self.0.answer(digest).await;
        if matches!(found, Ok(Some(_))) {
            self.0.found.fetch_add(1, Ordering::SeqCst);
        }
        found
    }
}

impl ChangeFeed for Far {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.listeners.lock().unwrap().push(listener);
    }
}
