//! Keys by their number, so that none needs to be kept.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{ChangeContext, KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::Insert;
use tower_api_key::{KeyRegistry, Scope};

/// The digest of the key of that number.
pub(crate) fn digest(number: usize) -> KeyDigest {
    KeyDigest::from_bytes(Sha256::digest(number.to_be_bytes()).into())
}

/// A key with three scopes and a name of 20 octets.
pub(crate) fn record(number: usize) -> KeyRecord {
    let mut id = [0; KeyId::LEN];
    id[8..].copy_from_slice(&number.to_be_bytes());
    let digest = digest(number);
    let prefix = hex::encode(&digest.as_bytes()[..4]).parse().unwrap();
    let owner = format!("acct_{}", number / 10);
    let name = format!("Production {number:09}");
    KeyRecord::new(KeyId::from_bytes(id), owner, name, Timestamp::UNIX_EPOCH)
        .with_scopes([Scope::READ, Scope::WRITE, Scope::DELETE])
        .with_secret_versions([SecretVersion::new(1, digest, prefix, Timestamp::UNIX_EPOCH)])
}

/// Numbers below `keys`, as if at random, the same in every run.
pub(crate) fn numbers(keys: usize, count: usize) -> impl Iterator<Item = usize> {
    (1..=count).map(move |step| {
        let mixed = (step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> 16).unwrap() % keys
    })
}

/// Imports the keys by the ten thousand, and prints how fast.
pub(crate) async fn fill(name: &str, store: &impl KeyRegistry, keys: usize) {
    let context = ChangeContext::new(Timestamp::UNIX_EPOCH);
    let begun = std::time::Instant::now();
    for first in (0..keys).step_by(PART) {
        let part: Vec<_> = (first..keys.min(first + PART))
            .map(|number| Insert::new(record(number), &context))
            .collect();
        for answer in store.insert_many(part).await {
            answer.unwrap();
        }
    }
    let per_second = keys as f64 / begun.elapsed().as_secs_f64();
    println!("{name}: bulk import of {per_second:.0} keys a second");
}

const PART: usize = 10_000;
