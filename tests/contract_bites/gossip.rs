//! A store in memory that tells of changes, but for one flaw.

use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, ChangeFeed, Commit, FeedEvent, FeedListener, Insert,
    Inserted, KeyPage, PageRequest, StoreError, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    TellsNothingAtFirst,
    KeepsAdditionsBack,
    KeepsChangesBack,
    ReportsUsage,
    TellsAfterTheProof,
    HoldsListeners,
}

#[derive(Clone)]
pub(crate) struct Gossip {
    inner: MemoryStore,
    flaw: Flaw,
    mouths: Arc<Mutex<Vec<Arc<Mouth>>>>,
}

/// Passes on to one listener what the store tells.
struct Mouth {
    flaw: Flaw,
    listener: Weak<dyn FeedListener>,
    held: Mutex<Option<Arc<dyn FeedListener>>>,
}

impl Gossip {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            inner: MemoryStore::new(),
            flaw,
            mouths: Arc::default(),
        }
    }
}

impl FeedListener for Mouth {
    fn on_event(&self, event: FeedEvent) {
        let tell = |event| {
            if let Some(listener) = self.listener.upgrade() {
                listener.on_event(event);
            }
        };
        match (self.flaw, event) {
            (Flaw::KeepsAdditionsBack, FeedEvent::Added(_))
            | (Flaw::KeepsChangesBack, FeedEvent::Changed(_))
            | (Flaw::TellsNothingAtFirst, FeedEvent::InStep) => {}
            (Flaw::TellsAfterTheProof, FeedEvent::Added(_)) => {
                tell(FeedEvent::CaughtUp {
                    as_of: std::time::Instant::now() + std::time::Duration::from_secs(60),
                });
                tell(event);
            }
            _ => tell(event),
        }
    }
}

impl ChangeFeed for Gossip {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        let held = listener
            .upgrade()
            .filter(|_| self.flaw == Flaw::HoldsListeners);
        let mouth = Arc::new(Mouth {
            flaw: self.flaw,
            listener,
            held: Mutex::new(held),
        });
        let listener: Arc<dyn FeedListener> = mouth.clone();
        self.inner.watch(Arc::downgrade(&listener));
        assert_eq!(
            mouth.held.lock().unwrap().is_some(),
            self.flaw == Flaw::HoldsListeners
        );
        self.mouths.lock().unwrap().push(mouth);
    }
}

#[async_trait]
impl KeyStore for Gossip {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Gossip {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        self.inner.insert(insert).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner.list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.inner.commit(commit).await
    }
}

#[async_trait]
impl AuditLog for Gossip {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner.audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_audit_before(at).await
    }
}

#[async_trait]
impl UsageStore for Gossip {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        if self.flaw == Flaw::ReportsUsage {
            let events = batch.uses().iter();
            let events = events.map(|one| FeedEvent::Changed(one.key()));
            let mouths = self.mouths.lock().unwrap();
            events.for_each(|event| mouths.iter().for_each(|mouth| mouth.on_event(event)));
        }
        self.inner.record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.inner.usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_usage_before(hour).await
    }
}
