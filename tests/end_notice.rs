//! What responses tell of the end of a key: `Sunset` (RFC 8594) and `Deprecation` (RFC 9745).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use jiff::Timestamp;
use support::answer::Answer;
use support::inner::Probe;
use support::stores::Yielding;
use support::{Answered, Keys, Sent, get, issue, request, send, timed_keys};
use tower::{Layer, service_fn};
use tower_api_key::clock::{Clock, ManualClock};
use tower_api_key::record::KeyId;
use tower_api_key::{ApiKeyLayer, IssuedKey, NewKey, Scope};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

async fn expiring(keys: &Keys, after: Duration) -> IssuedKey {
    let new = NewKey::new("acct_42", "CI").with_scopes(Scope::READ);
    keys.issue(new.expires_in(after)).await.unwrap()
}

/// `Deprecation` and `Sunset` of an answer, empty where there is none.
fn notice(answer: &Answer) -> (String, String) {
    (answer.header("deprecation"), answer.header("sunset"))
}

/// The notice on the answer to a GET request through the layer.
async fn noticed(layer: &ApiKeyLayer, key: &IssuedKey) -> (String, String) {
    let answer = send(
        &mut layer.layer(Probe::new().0),
        get(key.key.expose_secret()),
    )
    .await;
    answer.assert_allowed();
    notice(&answer)
}

fn pair(deprecation: &str, sunset: &str) -> (String, String) {
    (deprecation.to_owned(), sunset.to_owned())
}

#[tokio::test]
async fn a_key_is_told_of_its_end_in_the_last_two_weeks() {
    let (keys, clock) = timed_keys();
    let key = expiring(&keys, DAY * 30).await;
    let sunset = "Sat, 31 Jan 2026 00:00:00 GMT";
    for layer in [
        ApiKeyLayer::new(keys.store().clone()).with_clock(clock.clone()),
        ApiKeyLayer::new(Yielding(keys.store().clone())).with_clock(clock.clone()),
        ApiKeyLayer::from_verifier(keys.verifier()),
    ] {
        for (now, expected) in [
            ("2026-01-01T00:00:00Z", ""),
            ("2026-01-16T23:59:59.999999999Z", ""),
            ("2026-01-17T00:00:00Z", sunset),
            ("2026-01-30T23:59:59.999999999Z", sunset),
        ] {
            clock.set(now.parse().unwrap());
            assert_eq!(noticed(&layer, &key).await, pair("", expected), "{now}");
        }
        // After its end, it is an answer like any other bad key's.
        clock.set("2026-01-31T00:00:00Z".parse().unwrap());
        let answer = send(
            &mut layer.layer(Probe::new().0),
            get(key.key.expose_secret()),
        )
        .await;
        assert_eq!((answer.status, notice(&answer)), (401, pair("", "")));
    }
}

#[tokio::test]
async fn the_lead_can_be_set_and_the_notice_switched_off() {
    let (keys, clock) = timed_keys();
    let key = expiring(&keys, DAY * 30).await;
    let layer = || ApiKeyLayer::from_verifier(keys.verifier());
    let sunset = pair("", "Sat, 31 Jan 2026 00:00:00 GMT");
    assert_eq!(
        noticed(&layer().with_end_notice(Some(DAY * 30)), &key).await,
        sunset
    );
    let one_less = (DAY * 30).saturating_sub(Duration::from_nanos(1));
    let none = pair("", "");
    assert_eq!(
        noticed(&layer().with_end_notice(Some(one_less)), &key).await,
        none
    );
    assert_eq!(
        noticed(&layer().with_end_notice(Some(Duration::MAX)), &key).await,
        sunset
    );
    clock.advance(DAY * 29);
    assert_eq!(noticed(&layer().with_end_notice(None), &key).await, none);
    let rotated = keys.rotate(&key.record.id(), HOUR).await.unwrap();
    assert_eq!(noticed(&layer().with_end_notice(None), &key).await, none);
    assert_eq!(
        noticed(&layer().with_end_notice(None), &rotated).await,
        none
    );
    // No time before the end: only what is superseded is told.
    let at_end = layer().with_end_notice(Some(Duration::ZERO));
    assert_eq!(noticed(&at_end, &rotated).await, none);
    assert_ne!(noticed(&at_end, &key).await, none);
}

#[tokio::test]
async fn a_superseded_secret_is_told_since_when_and_until_when() {
    let (keys, clock) = timed_keys();
    let old = issue(&keys, Scope::READ).await;
    let id = old.record.id();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    assert_eq!(noticed(&layer, &old).await, pair("", ""));

    clock.set("2026-01-02T00:00:00.75Z".parse().unwrap());
    // Far beyond two weeks.
    let new = keys.rotate(&id, DAY * 60).await.unwrap();
    let told = pair("@1767312000", "Tue, 03 Mar 2026 00:00:00 GMT");
    assert_eq!(noticed(&layer, &old).await, told);
    assert_eq!(noticed(&layer, &new).await, pair("", ""));

    // Another rotation supersedes the second; the first is what it was, with its earlier end.
    clock.advance(DAY);
    let newest = keys.rotate(&id, HOUR).await.unwrap();
    let first = pair("@1767312000", "Sat, 03 Jan 2026 01:00:00 GMT");
    let second = pair("@1767398400", "Sat, 03 Jan 2026 01:00:00 GMT");
    assert_eq!(noticed(&layer, &old).await, first);
    assert_eq!(noticed(&layer, &new).await, second);
    assert_eq!(noticed(&layer, &newest).await, pair("", ""));
}

#[tokio::test]
async fn the_earlier_of_two_ends_is_told() {
    let (keys, _) = timed_keys();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    for (grace, sunset) in [
        (DAY * 10, "Sun, 11 Jan 2026 00:00:00 GMT"),
        (DAY * 90, "Sat, 31 Jan 2026 00:00:00 GMT"),
    ] {
        let old = expiring(&keys, DAY * 30).await;
        let new = keys.rotate(&old.record.id(), grace).await.unwrap();
        assert_eq!(noticed(&layer, &old).await, pair("@1767225600", sunset));
        assert_eq!(noticed(&layer, &new).await, pair("", ""));
    }
}

/// A refusal for a scope tells it too; any other refusal says nothing of the key.
#[tokio::test]
async fn refusals_of_a_verified_key_tell_its_end() {
    let (keys, _) = timed_keys();
    let old = expiring(&keys, DAY).await;
    keys.rotate(&old.record.id(), HOUR).await.unwrap();
    let told = pair("@1767225600", "Thu, 01 Jan 2026 01:00:00 GMT");
    let lines = [("x-api-key", old.key.expose_secret())];
    let store = keys.store().clone();
    let now = support::START.parse().unwrap();
    for layer in [
        ApiKeyLayer::new(store.clone()).with_clock(ManualClock::at(now)),
        ApiKeyLayer::new(Yielding(store)).with_clock(ManualClock::at(now)),
    ] {
        let mut service = layer.layer(Probe::new().0);
        for method in ["POST", "BREW"] {
            let answer = send(&mut service, request(method, &lines)).await;
            assert_eq!((answer.status, notice(&answer)), (403, told.clone()));
        }
    }
    keys.disable(&old.record.id()).await.unwrap();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    let answer = send(&mut layer.layer(Probe::new().0), request("GET", &lines)).await;
    assert_eq!((answer.status, notice(&answer)), (401, pair("", "")));
}

/// What the inner service says of the resource stays.
#[tokio::test]
async fn headers_of_the_inner_service_are_left_alone() {
    let (keys, _) = timed_keys();
    let old = expiring(&keys, DAY).await;
    keys.rotate(&old.record.id(), HOUR).await.unwrap();
    let layer = ApiKeyLayer::from_verifier(keys.verifier());
    for (name, expected) in [
        ("sunset", pair("@1767225600", "its own")),
        (
            "deprecation",
            pair("its own", "Thu, 01 Jan 2026 01:00:00 GMT"),
        ),
    ] {
        let mut service = layer.layer(service_fn(move |_: Sent| async move {
            let mut response: Answered = Response::default();
            let value = HeaderValue::from_static("its own");
            let headers = response.headers_mut();
            headers.insert(HeaderName::from_static(name), value);
            Ok::<_, Infallible>(response)
        }));
        let answer = send(&mut service, get(old.key.expose_secret())).await;
        assert_eq!(notice(&answer), expected);
    }
}

/// A clock that may not be read.
struct Unread;

impl Clock for Unread {
    fn now(&self) -> Timestamp {
        panic!("the clock was read");
    }
}

#[tokio::test]
async fn for_a_key_without_an_end_the_clock_is_not_read() {
    let (keys, _) = timed_keys();
    let key = issue(&keys, Scope::READ).await;
    let layer = ApiKeyLayer::new(keys.store().clone()).with_clock(Unread);
    assert_eq!(noticed(&layer, &key).await, pair("", ""));
}

/// An identity tells the same, for whoever answers otherwise.
#[tokio::test]
async fn an_identity_tells_when_its_secret_was_superseded() {
    let (keys, clock) = timed_keys();
    let old = issue(&keys, Scope::READ).await;
    let id: KeyId = old.record.id();
    let verify = async |key: &IssuedKey| {
        let verified = keys.verifier().verify(key.key.expose_secret()).await;
        verified.unwrap().secret_superseded_at()
    };
    assert_eq!(verify(&old).await, None);
    clock.advance(HOUR);
    let new = keys.rotate(&id, HOUR).await.unwrap();
    assert_eq!(verify(&old).await, Some(clock.now()));
    assert_eq!(verify(&new).await, None);
}
