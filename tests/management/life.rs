//! The life of a key over HTTP: every route, and what it answers.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tower_api_key::Scope;
use tower_api_key::store::{KeyUse, UsageBatch, UsageStore};

use crate::kit::{id_of, request, server};

#[tokio::test]
async fn a_key_is_made_once_with_all_that_was_asked_for() {
    let server = server();
    let maker = server.manager_of("acct_42", &[Scope::READ]).await;
    let body = json!({
        "name": "Reports", "scopes": ["read"], "expires_in_days": 90, "metadata": {"team": "x"},
    });
    let answer = server.ask(&maker, "POST", "/keys", Some(body)).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let location = answer.header("location").to_owned();
    let tag = answer.header("etag").to_owned();
    let made = answer.expect(201);

    let plaintext = made["key"].as_str().unwrap();
    let identity = server.keys.verifier().verify(plaintext).await.unwrap();
    assert_eq!(identity.key_id().to_string(), id_of(&made));
    assert_eq!(location, format!("/api/v1/keys/{}", id_of(&made)));
    assert_eq!(tag, format!("\"{}\"", 1_767_225_600_000_000_u64));
    let shown = &plaintext[..11];
    let secret = json!({
        "version": 1, "prefix": shown, "created_at": "2026-01-01T00:00:00Z",
        "retires_at": null, "last_used_at": null,
    });
    let expected = json!({
        "key": plaintext,
        "id": id_of(&made),
        "owner": "acct_42",
        "name": "Reports",
        "prefix": shown,
        "scopes": ["read"],
        "status": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-04-01T00:00:00Z",
        "last_used_at": null,
        "revoked": null,
        "metadata": {"team": "x"},
        "secrets": [secret],
    });
    assert_eq!(made, expected);

    // Shown again, it is the same without its plaintext.
    let shown = server.get(&maker, &format!("/keys/{}", id_of(&made))).await;
    let mut without = expected;
    without.as_object_mut().unwrap().remove("key");
    assert_eq!(shown.expect(200), without);
}

#[tokio::test]
async fn a_patch_changes_everything_in_one_step() {
    let server = server();
    let maker = server.manager_of("acct_42", &[Scope::READ]).await;
    let made = server.ask(&maker, "POST", "/keys", Some(json!({"name": "a"})));
    let target = format!("/keys/{}", id_of(&made.await.expect(201)));
    let patch = json!({
        "name": "b", "scopes": ["read"], "expires_at": "2026-02-01T01:00:00+01:00",
        "metadata": {"a": "b"}, "disabled": true,
    });
    let changed = server
        .ask(&maker, "PATCH", &target, Some(patch))
        .await
        .expect(200);
    assert_eq!(changed["name"], "b");
    assert_eq!(changed["scopes"], json!(["read"]));
    assert_eq!(changed["expires_at"], "2026-02-01T00:00:00Z");
    assert_eq!(changed["metadata"], json!({"a": "b"}));
    assert_eq!(changed["status"], "disabled");

    let patch = json!({"disabled": false, "expires_at": null});
    let mut merge = request(maker.key.expose_secret(), "PATCH", &target, Some(patch));
    let media_type = "application/merge-patch+json; charset=utf-8"
        .parse()
        .unwrap();
    merge.headers_mut().insert("content-type", media_type);
    let enabled = server.send(merge).await.expect(200);
    assert_eq!(
        (&enabled["status"], &enabled["expires_at"]),
        (&json!("active"), &Value::Null)
    );

    let trail = server.get(&maker, "/audit?limit=2").await.expect(200);
    assert_eq!(
        trail["entries"][0]["detail"]["disabled"],
        json!({"from": true, "to": false})
    );
    assert_eq!(trail["entries"][1]["action"], "updated");
    assert_eq!(
        trail["entries"][1]["actor"],
        format!("key:{}", maker.record.id())
    );
}

#[tokio::test]
async fn a_rotation_hands_out_a_new_secret_and_ends_the_old_after_its_grace() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let made = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await
        .expect(201);
    let target = format!("/keys/{}/rotate", id_of(&made));
    let grace = json!({"grace_seconds": 3600});
    let rotated = server.ask(&maker, "POST", &target, Some(grace)).await;
    assert_eq!(rotated.header("cache-control"), "no-store");
    let rotated = rotated.expect(200);
    assert_eq!(rotated["secrets"][1]["retires_at"], "2026-01-01T01:00:00Z");

    let works = async |key: &Value| {
        let verifier = server.keys.verifier();
        verifier.verify(key["key"].as_str().unwrap()).await.is_ok()
    };
    assert!(works(&made).await && works(&rotated).await);
    server.clock.advance(Duration::from_secs(3_600));
    assert!(!works(&made).await && works(&rotated).await);
    // Without a word, the old secret works for a day.
    let mut newest = rotated;
    for body in [None, Some(json!({}))] {
        let again = server.ask(&maker, "POST", &target, body).await.expect(200);
        server.clock.advance(Duration::from_secs(86_399));
        assert!(works(&newest).await && works(&again).await);
        server.clock.advance(Duration::from_secs(1));
        assert!(!works(&newest).await && works(&again).await);
        newest = again;
    }
    let none = json!({"grace_seconds": 0});
    let again = server.ask(&maker, "POST", &target, Some(none)).await;
    assert!(works(&again.expect(200)).await && !works(&newest).await);
}

#[tokio::test]
async fn a_revocation_keeps_its_first_reason_and_ends_all_changes() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let made = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await
        .expect(201);
    let target = format!("/keys/{}", id_of(&made));
    let revoke = format!("{target}/revoke");
    let revoked = server
        .ask(&maker, "POST", &revoke, Some(json!({"reason": "leaked"})))
        .await;
    let revoked = revoked.expect(200);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(
        revoked["revoked"],
        json!({"at": "2026-01-01T00:00:00Z", "reason": "leaked"})
    );
    assert!(
        server
            .keys
            .verifier()
            .verify(made["key"].as_str().unwrap())
            .await
            .is_err()
    );

    assert_eq!(
        server.ask(&maker, "POST", &revoke, None).await.expect(200),
        revoked
    );
    let patch = server
        .ask(&maker, "PATCH", &target, Some(json!({"name": "b"})))
        .await;
    assert_eq!(patch.expect_problem(409, "key_state"), [""; 0]);
    let rotate = server
        .ask(&maker, "POST", &format!("{target}/rotate"), None)
        .await;
    assert_eq!(rotate.expect_problem(409, "key_state"), [""; 0]);
}

#[tokio::test]
async fn usage_is_told_by_hour_within_the_span() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let id = maker.record.id();
    server.clock.advance(Duration::from_secs(30 * 60));
    let in_hour_of = |at: &str, allowed| {
        KeyUse::new(id, 1, at.parse().unwrap())
            .with_allowed(allowed)
            .with_refused(1)
    };
    let uses = [
        in_hour_of("2025-12-01T10:05:00Z", 7),
        in_hour_of("2026-01-01T00:10:00Z", 3),
    ];
    server
        .keys
        .store()
        .record_usage(&UsageBatch::new([1; 16], 1, uses))
        .await
        .unwrap();

    let hour = |hour: &str, allowed: u64| json!({"hour": hour, "secret_version": 1, "allowed": allowed, "refused": 1});
    let week = server
        .get(&maker, &format!("/keys/{id}/usage"))
        .await
        .expect(200);
    let expected = json!({
        "from": "2025-12-25T00:00:00Z", "to": "2026-01-01T00:30:00Z", "allowed": 3, "refused": 1,
        "hours": [hour("2026-01-01T00:00:00Z", 3)],
    });
    assert_eq!(week, expected);
    let span = "from=2025-12-01T10:59:59Z&to=2026-01-01T00:00:00Z";
    let span = server
        .get(&maker, &format!("/keys/{id}/usage?{span}"))
        .await
        .expect(200);
    assert_eq!(span["hours"], json!([hour("2025-12-01T10:00:00Z", 7)]));
}

#[tokio::test]
async fn advice_is_told_with_stable_codes() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let advice = server
        .get(&maker, &format!("/keys/{}/advice", maker.record.id()))
        .await;
    let expected = json!({"advice": [
        {"code": "no_expiration", "message": "it has no expiration date"},
    ]});
    assert_eq!(advice.expect(200), expected);
}

#[tokio::test]
async fn head_answers_as_get_without_content() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let one = format!("/keys/{}", maker.record.id());
    for target in ["/keys", "/audit", "/openapi.json", &one] {
        let (get, head) = (
            server.get(&maker, target).await,
            server.ask(&maker, "HEAD", target, None).await,
        );
        assert_eq!((get.status, head.status), (head.status, get.status));
        assert_eq!(get.header("etag"), head.header("etag"));
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    for target in ["/key", "/keys/", "/keys/x/y", "/audit/"] {
        let answer = server.get(&maker, target).await;
        assert_eq!(answer.expect_problem(404, "not_found"), [""; 0], "{target}");
    }
    let id = maker.record.id();
    for (method, target, allowed) in [
        ("DELETE", "/keys".to_owned(), "GET,HEAD,POST"),
        ("PUT", format!("/keys/{id}"), "GET,HEAD,PATCH"),
        ("GET", format!("/keys/{id}/rotate"), "POST"),
        ("POST", "/audit".to_owned(), "GET,HEAD"),
    ] {
        let answer = server.ask(&maker, method, &target, None).await;
        assert_eq!(answer.expect_problem(405, "method_not_allowed"), [""; 0]);
        assert_eq!(answer.header("allow"), allowed, "{method} {target}");
    }
}

#[tokio::test]
async fn without_the_scope_or_a_key_the_answer_is_the_layers() {
    let server = server();
    let plain = server
        .keys
        .issue(tower_api_key::NewKey::new("acct_42", "plain"))
        .await
        .unwrap();
    let refused = server.get(&plain, "/keys").await;
    let challenge = r#"Bearer realm="api", error="insufficient_scope", scope="keys:manage""#;
    assert_eq!(
        (refused.status.as_u16(), refused.header("www-authenticate")),
        (403, challenge)
    );
    let nobody = Request::builder()
        .uri("/api/v1/keys")
        .body(Body::empty())
        .unwrap();
    let nobody = server.send(nobody).await;
    assert_eq!(nobody.status.as_u16(), 401);
    assert_eq!(nobody.header("www-authenticate"), r#"Bearer realm="api""#);
}

#[tokio::test]
async fn a_clock_that_was_never_set_makes_nothing() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let stored = server.stored("acct_42").await;
    server.clock.set("1969-12-31T23:59:59Z".parse().unwrap());
    let answer = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await;
    assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
    assert_eq!(server.stored("acct_42").await, stored);
}
