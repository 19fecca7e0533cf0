//! What the tests of the cache share: records, and a store with switches.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, Revocation, SecretVersion};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, CacheEvent, CacheOptions, CachedStore, ChangeFeed,
    Commit, FeedEvent, FeedListener, Insert, Inserted, KeyPage, KeyStore, PageRequest, StoreError,
    StoreErrorKind, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyRegistry, MemoryStore};

use crate::support::stores::Found;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Longer than any test takes.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// The jitter lets what lives this long expire no earlier than this.
pub(crate) fn earliest_end(time_to_live: Duration) -> Duration {
    time_to_live / 10 * 9
}

/// As long as that, less a moment.
pub(crate) fn just_before(end: Duration) -> Duration {
    end.saturating_sub(MOMENT)
}

pub(crate) fn digest(number: u32) -> KeyDigest {
    let mut octets = [0; 32];
    octets[..4].copy_from_slice(&number.to_le_bytes());
    KeyDigest::from_bytes(octets)
}

pub(crate) fn id(number: u32) -> KeyId {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    KeyId::from_bytes(octets)
}

pub(crate) fn version(number: u32, of: u32) -> SecretVersion {
    let prefix = "89abcdef".parse().unwrap();
    SecretVersion::new(of, digest(number), prefix, Timestamp::UNIX_EPOCH)
}

/// A key whose one digest has the same number.
pub(crate) fn record(number: u32) -> KeyRecord {
    KeyRecord::new(id(number), "acct_42", "CI", Timestamp::UNIX_EPOCH)
        .with_secret_versions([version(number, 1)])
}

pub(crate) fn revocation() -> KeyChange {
    KeyChange::Revoke(Revocation::new(Timestamp::UNIX_EPOCH, "leaked"))
}

pub(crate) fn rotation(number: u32) -> KeyChange {
    KeyChange::Rotate {
        digest: digest(number),
        prefix: version(number, 1).prefix(),
        at: Timestamp::UNIX_EPOCH,
        others_retire_at: Timestamp::UNIX_EPOCH,
    }
}

/// A memory store that counts look-ups, holds them back, fails and panics, and whose feed says
/// what the test says. Clones share one.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Switches>);

#[derive(Default)]
struct Switches {
    keys: MemoryStore,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    panics: AtomicBool,
    fails: Mutex<Option<StoreErrorKind>>,
    /// What look-ups wait for before they read, and between reading and answering.
    before: Mutex<Option<Arc<Semaphore>>>,
    after: Mutex<Option<Arc<Semaphore>>>,
    listeners: Mutex<Vec<Weak<dyn FeedListener>>>,
}

impl Script {
    /// A store with the keys of these numbers.
    pub(crate) fn with(numbers: impl IntoIterator<Item = u32>) -> Self {
        let keys = MemoryStore::from_records(numbers.into_iter().map(record)).unwrap();
        Self(Arc::new(Switches {
            keys,
            ..Switches::default()
        }))
    }

    pub(crate) fn keys(&self) -> &MemoryStore {
        &self.0.keys
    }

    /// How many look-ups have begun.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn panic(&self, panics: bool) {
        self.0.panics.store(panics, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self, kind: impl Into<Option<StoreErrorKind>>) {
        *self.0.fails.lock().unwrap() = kind.into();
    }

    /// From now on, look-ups wait before they read, one permit each.
    pub(crate) fn hold_before_reading(&self) -> Arc<Semaphore> {
        hold(&self.0.before)
    }

    /// From now on, look-ups wait after they have read, one permit each.
    pub(crate) fn hold_after_reading(&self) -> Arc<Semaphore> {
        hold(&self.0.after)
    }

    /// From now on, look-ups do not wait.
    pub(crate) fn let_go(&self) {
        *self.0.before.lock().unwrap() = None;
        *self.0.after.lock().unwrap() = None;
    }

    /// Tells the listeners.
    pub(crate) fn tell(&self, event: FeedEvent) {
        for listener in self.0.listeners.lock().unwrap().iter() {
            if let Some(listener) = listener.upgrade() {
                listener.on_event(event);
            }
        }
    }

    /// Proves now that everything was told.
    pub(crate) fn prove(&self) {
        let as_of = tokio::time::Instant::now().into_std();
        self.tell(FeedEvent::CaughtUp { as_of });
    }

    pub(crate) fn listeners(&self) -> usize {
        let listeners = self.0.listeners.lock().unwrap();
        listeners
            .iter()
            .filter(|one| one.strong_count() > 0)
            .count()
    }

    async fn wait(gate: &Mutex<Option<Arc<Semaphore>>>) {
        let gate = gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
    }
}

fn hold(gate: &Mutex<Option<Arc<Semaphore>>>) -> Arc<Semaphore> {
    let closed = Arc::new(Semaphore::new(0));
    *gate.lock().unwrap() = Some(closed.clone());
    closed
}

/// Counts a look-up for as long as it lives.
struct UnderWay<'a>(&'a Switches);

impl<'a> UnderWay<'a> {
    fn of(switches: &'a Switches) -> Self {
        switches.under_way.fetch_add(1, Ordering::SeqCst);
        Self(switches)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl KeyStore for Script {
    async fn find(&self, digest: &KeyDigest) -> Found {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay::of(&self.0);
        Self::wait(&self.0.before).await;
        assert!(!self.0.panics.load(Ordering::SeqCst), "as the test wants");
        let failure = *self.0.fails.lock().unwrap();
        if let Some(kind) = failure {
            return Err(StoreError::new(kind, "as the test wants").with_source("the cause"));
        }
        let found = self.0.keys.find(digest).await;
        Self::wait(&self.0.after).await;
        found
    }
}

/// Changes wait for the first gate too, and fail as look-ups do, but have been made by then.
#[async_trait]
impl KeyRegistry for Script {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let made = self.0.keys.insert(insert).await;
        Self::wait(&self.0.before).await;
        let failure = *self.0.fails.lock().unwrap();
        failure.map_or(made, |kind| Err(StoreError::new(kind, "as the test wants")))
    }

    async fn get(&self, id: &KeyId) -> Found {
        self.0.keys.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.0.keys.list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let made = self.0.keys.commit(commit).await;
        Self::wait(&self.0.before).await;
        let failure = *self.0.fails.lock().unwrap();
        failure.map_or(made, |kind| Err(StoreError::new(kind, "as the test wants")))
    }
}

#[async_trait]
impl AuditLog for Script {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.0.keys.audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.0.keys.prune_audit_before(at).await
    }
}

#[async_trait]
impl UsageStore for Script {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.0.keys.record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.0.keys.usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.0.keys.prune_usage_before(hour).await
    }
}

impl ChangeFeed for Script {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.listeners.lock().unwrap().push(listener);
    }
}

/// Options by which nothing expires while a test runs that cannot pause the clock.
pub(crate) fn lasting() -> CacheOptions {
    CacheOptions::new()
        .with_time_to_live(HOUR)
        .with_negative_time_to_live(HOUR)
        .with_fallback_time_to_live(HOUR)
        .with_look_up_deadline(HOUR)
}

pub(crate) fn cached(store: &Script) -> CachedStore<Script> {
    CachedStore::new(store.clone(), CacheOptions::new()).unwrap()
}

pub(crate) fn watching(store: &Script) -> CachedStore<Script> {
    CachedStore::watching(store.clone(), CacheOptions::new()).unwrap()
}

/// What the cache knows without asking, in one word; asked so often that the key is hot, and the
/// thread has a copy of it when it is asked next.
///
/// Only for a paused clock or [`lasting`] options: nothing may expire between two of the questions.
pub(crate) fn known<S: KeyStore + 'static>(cached: &CachedStore<S>, number: u32) -> &'static str {
    let known = || match cached.try_find(&digest(number)) {
        None => "nothing",
        Some(found) => word(&found),
    };
    let first = known();
    for _ in 0..20 {
        assert_eq!(known(), first);
    }
    first
}

/// What the cache finds, in one word.
pub(crate) async fn find<S: KeyStore + 'static>(
    cached: &CachedStore<S>,
    number: u32,
) -> &'static str {
    word(&cached.find(&digest(number)).await)
}

pub(crate) fn word(found: &Found) -> &'static str {
    match found {
        Err(error) => match error.kind() {
            StoreErrorKind::Unavailable => "unavailable",
            StoreErrorKind::TimedOut => "late",
            StoreErrorKind::Overloaded => "overloaded",
            StoreErrorKind::Corrupt => "corrupt",
            other => panic!("{other:?}: {error}"),
        },
        Ok(None) => "unknown",
        Ok(Some(record)) if record.revocation().is_some() => "revoked",
        Ok(Some(record)) if record.is_disabled() => "disabled",
        Ok(Some(record)) if record.secret_versions().len() > 1 => "rotated",
        Ok(Some(_)) => "active",
    }
}

/// Begins to look for a key beside the test, and has the store read it as far as a gate allows.
pub(crate) async fn begin<S: KeyStore + 'static>(
    cached: &CachedStore<S>,
    number: u32,
) -> tokio::task::JoinHandle<&'static str> {
    let cached = cached.clone();
    let task = tokio::spawn(async move { find(&cached, number).await });
    settle().await;
    task
}

/// Lets every task go on until all wait.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Notes what a cache tells of itself.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<CacheEvent>>>);

impl Events {
    pub(crate) fn observe(&self, options: CacheOptions) -> CacheOptions {
        let events = self.0.clone();
        options.with_observer(move |event| events.lock().unwrap().push(event))
    }

    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<CacheEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
