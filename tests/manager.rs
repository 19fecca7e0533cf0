//! The life of a key, through `KeyManager`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

mod support;

#[path = "support/bounds.rs"]
mod bounds;
#[path = "support/delegation.rs"]
mod delegation;
#[path = "support/paging.rs"]
mod paging;
#[path = "support/rotation.rs"]
mod rotation;

use std::time::Duration;

use jiff::Timestamp;
use support::changes::{batch, context};
use support::{Keys, START, issue, keys, timed_keys};
use tower_api_key::clock::Clock;
use tower_api_key::denial::DenialKind;
use tower_api_key::key::{KeyFormat, KeyHasher};
use tower_api_key::manage::ManageErrorKind;
use tower_api_key::record::{KeyChange, KeyId, KeyStatus, KeyUpdate};
use tower_api_key::store::{Insert, KeyUse, PageRequest, UsageStore};
use tower_api_key::testing::apply;
use tower_api_key::{IssuedKey, KeyManager, KeyRegistry, MemoryStore, NewKey, Scope, ScopeSet};

const HOUR: Duration = Duration::from_secs(3_600);

fn start() -> Timestamp {
    START.parse().unwrap()
}

/// What a verifier says of a key now: nothing against it, or the kind of its denial.
async fn verdict(keys: &Keys, issued: &IssuedKey) -> Option<DenialKind> {
    let result = keys.verifier().verify(issued.key.expose_secret()).await;
    result.err().map(|denial| denial.kind())
}

#[tokio::test]
async fn a_new_key_has_all_that_was_asked_for() {
    let (keys, _) = timed_keys();
    let new = NewKey::new("acct_42", "Production server")
        .with_scopes([Scope::READ])
        .with_scopes([Scope::WRITE, Scope::from_static("reports")])
        .expires_in(HOUR);
    let IssuedKey { key, record, .. } = keys.issue(new).await.unwrap();

    assert_eq!(
        (record.owner(), record.name()),
        ("acct_42", "Production server")
    );
    assert_eq!(record.scopes().to_string(), "write reports");
    assert_eq!(record.created_at(), start());
    assert_eq!(
        record.expires_at(),
        Some("2026-01-01T01:00:00Z".parse().unwrap())
    );
    assert_eq!(record.status(start()), KeyStatus::Active);
    assert!(!record.is_disabled() && record.revocation().is_none());
    assert_eq!(record.last_used_at(), None);
    let [version] = record.secret_versions() else {
        panic!("expected one secret version, found {record:?}");
    };
    assert_eq!((version.number(), version.created_at()), (1, start()));
    assert_eq!((version.retires_at(), version.last_used_at()), (None, None));
    assert_eq!(version.digest(), &KeyHasher::sha256().digest(&key));
    assert_eq!(version.prefix().as_str(), &key.expose_secret()[3..11]);
    assert!(record.id().to_string().starts_with("key_"));
    assert_eq!(keys.get(&record.id()).await.unwrap(), Some(record.clone()));

    let end = "2027-05-06T07:08:09Z".parse().unwrap();
    let new = NewKey::new("acct_42", "CI")
        .expires_in(HOUR)
        .expires_at(end);
    let record = keys.issue(new).await.unwrap().record;
    assert_eq!(record.expires_at(), Some(end));
    assert_eq!(record.scopes(), &ScopeSet::new());

    let record = keys
        .issue(NewKey::new("acct_42", "CI"))
        .await
        .unwrap()
        .record;
    assert_eq!(record.expires_at(), None);
}

/// Everything public that comes from a key, and may end in a log.
#[tokio::test]
async fn neither_plaintext_nor_digest_is_shown_by_debug() {
    let pepper = *b"an example pepper of 32 octets!!";
    let hasher = KeyHasher::hmac_sha256(&pepper).unwrap();
    let keys = keys().with_hasher(hasher.clone());
    let issued = issue(&keys, Scope::READ).await;
    let rotated = keys.rotate(&issued.record.id(), HOUR).await.unwrap();
    let verifier = keys.verifier();
    let identity = verifier.verify(rotated.key.expose_secret()).await.unwrap();
    let denial = verifier
        .verify(&format!("{}0", rotated.key.expose_secret()))
        .await;
    let page = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    let exists = keys
        .store()
        .insert(Insert::new((*rotated.record).clone(), &context()))
        .await;
    let version = &rotated.record.secret_versions()[0];
    let change = KeyChange::Rotate {
        digest: *version.digest(),
        prefix: version.prefix(),
        at: start(),
        others_retire_at: start(),
    };
    let again = apply(keys.store(), &issued.record.id(), &change, &context()).await;
    let layer = tower_api_key::ApiKeyLayer::from_verifier(verifier.clone());

    let mut shown = vec![
        format!("{:?} {:?}", issued, rotated.key),
        format!("{:?} {:#?}", keys, keys.store()),
        format!("{verifier:?} {layer:?} {identity:?}"),
        format!("{denial:?} {page:?} {change:?} {hasher:?}"),
        format!("{exists:?} {} {again:?}", exists.as_ref().unwrap_err()),
    ];
    shown.push(format!("{:#?}", rotated.record));
    for text in shown {
        for key in [&issued.key, &rotated.key] {
            let digest = hex::encode(hasher.digest(key).as_bytes());
            let sha = hex::encode(KeyHasher::sha256().digest(key).as_bytes());
            // Octets as numbers, as a derived `Debug` writes them.
            let octets = format!("{:?}", &hasher.digest(key).as_bytes()[..4]);
            let octets = octets.trim_matches(['[', ']']).to_owned();
            for secret in [
                &key.expose_secret()[3..],
                &key.expose_secret()[11..19],
                &digest,
                &sha,
                &octets,
            ] {
                assert!(!text.contains(secret), "{secret} is in {text}");
            }
        }
        assert!(!text.contains("an example pepper") && !text.contains("97, 110, 32"));
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let (keys, clock) = timed_keys();
    let before = issue(&keys, Scope::READ).await;
    let id = before.record.id();
    let end = "2026-02-01T00:00:00Z".parse().unwrap();

    let same = keys.update(&id, KeyUpdate::new()).await.unwrap();
    assert_eq!(same, before.record);
    let named = keys
        .update(&id, KeyUpdate::new().with_name("Reporting"))
        .await
        .unwrap();
    assert_eq!(
        (named.name(), named.scopes()),
        ("Reporting", before.record.scopes())
    );
    let update = KeyUpdate::new()
        .with_scopes([Scope::DELETE])
        .with_expires_at(Some(end));
    let after = keys.update(&id, update).await.unwrap();
    assert_eq!(after.name(), "Reporting");
    assert_eq!(after.scopes(), &ScopeSet::from(Scope::DELETE));
    assert_eq!(after.expires_at(), Some(end));
    assert_eq!(after.secret_versions(), before.record.secret_versions());

    clock.set(end);
    assert_eq!(verdict(&keys, &before).await, Some(DenialKind::Expired));
    let update = KeyUpdate::new().with_expires_at(None);
    assert_eq!(keys.update(&id, update).await.unwrap().expires_at(), None);
    assert_eq!(verdict(&keys, &before).await, None);
}

#[tokio::test]
async fn an_expired_or_missing_key_gets_no_new_secret() {
    let (keys, clock) = timed_keys();
    let new = NewKey::new("acct_42", "CI").expires_in(HOUR);
    let issued = keys.issue(new).await.unwrap();
    clock.advance(HOUR);
    let error = keys.rotate(&issued.record.id(), HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::Refused);
    let message = "the key has expired; set a later expiration date before you rotate it";
    assert_eq!(error.to_string(), message);

    let nobody = KeyId::from_bytes([7; 16]);
    let results = [
        keys.rotate(&nobody, HOUR).await.map(drop),
        keys.update(&nobody, KeyUpdate::new()).await.map(drop),
        keys.disable(&nobody).await.map(drop),
        keys.enable(&nobody).await.map(drop),
        keys.revoke(&nobody, "").await.map(drop),
        keys.delete(&nobody).await,
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ManageErrorKind::NotFound);
        assert_eq!(error.to_string(), "no such key");
    }
    assert_eq!(keys.get(&nobody).await.unwrap(), None);
}

#[tokio::test]
async fn a_disabled_key_works_again_when_it_is_enabled() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let id = issued.record.id();
    for _ in 0..2 {
        assert!(keys.disable(&id).await.unwrap().is_disabled());
        assert_eq!(verdict(&keys, &issued).await, Some(DenialKind::Disabled));
    }
    for _ in 0..2 {
        assert!(!keys.enable(&id).await.unwrap().is_disabled());
        assert_eq!(verdict(&keys, &issued).await, None);
    }
}

#[tokio::test]
async fn a_revocation_keeps_its_first_reason_and_is_never_undone() {
    let (keys, clock) = timed_keys();
    let issued = issue(&keys, Scope::READ).await;
    let id = issued.record.id();
    let rotated = keys.rotate(&id, HOUR).await.unwrap();
    keys.revoke(&id, "leaked in a log").await.unwrap();
    clock.advance(HOUR);
    let again = keys.revoke(&id, "another reason").await.unwrap();
    let revocation = again.revocation().unwrap();
    assert_eq!(
        (revocation.at(), revocation.reason()),
        (start(), "leaked in a log")
    );

    for result in [
        keys.update(&id, KeyUpdate::new().with_name("x"))
            .await
            .map(drop),
        keys.enable(&id).await.map(drop),
        keys.disable(&id).await.map(drop),
        keys.rotate(&id, HOUR).await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ManageErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            "the key is revoked, which is never undone"
        );
    }
    let used = KeyUse::new(id, 2, clock.now());
    keys.store().record_usage(&batch([used])).await.unwrap();
    let after = keys.get(&id).await.unwrap().unwrap();
    assert_eq!(after.revocation(), Some(revocation));
    assert_eq!(after.status(start()), KeyStatus::Revoked);
    for issued in [&issued, &rotated] {
        assert_eq!(verdict(&keys, issued).await, Some(DenialKind::Revoked));
    }
}

#[tokio::test]
async fn a_deleted_key_is_gone() {
    let keys = keys();
    let issued = issue(&keys, Scope::READ).await;
    let id = issued.record.id();
    let rotated = keys.rotate(&id, HOUR).await.unwrap();
    keys.delete(&id).await.unwrap();
    assert_eq!(keys.get(&id).await.unwrap(), None);
    assert!(keys.store().is_empty());
    let page = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    assert_eq!((page.keys().len(), page.next()), (0, None));
    for issued in [&issued, &rotated] {
        assert_eq!(verdict(&keys, issued).await, Some(DenialKind::Unknown));
    }
    assert_eq!(
        keys.delete(&id).await.unwrap_err().kind(),
        ManageErrorKind::NotFound
    );
}

#[tokio::test]
async fn keys_have_the_format_and_hasher_of_their_manager() {
    let format = KeyFormat::new("acme_live_").unwrap().with_checksum();
    let keys = KeyManager::new(MemoryStore::new()).with_format(format);
    let issued = issue(&keys, Scope::READ).await;
    assert!(format.parse(issued.key.expose_secret()).is_ok());
    assert!(issued.key.expose_secret().starts_with("acme_live_"));
    assert_eq!(verdict(&keys, &issued).await, None);
    let rotated = keys.rotate(&issued.record.id(), HOUR).await.unwrap();
    assert!(format.parse(rotated.key.expose_secret()).is_ok());
}
