//! Keys that end: by rotation, deletion, expiry and a clock that steps back; and stores that are
//! slow, far, or full of digests that somebody chose.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tower_api_key::clock::ManualClock;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{KeyUse, StoreError, UsageBatch, UsageStore};
use tower_api_key::{ApiKeyLayer, Denial, KeyManager, KeyStore, MemoryStore};

use super::kit::{answer, doc_text, manager, new_key, status};

#[tokio::test]
async fn sc_rev_3_a_rotation_without_overlap_swaps_the_secrets_at_once() {
    let keys = manager();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let old = keys.issue(new_key()).await.unwrap();
    assert_eq!(
        status(&layer, old.key.expose_secret()).await,
        StatusCode::OK
    );

    let new = keys.rotate(&old.record.id(), Duration::ZERO).await.unwrap();
    assert_eq!(
        status(&layer, old.key.expose_secret()).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        status(&layer, new.key.expose_secret()).await,
        StatusCode::OK
    );
}

/// Tells when a look-up has read its record, and holds the answer back until it is let go.
struct Gated {
    records: MemoryStore,
    has_read: Arc<Semaphore>,
    may_answer: Arc<Semaphore>,
}

#[async_trait]
impl KeyStore for Gated {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let found = self.records.find(digest).await;
        self.has_read.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        found
    }
}

#[tokio::test]
async fn sc_rev_6_a_key_that_is_deleted_while_it_is_verified_stays_deleted() {
    let (has_read, may_answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let keys = manager();
    let layer = ApiKeyLayer::new(Gated {
        records: keys.store().clone(),
        has_read: has_read.clone(),
        may_answer: may_answer.clone(),
    });
    let fresh = keys.issue(new_key()).await.unwrap();
    let (id, key) = (fresh.record.id(), fresh.key.expose_secret().to_owned());

    let in_flight = {
        let (layer, key) = (layer.clone(), key.clone());
        tokio::spawn(async move { status(&layer, &key).await })
    };
    has_read.acquire().await.unwrap().forget();
    keys.delete(&id).await.unwrap();
    may_answer.add_permits(2);
    // The record was read before it was deleted, so this one request passes.
    assert_eq!(in_flight.await.unwrap(), StatusCode::OK);
    // Its use is noted late, which must not bring the key back.
    let late = KeyUse::new(id, 1, Timestamp::now());
    let late = UsageBatch::new([1; 16], 1, [late]);
    keys.store().record_usage(&late).await.unwrap();

    assert!(keys.store().is_empty());
    assert!(keys.get(&id).await.unwrap().is_none());
    let digest = fresh.record.secret_versions()[0].digest();
    assert!(keys.store().find(digest).await.unwrap().is_none());
    assert_eq!(status(&layer, &key).await, StatusCode::UNAUTHORIZED);
}

fn clock() -> ManualClock {
    ManualClock::at("2026-03-01T12:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn sc_rev_9_expiry_is_checked_on_every_request() {
    let clock = clock();
    let keys = manager().with_clock(clock.clone());
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let fresh = keys
        .issue(new_key().expires_in(Duration::from_millis(500)))
        .await
        .unwrap();
    let key = fresh.key.expose_secret();

    // Often enough that the store hands out a thread's own copy of the record.
    for _ in 0..50 {
        assert_eq!(status(&layer, key).await, StatusCode::OK);
    }
    clock.advance(Duration::from_millis(499));
    assert_eq!(status(&layer, key).await, StatusCode::OK);
    clock.advance(Duration::from_millis(1));
    assert_eq!(status(&layer, key).await, StatusCode::UNAUTHORIZED);
}

#[test]
fn sc_rev_10_the_contract_of_a_store_names_the_lag_of_a_replica() {
    let docs = doc_text(include_str!("../../../../src/store/contract/key_store.rs"));
    assert!(docs.contains("After a revocation was written, a lookup must not return"));
    assert!(docs.contains("lagging replica, the lag adds to the time"));
}

#[tokio::test]
async fn sc_clk_1_expiration_follows_a_clock_that_steps_back() {
    let clock = clock();
    let keys = manager().with_clock(clock.clone());
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let new = new_key().expires_in(Duration::from_secs(60));
    let fresh = keys.issue(new).await.unwrap();
    let key = fresh.key.expose_secret();

    for _ in 0..2 {
        clock.advance(Duration::from_secs(60));
        let response = answer(&layer, Some(key)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let denial = response.extensions().get::<Denial>().unwrap();
        assert_eq!(denial.kind(), DenialKind::Expired);

        clock.step_back(Duration::from_secs(3_600));
        assert_eq!(status(&layer, key).await, StatusCode::OK);
        // Until it passes the expiration once more.
        clock.advance(Duration::from_secs(3_540));
        assert_eq!(status(&layer, key).await, StatusCode::OK);
    }
}

#[test]
fn sc_clk_1_the_limit_is_documented() {
    let limit = "Expiration follows the clock and nothing else: when";
    for docs in [
        include_str!("../../../../README.md"),
        include_str!("../../../../src/verify/verifier.rs"),
    ] {
        assert!(doc_text(docs).contains(limit));
    }
}

/// Digests as somebody could grind them: the first 20 bits are all the same.
fn ground_digests() -> impl Iterator<Item = KeyDigest> {
    (0..1_u32 << 16).map(|number| {
        let mut octets = [0; KeyDigest::LEN];
        // 20 bits of zero, then a number of 16 bits, as the rest of an honest digest would differ.
        octets[2..6].copy_from_slice(&(number << 8 & 0x00ff_ff00).to_be_bytes());
        octets[31] = 7;
        KeyDigest::from_bytes(octets)
    })
}

fn assert_spread() {
    // What of a digest reaches a keyed hasher must differ wherever digests do: then no two of them
    // share a bucket more often than by chance. A hash of the first bits alone would put all 2^16
    // into one.
    for _ in 0..4 {
        let seed = RandomState::new();
        let mut buckets: HashMap<u64, u32> = HashMap::new();
        for digest in ground_digests() {
            *buckets
                .entry(seed.hash_one(digest) % (1 << 16))
                .or_default() += 1;
        }
        // One digest a bucket on average; by chance, more than 20 in any has odds below 1e-13.
        let fullest = buckets.values().max().unwrap();
        assert!(*fullest <= 20, "a bucket holds {fullest} of 65,536 digests");
    }
}

#[test]
fn sc_neg_10_ground_digests_are_spread_by_a_seed_that_nobody_knows() {
    assert_spread();
    // And another seed puts them elsewhere, so buckets cannot be learned from another process.
    let (one, two) = (RandomState::new(), RandomState::new());
    let same = ground_digests()
        .filter(|digest| one.hash_one(digest) % (1 << 16) == two.hash_one(digest) % (1 << 16));
    assert!(same.count() <= 40);
}

#[test]
fn sc_neg_10_the_store_in_memory_hashes_under_a_random_seed() {
    let source = include_str!("../../../../src/store/memory/digests.rs");
    assert!(source.contains("seed: RandomState,"));
    assert!(source.contains("self.seed.hash_one(digest)"));
    assert!(source.contains("use foldhash::quality::RandomState;"));
}

#[tokio::test]
async fn sc_neg_10_a_store_of_ground_digests_answers_every_look_up() {
    // Else the store would be quadratic, and this would not fail but last.
    assert_spread();
    let records = ground_digests().zip(0_u128..).map(|(digest, number)| {
        let (id, now) = (
            KeyId::from_bytes(number.to_be_bytes()),
            Timestamp::UNIX_EPOCH,
        );
        let version = SecretVersion::new(1, digest, "00000000".parse().unwrap(), now);
        KeyRecord::new(id, "acct_42", "ground", now).with_secret_versions([version])
    });
    let store = MemoryStore::from_records(records).unwrap();
    for (digest, number) in ground_digests().zip(0_u128..) {
        let found = store.try_find(&digest).unwrap().unwrap().unwrap();
        assert_eq!(found.id(), KeyId::from_bytes(number.to_be_bytes()));
    }
}

#[test]
fn sc_out_7_a_build_that_aborts_on_panic_is_documented_and_lets_nobody_in() {
    let docs = doc_text(include_str!("../../../../src/lib.rs"));
    assert!(docs.contains(
        "With `panic = \"abort\"`, a store, policy or observer that panics ends the process; \
         no request is allowed by it."
    ));
    assert!(docs.contains("the inner service is called only after an explicit yes"));
}

#[tokio::test]
async fn sc_ct_4_a_known_prefix_gets_the_answer_of_an_unknown_one() {
    let keys = KeyManager::new(MemoryStore::new());
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let fresh = keys.issue(new_key()).await.unwrap();
    let key = fresh.key.expose_secret();
    let known = format!("{}{}", &key[..11], "0".repeat(56));
    let unknown = format!("tc_{}", "0".repeat(64));
    assert_ne!(known, key);

    let [known, unknown] = [known, unknown].map(|key| {
        let layer = layer.clone();
        async move {
            let response = answer(&layer, Some(&key)).await;
            let denial = response.extensions().get::<Denial>().cloned();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 4096).await.unwrap();
            (parts.status, parts.headers, body, denial.unwrap().kind())
        }
    });
    let (known, unknown) = (known.await, unknown.await);
    assert_eq!(known.0, StatusCode::UNAUTHORIZED);
    // Even the operator is told the same: the whole digest is looked up, and never the prefix.
    assert_eq!(known, unknown);
    let docs = doc_text(include_str!("../../../../src/key/token.rs"));
    assert!(docs.contains("by which people recognise it on a dashboard. They are not secret."));
}
