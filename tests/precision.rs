//! How precise the times in records are.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/changes.rs"]
mod changes;

use changes::{batch, context};
use futures::executor::block_on;
use jiff::Timestamp;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation, SecretVersion};
use tower_api_key::store::KeyUse;
use tower_api_key::{KeyRegistry, KeyStore, MemoryStore};

fn digest(number: u8) -> KeyDigest {
    KeyDigest::from_bytes([number; 32])
}

#[test]
fn times_are_kept_to_the_microsecond_on_either_side_of_1970() {
    for (nanosecond, microsecond) in [(1_767_225_600_000_001_999, 1_767_225_600_000_001), (-1, -1)]
    {
        let given = Timestamp::from_nanosecond(nanosecond).unwrap();
        let kept = Timestamp::from_microsecond(microsecond).unwrap();
        let store = MemoryStore::new();
        let id = KeyId::from_bytes([1; 16]);
        let apply = |change| block_on(store.apply(&id, &change, &context())).unwrap();
        let version = SecretVersion::new(1, digest(1), "0123abcd".parse().unwrap(), given)
            .with_retires_at(Some(given));
        let record = KeyRecord::new(id, "acct_42", "CI", given)
            .with_expires_at(Some(given))
            .with_secret_versions([version]);
        block_on(store.insert(record.clone(), &context())).unwrap();
        assert_eq!(
            *store.find_now(&digest(1)).unwrap().unwrap().unwrap(),
            record
        );

        let one = KeyUse::new(id, 1, given);
        assert_eq!(one.last_used_at(), kept);
        block_on(store.record_usage(&batch([one]))).unwrap();
        let update = KeyUpdate::new().with_expires_at(Some(given));
        assert_eq!(update.expires_at(), Some(Some(kept)));
        apply(KeyChange::Update(update));
        let rotated = KeyChange::Rotate {
            digest: digest(2),
            prefix: "89abcdef".parse().unwrap(),
            at: given,
            others_retire_at: given,
        };
        apply(rotated);
        let revoked = KeyChange::Revoke(Revocation::new(given, ""));
        let record = apply(revoked);

        assert_eq!(record.created_at(), kept);
        assert_eq!(record.expires_at(), Some(kept));
        assert_eq!(record.last_used_at(), Some(kept));
        assert_eq!(record.revocation().unwrap().at(), kept);
        let [new, old] = record.secret_versions() else {
            panic!("{record:?}")
        };
        assert_eq!((new.created_at(), new.retires_at()), (kept, None));
        assert_eq!((old.created_at(), old.retires_at()), (kept, Some(kept)));
    }
}
