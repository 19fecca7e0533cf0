//! Importing the keys of an older system by their digests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use support::timed_keys;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::{KeyDigest, KeyFormat, KeyHasher, KeyPrefix};
use tower_api_key::manage::{
    ImportRefusal, ImportRefusalKind, ImportReport, LegacyKey, ManageErrorKind,
};
use tower_api_key::record::{KeyId, KeyRecord, Revocation};
use tower_api_key::store::{
    AuditLog, AuditPage, AuditPageRequest, Commit, Insert, Inserted, KeyPage, PageRequest,
    StoreError, StoreErrorKind, UsageBatch, UsageBucket, UsageStore,
};
use tower_api_key::{KeyManager, KeyRegistry, KeyStore, MemoryStore, Scope, ScopeSet};

fn text(number: u64) -> String {
    format!("tc_{number:064x}")
}

/// Of the whole text, in upper case for odd numbers.
fn hex_digest(number: u64) -> String {
    let digest = hex::encode(Sha256::digest(text(number)));
    if number % 2 == 1 {
        digest.to_uppercase()
    } else {
        digest
    }
}

fn legacy(number: u64) -> LegacyKey {
    bare(number).with_format("tc_").with_scopes(Scope::READ)
}

/// With a digest alone.
fn bare(number: u64) -> LegacyKey {
    LegacyKey::from_hex("acct_42", "CI", &hex_digest(number))
}

/// The index, kind and text of each refusal, and of its cause.
fn refusals(report: &ImportReport) -> Vec<(usize, ImportRefusalKind, String, Option<String>)> {
    let refused = report.refused().iter();
    refused
        .map(|one| {
            let source = one.source().map(ToString::to_string);
            (one.index(), one.kind(), one.to_string(), source)
        })
        .collect()
}

#[test]
fn a_client_notices_nothing_of_an_import() {
    let (keys, clock) = timed_keys();
    let now = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let (before, after) = (
        now - SignedDuration::from_hours(1),
        now + SignedDuration::from_hours(1),
    );
    let prefix: KeyPrefix = "89abcdef".parse().unwrap();
    let revocation = Revocation::new(before, "leaked");
    let bytes: [u8; 32] = Sha256::digest(text(3)).into();
    let rows = [
        legacy(0),
        LegacyKey::from_hex("acct_7", "Server", &hex_digest(1))
            .with_scope_names(["read", "orders:refund"])
            .with_leading("tc_89abcdef01")
            .with_created_at(before)
            .with_expires_at(Some(after)),
        legacy(2).with_expires_at(Some(before)),
        LegacyKey::new("acct_42", "From bytes", KeyDigest::from_bytes(bytes)).with_format("tc_"),
        legacy(4).with_disabled(true),
        legacy(5).with_revocation(Some(revocation.clone())),
    ];
    let report = block_on(keys.import(rows)).unwrap();
    assert_eq!((report.imported(), report.stopped_before()), (6, None));
    assert!(report.is_complete() && report.refused().is_empty());

    let verifier = keys.verifier();
    let verify = |number| block_on(verifier.verify(&text(number)));
    let kind = |number| verify(number).unwrap_err().kind();
    let plain = verify(0).unwrap();
    assert_eq!(
        (plain.owner(), plain.scopes()),
        ("acct_42", &ScopeSet::from(Scope::READ))
    );
    assert_eq!(kind(2), DenialKind::Expired);
    assert_eq!(verify(3).unwrap().scopes(), &ScopeSet::new());
    assert_eq!(kind(4), DenialKind::Disabled);
    assert_eq!(kind(5), DenialKind::Revoked);
    assert_eq!(kind(6), DenialKind::Unknown);

    let full = verify(1).unwrap();
    let record = block_on(keys.get(&full.key_id())).unwrap().unwrap();
    assert_eq!((record.owner(), record.name()), ("acct_7", "Server"));
    assert_eq!(record.scopes().to_string(), "read orders:refund");
    assert_eq!(
        (record.created_at(), record.expires_at()),
        (before, Some(after))
    );
    let [version] = record.secret_versions() else {
        panic!(
            "expected one secret version, found {:?}",
            record.secret_versions()
        );
    };
    assert_eq!((version.number(), version.prefix()), (1, prefix));
    assert_eq!((version.created_at(), version.retires_at()), (before, None));

    // What was not told: the time of the import, and no prefix.
    let record = block_on(keys.get(&plain.key_id())).unwrap().unwrap();
    assert_eq!((record.created_at(), record.expires_at()), (now, None));
    let version = &record.secret_versions()[0];
    assert_eq!(version.prefix(), KeyPrefix::UNKNOWN);
    assert_eq!(version.prefix().to_string(), "????????");
    assert_eq!("????????".parse(), Ok(KeyPrefix::UNKNOWN));

    // From then on it is a key like any other.
    clock.advance(std::time::Duration::from_secs(7_200));
    assert_eq!(kind(1), DenialKind::Expired);
    let rotated = block_on(keys.rotate(&plain.key_id(), std::time::Duration::ZERO)).unwrap();
    assert_eq!(kind(0), DenialKind::Superseded);
    assert!(block_on(verifier.verify(rotated.key.expose_secret())).is_ok());
}

#[test]
fn a_bad_row_is_told_and_the_others_are_imported() {
    let keys = KeyManager::new(MemoryStore::new());
    let long = "x".repeat(257);
    let many = (0..65).map(|number| Scope::new(format!("s{number}")).unwrap());
    let reason = "r".repeat(1_025);
    let rows = [
        legacy(0),
        LegacyKey::from_hex("acct_42", "CI", "9f86d081"),
        LegacyKey::from_hex(" ", "CI", &hex_digest(2)),
        LegacyKey::from_hex(long.as_str(), "CI", &hex_digest(2)),
        LegacyKey::from_hex("acct_42", "", &hex_digest(2)),
        LegacyKey::from_hex("acct_42", "C\nI", &hex_digest(2)),
        legacy(2).with_scope_names(["read", "read write"]),
        legacy(2).with_scopes(many.collect::<Vec<_>>()),
        legacy(2).with_revocation(Some(Revocation::new(Timestamp::UNIX_EPOCH, reason))),
        legacy(0),
        legacy(1),
    ];
    let report = block_on(keys.import(rows)).unwrap();
    assert_eq!((report.imported(), report.stopped_before()), (2, None));
    assert!(!report.is_complete());
    let invalid = |index, message: &str| {
        let text = format!("key {index}: {message}");
        (index, ImportRefusalKind::InvalidInput, text, None)
    };
    assert_eq!(
        refusals(&report),
        [
            invalid(1, "expected a digest of 64 hexadecimal digits"),
            invalid(2, "expected an owner, found an empty text"),
            invalid(3, "expected an owner of at most 256 octets, found 257"),
            invalid(4, "expected a name, found an empty text"),
            invalid(5, "expected a name without control characters"),
            invalid(
                6,
                "expected printable ASCII without space, '\"' and '\\' in a scope name, \
                 found octet 0x20 at 4"
            ),
            invalid(7, "expected at most 64 scopes, found 65"),
            invalid(8, "expected a reason of at most 1024 octets, found 1025"),
            (
                9,
                ImportRefusalKind::AlreadyExists,
                "key 9: expected a new digest, found it in the store".to_owned(),
                None,
            ),
        ]
    );
    assert_eq!(keys.store().len(), 2);
}

#[test]
fn a_key_of_no_configured_format_is_not_imported() {
    let formats = ["tc_", "acme_live_"].map(|prefix| KeyFormat::new(prefix).unwrap());
    let keys = KeyManager::new(MemoryStore::new());
    let keys = keys.with_formats(formats).unwrap();
    let unnamed = "neither a format nor the leading characters of the key are given";
    let unknown = "the format is not configured; expected one of tc_, acme_live_";
    let other = "no key of the format tc_, acme_live_ starts with the given characters";
    let whole = "the leading characters look like an API key";
    let rows = [
        (bare(0), Some(unnamed)),
        (bare(0).with_format("tc"), Some(unknown)),
        (bare(0).with_format(""), Some(unknown)),
        (bare(0).with_format(text(0)), Some(unknown)),
        (bare(0).with_leading(""), Some(other)),
        (bare(0).with_leading("sk_live_89abcdef"), Some(other)),
        (bare(0).with_leading("89abcdef"), Some(other)),
        (bare(0).with_leading("tc_89ABCDEF"), Some(other)),
        (bare(0).with_leading("tc_89abcdeg"), Some(other)),
        (bare(0).with_leading("acme_live_tc_"), Some(other)),
        (bare(0).with_leading(text(0)), Some(whole)),
        (bare(0).with_leading(&text(0)[..66]), Some(whole)),
        (
            bare(0).with_format("tc_").with_leading("acme_live_0"),
            Some("no key of the format tc_ starts with the given characters"),
        ),
        (bare(1).with_format("acme_live_"), None),
        (bare(2).with_leading("acme_l"), None),
        (bare(3).with_leading("tc_89abcde"), None),
        (bare(4).with_leading("acme_live_89abcdef"), None),
        (bare(5).with_leading(&text(0)[..34]), None),
        (bare(6).with_format("tc_").with_leading("tc_"), None),
    ];
    let expected: Vec<_> = (0..).zip(&rows).collect();
    let expected = expected
        .into_iter()
        .filter_map(|(index, (_, message))| Some((index, (*message)?)))
        .map(|(index, message)| {
            let told = format!("key {index}: {message}");
            (index, ImportRefusalKind::InvalidInput, told, None)
        });
    let expected: Vec<_> = expected.collect();
    let report = block_on(keys.import(rows.map(|(row, _)| row))).unwrap();
    assert_eq!(refusals(&report), expected);
    assert_eq!(report.imported(), 6);

    let shown = |number: u64| {
        let digest = KeyDigest::from_hex(&hex_digest(number)).unwrap();
        let record = block_on(keys.store().find(&digest)).unwrap().unwrap();
        record.secret_versions()[0].prefix().to_string()
    };
    let all = [1, 2, 3, 4, 5, 6].map(shown);
    let none = "????????";
    assert_eq!(all, [none, none, none, "89abcdef", "00000000", none]);
}

#[test]
fn an_import_of_a_deleted_key_creates_it_again() {
    let keys = KeyManager::new(MemoryStore::new());
    let import = || block_on(keys.import([legacy(0)])).unwrap();
    let found = || block_on(keys.verifier().verify(&text(0)));
    assert_eq!(import().imported(), 1);
    let first = found().unwrap().key_id();
    block_on(keys.delete(&first)).unwrap();
    assert_eq!(found().unwrap_err().kind(), DenialKind::Unknown);
    assert_eq!(import().imported(), 1);
    let again = found().unwrap().key_id();
    assert_ne!(again, first);
    // One that was revoked stays so.
    block_on(keys.revoke(&again, "")).unwrap();
    assert_eq!(import().imported(), 0);
    assert_eq!(found().unwrap_err().kind(), DenialKind::Revoked);
}

#[test]
fn a_pepper_refuses_the_import_and_nothing_is_asked_of_the_rows() {
    let hasher = KeyHasher::hmac_sha256(&[7; 32]).unwrap();
    let keys = KeyManager::new(MemoryStore::new()).with_hasher(hasher);
    let rows = (0..3).map(|_| -> LegacyKey { panic!("a row was read") });
    let error = block_on(keys.import(rows)).unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "expected a manager that digests with SHA-256 for an import, found one with HMAC-SHA-256, \
         which would match no imported digest"
    );
}

#[test]
fn rows_are_read_and_sent_a_thousand_at_a_time() {
    let store = Metered::default();
    let (read, sizes) = (AtomicUsize::new(0), store.sizes.clone());
    let rows = (0..2_500).map(|number| {
        // The store has everything but the rows under way: one chunk, and one row ahead.
        let sent: usize = sizes.lock().unwrap().iter().sum();
        assert!(read.fetch_add(1, Ordering::SeqCst) <= sent + 1_000);
        legacy(number)
    });
    let keys = KeyManager::new(store);
    let report = block_on(keys.import(rows)).unwrap();
    assert_eq!(report.imported(), 2_500);
    assert_eq!(*sizes.lock().unwrap(), [1_000, 1_000, 500]);

    // An import of nothing asks nothing.
    let report = block_on(keys.import([])).unwrap();
    assert_eq!((report.imported(), report.is_complete()), (0, true));
    assert_eq!(sizes.lock().unwrap().len(), 3);
}

#[test]
fn an_import_stops_when_the_store_fails_and_can_be_run_again() {
    let store = Metered::default();
    store.fails_from(1_200);
    let keys = KeyManager::new(store);
    // The rest of the second chunk fails; the third fails whole.
    let report = block_on(keys.import((0..5_000).map(legacy))).unwrap();
    assert_eq!(
        (report.imported(), report.stopped_before()),
        (1_200, Some(3_000))
    );
    assert!(!report.is_complete());
    let failed: Vec<_> = (1_200..3_000).collect();
    let indices: Vec<_> = report.refused().iter().map(ImportRefusal::index).collect();
    assert_eq!(indices, failed);
    let (_, kind, text, cause) = refusals(&report).remove(0);
    assert_eq!(kind, ImportRefusalKind::Store);
    assert_eq!(text, "key 1200: the store of keys failed");
    assert_eq!(cause.unwrap(), "no connection");

    keys.store().fails_from(usize::MAX);
    let report = block_on(keys.import((0..5_000).map(legacy))).unwrap();
    assert_eq!((report.imported(), report.refused().len()), (3_800, 1_200));
    let exists = ImportRefusalKind::AlreadyExists;
    assert!(
        report
            .refused()
            .iter()
            .all(|refusal| refusal.kind() == exists)
    );
    assert!(report.is_complete());
    assert_eq!(keys.store().inner.len(), 5_000);
}

#[test]
fn a_store_that_answers_too_little_has_failed() {
    let store = Metered {
        forgets: true,
        ..Metered::default()
    };
    let keys = KeyManager::new(store);
    let report = block_on(keys.import((0..3).map(legacy))).unwrap();
    assert_eq!(report.imported(), 2);
    let (index, kind, _, cause) = refusals(&report).remove(0);
    assert_eq!((index, kind), (2, ImportRefusalKind::Store));
    assert_eq!(
        cause.unwrap(),
        "expected an answer for each key, found fewer"
    );
}

#[test]
fn an_import_can_be_sent_to_another_thread() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let keys = KeyManager::new(MemoryStore::new());
    let report = block_on(send(keys.import((0..3).map(legacy)))).unwrap();
    assert_eq!(report.imported(), 3);
}

/// A memory store that counts the records of each batch, and fails from one record on.
struct Metered {
    inner: MemoryStore,
    sizes: Arc<Mutex<Vec<usize>>>,
    fails_from: AtomicUsize,
    forgets: bool,
}

impl Default for Metered {
    fn default() -> Self {
        Self {
            inner: MemoryStore::new(),
            sizes: Arc::default(),
            fails_from: AtomicUsize::new(usize::MAX),
            forgets: false,
        }
    }
}

impl Metered {
    fn fails_from(&self, record: usize) {
        self.fails_from.store(record, Ordering::SeqCst);
    }
}

#[async_trait]
impl KeyStore for Metered {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.find(digest).await
    }
}

#[async_trait]
impl KeyRegistry for Metered {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        if self.inner.len() >= self.fails_from.load(Ordering::SeqCst) {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "no connection",
            ));
        }
        self.inner.insert(insert).await
    }

    async fn insert_many(&self, inserts: Vec<Insert>) -> Vec<Result<Inserted, StoreError>> {
        self.sizes.lock().unwrap().push(inserts.len());
        let mut answers = Vec::new();
        for insert in inserts {
            answers.push(self.insert(insert).await);
        }
        if self.forgets {
            answers.pop();
        }
        answers
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        self.inner.get(id).await
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        self.inner.list(owner, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.inner.commit(commit).await
    }
}

#[async_trait]
impl AuditLog for Metered {
    async fn audit(&self, owner: &str, page: &AuditPageRequest) -> Result<AuditPage, StoreError> {
        self.inner.audit(owner, page).await
    }

    async fn prune_audit_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_audit_before(at).await
    }
}

#[async_trait]
impl UsageStore for Metered {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.inner.record_usage(batch).await
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.inner.usage(id, hours).await
    }

    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune_usage_before(hour).await
    }
}

#[test]
fn no_key_imports_others() {
    let (keys, _) = timed_keys();
    let issued = block_on(support::issue(&keys, Scope::READ)).key;
    let maker = block_on(keys.verifier().verify(issued.expose_secret())).unwrap();
    let refused = block_on(keys.on_behalf_of(&maker).import([legacy(1)])).unwrap_err();
    assert_eq!(refused.kind(), ManageErrorKind::Exceeds);
    assert_eq!(keys.store().len(), 1);
}
