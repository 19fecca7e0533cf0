//! A store that fails on demand.

use std::future::pending;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::sleep;

use super::fault::Fault;
use super::plan::{Course, Odds};
use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::audit::{AuditLog, AuditPage, AuditPageRequest};
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::feed::{ChangeFeed, FeedListener};
use crate::store::contract::key_store::KeyStore;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::usage::{UsageBatch, UsageBucket, UsageStore};
use crate::store::contract::write::{Commit, Insert, Inserted};

/// Puts faults before another store, to test what a server does then.
///
/// It draws a fault, or none, for each call, from a sequence that the seed determines: calls in the
/// same order fail in the same way. `try_find` and the `find` that follows it count as one call.
/// Clones share the store, the sequence and the switch.
///
/// ```
/// use tower_api_key::denial::DenialKind;
/// use tower_api_key::store::StoreErrorKind;
/// use tower_api_key::testing::{Fault, FaultyStore};
/// use tower_api_key::{KeyManager, MemoryStore, NewKey};
///
/// # futures::executor::block_on(async {
/// let store = FaultyStore::new(MemoryStore::new(), 42)
///     .with_lookup_fault(Fault::Error(StoreErrorKind::Unavailable), 30)
///     .with_lookup_fault(Fault::WrongKey, 70);
/// let keys = KeyManager::new(store);
/// let key = keys.issue(NewKey::new("acct_42", "CI")).await?.key;
///
/// let verifier = keys.verifier();
/// let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
/// assert!(matches!(denial.kind(), DenialKind::StoreFailed | DenialKind::Unknown));
///
/// keys.store().set_failing(false);
/// assert!(verifier.verify(key.expose_secret()).await.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FaultyStore<S> {
    inner: S,
    lookups: Odds,
    changes: Odds,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    failing: AtomicBool,
    course: Mutex<Course>,
}

impl<S> FaultyStore<S> {
    /// A store without faults as yet, before `inner`.
    pub fn new(inner: S, seed: u64) -> Self {
        Self {
            inner,
            lookups: Odds::default(),
            changes: Odds::default(),
            shared: Arc::new(Shared {
                failing: AtomicBool::new(true),
                course: Mutex::new(Course::new(seed)),
            }),
        }
    }

    /// Puts this fault in that many per cent of the calls of `find`, `get`, `list`, `audit` and `usage`.
    ///
    /// # Panics
    ///
    /// When the faults of lookups come to more than 100 per cent, or the fault is one of changes.
    #[must_use]
    #[track_caller]
    pub fn with_lookup_fault(mut self, fault: Fault, per_cent: u8) -> Self {
        assert!(
            fault.suits_lookups(),
            "expected a fault of lookups, found {fault:?}"
        );
        self.lookups.add(fault, per_cent);
        self
    }

    /// Puts this fault in that many per cent of the calls that change something; a call of
    /// `insert_many` fails as a whole.
    ///
    /// # Panics
    ///
    /// When the faults of changes come to more than 100 per cent, or the fault is one of lookups.
    #[must_use]
    #[track_caller]
    pub fn with_change_fault(mut self, fault: Fault, per_cent: u8) -> Self {
        assert!(
            fault.suits_changes(),
            "expected a fault of changes, found {fault:?}"
        );
        self.changes.add(fault, per_cent);
        self
    }

    /// Switches the faults on or off. Default: on. While they are off, the sequence stands still.
    pub fn set_failing(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::SeqCst);
    }

    /// The store behind the faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How often each fault was put in, in the order of their first time.
    pub fn injected(&self) -> Vec<(Fault, usize)> {
        self.course().injected().to_vec()
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        // OK after a panic: none happens while it is locked.
        self.shared
            .course
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, odds: &Odds) -> Option<Fault> {
        let failing = self.shared.failing.load(Ordering::SeqCst);
        if failing {
            self.course().take(odds)
        } else {
            None
        }
    }

    /// The answer to a call, or to the fault that was drawn for it.
    async fn serve<T>(
        &self,
        odds: &Odds,
        call: impl Future<Output = T>,
        fail: impl FnOnce(StoreErrorKind) -> T,
    ) -> T {
        match self.draw(odds) {
            None | Some(Fault::WrongKey | Fault::WrongDigest) => call.await,
            Some(fault) => suffer(fault, call, fail).await,
        }
    }

    /// What is found in place of what was found.
    fn distorted(
        &self,
        fault: Fault,
        digest: &KeyDigest,
        found: Option<Arc<KeyRecord>>,
    ) -> Option<Arc<KeyRecord>> {
        match fault {
            Fault::WrongKey => {
                let other = self.course().other_than(digest);
                Some(other.unwrap_or_else(|| Arc::new(invented(digest))))
            }
            Fault::WrongDigest => found.map(|record| Arc::new(with_other_digests(&record))),
            _ => found,
        }
    }

    fn remembered(&self, found: Option<Arc<KeyRecord>>) -> Option<Arc<KeyRecord>> {
        if let Some(record) = &found {
            self.course().remember(record);
        }
        found
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for FaultyStore<S> {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let call = self.inner.find(digest);
        match self.draw(&self.lookups) {
            None => Ok(self.remembered(call.await?)),
            Some(fault @ (Fault::WrongKey | Fault::WrongDigest)) => {
                Ok(self.distorted(fault, digest, call.await?))
            }
            Some(fault) => suffer(fault, call, failed).await,
        }
    }

    /// What must be waited for is left to [`find`](KeyStore::find), which draws the same fault.
    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        let answer = self.inner.try_find(digest)?;
        if !self.shared.failing.load(Ordering::SeqCst) {
            return Some(answer.map(|found| self.remembered(found)));
        }
        let fault = {
            let mut course = self.course();
            if course.peek(&self.lookups).is_some_and(Fault::needs_a_wait) {
                return None;
            }
            course.take(&self.lookups)
        };
        Some(match fault {
            None => answer.map(|found| self.remembered(found)),
            Some(Fault::Error(kind)) => failed(kind),
            Some(Fault::Panic) => panic!("{PANIC}"),
            Some(fault) => answer.map(|found| self.distorted(fault, digest, found)),
        })
    }
}

#[async_trait]
impl<S: KeyRegistry> KeyRegistry for FaultyStore<S> {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let call = self.inner.insert(insert);
        self.serve(&self.changes, call, failed).await
    }

    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        let count = inserts.len();
        let fail = |kind| (0..count).map(|_| failed(kind)).collect();
        let call = self.inner.insert_many(inserts);
        self.serve(&self.changes, call, fail).await
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let call = self.inner.get(id);
        self.serve(&self.lookups, call, failed).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let call = self.inner.list(owner, page);
        self.serve(&self.lookups, call, failed).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let call = self.inner.commit(commit);
        self.serve(&self.changes, call, failed).await
    }
}

#[async_trait]
impl<S: AuditLog> AuditLog for FaultyStore<S> {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        let call = self.inner.audit(owner, page);
        self.serve(&self.lookups, call, failed).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let call = self.inner.prune_audit_before(at);
        self.serve(&self.changes, call, failed).await
    }
}

#[async_trait]
impl<S: UsageStore> UsageStore for FaultyStore<S> {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let call = self.inner.record_usage(batch);
        self.serve(&self.changes, call, failed).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let call = self.inner.usage(id, hours);
        self.serve(&self.lookups, call, failed).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let call = self.inner.prune_usage_before(hour);
        self.serve(&self.changes, call, failed).await
    }
}

/// Without faults of its own.
impl<S: ChangeFeed> ChangeFeed for FaultyStore<S> {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.inner.watch(listener);
    }
}

async fn suffer<T>(
    fault: Fault,
    call: impl Future<Output = T>,
    fail: impl FnOnce(StoreErrorKind) -> T,
) -> T {
    match fault {
        Fault::Error(kind) => fail(kind),
        Fault::Delay(delay) => {
            sleep(delay).await;
            call.await
        }
        Fault::Hang => pending().await,
        Fault::Panic => panic!("{PANIC}"),
        Fault::LostAnswer => {
            call.await;
            fail(StoreErrorKind::TimedOut)
        }
        Fault::WrongKey | Fault::WrongDigest => call.await,
    }
}

const PANIC: &str = "the faulty store panics, as it was told to";

fn failed<T>(kind: StoreErrorKind) -> Result<T, StoreError> {
    Err(StoreError::new(
        kind,
        format!("the faulty store fails as {kind:?}, as it was told to"),
    ))
}

/// A key that works, if only the digest were compared with nothing.
fn invented(digest: &KeyDigest) -> KeyRecord {
    let version = SecretVersion::new(1, other(digest), KeyPrefix::UNKNOWN, Timestamp::UNIX_EPOCH);
    let id = KeyId::from_bytes([0xfa; KeyId::LEN]);
    KeyRecord::new(id, "nobody", "invented", Timestamp::UNIX_EPOCH).with_secret_versions([version])
}

fn with_other_digests(record: &KeyRecord) -> KeyRecord {
    let versions = record.secret_versions().iter().map(|version| {
        let digest = other(version.digest());
        SecretVersion::new(
            version.number(),
            digest,
            version.prefix(),
            version.created_at(),
        )
        .with_retires_at(version.retires_at())
        .with_last_used_at(version.last_used_at())
        .with_recipient(version.recipient().cloned())
    });
    record.clone().with_secret_versions(versions)
}

/// A digest that differs in its last bit.
fn other(digest: &KeyDigest) -> KeyDigest {
    let mut bytes = *digest.as_bytes();
    bytes[KeyDigest::LEN - 1] ^= 1;
    KeyDigest::from_bytes(bytes)
}
