//! Stores in memory, and what reads them.

use jiff::Timestamp;
use tower_api_key::clock::{ManualClock, SystemClock};
use tower_api_key::key::KeyHasher;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{FeedEvent, PageRequest};
use tower_api_key::{MemoryStore, NewKey};

use super::marker::{Marker, PEPPER};
use super::print::{Printed, both, debug};

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let Marker { keys, fresh } = marker;
    let page = keys.list("acct_42", &PageRequest::first(10)).await.unwrap();
    assert_eq!(page.keys().len(), 1);
    let twice = [
        KeyRecord::clone(&fresh.record),
        KeyRecord::clone(&fresh.record),
    ];
    let hasher = KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap();
    vec![
        debug("MemoryStore", keys.store()),
        debug("KeyPage", &page),
        debug("PageRequest", &PageRequest::first(10)),
        both("StoreError", &MemoryStore::from_records(twice).unwrap_err()),
        both(
            "ManageError",
            &keys.issue(NewKey::new("", "")).await.unwrap_err(),
        ),
        debug("KeyManager", &keys.clone().with_hasher(hasher.clone())),
        debug("Verifier", &keys.verifier().with_hasher(hasher)),
        debug("SystemClock", &SystemClock::new()),
        debug("ManualClock", &ManualClock::at(Timestamp::UNIX_EPOCH)),
        debug("FeedEvent", &FeedEvent::Changed(fresh.record.id())),
    ]
}

#[cfg(feature = "tokio")]
pub(crate) fn deadline(marker: &Marker) -> (&'static str, String) {
    use std::time::Duration;

    use tower_api_key::store::TimeoutStore;

    let store = TimeoutStore::new(marker.keys.store().clone(), Duration::from_secs(1));
    debug("TimeoutStore", &store)
}

#[cfg(feature = "test-util")]
pub(crate) fn faulty(marker: &Marker) -> (&'static str, String) {
    use tower_api_key::testing::FaultyStore;

    let store = FaultyStore::new(marker.keys.store().clone(), 42);
    debug("FaultyStore", &store)
}
