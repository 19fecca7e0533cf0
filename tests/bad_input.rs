//! Whatever is sent, and whatever the store does: no panic, no 500, nobody let in, nothing lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;

use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use support::inner::Probe;
use support::server::{Server, ask};
use support::stores::{Counting, Fixed, Gated, Panics, Place, Yielding};
use support::{Answered, Sent, get, issue, keys, request, send};
use tokio::io::AsyncWriteExt;
use tower::{Layer, service_fn};
use tower_api_key::denial::DenialKind;
use tower_api_key::{ApiKeyLayer, Identity, MemoryStore, NewKey, Scope};

/// Room for everything that the tests here send.
const ROOM: u32 = 1 << 20;

/// What hyper allows by default.
const DEFAULT_ROOM: u32 = 16 * 1024;

async fn valid() -> (String, MemoryStore) {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    (key.expose_secret().to_owned(), keys.store().clone())
}

fn raw(name: &str, value: &[u8]) -> Option<Sent> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let mut request = Request::new(Full::default());
    request
        .headers_mut()
        .insert(HeaderName::try_from(name).unwrap(), value);
    Some(request)
}

#[tokio::test]
async fn seventy_kilobytes_are_refused_over_both_protocols() {
    let (key, store) = valid().await;
    let store = Counting::new(store);
    let server = Server::start(ApiKeyLayer::new(store.clone()), ROOM).await;
    let mut http2 = server.http2().await;
    let large = "a".repeat(70_000);
    let long = format!("{key}{}", "0".repeat(70_000));
    let spaces = format!("Bearer {}{key}", " ".repeat(70_000));
    let bearer = format!("Bearer {large}");
    for (name, value) in [
        ("x-api-key", &*large),
        ("x-api-key", &*long),
        ("authorization", &*bearer),
        ("authorization", &*format!("Bearer {long}")),
    ] {
        let answer = server.http1(&[(name, value.as_bytes())]).await;
        answer.assert_told(DenialKind::Malformed);
        let answer = ask(&mut http2, request("GET", &[(name, value)]))
            .await
            .unwrap();
        answer.assert_told(DenialKind::Malformed);
    }
    let answer = server.http1(&[("authorization", large.as_bytes())]).await;
    answer.assert_told(DenialKind::NotBearer);
    assert_eq!((store.count(), server.calls()), (0, 0));
    // However many spaces stand in front of it, this is the key.
    let answer = server.http1(&[("authorization", spaces.as_bytes())]).await;
    assert_eq!((answer.status, answer.text()), (200, "inner-ok"));
    let answer = ask(&mut http2, get(&key)).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "inner-ok"));
}

/// The server itself refuses what is beyond its own bounds; other requests do not suffer.
#[tokio::test]
async fn what_a_server_has_no_room_for_harms_no_other_request() {
    let (key, store) = valid().await;
    let server = Server::start(ApiKeyLayer::new(store), DEFAULT_ROOM).await;
    let mut http2 = server.http2().await;
    let large = "a".repeat(70_000);
    let refused = ask(&mut http2, get(&large)).await;
    // hyper resets the stream, or answers with 431: that is its choice.
    assert!(refused.map_or(true, |answer| answer.status == 431));
    assert_eq!(server.calls(), 0);
    let answer = ask(&mut server.http2().await, get(&key)).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "inner-ok"));
}

#[tokio::test]
async fn ninety_lines_of_one_header_are_ambiguous() {
    let (key, store) = valid().await;
    let store = Counting::new(store);
    let server = Server::start(ApiKeyLayer::new(store.clone()), ROOM).await;
    let mut http2 = server.http2().await;
    let bearer = format!("Bearer {key}");
    for (name, value) in [
        ("x-api-key", &*key),
        ("x-api-key", ""),
        ("authorization", &bearer),
        ("authorization", "Basic YTpi"),
    ] {
        for count in [2, 90] {
            let lines = vec![(name, value.as_bytes()); count];
            server
                .http1(&lines)
                .await
                .assert_told(DenialKind::Ambiguous);
            let lines = vec![(name, value); count];
            let answer = ask(&mut http2, request("GET", &lines)).await.unwrap();
            answer.assert_told(DenialKind::Ambiguous);
        }
    }
    // One good line of the other header does not help.
    let lines = [
        ("x-api-key", &*key),
        ("authorization", &bearer),
        ("authorization", &bearer),
    ];
    let answer = ask(&mut http2, request("GET", &lines)).await.unwrap();
    answer.assert_told(DenialKind::Ambiguous);
    assert_eq!((store.count(), server.calls()), (0, 0));
}

#[tokio::test]
async fn every_octet_in_every_position_of_a_token_is_judged() {
    let (key, store) = valid().await;
    let store = Counting::new(store);
    let (probe, seen) = Probe::new();
    let mut service = ApiKeyLayer::new(store.clone()).layer(probe);
    let (mut sent, mut allowed, mut looked_up) = (0, 0, 0);
    for (name, scheme) in [("x-api-key", &b""[..]), ("authorization", b"Bearer ")] {
        for at in 0..key.len() {
            for octet in 0..=255 {
                let mut token = key.clone().into_bytes();
                token[at] = octet;
                let value = [scheme, &*token].concat();
                // Some octets cannot stand in a header: no server passes them on.
                let Some(request) = raw(name, &value) else {
                    assert!(matches!(octet, 0..=8 | 10..=31 | 127));
                    continue;
                };
                sent += 1;
                let answer = send(&mut service, request).await;
                let digit = at >= 3 && matches!(octet, b'0'..=b'9' | b'a'..=b'f');
                if token == key.as_bytes() {
                    answer.assert_allowed();
                    allowed += 1;
                } else if digit {
                    answer.assert_refused(DenialKind::Unknown);
                    looked_up += 1;
                } else if octet == b',' {
                    answer.assert_refused(DenialKind::Ambiguous);
                } else {
                    answer.assert_refused(DenialKind::Malformed);
                }
            }
        }
    }
    assert_eq!(
        (sent, allowed, looked_up),
        (2 * 67 * 224, 2 * 67, 2 * 64 * 15)
    );
    assert_eq!(seen.calls(), allowed);
    assert_eq!(store.count(), allowed + looked_up);
}

#[tokio::test]
async fn every_octet_is_survived_by_a_real_server() {
    let (key, store) = valid().await;
    let server = Server::start(ApiKeyLayer::new(store), ROOM).await;
    let mut allowed = 0;
    for at in [0, 33, 66] {
        for octet in 0..=255 {
            let mut token = key.clone().into_bytes();
            token[at] = octet;
            let answer = server.http1(&[("x-api-key", &token)]).await;
            match answer.status {
                200 => {
                    assert_eq!(token, key.as_bytes());
                    allowed += 1;
                }
                // The server's own, without a body, for what no header may hold.
                400 if answer.body.is_empty() => assert!(matches!(octet, 0..=8 | 10..=31 | 127)),
                400 => assert_eq!(octet, b','),
                status => assert_eq!(status, 401, "octet {octet:#04x} at {at}"),
            }
        }
    }
    assert_eq!((allowed, server.calls()), (3, 3));
}

#[tokio::test]
async fn empty_values_and_look_alikes_are_no_keys() {
    let (key, store) = valid().await;
    let store = Counting::new(store);
    let server = Server::start(ApiKeyLayer::new(store.clone()), ROOM).await;
    for (name, value, kind) in [
        ("x-api-key", String::new(), DenialKind::Missing),
        ("x-api-key", " \t ".to_owned(), DenialKind::Missing),
        ("authorization", String::new(), DenialKind::Missing),
        ("authorization", "Bearer".to_owned(), DenialKind::Malformed),
        (
            "authorization",
            "Bearer   ".to_owned(),
            DenialKind::Malformed,
        ),
        // Cyrillic es, full-width digits, a soft hyphen, a zero-width space, a byte order mark,
        // a combining mark, a no-break space, and a right-to-left override.
        (
            "x-api-key",
            key.replacen('c', "\u{441}", 1),
            DenialKind::Malformed,
        ),
        (
            "x-api-key",
            format!("tc_{}", "\u{ff11}".repeat(64)),
            DenialKind::Malformed,
        ),
        (
            "x-api-key",
            key.replacen('_', "_\u{ad}", 1),
            DenialKind::Malformed,
        ),
        ("x-api-key", format!("{key}\u{200b}"), DenialKind::Malformed),
        ("x-api-key", format!("\u{feff}{key}"), DenialKind::Malformed),
        ("x-api-key", format!("{key}\u{301}"), DenialKind::Malformed),
        ("x-api-key", format!("\u{a0}{key}"), DenialKind::Malformed),
        (
            "authorization",
            format!("Bearer\u{a0}{key}"),
            DenialKind::NotBearer,
        ),
        (
            "authorization",
            format!("Bearer \u{202e}{key}"),
            DenialKind::Malformed,
        ),
        (
            "authorization",
            format!("\u{212c}earer {key}"),
            DenialKind::NotBearer,
        ),
        (
            "authorization",
            format!("Bearer \"{key}\""),
            DenialKind::Malformed,
        ),
        (
            "x-api-key",
            format!("%74c_{}", &key[3..]),
            DenialKind::Malformed,
        ),
    ] {
        let answer = server.http1(&[(name, value.as_bytes())]).await;
        answer.assert_told(kind);
    }
    assert_eq!((store.count(), server.calls()), (0, 0));
}

#[tokio::test]
async fn a_broken_store_lets_nobody_in_over_either_protocol() {
    let keys = keys();
    let (mine, other) = (
        issue(&keys, Scope::READ).await,
        issue(&keys, Scope::READ).await,
    );
    let key = mine.key.expose_secret();
    let panics = |place| ApiKeyLayer::new(Panics::new(keys.store().clone(), place));
    let wrong = Some(other.record.clone());
    for (layer, kind) in [
        (ApiKeyLayer::new(Fixed::FailsNow), DenialKind::StoreFailed),
        (ApiKeyLayer::new(Fixed::FailsLater), DenialKind::StoreFailed),
        (panics(Place::InFindNow), DenialKind::Panicked),
        (panics(Place::WhenCalled), DenialKind::Panicked),
        (panics(Place::WhenPolled), DenialKind::Panicked),
        (
            ApiKeyLayer::new(Fixed::Now(wrong.clone())),
            DenialKind::Unknown,
        ),
        (ApiKeyLayer::new(Fixed::Later(wrong)), DenialKind::Unknown),
    ] {
        let server = Server::start(layer, ROOM).await;
        let mut http2 = server.http2().await;
        // The same connection again: it has survived.
        for _ in 0..2 {
            server
                .http1(&[("x-api-key", key.as_bytes())])
                .await
                .assert_told(kind);
            ask(&mut http2, get(key)).await.unwrap().assert_told(kind);
            ask(&mut http2, get("x"))
                .await
                .unwrap()
                .assert_told(DenialKind::Malformed);
        }
        assert_eq!(server.calls(), 0);
    }
}

/// Time is paused: it moves to the deadline when client and server both wait.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_answered_for_at_its_deadline() {
    use support::UNKNOWN;
    use support::stores::Hangs;
    use tower_api_key::store::TimeoutStore;

    let store = TimeoutStore::new(Hangs, std::time::Duration::from_secs(30));
    let server = Server::start(ApiKeyLayer::new(store), ROOM).await;
    server
        .http1(&[("x-api-key", UNKNOWN.as_bytes())])
        .await
        .assert_told(DenialKind::StoreFailed);
    let answer = ask(&mut server.http2().await, get(UNKNOWN)).await.unwrap();
    answer.assert_told(DenialKind::StoreFailed);
    assert_eq!(server.calls(), 0);
}

/// Gives the server turns until so many look-ups have begun.
async fn until_asked<S>(store: &Gated<S>, count: usize) {
    while store.asked() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_dropped_while_it_waits_harms_no_other() {
    let (key, store) = valid().await;
    let store = Gated::new(store);
    let server = Server::start(ApiKeyLayer::new(store.clone()), ROOM).await;

    // One stream of a connection is reset.
    let http2 = server.http2().await;
    let (mut one, mut two) = (http2.clone(), http2.clone());
    let key_of_one = key.clone();
    let dropped = tokio::spawn(async move { ask(&mut one, get(&key_of_one)).await });
    until_asked(&store, 1).await;
    let key_of_two = key.clone();
    let kept = tokio::spawn(async move { ask(&mut two, get(&key_of_two)).await });
    until_asked(&store, 2).await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    store.let_through(2);
    assert_eq!(kept.await.unwrap().unwrap().text(), "inner-ok");

    // A connection is closed.
    let mut gone = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n");
    gone.write_all(head.as_bytes()).await.unwrap();
    until_asked(&store, 3).await;
    drop(gone);
    store.let_through(2);
    let answer = server.http1(&[("x-api-key", key.as_bytes())]).await;
    assert_eq!((answer.status, answer.text()), (200, "inner-ok"));
}

#[tokio::test]
async fn many_keys_at_once_are_not_mixed_up() {
    let keys = keys();
    let service = ApiKeyLayer::new(Yielding(keys.store().clone())).layer(service_fn(
        |request: Sent| async move {
            tokio::task::yield_now().await;
            let identity = request.extensions().get::<Identity>().unwrap();
            let owner = identity.owner().to_owned();
            Ok::<Answered, Infallible>(Response::new(Full::from(owner)))
        },
    ));
    let mut tasks = Vec::new();
    for number in 0..200 {
        let owner = format!("acct_{number}");
        let new = NewKey::new(&*owner, "CI").with_scopes(Scope::READ);
        let key = keys.issue(new).await.unwrap().key;
        let mut service = service.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..5 {
                let answer = send(&mut service, get(key.expose_secret())).await;
                assert_eq!((answer.status, answer.text()), (200, &*owner));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
