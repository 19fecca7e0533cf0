//! Bad input: every wrong field is named, nothing is stored, and nothing is repeated.

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use crate::kit::{Server, request, server};

/// What no answer may repeat.
const MARK: &str = "zq9-mark";

/// Bodies of `POST /keys`, with the fields that the answer names, in order.
fn bodies() -> Vec<(Value, &'static [&'static str])> {
    let long = |length| "a".repeat(length);
    let named = |scopes: Value| json!({"name": "a", "scopes": scopes});
    let name = |name: &str| json!({"name": format!("{MARK}{name}")});
    let metadata = |metadata: Value| json!({"name": "a", "metadata": metadata});
    let until = |end: Value| json!({"name": "a", "expires_at": end});
    let scopes = |count: usize| json!((0..count).map(|n| n.to_string()).collect::<Vec<_>>());
    let many: serde_json::Map<_, _> = (0..17)
        .map(|number| (number.to_string(), json!("x")))
        .collect();
    vec![
        (json!([]), &["", "/name"]),
        (json!(MARK), &["", "/name"]),
        (json!(null), &["", "/name"]),
        (json!({}), &["/name"]),
        (json!({"name": 1}), &["/name"]),
        (json!({"name": null}), &["/name"]),
        (json!({"name": ""}), &["/name"]),
        (json!({"name": " \u{200b}"}), &["/name"]),
        (json!({"name": long(257)}), &["/name"]),
        (name("\0"), &["/name"]),
        (name("\r"), &["/name"]),
        (name("\n"), &["/name"]),
        (name("\u{202e}"), &["/name"]),
        (name("\u{2066}"), &["/name"]),
        (name("\u{2028}"), &["/name"]),
        (named(json!(MARK)), &["/scopes"]),
        (named(json!({MARK: 1})), &["/scopes"]),
        (
            named(json!(["read", 1, format!("{MARK} x"), ""])),
            &["/scopes/1", "/scopes/2", "/scopes/3"],
        ),
        (named(scopes(65)), &["/scopes"]),
        (named(json!(vec!["a"; 10_000])), &["/scopes"]),
        (named(json!([long(129)])), &["/scopes/0"]),
        (until(json!(1)), &["/expires_at"]),
        (until(json!(MARK)), &["/expires_at"]),
        (until(json!("2027-01-01")), &["/expires_at"]),
        (until(json!("2027-01-01T00:00Z")), &["/expires_at"]),
        (until(json!("2027-01-01T00:00+01:00")), &["/expires_at"]),
        (until(json!("2027-01-01T00:00:00")), &["/expires_at"]),
        (until(json!("2027-01-01T00:00:00+01")), &["/expires_at"]),
        (until(json!("2027-01-01T00:00:00Z[UTC]")), &["/expires_at"]),
        (until(json!("2027-02-30T00:00:00Z")), &["/expires_at"]),
        (until(json!("2026-01-01T00:00:00Z")), &["/expires_at"]),
        (until(json!("1969-01-01T00:00:00Z")), &["/expires_at"]),
        (
            json!({"name": "a", "expires_in_days": 0}),
            &["/expires_in_days"],
        ),
        (
            json!({"name": "a", "expires_in_days": -1}),
            &["/expires_in_days"],
        ),
        (
            json!({"name": "a", "expires_in_days": 1.5}),
            &["/expires_in_days"],
        ),
        (
            json!({"name": "a", "expires_in_days": u64::MAX}),
            &["/expires_in_days"],
        ),
        (
            json!({"name": "a", "expires_in_days": 36_501}),
            &["/expires_in_days"],
        ),
        (
            json!({"name": "a", "expires_in_days": 1, "expires_at": "2027-01-01T00:00:00Z"}),
            &["/expires_in_days"],
        ),
        (metadata(json!([])), &["/metadata"]),
        (metadata(json!({"a": 1})), &["/metadata"]),
        (metadata(json!({"a": {MARK: {}}})), &["/metadata"]),
        (metadata(json!({"": "x"})), &["/metadata"]),
        (metadata(json!({long(65): "x"})), &["/metadata"]),
        (metadata(json!({"a": long(257)})), &["/metadata"]),
        (metadata(json!({"a": "\u{0}"})), &["/metadata"]),
        (metadata(json!({"a\n": "x"})), &["/metadata"]),
        (metadata(many.into()), &["/metadata"]),
        (json!({"name": "a", "owner": MARK}), &["/owner"]),
        (
            json!({"name": "a", "id": MARK, "digest": MARK, "created_at": 1, "key": MARK}),
            // In the order of the object, which serde_json sorts.
            &["/created_at", "/digest", "/id", "/key"],
        ),
        (
            json!({"name": "a", "status": "active", "disabled": true}),
            &["/disabled", "/status"],
        ),
        (json!({"name": "a", MARK: 1}), &[""]),
        (json!({"name": "a", "Name": "b"}), &[""]),
        (
            json!({"name": 1, "scopes": 1, "metadata": 1, "owner": 1}),
            &["/name", "/scopes", "/metadata", "/owner"],
        ),
    ]
}

#[tokio::test]
async fn every_wrong_field_of_a_new_key_is_named_at_once() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let stored = server.stored("acct_42").await;
    for (body, fields) in bodies() {
        let shown = body.to_string();
        let answer = server.ask(&maker, "POST", "/keys", Some(body)).await;
        let found = answer.expect_problem(422, "invalid_fields");
        assert_eq!(found, fields, "{shown:.200}");
        assert!(!text(&answer.body).contains(MARK), "{answer:?}");
        assert_eq!(server.stored("acct_42").await, stored, "{shown:.200}");
    }
}

#[tokio::test]
async fn every_wrong_field_of_a_change_is_named_at_once() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let stored = server.stored("acct_42").await;
    let id = maker.record.id();
    let rows: Vec<(&str, &str, Value, &[&str])> = vec![
        ("PATCH", "", json!({}), &[""]),
        ("PATCH", "", json!([]), &["", ""]),
        ("PATCH", "", json!({"disabled": "true"}), &["/disabled"]),
        (
            "PATCH",
            "",
            json!({"disabled": null, "name": 1}),
            &["/name", "/disabled"],
        ),
        (
            "PATCH",
            "",
            json!({"name": "x", "owner": "acct_7"}),
            &["/owner"],
        ),
        (
            "PATCH",
            "",
            json!({"name": "x", "expires_in_days": 3}),
            &["/expires_in_days"],
        ),
        (
            "PATCH",
            "",
            json!({"expires_at": "2025-01-01T00:00:00Z"}),
            &["/expires_at"],
        ),
        (
            "POST",
            "/rotate",
            json!({"grace_seconds": -1}),
            &["/grace_seconds"],
        ),
        (
            "POST",
            "/rotate",
            json!({"grace_seconds": 2_592_001}),
            &["/grace_seconds"],
        ),
        (
            "POST",
            "/rotate",
            json!({"grace_seconds": "1"}),
            &["/grace_seconds"],
        ),
        ("POST", "/rotate", json!({"grace": 1}), &[""]),
        ("POST", "/revoke", json!({"reason": "a\nb"}), &["/reason"]),
        (
            "POST",
            "/revoke",
            json!({"reason": "a".repeat(1_025)}),
            &["/reason"],
        ),
        (
            "POST",
            "/revoke",
            json!({"reason": null, "at": 1}),
            &["/reason", ""],
        ),
    ];
    for (method, action, body, fields) in rows {
        let shown = format!("{method} {action} {body:.100}");
        let target = format!("/keys/{id}{action}");
        let answer = server.ask(&maker, method, &target, Some(body)).await;
        assert_eq!(
            answer.expect_problem(422, "invalid_fields"),
            fields,
            "{shown}"
        );
        assert_eq!(server.stored("acct_42").await, stored, "{shown}");
    }
}

#[tokio::test]
async fn an_api_key_pasted_into_a_field_is_rejected_and_not_repeated() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let stored = server.stored("acct_42").await;
    let pasted = format!("leaked: {}", maker.key.expose_secret());
    let id = maker.record.id();
    for (method, target, body, fields) in [
        (
            "POST",
            "/keys".to_owned(),
            json!({"name": pasted}),
            vec!["/name"],
        ),
        (
            "POST",
            "/keys".to_owned(),
            json!({"name": pasted, "metadata": {"n": pasted}, "expires_in_days": 0}),
            vec!["/name", "/metadata", "/expires_in_days"],
        ),
        (
            "PATCH",
            format!("/keys/{id}"),
            json!({"metadata": {pasted.clone(): "v"}}),
            vec!["/metadata"],
        ),
        (
            "PATCH",
            format!("/keys/{id}"),
            json!({"name": pasted}),
            vec!["/name"],
        ),
        (
            "POST",
            format!("/keys/{id}/revoke"),
            json!({"reason": pasted}),
            vec!["/reason"],
        ),
    ] {
        let answer = server.ask(&maker, method, &target, Some(body)).await;
        assert_eq!(answer.expect_problem(422, "invalid_fields"), fields);
        assert!(text(&answer.body).contains(" looks like an API key"));
        assert!(!text(&answer.body).contains(&maker.key.expose_secret()[11..]));
    }
    assert_eq!(server.stored("acct_42").await, stored);
}

#[tokio::test]
async fn what_is_no_json_or_says_things_twice_is_refused() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for text in [
        "",
        "{",
        "{\"name\":\"a\"}x",
        "nul",
        "{\"name\":\"\\ud800\"}",
        "{'name':1}",
        &deep,
    ] {
        let answer = send(&server, &maker, Body::from(text.to_owned())).await;
        assert_eq!(
            answer.expect_problem(400, "invalid_json"),
            [""],
            "{text:.30}"
        );
    }
    let answer = send(&server, &maker, Body::from(&b"{\"name\":\"\xff\"}"[..])).await;
    assert_eq!(answer.expect_problem(400, "invalid_json"), [""]);
    for (text, field) in [
        (r#"{"name":"a","name":"b"}"#, "/name"),
        (r#"{"name":"a","scopes":[],"scopes":["read"]}"#, "/scopes"),
        (r#"{"name":"a","\u006eame":"b"}"#, "/name"),
        (r#"{"name":"a","metadata":{"a":"1","a":"2"}}"#, "/metadata"),
    ] {
        let answer = send(&server, &maker, Body::from(text)).await;
        assert_eq!(
            answer.expect_problem(422, "invalid_fields"),
            [field],
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_long_body_is_refused_however_it_is_sent() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(65_536));
    let whole = send(&server, &maker, Body::from(long.clone())).await;
    assert_eq!(whole.expect_problem(413, "body_too_large"), [""]);
    // Without a length, and without an end.
    let chunk = Ok::<_, std::io::Error>(Bytes::from(long));
    let chunks = stream::repeat_with(move || {
        chunk
            .as_ref()
            .map(Clone::clone)
            .map_err(|_| std::io::Error::other(""))
    });
    let endless = send(&server, &maker, Body::from_stream(chunks)).await;
    assert_eq!(endless.expect_problem(413, "body_too_large"), [""]);
    // 64 KiB fit.
    let fitting = format!(r#"{{"name":"a"}}{}"#, " ".repeat(65_536 - 12));
    assert_eq!(
        send(&server, &maker, Body::from(fitting))
            .await
            .status
            .as_u16(),
        201
    );
}

#[tokio::test]
async fn a_body_is_declared_as_json() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let types = [
        "",
        "text/plain",
        "application/jsonx",
        "application/merge-patch+json",
        "text/json",
    ];
    for media_type in types {
        let mut request = request(
            maker.key.expose_secret(),
            "POST",
            "/keys",
            Some(json!({"name": "a"})),
        );
        request
            .headers_mut()
            .insert("content-type", media_type.parse().unwrap());
        let answer = server.send(request).await;
        assert_eq!(
            answer.expect_problem(415, "unsupported_media_type"),
            ["Content-Type"],
            "{media_type}"
        );
    }
    let mut request = request(
        maker.key.expose_secret(),
        "POST",
        "/keys",
        Some(json!({"name": "a"})),
    );
    request
        .headers_mut()
        .append("content-type", "application/json".parse().unwrap());
    let twice = server.send(request).await;
    assert_eq!(
        twice.expect_problem(415, "unsupported_media_type"),
        ["Content-Type"]
    );
}

#[tokio::test]
async fn wrong_parameters_are_named_at_once() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let id = maker.record.id();
    let usage = format!("/keys/{id}/usage");
    let one = format!("/keys/{id}");
    for (target, query, fields) in [
        ("/keys", "limit=0", &["limit"][..]),
        ("/keys", "limit=101", &["limit"]),
        ("/keys", "limit=", &["limit"]),
        ("/keys", "limit=%2B5", &["limit"]),
        ("/keys", "limit=5&limit=5", &["limit"]),
        (
            "/keys",
            "status=Active&cursor=zq9-mark&limit=x",
            &["status", "cursor", "limit"],
        ),
        ("/keys", "zq9-mark=1", &["query"]),
        ("/keys", "owner=acct_7", &["query"]),
        (
            "/keys",
            "a=1&limit=1&limit=1&a=1&limit=1&a=1",
            &["query", "limit"],
        ),
        ("/audit", "cursor=-1", &["cursor"]),
        ("/audit", "cursor=%2B1", &["cursor"]),
        (&one, "fields=all", &["query"]),
        (&usage, "from=zq9-mark&to=2026", &["to", "from"]),
    ] {
        let answer = server.get(&maker, &format!("{target}?{query}")).await;
        assert_eq!(
            answer.expect_problem(400, "invalid_parameters"),
            fields,
            "{query}"
        );
        assert!(!text(&answer.body).contains(MARK), "{answer:?}");
    }
}

#[tokio::test]
async fn a_span_of_usage_has_a_bound() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let usage = format!("/keys/{}/usage", maker.record.id());
    for query in [
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2025-01-01T00:00:00Z",
    ] {
        let answer = server.get(&maker, &format!("{usage}?{query}")).await;
        assert_eq!(
            answer.expect_problem(422, "invalid_span"),
            ["from"],
            "{query}"
        );
    }
    // Years before 1970 have no usage, nor a form in every notation.
    let first = server
        .get(&maker, &format!("{usage}?to=0000-01-01T00:00:00Z"))
        .await;
    assert_eq!(first.expect(200)["from"], "1970-01-01T00:00:00Z");
    let longest = "from=2025-10-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    server
        .get(&maker, &format!("{usage}?{longest}"))
        .await
        .expect(200);
}

async fn send(server: &Server, by: &tower_api_key::IssuedKey, body: Body) -> crate::kit::Answer {
    let mut request = request(by.key.expose_secret(), "POST", "/keys", Some(json!({})));
    *request.body_mut() = body;
    server.send(request).await
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}
