//! The verifier, without HTTP: formats, hashers, states, clocks, and stores that lie or fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "support/clocks.rs"]
mod clocks;
#[cfg(unix)]
#[path = "support/environment.rs"]
mod environment;

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use support::stores::{Counting, Fixed, Panics, Place, Yielding};
use support::{Keys, START, UNKNOWN, issue, keys, timed_keys};
use tower_api_key::denial::DenialKind;
use tower_api_key::key::{KeyFormat, KeyHasher};
use tower_api_key::store::{StoreError, StoreErrorKind};
use tower_api_key::{IssuedKey, MemoryStore, NewKey, Scope, Verifier};

const HOUR: Duration = Duration::from_secs(3_600);

async fn verdict(verifier: &Verifier, key: &str) -> Result<u32, DenialKind> {
    let result = verifier.verify(key).await;
    let result = result.map(|identity| identity.secret_version());
    result.map_err(|denial| denial.kind())
}

async fn expiring(keys: &Keys, lifetime: Duration) -> IssuedKey {
    let new = NewKey::new("acct_42", "CI").expires_in(lifetime);
    keys.issue(new).await.unwrap()
}

#[tokio::test]
async fn an_identity_tells_all_that_a_handler_needs() {
    let (keys, _) = timed_keys();
    let new = NewKey::new("acct_42", "CI")
        .with_scopes([Scope::READ])
        .expires_in(HOUR);
    let issued = keys.issue(new).await.unwrap();
    let verifier = keys.verifier();
    let identity = verifier.verify(issued.key.expose_secret()).await.unwrap();
    assert_eq!(identity.key_id(), issued.record.id());
    assert_eq!((identity.owner(), identity.name()), ("acct_42", "CI"));
    assert_eq!(identity.scopes(), issued.record.scopes());
    assert!(identity.has_scope(&Scope::READ) && !identity.has_scope(&Scope::WRITE));
    assert_eq!(identity.expires_at(), issued.record.expires_at());
    assert_eq!(identity.key_prefix(), issued.key.prefix());
    assert_eq!(
        (identity.secret_version(), identity.secret_retires_at()),
        (1, None)
    );
}

#[tokio::test]
async fn several_formats_are_accepted_and_no_other() {
    let old = KeyFormat::default();
    let new = KeyFormat::new("acme_").unwrap();
    let checked = KeyFormat::new("acme_live_").unwrap().with_checksum();
    let store = MemoryStore::new();
    let mut issued = Vec::new();
    for format in [old, new, checked] {
        let keys = tower_api_key::KeyManager::new(store.clone()).with_format(format);
        issued.push(issue(&keys, Scope::READ).await.key);
    }
    for accepted in 0..8_u8 {
        let has = |index: usize| accepted & (1 << index) != 0;
        let formats = [old, new, checked];
        let formats = (0..3)
            .filter(|index| has(*index))
            .map(|index| formats[index]);
        let verifier = Verifier::new(store.clone()).with_formats(formats);
        let Ok(verifier) = verifier else {
            assert_eq!(accepted, 0, "only no format at all is refused");
            continue;
        };
        for (index, key) in issued.iter().enumerate() {
            let expected = if has(index) {
                Ok(1)
            } else {
                Err(DenialKind::Malformed)
            };
            assert_eq!(verdict(&verifier, key.expose_secret()).await, expected);
        }
    }
}

/// So no layer can be made of such a verifier either.
#[test]
fn a_verifier_without_a_format_or_with_one_twice_cannot_be_made() {
    let tc = KeyFormat::default();
    for (formats, message) in [
        (&[][..], "expected at least one key format, found none"),
        (
            &[tc, tc.with_checksum()],
            "expected each key prefix once, found \"tc_\" twice",
        ),
    ] {
        let verifier = Verifier::new(MemoryStore::new());
        let error = verifier.with_formats(formats.iter().copied()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_without_a_look_up() {
    let format = KeyFormat::default().with_checksum();
    let keys = keys().with_format(format);
    let key = issue(&keys, Scope::READ).await.key;
    let key = key.expose_secret();
    let store = Counting::new(keys.store().clone());
    let verifier = Verifier::new(store.clone()).with_formats([format]).unwrap();
    let mut typo = key.to_owned().into_bytes();
    typo[20] = if typo[20] == b'0' { b'1' } else { b'0' };
    let typo = String::from_utf8(typo).unwrap();
    for malformed in [
        "",
        " ",
        "tc_",
        UNKNOWN, // has no checksum
        &typo,
        &key[1..],
        &key[..66],
        &format!("{key}0"),
        &format!(" {key}"),
        &format!("{key}\n"),
        &format!("Bearer {key}"),
        &key.to_uppercase(),
        &key.replacen("tc_", "tk_", 1),
        &"a".repeat(70_000),
    ] {
        assert_eq!(
            verdict(&verifier, malformed).await,
            Err(DenialKind::Malformed),
            "{malformed}"
        );
    }
    assert_eq!(store.count(), 0);
    assert_eq!(verdict(&verifier, key).await, Ok(1));
    assert_eq!(store.count(), 1);
}

#[tokio::test]
async fn a_pepper_is_part_of_every_key() {
    let pepper = KeyHasher::hmac_sha256(&[7; 32]).unwrap();
    let other = KeyHasher::hmac_sha256(&[8; 32]).unwrap();
    let hashers = [KeyHasher::sha256(), pepper, other];
    for (at, hasher) in hashers.iter().enumerate() {
        let keys = keys().with_hasher(hasher.clone());
        let key = issue(&keys, Scope::READ).await.key;
        for (other, hasher) in hashers.iter().enumerate() {
            let verifier = keys.verifier().with_hasher(hasher.clone());
            let expected = if at == other {
                Ok(1)
            } else {
                Err(DenialKind::Unknown)
            };
            assert_eq!(verdict(&verifier, key.expose_secret()).await, expected);
        }
    }
}

#[tokio::test]
async fn the_record_of_another_key_lets_nobody_in() {
    let keys = keys();
    let (mine, other) = (
        issue(&keys, Scope::READ).await,
        issue(&keys, Scope::READ).await,
    );
    let bare = (*mine.record).clone().with_secret_versions([]);
    for store in [
        Fixed::Now(Some(other.record.clone())),
        Fixed::Later(Some(other.record.clone())),
        Fixed::Now(Some(bare.clone().into())),
        Fixed::Later(Some(bare.into())),
        Fixed::Now(None),
        Fixed::Later(None),
    ] {
        let result = verdict(&Verifier::new(store), mine.key.expose_secret()).await;
        assert_eq!(result, Err(DenialKind::Unknown));
    }
    for store in [
        Fixed::Now(Some(mine.record.clone())),
        Fixed::Later(Some(mine.record.clone())),
    ] {
        assert_eq!(
            verdict(&Verifier::new(store), mine.key.expose_secret()).await,
            Ok(1)
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_with_its_cause() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    for store in [Fixed::FailsNow, Fixed::FailsLater] {
        let verifier = Verifier::new(store);
        let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
        assert_eq!(
            (denial.kind(), denial.key_id()),
            (DenialKind::StoreFailed, None)
        );
        assert_eq!(denial.to_string(), "the store could not answer");
        let cause = denial
            .source()
            .unwrap()
            .downcast_ref::<StoreError>()
            .unwrap();
        assert_eq!(
            (cause.kind(), &*cause.to_string()),
            (StoreErrorKind::Unavailable, "no connection")
        );
        // What is no key is told so while the store is down.
        assert_eq!(verdict(&verifier, "tc_x").await, Err(DenialKind::Malformed));
    }
    for place in Place::ALL {
        let store = Panics::new(keys.store().clone(), place);
        let verifier = Verifier::new(store.clone());
        let denial = verifier.verify(key.expose_secret()).await.unwrap_err();
        assert_eq!(denial.kind(), DenialKind::Panicked);
        assert_eq!(
            denial.to_string(),
            "the store, the policy or the observer panicked"
        );
        store.repair();
        assert_eq!(verdict(&verifier, key.expose_secret()).await, Ok(1));
    }
}

#[tokio::test]
async fn each_state_has_its_kind_and_the_first_is_told() {
    let (keys, clock) = timed_keys();
    let issued = expiring(&keys, HOUR).await;
    let id = issued.record.id();
    keys.rotate(&id, HOUR / 2).await.unwrap();
    for verifier in [
        keys.verifier(),
        Verifier::new(Yielding(keys.store().clone())).with_clock(clock.clone()),
    ] {
        clock.set(START.parse().unwrap());
        assert_eq!(verdict(&verifier, issued.key.expose_secret()).await, Ok(1));
        clock.advance(HOUR / 2);
        let denial = verifier
            .verify(issued.key.expose_secret())
            .await
            .unwrap_err();
        assert_eq!(
            (denial.kind(), denial.key_id()),
            (DenialKind::Superseded, Some(id))
        );
        clock.advance(HOUR / 2);
        let denial = verifier
            .verify(issued.key.expose_secret())
            .await
            .unwrap_err();
        assert_eq!(
            (denial.kind(), denial.key_id()),
            (DenialKind::Expired, Some(id))
        );
    }
    let verifier = keys.verifier();
    keys.disable(&id).await.unwrap();
    assert_eq!(
        verdict(&verifier, issued.key.expose_secret()).await,
        Err(DenialKind::Disabled)
    );
    keys.revoke(&id, "").await.unwrap();
    assert_eq!(
        verdict(&verifier, issued.key.expose_secret()).await,
        Err(DenialKind::Revoked)
    );
    keys.delete(&id).await.unwrap();
    assert_eq!(
        verdict(&verifier, issued.key.expose_secret()).await,
        Err(DenialKind::Unknown)
    );
}

#[tokio::test]
async fn a_key_ends_at_the_very_instant_of_its_end() {
    let (keys, clock) = timed_keys();
    for lifetime in [Duration::from_micros(1), Duration::from_micros(2), HOUR] {
        // What is less than a microsecond is left out of the end.
        let key = expiring(&keys, lifetime + Duration::from_nanos(999))
            .await
            .key;
        let verifier = keys.verifier();
        clock.advance(lifetime);
        clock.step_back(Duration::from_nanos(1));
        assert_eq!(verdict(&verifier, key.expose_secret()).await, Ok(1));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(
            verdict(&verifier, key.expose_secret()).await,
            Err(DenialKind::Expired)
        );
    }
    let new = NewKey::new("acct_42", "CI").expires_at(Timestamp::MAX);
    let key = keys.issue(new).await.unwrap().key;
    clock.set(Timestamp::MAX);
    assert_eq!(
        verdict(&keys.verifier(), key.expose_secret()).await,
        Err(DenialKind::Expired)
    );
}
