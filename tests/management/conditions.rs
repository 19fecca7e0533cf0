//! `ETag`, `If-Match` and `Idempotency-Key`; changes at the same time.

use futures::future::join_all;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_api_key::IssuedKey;

use crate::kit::{Answer, Server, id_of, request, server};

async fn with(
    server: &Server,
    by: &IssuedKey,
    request: (&str, &str, Value),
    lines: &[(&'static str, &[u8])],
) -> Answer {
    let (method, target, body) = request;
    let mut request = crate::kit::request(by.key.expose_secret(), method, target, Some(body));
    for (name, value) in lines {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    server.send(request).await
}

#[tokio::test]
async fn a_change_of_another_revision_is_not_made() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let made = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await;
    let first = made.header("etag").to_owned();
    let one = format!("/keys/{}", id_of(&made.expect(201)));
    let rename = |name: &str| ("PATCH", one.as_str(), json!({"name": name}));

    let changed = with(
        &server,
        &maker,
        rename("b"),
        &[("if-match", first.as_bytes())],
    )
    .await;
    let second = changed.header("etag").to_owned();
    assert_eq!((changed.status, first == second), (StatusCode::OK, false));
    assert_eq!(server.get(&maker, &one).await.header("etag"), second);

    let stored = server.stored("acct_42").await;
    let weak = format!("W/{second}");
    let zeros = format!("\"0{}", &second[1..]);
    for (action, body) in [
        ("", json!({"name": "c"})),
        ("/rotate", json!({})),
        ("/revoke", json!({})),
    ] {
        let method = if action.is_empty() { "PATCH" } else { "POST" };
        let target = format!("{one}{action}");
        // What is no tag matches nothing either.
        let wrong = ["", "x", "\"", "7", "*, \"1\"", "\u{e9}", "\"\"", "\"x\""];
        for tag in wrong.into_iter().chain([&*first, &weak, &zeros]) {
            let request = (method, &*target, body.clone());
            let late = with(&server, &maker, request, &[("if-match", tag.as_bytes())]).await;
            assert_eq!(
                late.expect_problem(412, "revision_mismatch"),
                [""; 0],
                "{action} {tag}"
            );
        }
    }
    assert_eq!(server.stored("acct_42").await, stored);

    let several = format!("{first} ,\t{second}");
    with(
        &server,
        &maker,
        rename("c"),
        &[("if-match", several.as_bytes())],
    )
    .await
    .expect(200);
    with(&server, &maker, rename("d"), &[("if-match", b"*")])
        .await
        .expect(200);
}

#[tokio::test]
async fn of_many_changes_of_one_revision_one_is_made() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let one = format!("/keys/{}", maker.record.id());
    let tag = server.get(&maker, &one).await.header("etag").to_owned();
    let names: Vec<_> = (0..16).map(|number| number.to_string()).collect();
    let rename = async |name: &String| {
        let request = ("PATCH", one.as_str(), json!({"name": name}));
        with(&server, &maker, request, &[("if-match", tag.as_bytes())])
            .await
            .status
            .as_u16()
    };
    let mut statuses = join_all(names.iter().map(rename)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![412; 15]].concat());
}

#[tokio::test]
async fn changes_without_a_condition_all_take_effect() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let one = format!("/keys/{}", maker.record.id());
    let names: Vec<_> = (0..8).map(|number| number.to_string()).collect();
    let patch = |name| server.ask(&maker, "PATCH", &one, Some(json!({"name": name})));
    let statuses = join_all(names.iter().map(patch)).await;
    assert!(
        statuses
            .iter()
            .all(|answer| answer.status == StatusCode::OK)
    );
    assert_eq!(
        server
            .keys
            .get(&maker.record.id())
            .await
            .unwrap()
            .unwrap()
            .changes(),
        8
    );
}

#[tokio::test]
async fn an_idempotency_key_makes_one_key() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let other = server.manager_of("acct_7", &[]).await;
    let create = |name: &str| ("POST", "/keys", json!({"name": name}));
    let line: &[(&str, &[u8])] = &[("idempotency-key", b"order-7")];
    let made = with(&server, &maker, create("a"), line).await.expect(201);
    for name in ["a", "b"] {
        let again = with(&server, &maker, create(name), line).await;
        assert_eq!(again.expect_problem(409, "already_issued"), [""; 0]);
        assert_eq!(again.json()["key_id"], made["id"]);
        assert!(again.json().get("key").is_none());
    }
    // Another owner's are others.
    with(&server, &other, create("a"), line).await.expect(201);
    let racing: &[(&str, &[u8])] = &[("idempotency-key", b"order-8")];
    let racers = join_all((0..8).map(|_| with(&server, &maker, create("a"), racing))).await;
    let made = racers
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED)
        .count();
    assert_eq!((made, racers.len()), (1, 8));
}

#[tokio::test]
async fn an_idempotency_key_is_1_to_255_visible_ascii_characters() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let stored = server.stored("acct_42").await;
    let create = || ("POST", "/keys", json!({"name": "a"}));
    let long = [b'a'; 256];
    for value in [&b""[..], b"a b", b"a\tb", b"\xe9", &long] {
        let bad = with(&server, &maker, create(), &[("idempotency-key", value)]).await;
        assert_eq!(
            bad.expect_problem(400, "invalid_parameters"),
            ["Idempotency-Key"]
        );
    }
    let twice: &[(&str, &[u8])] = &[("idempotency-key", b"a"), ("idempotency-key", b"a")];
    let twice = with(&server, &maker, create(), twice).await;
    assert_eq!(
        twice.expect_problem(400, "invalid_parameters"),
        ["Idempotency-Key"]
    );
    assert_eq!(server.stored("acct_42").await, stored);
    with(
        &server,
        &maker,
        create(),
        &[("idempotency-key", &long[1..])],
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn uses_leave_the_tag_as_it_is() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let one = format!("/keys/{}", maker.record.id());
    let tag = server.get(&maker, &one).await.header("etag").to_owned();
    let used =
        tower_api_key::store::KeyUse::new(maker.record.id(), 1, crate::kit::START.parse().unwrap());
    let batch = tower_api_key::store::UsageBatch::new([1; 16], 1, [used.with_allowed(1)]);
    tower_api_key::store::UsageStore::record_usage(server.keys.store(), &batch)
        .await
        .unwrap();
    let shown = server
        .send(request(maker.key.expose_secret(), "GET", &one, None))
        .await;
    assert_eq!(shown.header("etag"), tag);
    assert_eq!(shown.expect(200)["last_used_at"], crate::kit::START);
}
