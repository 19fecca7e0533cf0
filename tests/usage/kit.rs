//! What the tests of usage share: a clock that goes by tokio's, a store with a will of its own, and
//! sums.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tower_api_key::clock::Clock;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyId;
use tower_api_key::store::{
    KeyUse, StoreError, StoreErrorKind, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions, UsageMonitor};
use tower_api_key::{Identity, IssuedKey, KeyStore, MemoryStore, Scope};

use crate::support::stores::Found;
use crate::support::{Keys, issue};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// Goes by tokio's time, from a start.
#[derive(Clone)]
pub(crate) struct TokioClock {
    start: Timestamp,
    began: Instant,
}

impl TokioClock {
    pub(crate) fn from(start: &str) -> Self {
        Self {
            start: start.parse().unwrap(),
            began: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }
}

/// What the store does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Takes,
    Fails,
    LosesTheAnswer,
    Hangs,
    Panics,
}

/// A memory store that notes every batch that it is sent. Clones share one.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) inner: MemoryStore,
    mode: Arc<Mutex<Mode>>,
    batches: Arc<Mutex<Vec<UsageBatch>>>,
    forgets: Arc<Mutex<Vec<Timestamp>>>,
}

impl Desk {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            mode: Arc::new(Mutex::new(Mode::Takes)),
            batches: Arc::default(),
            forgets: Arc::default(),
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// The batches that were sent since the last time, taken or not.
    pub(crate) fn batches(&self) -> Vec<UsageBatch> {
        std::mem::take(&mut self.batches.lock().unwrap())
    }

    /// Before when the store was to forget, since the last time.
    pub(crate) fn forgets(&self) -> Vec<Timestamp> {
        std::mem::take(&mut self.forgets.lock().unwrap())
    }
}

#[async_trait]
impl KeyStore for Desk {
    async fn find(&self, digest: &KeyDigest) -> Found {
        self.inner.find(digest).await
    }
}

#[async_trait]
impl UsageStore for Desk {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.batches.lock().unwrap().push(batch.clone());
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Takes => self.inner.record_usage(batch).await,
            Mode::Fails => Err(failure()),
            Mode::LosesTheAnswer => {
                self.inner.record_usage(batch).await.unwrap();
                Err(failure())
            }
            Mode::Hangs => std::future::pending().await,
            Mode::Panics => panic!("as the test wants"),
        }
    }

    async fn usage(&self, _: &KeyId, _: Range<Timestamp>) -> Result<Vec<UsageBucket>, StoreError> {
        unreachable!()
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.forgets.lock().unwrap().push(hour);
        if *self.mode.lock().unwrap() == Mode::Takes {
            self.inner.prune_usage_before(hour).await
        } else {
            Err(failure())
        }
    }
}

fn failure() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "as the test wants")
}

/// A key that was verified.
pub(crate) async fn verified(keys: &Keys) -> (IssuedKey, Identity) {
    let issued = issue(keys, Scope::READ).await;
    let identity = keys.verifier().verify(issued.key.expose_secret()).await;
    (issued, identity.unwrap())
}

/// Counts that many requests as let in.
pub(crate) fn count(monitor: &UsageMonitor, identity: &Identity, times: usize) {
    for _ in 0..times {
        monitor.count(Ok(identity));
    }
}

/// How many requests of a key the store counts as let in, and as refused.
pub(crate) async fn counted(store: &MemoryStore, id: KeyId) -> (u64, u64) {
    let buckets = store.usage(&id, Timestamp::MIN..Timestamp::MAX).await;
    let buckets = buckets.unwrap();
    let sum = |part: fn(&UsageBucket) -> u64| buckets.iter().map(part).sum();
    (sum(UsageBucket::allowed), sum(UsageBucket::refused))
}

/// The same of uses.
pub(crate) fn in_uses<'a>(uses: impl IntoIterator<Item = &'a KeyUse>) -> (u64, u64) {
    let mut sums = (0, 0);
    for one in uses {
        sums = (sums.0 + one.allowed(), sums.1 + one.refused());
    }
    sums
}

/// What a flusher has told, in words.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn listen(&self) -> impl Fn(&UsageEvent) + Send + Sync + 'static {
        let told = self.0.clone();
        move |event| {
            let word = match event {
                UsageEvent::WriteFailed { failure, waiting } => {
                    format!("{waiting} wait: {failure}")
                }
                UsageEvent::WriteRestored => "restored".to_owned(),
                UsageEvent::Dropped { requests } => format!("dropped {requests}"),
                UsageEvent::ForgetFailed { failure } => format!("not forgotten: {failure}"),
                other => format!("{other:?}"),
            };
            told.lock().unwrap().push(word);
        }
    }
}

/// A key, a monitor and a flusher on the half hour, with these options.
pub(crate) struct Scene {
    pub(crate) keys: Keys,
    pub(crate) desk: Desk,
    pub(crate) identity: Identity,
    pub(crate) monitor: UsageMonitor,
    pub(crate) flusher: UsageFlusher,
    pub(crate) told: Told,
}

pub(crate) const HALF_PAST: &str = "2026-01-01T10:30:00Z";

impl Scene {
    pub(crate) async fn new(
        change: impl FnOnce(UsageFlusherOptions) -> UsageFlusherOptions,
    ) -> Self {
        Self::at(HALF_PAST, change).await
    }

    pub(crate) async fn at(
        start: &str,
        change: impl FnOnce(UsageFlusherOptions) -> UsageFlusherOptions,
    ) -> Self {
        let keys = crate::support::keys();
        let identity = verified(&keys).await.1;
        let desk = Desk::new(keys.store().clone());
        let monitor = UsageMonitor::new();
        let told = Told::default();
        let options = UsageFlusherOptions::new()
            .with_clock(TokioClock::from(start))
            .with_observer(told.listen());
        let flusher = UsageFlusher::spawn(monitor.clone(), desk.clone(), change(options));
        Self {
            keys,
            desk,
            identity,
            monitor,
            flusher: flusher.unwrap(),
            told,
        }
    }

    pub(crate) fn count(&self, times: usize) {
        count(&self.monitor, &self.identity, times);
    }

    /// What the store has counted of the key as let in.
    pub(crate) async fn allowed(&self) -> u64 {
        counted(self.keys.store(), self.identity.key_id()).await.0
    }
}
