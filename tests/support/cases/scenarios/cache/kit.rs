//! Short words for what the scenarios of the cache do.

use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinHandle;
use tower_api_key::ApiKeyLayer;
use tower_api_key::store::{CacheOptions, CachedStore};

use super::far::Far;
use crate::scenarios::kit::status;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// The jitter lets what lives this long expire no earlier than this.
pub(crate) fn earliest_end(time_to_live: Duration) -> Duration {
    time_to_live / 10 * 9
}

/// As long as that, less a moment.
pub(crate) fn just_before(end: Duration) -> Duration {
    end.saturating_sub(MOMENT)
}

/// The default options of every cache here.
pub(crate) fn options() -> CacheOptions {
    CacheOptions::new()
}

/// Options by which nothing expires while a test runs that cannot pause the clock.
pub(crate) fn lasting() -> CacheOptions {
    let hour = SECOND * 3_600;
    options()
        .with_time_to_live(hour)
        .with_fallback_time_to_live(hour)
        .with_look_up_deadline(hour)
}

/// A cache that hears of nothing.
pub(crate) fn cached(far: &Far, options: CacheOptions) -> CachedStore<Far> {
    CachedStore::new(far.clone(), options).unwrap()
}

/// A cache that hears what the test has the store tell.
pub(crate) fn watching(far: &Far, options: CacheOptions) -> CachedStore<Far> {
    CachedStore::watching(far.clone(), options).unwrap()
}

/// Begins a request beside the test, which goes on as far as a gate of the store allows.
pub(crate) async fn begin(layer: &ApiKeyLayer, key: &str) -> JoinHandle<StatusCode> {
    let (layer, key) = (layer.clone(), key.to_owned());
    let request = tokio::spawn(async move { status(&layer, &key).await });
    settle().await;
    request
}

/// Lets every task go on until all wait.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
