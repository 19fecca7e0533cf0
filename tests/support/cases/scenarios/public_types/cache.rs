//! A cache that holds the key.

use tower_api_key::ApiKeyLayer;
use tower_api_key::store::{CacheEvent, CacheOptions, CachedStore, StoreErrorKind};

use super::marker::Marker;
use super::print::{Printed, both, debug};
use crate::scenarios::kit::status;

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let store = marker.keys.store().clone();
    let cached = CachedStore::watching(store.clone(), CacheOptions::new()).unwrap();
    let layer = ApiKeyLayer::new(cached.clone());
    status(&layer, marker.fresh.key.expose_secret()).await;
    assert_eq!(cached.stats().keys, 1);
    let none = CacheOptions::new().with_capacity(0);
    let stale = CacheEvent::Stale {
        id: marker.fresh.record.id(),
        failure: StoreErrorKind::Unavailable,
    };
    vec![
        debug("CacheEvent", &stale),
        debug("CacheOptions", &CacheOptions::new()),
        debug("CacheStats", &cached.stats()),
        debug("CachedStore", &cached),
        debug("FeedState", &cached.feed_state()),
        both(
            "InvalidCacheOptions",
            &CachedStore::new(store, none).unwrap_err(),
        ),
    ]
}
