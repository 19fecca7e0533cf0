//! What a cache can be told, and what it refuses.

use std::sync::Arc;
use std::time::Duration;

use tower_api_key::store::{CacheOptions, CachedStore, KeyStore};
use tower_api_key::{KeyRegistry, MemoryStore};

use crate::kit::SECOND;

#[track_caller]
fn assert_refused(options: CacheOptions, message: &str) {
    let refused = CachedStore::new(MemoryStore::new(), options.clone()).unwrap_err();
    assert_eq!(refused.to_string(), message);
    let refused = CachedStore::watching(MemoryStore::new(), options).unwrap_err();
    assert_eq!(refused.to_string(), message);
}

#[test]
fn what_cannot_work_is_refused() {
    let options = CacheOptions::new;
    assert_refused(
        options().with_capacity(0),
        "expected room for one key or more, found none; to remember no key, set the time to live \
         to zero",
    );
    assert_refused(
        options().with_negative_capacity(0),
        "expected room for one unknown key or more, found none; to remember no unknown key, set \
         the negative time to live to zero",
    );
    assert_refused(
        options().with_max_look_ups(0),
        "expected one look-up under way or more, found none",
    );
    assert_refused(
        options().with_unknown_keys_per_second(Some(0)),
        "expected one unknown key a second or more, found none",
    );
    assert_refused(
        options().with_look_up_deadline(Duration::ZERO),
        "expected a time to wait for a look-up, found none",
    );
    assert_refused(
        options().with_fallback_time_to_live(Duration::ZERO),
        "expected a fallback time to live, found none; a proof would be out of date before it \
         arrives",
    );
    let stale = "expected an age for answers while the store fails beyond a time to live that is \
                 not zero, found";
    let same = options().with_stale_if_error(SECOND * 60);
    assert_refused(same, &format!("{stale} 60s and 60s"));
    let off = options()
        .with_time_to_live(Duration::ZERO)
        .with_stale_if_error(SECOND);
    assert_refused(off, &format!("{stale} 1s and 0ns"));
}

#[test]
fn extremes_work() {
    let most = CacheOptions::new()
        .with_capacity(u32::MAX)
        .with_negative_capacity(u32::MAX)
        .with_time_to_live(Duration::MAX / 2)
        .with_negative_time_to_live(Duration::MAX)
        .with_fallback_time_to_live(Duration::MAX)
        .with_max_look_ups(u32::MAX)
        .with_unknown_keys_per_second(Some(u32::MAX))
        .with_look_up_deadline(Duration::MAX)
        .with_stale_if_error(Duration::MAX);
    let least = CacheOptions::new()
        .with_capacity(1)
        .with_negative_capacity(1)
        .with_max_look_ups(1)
        .with_unknown_keys_per_second(Some(1));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for options in [most, least] {
        runtime.block_on(async {
            let store = crate::kit::Script::with([1]);
            let cached = CachedStore::watching(store, options).unwrap();
            assert_eq!(crate::kit::find(&cached, 1).await, "active");
            assert_eq!(crate::kit::known(&cached, 1), "active");
        });
    }
}

/// Any store can be cached, one that is chosen at run time too, and a cache is one itself.
#[test]
fn a_cache_fits_where_a_store_does() {
    fn value<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    let options = CacheOptions::new;
    let any: Arc<dyn KeyRegistry> = Arc::new(MemoryStore::new());
    let cached = CachedStore::new(any, options()).unwrap();
    value(&cached);
    value(&options());
    let twice: Arc<dyn KeyRegistry> = Arc::new(CachedStore::new(cached, options()).unwrap());
    assert!(twice.try_find(&crate::kit::digest(1)).is_none());
    let told = CachedStore::watching(MemoryStore::new(), options()).unwrap();
    CachedStore::watching(told, options()).unwrap();
}

#[test]
fn debug_shows_the_options_and_no_key() {
    let cached = CachedStore::new(MemoryStore::new(), CacheOptions::default()).unwrap();
    let shown = format!("{cached:?}");
    assert!(
        shown.starts_with("CachedStore { options: CacheOptions { capacity: 100000, "),
        "{shown}"
    );
    assert!(shown.contains("stats: CacheStats { keys: 0, "), "{shown}");
}
