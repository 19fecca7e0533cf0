//! The store of a case, which can be made to fail in every way that a case names.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{StoreError, StoreErrorKind};
use tower_api_key::{KeyStore, MemoryStore};

/// Whether the store answers at once or lets the request wait. Each case runs both ways, since the
/// service decides on two paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    AtOnce,
    AfterYield,
}

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Error,
    Hangs,
    Panics,
    /// `find` panics before it returns a future.
    PanicsOnConstruct,
    Corrupt,
    OtherRecord,
    NoDigest,
}

/// Counts look-ups, and answers or fails as it is told.
#[derive(Clone)]
pub(crate) struct CaseStore(Arc<Parts>);

struct Parts {
    records: MemoryStore,
    other: Arc<KeyRecord>,
    fault: Fault,
    pace: Pace,
    look_ups: AtomicU64,
}

type Found = Result<Option<Arc<KeyRecord>>, StoreError>;

impl Fault {
    /// The fault of that name.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(crate) fn parse(name: Option<&str>) -> Self {
        match name {
            // An empty store works; it only has no records.
            None | Some("empty") => Self::None,
            Some("error") => Self::Error,
            Some("timeout") => Self::Hangs,
            Some("panic") => Self::Panics,
            Some("panic_on_construct") => Self::PanicsOnConstruct,
            Some("corrupt_record") => Self::Corrupt,
            Some("returns_other_record") => Self::OtherRecord,
            Some("record_with_empty_digest") => Self::NoDigest,
            Some(other) => panic!("no such store: {other}"),
        }
    }

    pub(crate) fn panics(self) -> bool {
        matches!(self, Self::Panics | Self::PanicsOnConstruct)
    }
}

impl CaseStore {
    /// A store of these records; `other` is what a store returns that mixes records up.
    pub(crate) fn new(records: Vec<KeyRecord>, other: KeyRecord, fault: Fault, pace: Pace) -> Self {
        Self(Arc::new(Parts {
            records: MemoryStore::from_records(records).unwrap(),
            other: Arc::new(other),
            fault,
            pace,
            look_ups: AtomicU64::new(0),
        }))
    }

    /// How many look-ups have reached the store.
    pub(crate) fn look_ups(&self) -> u64 {
        self.0.look_ups.load(Ordering::SeqCst)
    }

    fn answer(&self, digest: &KeyDigest) -> Found {
        let fail = |kind| {
            // Words that the cases look for in the response, where they must not come through.
            let message = "SQL: connection refused by the database";
            Err(StoreError::new(kind, message))
        };
        match self.0.fault {
            Fault::None => self.0.records.try_find(digest).expect("memory never waits"),
            Fault::Error => fail(StoreErrorKind::Unavailable),
            Fault::Corrupt => fail(StoreErrorKind::Corrupt),
            Fault::OtherRecord => Ok(Some(self.0.other.clone())),
            Fault::NoDigest => {
                let record = KeyRecord::clone(&self.0.other).with_secret_versions([]);
                Ok(Some(Arc::new(record)))
            }
            Fault::Panics => panic!("the store of the case panicked"),
            Fault::Hangs | Fault::PanicsOnConstruct => unreachable!("answered by find"),
        }
    }

    fn count(&self) {
        self.0.look_ups.fetch_add(1, Ordering::SeqCst);
    }
}

// Written out rather than with `async_trait`, so that `find` itself can panic.
impl KeyStore for CaseStore {
    fn find<'a, 'b, 'c>(
        &'a self,
        digest: &'b KeyDigest,
    ) -> Pin<Box<dyn Future<Output = Found> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        self.count();
        assert_ne!(self.0.fault, Fault::PanicsOnConstruct, "find panicked");
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.0.fault == Fault::Hangs {
                std::future::pending::<()>().await;
            }
            self.answer(digest)
        })
    }

    fn try_find(&self, digest: &KeyDigest) -> Option<Found> {
        let waits = matches!(self.0.fault, Fault::Hangs | Fault::PanicsOnConstruct);
        if waits || self.0.pace == Pace::AfterYield {
            return None;
        }
        self.count();
        Some(self.answer(digest))
    }
}
