//! Keys that are made by keys.

use std::time::Duration;

use tower_api_key::manage::{IssuedKey, ManageError, ManageErrorKind};
use tower_api_key::record::KeyUpdate;
use tower_api_key::{Identity, NewKey, Scope, ScopeSet};

use super::support::{Keys, UNKNOWN, timed_keys};
use super::{HOUR, start};

async fn maker(keys: &Keys, new: NewKey) -> (IssuedKey, Identity) {
    let issued = keys
        .issue(new.with_scopes([Scope::READ, Scope::WRITE]))
        .await
        .unwrap();
    let identity = identity(keys, &issued).await;
    (issued, identity)
}

async fn identity(keys: &Keys, issued: &IssuedKey) -> Identity {
    let verified = keys.verifier().verify(issued.key.expose_secret()).await;
    verified.unwrap()
}

fn new() -> NewKey {
    NewKey::new("acct_42", "made by a key")
}

#[track_caller]
fn assert_exceeds(result: Result<IssuedKey, ManageError>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::Exceeds);
    assert_eq!(error.to_string(), message);
}

#[tokio::test]
async fn a_made_key_has_no_scope_that_its_maker_lacks() {
    let (keys, _) = timed_keys();
    let (_, maker) = maker(&keys, new()).await;
    let message = "you cannot grant a scope that your own key lacks";
    for scope in [
        Scope::DELETE,
        Scope::from_static("READ"),
        Scope::from_static("*"),
    ] {
        let asked = new().with_scopes([Scope::READ, scope]);
        assert_exceeds(keys.on_behalf_of(&maker).issue(asked).await, message);
    }
    let both = new().with_scopes([Scope::READ, Scope::WRITE]);
    let made = keys.on_behalf_of(&maker).issue(both).await.unwrap();
    assert_eq!(made.record.scopes(), maker.scopes());
    assert_eq!(
        (made.record.owner(), made.record.expires_at()),
        ("acct_42", None)
    );
    let none = keys.on_behalf_of(&maker).issue(new()).await.unwrap();
    assert_eq!(none.record.scopes(), &ScopeSet::new());
    assert_eq!(keys.store().len(), 3);
}

#[tokio::test]
async fn a_made_key_does_not_outlive_its_maker() {
    let (keys, clock) = timed_keys();
    let (_, maker) = maker(&keys, new().expires_in(HOUR)).await;
    clock.advance(HOUR / 2);
    let end = start() + HOUR;
    let message = "you cannot set an expiration later than that of your own key";
    for later in [
        new().expires_at(end + Duration::from_micros(1)),
        new().expires_in(HOUR / 2 + Duration::from_micros(1)),
        new().expires_in(Duration::from_secs(7_000 * 365 * 86_400)),
    ] {
        assert_exceeds(keys.on_behalf_of(&maker).issue(later).await, message);
    }
    for (new, expected) in [
        (new(), end),
        (new().expires_at(end), end),
        (new().expires_in(HOUR / 2), end),
        (
            new().expires_in(Duration::from_secs(1)),
            start() + HOUR / 2 + Duration::from_secs(1),
        ),
    ] {
        let made = keys.on_behalf_of(&maker).issue(new).await.unwrap();
        assert_eq!(made.record.expires_at(), Some(expected));
    }
    let error = keys
        .on_behalf_of(&maker)
        .issue(new().expires_at(start()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
    clock.advance(HOUR / 2);
    let message = "the acting key is no longer valid";
    assert_exceeds(keys.on_behalf_of(&maker).issue(new()).await, message);
}

#[tokio::test]
async fn a_made_key_does_not_outlive_a_superseded_secret() {
    let (keys, clock) = timed_keys();
    let (issued, old) = maker(&keys, new()).await;
    let rotated = keys.rotate(&issued.record.id(), HOUR).await.unwrap();
    let made = keys.on_behalf_of(&old).issue(new()).await.unwrap();
    assert_eq!(made.record.expires_at(), Some(start() + HOUR));
    let made = keys
        .on_behalf_of(&identity(&keys, &rotated).await)
        .issue(new())
        .await
        .unwrap();
    assert_eq!(made.record.expires_at(), None);

    clock.advance(HOUR);
    let message = "the acting key is no longer valid";
    assert_exceeds(keys.on_behalf_of(&old).issue(new()).await, message);
    for _ in 0..8 {
        keys.rotate(&issued.record.id(), Duration::ZERO)
            .await
            .unwrap();
    }
    let message = "the acting key's secret was removed";
    assert_exceeds(keys.on_behalf_of(&old).issue(new()).await, message);
}

/// Each changes the maker after its request was let in.
#[tokio::test]
async fn a_maker_that_works_no_more_makes_nothing() {
    let message = "the acting key is no longer valid";
    let (keys, _) = timed_keys();
    let (issued, revoked) = maker(&keys, new()).await;
    keys.revoke(&issued.record.id(), "").await.unwrap();
    assert_exceeds(keys.on_behalf_of(&revoked).issue(new()).await, message);

    let (issued, disabled) = maker(&keys, new()).await;
    keys.disable(&issued.record.id()).await.unwrap();
    assert_exceeds(keys.on_behalf_of(&disabled).issue(new()).await, message);
    keys.enable(&issued.record.id()).await.unwrap();
    let fewer = KeyUpdate::new().with_scopes(Scope::READ);
    keys.update(&issued.record.id(), fewer).await.unwrap();
    assert_exceeds(
        keys.on_behalf_of(&disabled)
            .issue(new().with_scopes(Scope::WRITE))
            .await,
        "you cannot grant a scope that your own key lacks",
    );
    assert!(
        keys.on_behalf_of(&disabled)
            .issue(new().with_scopes(Scope::READ))
            .await
            .is_ok()
    );

    keys.delete(&issued.record.id()).await.unwrap();
    let message = "the acting key was deleted";
    assert_exceeds(keys.on_behalf_of(&disabled).issue(new()).await, message);
}

#[tokio::test]
async fn a_made_key_belongs_to_its_makers_owner() {
    let (keys, _) = timed_keys();
    let (_, maker) = maker(&keys, new()).await;
    let message = "the owner differs from the acting key's owner";
    for owner in ["acct_7", "ACCT_42", "acct_42 ", ""] {
        assert_exceeds(
            keys.on_behalf_of(&maker)
                .issue(NewKey::new(owner, "x"))
                .await,
            message,
        );
    }
    let error = keys
        .on_behalf_of(&maker)
        .issue(NewKey::new("acct_42", ""))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
    assert_eq!(keys.store().len(), 1);
    assert!(keys.verifier().verify(UNKNOWN).await.is_err());
}

#[tokio::test]
async fn a_lifetime_that_no_key_may_have_is_refused_here_too() {
    let (keys, _) = timed_keys();
    let (_, maker) = maker(&keys, new()).await;
    let endless = new().expires_in(Duration::MAX);
    let error = keys.on_behalf_of(&maker).issue(endless).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
}
