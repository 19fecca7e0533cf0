//! What keys may be given: by the policy, and by the key that makes or changes them.

use std::time::Duration;

use serde_json::json;
use tower_api_key::manage::{IssuePolicy, ManageError, ManageErrorKind};
use tower_api_key::record::KeyUpdate;
use tower_api_key::{IssuedKey, MemoryStore, NewKey, Scope};

use crate::kit::{MANAGE, id_of, server, server_of};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn the_policy_holds_for_new_keys_and_for_changes() {
    let policy = IssuePolicy::new()
        .with_longest_lifetime(30 * DAY)
        .with_allowed_scopes([Scope::READ]);
    let server = server_of(MemoryStore::new(), |keys| keys);
    let maker = server
        .manager_of("acct_42", &[Scope::READ, Scope::WRITE])
        .await;
    let server = server_of(server.keys.store().clone(), |keys| {
        keys.with_issue_policy(policy)
    });

    let made = json!({"name": "a", "scopes": ["read"], "expires_in_days": 30});
    let made = server
        .ask(&maker, "POST", "/keys", Some(made))
        .await
        .expect(201);
    let one = format!("/keys/{}", id_of(&made));
    let stored = server.stored("acct_42").await;
    for (method, target, body, field) in [
        ("POST", "/keys", json!({"name": "a"}), "/expires_at"),
        (
            "POST",
            "/keys",
            json!({"name": "a", "expires_in_days": 31}),
            "/expires_at",
        ),
        (
            "POST",
            "/keys",
            json!({"name": "a", "scopes": ["write"], "expires_in_days": 1}),
            "/scopes",
        ),
        ("PATCH", &one, json!({"expires_at": null}), "/expires_at"),
        (
            "PATCH",
            &one,
            json!({"expires_at": "2026-01-31T00:00:01Z"}),
            "/expires_at",
        ),
        (
            "PATCH",
            &one,
            json!({"scopes": ["read", "write"]}),
            "/scopes",
        ),
    ] {
        let answer = server.ask(&maker, method, target, Some(body.clone())).await;
        assert_eq!(
            answer.expect_problem(422, "outside_policy"),
            [field],
            "{method} {body}"
        );
        assert_eq!(server.stored("acct_42").await, stored);
    }
    // The lifetime is the key's, from its creation, however often its end is moved.
    server.clock.advance(10 * DAY);
    let later = json!({"expires_at": "2026-02-01T00:00:00Z"});
    let later = server.ask(&maker, "PATCH", &one, Some(later)).await;
    assert_eq!(later.expect_problem(422, "outside_policy"), ["/expires_at"]);
}

#[tokio::test]
async fn an_expiration_date_can_be_required() {
    let policy = IssuePolicy::new().with_required_expiration();
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    let server = server_of(server.keys.store().clone(), |keys| {
        keys.with_issue_policy(policy)
    });
    let endless = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await;
    assert_eq!(
        endless.expect_problem(422, "outside_policy"),
        ["/expires_at"]
    );
    let ends = json!({"name": "a", "expires_in_days": 36_500});
    server
        .ask(&maker, "POST", "/keys", Some(ends))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_owner_has_no_more_keys_than_allowed_also_in_a_race() {
    let policy = IssuePolicy::new().with_max_keys_of_owner(5);
    let server = server_of(MemoryStore::new(), |keys| keys.with_issue_policy(policy));
    let maker = server.manager_of("acct_42", &[]).await;
    let create = || server.ask(&maker, "POST", "/keys", Some(json!({"name": "a"})));
    let answers = futures::future::join_all((0..20).map(|_| create())).await;
    let made = answers
        .iter()
        .filter(|answer| answer.status.as_u16() == 201)
        .count();
    assert_eq!(made, 4);
    for answer in answers
        .iter()
        .filter(|answer| answer.status.as_u16() != 201)
    {
        assert_eq!(answer.expect_problem(409, "too_many_keys"), [""; 0]);
    }
}

#[tokio::test]
async fn a_key_gives_no_key_what_it_lacks() {
    let server = server();
    let end = "2026-06-01T00:00:00Z";
    let narrow = NewKey::new("acct_42", "narrow").with_scopes([MANAGE, Scope::READ]);
    let narrow = server
        .keys
        .issue(narrow.expires_at(end.parse().unwrap()))
        .await
        .unwrap();
    let wide = NewKey::new("acct_42", "wide").with_scopes([Scope::DELETE]);
    let wide = one(&server
        .keys
        .issue(wide.expires_at("2026-02-01T00:00:00Z".parse().unwrap()))
        .await
        .unwrap());
    let endless = one(&server
        .keys
        .issue(NewKey::new("acct_42", "endless"))
        .await
        .unwrap());
    let off = server
        .keys
        .issue(NewKey::new("acct_42", "off"))
        .await
        .unwrap();
    server.keys.disable(&off.record.id()).await.unwrap();
    let off = one(&off);
    // Without an end of its own, a new key has its maker's.
    let mine = server
        .ask(&narrow, "POST", "/keys", Some(json!({"name": "mine"})))
        .await
        .expect(201);
    assert_eq!(mine["expires_at"], end);
    let mine = format!("/keys/{}", id_of(&mine));

    let stored = server.stored("acct_42").await;
    for (method, target, body, field) in [
        (
            "POST",
            "/keys",
            json!({"name": "a", "scopes": ["write"]}),
            "/scopes",
        ),
        (
            "POST",
            "/keys",
            json!({"name": "a", "expires_at": "2026-06-01T00:00:01Z"}),
            "/expires_at",
        ),
        (
            "PATCH",
            &*mine,
            json!({"scopes": ["read", "write"]}),
            "/scopes",
        ),
        ("PATCH", &mine, json!({"expires_at": null}), "/expires_at"),
        (
            "PATCH",
            &mine,
            json!({"expires_at": "2026-06-01T00:00:01Z"}),
            "/expires_at",
        ),
    ] {
        let answer = server
            .ask(&narrow, method, target, Some(body.clone()))
            .await;
        assert_eq!(
            answer.expect_problem(403, "exceeds_caller"),
            [field],
            "{method} {body}"
        );
        assert_eq!(server.stored("acct_42").await, stored, "{method} {body}");
    }
    // A key with a scope that the caller lacks, or that expires later, is out of reach.
    for target in [&wide, &endless, &off] {
        for (method, action, body) in [
            ("PATCH", "", json!({"scopes": ["read"]})),
            ("PATCH", "", json!({"expires_at": "2026-03-01T00:00:00Z"})),
            ("PATCH", "", json!({"disabled": true})),
            ("PATCH", "", json!({"disabled": false})),
            ("PATCH", "", json!({"name": "b"})),
            ("POST", "/rotate", json!({})),
            ("POST", "/revoke", json!({})),
        ] {
            let target = format!("{target}{action}");
            let answer = server
                .ask(&narrow, method, &target, Some(body.clone()))
                .await;
            let fields = answer.expect_problem(403, "exceeds_caller");
            assert!(fields.is_empty(), "{method} {target} {body}");
            assert_eq!(server.stored("acct_42").await, stored, "{method} {body}");
        }
    }
}

#[tokio::test]
async fn a_superseded_secret_gives_nothing_beyond_its_overlap() {
    let server = server();
    let maker = server.manager_of("acct_42", &[]).await;
    server.keys.rotate(&maker.record.id(), DAY).await.unwrap();
    let made = server
        .ask(&maker, "POST", "/keys", Some(json!({"name": "a"})))
        .await
        .expect(201);
    assert_eq!(made["expires_at"], "2026-01-02T00:00:00Z");
    // Or it would get a secret that lives on.
    let rotate = format!("{}/rotate", one(&maker));
    let rotated = server.ask(&maker, "POST", &rotate, None).await;
    assert_eq!(
        rotated.expect_problem(403, "exceeds_caller"),
        ["/expires_at"]
    );
}

/// The caller passes the layer, and loses what it has before the change is judged: the identity
/// that a request carries is as old as the request.
#[tokio::test]
async fn a_caller_that_was_narrowed_meanwhile_gives_what_it_has_now() {
    let server = server();
    let maker = server.manager_of("acct_42", &[Scope::WRITE]).await;
    let identity = server
        .keys
        .verifier()
        .verify(maker.key.expose_secret())
        .await
        .unwrap();
    let keys = server.keys.on_behalf_of(&identity);
    let new = || NewKey::new("acct_42", "a").with_scopes([Scope::WRITE]);
    let target = keys.issue(new()).await.unwrap().record.id();

    let id = maker.record.id();
    server
        .keys
        .update(&id, KeyUpdate::new().with_scopes([MANAGE]))
        .await
        .unwrap();
    let kind = |error: Option<ManageError>| error.map(|error| error.kind());
    let stronger = [
        kind(keys.issue(new()).await.err()),
        kind(keys.rotate(&target, Duration::ZERO).await.err()),
    ];
    assert_eq!(stronger, [Some(ManageErrorKind::Exceeds); 2]);

    for end in ["disabled", "revoked"] {
        match end {
            "disabled" => server.keys.disable(&id).await,
            _ => server.keys.revoke(&id, "").await,
        }
        .unwrap();
        let rename = KeyUpdate::new().with_name("b");
        let any = [
            kind(keys.issue(new()).await.err()),
            kind(keys.rotate(&target, Duration::ZERO).await.err()),
            kind(keys.update(&target, rename).await.err()),
            kind(keys.disable(&target).await.err()),
            kind(keys.revoke(&target, "").await.err()),
        ];
        assert_eq!(any, [Some(ManageErrorKind::Exceeds); 5], "{end}");
    }
    let target = server.keys.get(&target).await.unwrap().unwrap();
    assert_eq!((target.name(), target.changes()), ("a", 0));
}

fn one(key: &IssuedKey) -> String {
    format!("/keys/{}", key.record.id())
}
