//! What is printed of a store.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tower_api_key::store::{CacheOptions, CachedStore, ChangeFeed, FeedState};
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore};

use crate::keys::{digest, record};
use crate::timing::{Figures, LookUp, compare, median};

/// How many keys are hot in the cache.
const HOT: usize = 1_000;

/// Prints ours against raw, and a hit of a cache over the store against the memory store.
pub(crate) async fn print<S>(name: &str, raw: &impl LookUp, store: &S, keys: usize, look_ups: usize)
where
    S: KeyRegistry + ChangeFeed + Clone,
{
    let [raw, ours] = compare(raw, &Ours(store), keys, look_ups).await;
    println!(
        "{name}: one at a time {:.1?} (p50), raw {:.1?}, ratio {:.2}",
        ours.p50,
        raw.p50,
        ours.p50.as_secs_f64() / raw.p50.as_secs_f64(),
    );
    println!(
        "{name}: 32 in flight {:.0} a second, raw {:.0}, ratio {:.2}",
        ours.per_second,
        raw.per_second,
        cost(&ours) / cost(&raw),
    );
    let cache = CachedStore::watching(store.clone(), CacheOptions::new()).unwrap();
    // What is read before the feed stands is forgotten when it does.
    while cache.feed_state() != FeedState::Current {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let hot = HOT.min(keys);
    for number in 0..hot {
        assert!(cache.find(&digest(number)).await.unwrap().is_some());
    }
    let memory = MemoryStore::from_records((0..hot).map(record)).unwrap();
    let (mut hits, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        hits.push(pass(&cache, hot));
        reads.push(pass(&memory, hot));
    }
    let (hit, read) = (median(hits), median(reads));
    println!(
        "{name}: a cache hit {hit:.0?}, the memory store {read:.0?}, ratio {:.2}",
        hit.as_secs_f64() / read.as_secs_f64(),
    );
}

/// The time of one look-up, from many that need no wait.
pub(crate) fn pass(store: &impl KeyStore, keys: usize) -> Duration {
    let digests: Vec<_> = (0..keys).map(digest).collect();
    let begun = Instant::now();
    for digest in &digests {
        let found = store.try_find(black_box(digest));
        assert!(black_box(found).unwrap().unwrap().is_some());
    }
    begun.elapsed() / u32::try_from(keys).unwrap()
}

fn cost(figures: &Figures) -> f64 {
    1.0 / figures.per_second
}

/// A look-up as the layer makes it.
struct Ours<'a, S>(&'a S);

impl<S: KeyStore> LookUp for Ours<'_, S> {
    async fn look_up(&self, digest: tower_api_key::key::KeyDigest) {
        let found = match self.0.try_find(&digest) {
            Some(answer) => answer,
            None => self.0.find(&digest).await,
        };
        assert!(found.unwrap().is_some());
    }
}
