//! A network between a node and the store, which can be held, cut and repaired.

use std::collections::VecDeque;
use std::future::pending;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, ChangeFeed, Commit, FeedEvent, FeedListener, Insert,
    Inserted, KeyPage, PageRequest, StoreError, StoreErrorKind, UsageBatch, UsageBucket,
    UsageStore,
};
use tower_api_key::testing::FaultyStore;
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore};

/// Numbers that a seed determines (`SplitMix64`).
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below this one.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A time below this number of milliseconds.
    pub(crate) fn time(&self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

/// What the network does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// They wait until the network does something else.
    Held,
    /// They are refused, and both ends know it.
    Cut,
    /// They vanish, and neither end knows it.
    Silent,
}

/// The way of one node to the store. A call travels there and back.
pub(crate) struct Link {
    store: FaultyStore<MemoryStore>,
    dice: Arc<Dice>,
    way: Mutex<Way>,
    feed: Mutex<Feed>,
}

struct Feed {
    on_the_way: VecDeque<FeedEvent>,
    /// Whether events were lost since the last reset.
    is_broken: bool,
    listeners: Vec<Weak<dyn FeedListener>>,
}

/// How often the feed proves that it has told everything.
const PROOF_INTERVAL: Duration = Duration::from_millis(300);

/// Events travel together, so often.
const TICK: Duration = Duration::from_millis(30);

/// A message takes less than so many milliseconds.
const TRAVEL_MS: u64 = 20;

impl Link {
    /// An open way, whose feed runs on the current runtime.
    pub(crate) fn new(store: FaultyStore<MemoryStore>, dice: Arc<Dice>) -> Arc<Self> {
        let link = Arc::new(Self {
            store,
            dice,
            way: Mutex::new(Way::Open),
            feed: Mutex::new(Feed {
                on_the_way: VecDeque::new(),
                is_broken: true,
                listeners: Vec::new(),
            }),
        });
        let listener: Arc<dyn FeedListener> = link.clone();
        link.store.inner().watch(Arc::downgrade(&listener));
        tokio::spawn(deliver(link.clone()));
        link
    }

    /// From now on, the network does this with messages, and with those that are on the way.
    pub(crate) fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
        if matches!(way, Way::Cut | Way::Silent) {
            let mut feed = self.feed.lock().unwrap();
            feed.is_broken = true;
            feed.on_the_way.clear();
        }
        if way == Way::Cut {
            self.tell(FeedEvent::Lost);
        }
    }

    async fn travel(&self) -> Result<(), StoreError> {
        loop {
            sleep(self.dice.time(TRAVEL_MS)).await;
            match self.way() {
                Way::Open => return Ok(()),
                // Looks again soon: what wakes several at once would do so in any order, whatever
                // the seed.
                Way::Held => sleep(TICK).await,
                Way::Cut => return Err(cut()),
                Way::Silent => pending().await,
            }
        }
    }

    fn way(&self) -> Way {
        *self.way.lock().unwrap()
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.travel().await?;
        let answer = call.await;
        self.travel().await?;
        answer
    }

    fn tell(&self, event: FeedEvent) {
        let listeners = self.feed.lock().unwrap().listeners.clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.on_event(event);
        }
    }

    /// The events that arrive now. After a loss, they are a reset and its proof.
    fn arriving(&self) -> Vec<FeedEvent> {
        let mut feed = self.feed.lock().unwrap();
        if self.way() != Way::Open {
            return Vec::new();
        }
        let events: Vec<_> = feed.on_the_way.drain(..).collect();
        if std::mem::take(&mut feed.is_broken) {
            return vec![FeedEvent::Reset, proof()];
        }
        events
    }

    /// The store proves that it has told everything: it has, since it tells at once.
    fn prove(&self) {
        let mut feed = self.feed.lock().unwrap();
        if !feed.is_broken {
            feed.on_the_way.push_back(proof());
        }
    }
}

fn cut() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the network is cut")
}

fn proof() -> FeedEvent {
    let as_of = Instant::now().into_std();
    FeedEvent::CaughtUp { as_of }
}

async fn deliver(link: Arc<Link>) {
    let mut proven = Instant::now();
    loop {
        sleep(TICK + link.dice.time(TRAVEL_MS)).await;
        for event in link.arriving() {
            link.tell(event);
        }
        if proven.elapsed() >= PROOF_INTERVAL {
            link.prove();
            proven = Instant::now();
        }
    }
}

/// Hears the store.
impl FeedListener for Link {
    fn on_event(&self, event: FeedEvent) {
        let mut feed = self.feed.lock().unwrap();
        if matches!(event, FeedEvent::Added(_) | FeedEvent::Changed(_)) && !feed.is_broken {
            feed.on_the_way.push_back(event);
        }
    }
}

/// Tells the node.
impl ChangeFeed for Link {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        let mut feed = self.feed.lock().unwrap();
        if let Some(listener) = listener.upgrade() {
            listener.on_event(FeedEvent::Lost);
        }
        feed.listeners.push(listener);
    }
}

#[async_trait]
impl KeyStore for Link {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.call(self.store.find(digest)).await
    }
}

#[async_trait]
impl KeyRegistry for Link {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.call(self.store.insert(insert)).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.call(self.store.get(id)).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.call(self.store.list(owner, page)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.call(self.store.commit(commit)).await
    }
}

#[async_trait]
impl AuditLog for Link {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.call(self.store.audit(owner, page)).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.call(self.store.prune_audit_before(at)).await
    }
}

#[async_trait]
impl UsageStore for Link {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.call(self.store.record_usage(batch)).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.call(self.store.usage(id, hours)).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.call(self.store.prune_usage_before(hour)).await
    }
}
