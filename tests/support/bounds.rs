//! What the manager refuses to give a key, and what it just takes.

use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::manage::{ManageError, ManageErrorKind};
use tower_api_key::record::KeyUpdate;
use tower_api_key::{NewKey, Scope};

use super::start;
use super::support::{issue, timed_keys};

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, ManageError>, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
    assert_eq!(error.to_string(), message);
}

fn scopes(count: usize) -> Vec<Scope> {
    (0..count)
        .map(|number| Scope::new(format!("s{number}")).unwrap())
        .collect()
}

#[tokio::test]
async fn owners_and_names_have_bounds() {
    let (keys, _) = timed_keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    let (longest, longer) = ("é".repeat(128), format!("{}x", "é".repeat(128)));
    for (text, problem) in [
        ("", ", found an empty text"),
        (" \u{a0}\t", ", found an empty text"),
        ("\u{200b}", ", found an empty text"),
        ("\u{feff} \u{2060}\u{3164}", ", found an empty text"),
        (&*longer, " of at most 256 octets, found 257"),
        ("a\nb", " without control characters"),
        ("a\0b", " without control characters"),
        ("a\u{7f}", " without control characters"),
        ("a\u{85}", " without control characters"),
        ("a\u{2028}b", " without control characters"),
        ("\u{202e}gpj.a", " without control characters"),
        ("a\u{2066}b\u{2069}", " without control characters"),
    ] {
        let owner = keys.issue(NewKey::new(text, "name")).await;
        assert_invalid(owner, &format!("expected an owner{problem}"));
        let name = keys.issue(NewKey::new("owner", text)).await;
        assert_invalid(name, &format!("expected a name{problem}"));
        let update = keys.update(&id, KeyUpdate::new().with_name(text)).await;
        assert_invalid(update, &format!("expected a name{problem}"));
    }
    assert_eq!(keys.store().len(), 1);
    // Joiners and marks that a script or an emoji needs.
    for text in [
        "\u{1f469}\u{200d}\u{1f4bb}",
        "\u{645}\u{6cc}\u{200c}\u{62e}",
        "a\u{200f}",
    ] {
        assert!(keys.issue(NewKey::new(text, text)).await.is_ok());
    }
    let issued = keys.issue(NewKey::new(&*longest, &*longest)).await.unwrap();
    assert_eq!(
        (issued.record.owner(), issued.record.name()),
        (&*longest, &*longest)
    );
}

#[tokio::test]
async fn reasons_have_bounds() {
    let (keys, _) = timed_keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    assert_invalid(
        keys.revoke(&id, &"x".repeat(1_025)).await,
        "expected a reason of at most 1024 octets, found 1025",
    );
    assert_invalid(
        keys.revoke(&id, "a\r\nb").await,
        "expected a reason without control characters",
    );
    assert!(keys.get(&id).await.unwrap().unwrap().revocation().is_none());
    for (reason, id) in [
        (String::new(), id),
        (
            "x".repeat(1_024),
            issue(&keys, Scope::READ).await.record.id(),
        ),
    ] {
        let record = keys.revoke(&id, &reason).await.unwrap();
        assert_eq!(record.revocation().unwrap().reason(), reason);
    }
}

#[tokio::test]
async fn a_key_has_at_most_64_scopes() {
    let (keys, _) = timed_keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    let message = "expected at most 64 scopes, found 65";
    let new = NewKey::new("acct_42", "CI");
    assert_invalid(
        keys.issue(new.clone().with_scopes(scopes(65))).await,
        message,
    );
    let update = KeyUpdate::new().with_scopes(scopes(65));
    assert_invalid(keys.update(&id, update).await, message);
    // A scope that is named twice counts once.
    let twice = [scopes(64), scopes(64)].concat();
    let issued = keys.issue(new.with_scopes(twice)).await.unwrap();
    assert_eq!(issued.record.scopes().len(), 64);
}

#[tokio::test]
async fn an_end_is_in_the_future_and_in_the_calendar() {
    let (keys, _) = timed_keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    let new = NewKey::new("acct_42", "CI");
    let past = "expected an expiration date after 2026-01-01T00:00:00Z, found ";
    for end in [
        "2026-01-01T00:00:00Z",
        "2025-12-31T23:59:59Z",
        "1969-12-31T00:00:00Z",
    ] {
        let (message, end) = (format!("{past}{end}"), end.parse().unwrap());
        assert_invalid(keys.issue(new.clone().expires_at(end)).await, &message);
        let update = KeyUpdate::new().with_expires_at(Some(end));
        assert_invalid(keys.update(&id, update).await, &message);
    }
    let now = format!("{past}2026-01-01T00:00:00Z");
    assert_invalid(
        keys.issue(new.clone().expires_in(Duration::ZERO)).await,
        &now,
    );
    assert_invalid(
        keys.issue(new.clone().expires_in(Duration::MAX)).await,
        &format!(
            "expected a lifetime that ends before the year 10000, found {:?}",
            Duration::MAX
        ),
    );
    assert_eq!(keys.store().len(), 1);

    // Times are kept to the microsecond.
    let too_soon = new.clone().expires_in(Duration::from_nanos(999));
    assert_invalid(
        keys.issue(too_soon).await,
        "expected an expiration date after 2026-01-01T00:00:00Z, found 2026-01-01T00:00:00Z",
    );
    let soonest = new.clone().expires_in(Duration::from_nanos(1_999));
    let record = keys.issue(soonest).await.unwrap().record;
    assert_eq!(
        record.expires_at(),
        Some(start() + Duration::from_micros(1))
    );
    let latest = new.clone().expires_at(Timestamp::MAX);
    let record = keys.issue(latest).await.unwrap().record;
    let latest = Timestamp::MAX - Duration::from_nanos(999);
    assert_eq!(record.expires_at(), Some(latest));
}

#[tokio::test]
async fn by_a_clock_that_was_never_set_no_key_is_made() {
    let (keys, clock) = timed_keys();
    let issued = issue(&keys, Scope::READ).await;
    let (id, key) = (issued.record.id(), issued.key.expose_secret());
    let maker = keys.verifier().verify(key).await.unwrap();
    let new = || NewKey::new("acct_42", "CI").expires_in(Duration::from_secs(90));
    clock.set("1969-12-31T23:59:59Z".parse().unwrap());
    for result in [
        keys.issue(new()).await,
        keys.on_behalf_of(&maker).issue(new()).await,
        keys.rotate(&id, Duration::ZERO).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ManageErrorKind::ClockUnset);
        let message = "expected a clock that reads 1970 or later, found 1969-12-31T23:59:59Z";
        assert_eq!(error.to_string(), message);
    }
    let end = KeyUpdate::new().with_expires_at(Some(start()));
    let error = keys.update(&id, end).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::ClockUnset);
    assert_eq!(keys.get(&id).await.unwrap(), Some(issued.record));
    assert_eq!(keys.store().len(), 1);
    // What needs no time, or ends a key, is done all the same.
    keys.update(&id, KeyUpdate::new().with_name("other"))
        .await
        .unwrap();
    keys.revoke(&id, "leaked").await.unwrap();

    clock.set(Timestamp::UNIX_EPOCH);
    let record = keys.issue(new()).await.unwrap().record;
    assert!(record.id().to_string().starts_with("key_000000000000"));
}
