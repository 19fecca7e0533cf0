//! Keys and changes for the rules.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::key::digest::KeyDigest;
use crate::key::token::KeyPrefix;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::name::Scope;
use crate::store::contract::write::Insert;

pub(super) const OWNER: &str = "acct_42";

/// What every digest ends with, so that an error that shows one is noticed.
pub(super) const MARK: [u8; 16] =
    *b"\xd1\x6e\x57\xed\xd1\x6e\x57\xed\xd1\x6e\x57\xed\xd1\x6e\x57\xed";

/// That many seconds after the start of 2026.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::constant(1_767_225_600 + second, 0)
}

/// A change at second 0.
pub(super) fn context() -> ChangeContext {
    ChangeContext::new(at(0)).with_actor("tester")
}

pub(super) fn id(number: u64) -> KeyId {
    let mut bytes = [0x5a; KeyId::LEN];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    KeyId::from_bytes(bytes)
}

pub(super) fn digest(number: u64) -> KeyDigest {
    let mut bytes = [0xa5; KeyDigest::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[16..].copy_from_slice(&MARK);
    KeyDigest::from_bytes(bytes)
}

/// A key of [`OWNER`] that may read, with one secret.
pub(super) fn key(number: u64) -> KeyRecord {
    key_of(OWNER, number)
}

pub(super) fn key_of(owner: &str, number: u64) -> KeyRecord {
    KeyRecord::new(id(number), owner, "CI", at(0))
        .with_scopes(Scope::READ)
        .with_secret_versions([version(1, number)])
}

/// The insert of a key, without conditions.
pub(super) fn inserting(record: &KeyRecord) -> Insert {
    Insert::new(record.clone(), &context())
}

/// A version of a key with that digest.
pub(super) fn version(number: u32, digest_number: u64) -> SecretVersion {
    SecretVersion::new(number, digest(digest_number), prefix(digest_number), at(0))
}

/// The same for every 16th number: prefixes are not unique.
pub(super) fn prefix(number: u64) -> KeyPrefix {
    let text = format!("0123abc{:x}", number % 16);
    // OK because these are 8 hex characters.
    text.parse().expect("a prefix")
}

/// A rotation at second 0; the others expire at second 3,600.
pub(super) fn rotation(digest_number: u64) -> KeyChange {
    rotation_at(0, 3_600, digest_number)
}

pub(super) fn rotation_at(second: i64, others_retire: i64, digest_number: u64) -> KeyChange {
    KeyChange::Rotate {
        digest: digest(digest_number),
        prefix: prefix(digest_number),
        at: at(second),
        others_retire_at: at(others_retire),
    }
}

pub(super) fn revocation(second: i64, reason: &str) -> KeyChange {
    KeyChange::Revoke(Revocation::new(at(second), reason))
}

/// A writer of usage that no store knows.
pub(super) fn another_writer() -> [u8; 16] {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0xc3; 16];
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}
