//! A flood of well-formed keys that nobody issued, in a process of its own, whose memory is
//! measured.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "cache", target_os = "linux"))]

#[path = "support/heavy.rs"]
mod heavy;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::KeyRecord;
use tower_api_key::store::{CacheOptions, CachedStore, KeyStore, StoreError};
use tower_api_key::{KeyManager, MemoryStore, NewKey, Verifier};

const SENDERS: usize = 400;
const CAP: u32 = 256;
/// What 10,000 unknown keys may take, and what an allocator keeps in hand, in octets.
const ROOM: usize = 16 << 20;

/// Answers after a turn of the runtime, and counts.
#[derive(Clone, Default)]
struct Counted {
    keys: MemoryStore,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl KeyStore for Counted {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let found = self.keys.find(digest).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        found
    }
}

/// In turn, so that neither flood disturbs the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_takes_no_more_than_its_bounds_and_costs_no_key_its_answer() {
    flood(heavy::size(50_000, 1_000_000), None).await;
    flood(heavy::size(10_000, 50_000), Some(1_000)).await;
}

async fn flood(count: usize, unknown_keys_per_second: Option<u32>) {
    let store = Counted::default();
    // The key has to be read again and again while the flood lasts.
    let options = CacheOptions::new()
        .with_time_to_live(Duration::from_millis(50))
        // A busy machine is no failure of the store.
        .with_look_up_deadline(Duration::from_secs(30))
        .with_max_look_ups(CAP)
        .with_unknown_keys_per_second(unknown_keys_per_second);
    let cached = CachedStore::new(store.clone(), options).unwrap();
    let keys = KeyManager::new(store.keys.clone());
    let key = keys.issue(NewKey::new("acct_42", "CI")).await.unwrap().key;
    let verifier = Verifier::new(cached.clone());
    verifier.verify(key.expose_secret()).await.unwrap();

    let before = resident();
    let began = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (verifier, key) = (verifier.clone(), key.expose_secret().to_owned());
            tokio::spawn(async move {
                for number in (sender..count).step_by(SENDERS) {
                    let unknown = format!("tc_{number:064x}");
                    let denial = verifier.verify(&unknown).await.unwrap_err();
                    let kinds = [DenialKind::Unknown, DenialKind::StoreFailed];
                    assert!(kinds.contains(&denial.kind()), "{denial:?}");
                    if number % 100 == 0 {
                        verifier.verify(&key).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let seconds = began.elapsed().as_secs() + 1;
    let grown = resident().saturating_sub(before);
    let (stats, most) = (cached.stats(), store.most.load(Ordering::SeqCst));
    eprintln!(
        "{seconds} s, {most} look-ups at once, {} KiB grown, {stats:?}",
        grown >> 10
    );
    assert!(most <= CAP as usize);
    assert!(grown <= ROOM, "{grown} octets");
    assert!(stats.keys == 1 && stats.unknown_keys <= 10_000 && stats.under_way == 0);
    if let Some(rate) = unknown_keys_per_second {
        // What the rate allows, and the reads of the one key.
        let most = u64::from(rate) * (seconds + 1) + 22 * seconds + 2;
        assert!(stats.look_ups <= most, "{} > {most}", stats.look_ups);
        assert!(stats.refused > 0);
    } else {
        assert_eq!(stats.unknown_keys, 10_000);
    }
}

/// The octets of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<usize>().unwrap() << 10
}
