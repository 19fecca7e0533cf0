//! Another owner's keys are as if they did not exist.

use std::time::Duration;

use serde_json::{Value, json};
use tower_api_key::NewKey;
use tower_api_key::manage::ManageErrorKind;

use crate::kit::server;

#[tokio::test]
async fn another_owners_key_is_answered_as_one_that_does_not_exist_octet_for_octet() {
    let server = server();
    let mine = server.manager_of("acct_42", &[]).await;
    let theirs = server
        .keys
        .issue(NewKey::new("acct_7", "theirs"))
        .await
        .unwrap()
        .record;
    let stored = server.stored("acct_7").await;
    let theirs = theirs.id().to_string();
    let unknown = "key_00000000000000000000000000000001".to_owned();
    let mut first = None;
    for id in [
        &theirs,
        &unknown,
        "x",
        "KEY_1",
        "%ff",
        "%00",
        "key_%2e%2e",
        &theirs.to_uppercase(),
    ] {
        for (method, action, body) in [
            ("GET", "", None),
            ("PATCH", "", Some(json!({"name": "mine"}))),
            // Whatever the body and the query are worth.
            ("PATCH", "", Some(json!({"name": 1}))),
            ("POST", "/rotate", None),
            ("POST", "/revoke", Some(json!({"reason": "mine"}))),
            ("GET", "/usage", None),
            ("GET", "/usage?from=x", None),
            ("GET", "/advice", None),
        ] {
            let answer = server
                .ask(&mine, method, &format!("/keys/{id}{action}"), body)
                .await;
            assert_eq!(
                answer.expect_problem(404, "key_not_found"),
                [""; 0],
                "{method} {id}"
            );
            let found = (answer.body, format!("{:?}", answer.headers));
            assert_eq!(
                first.get_or_insert_with(|| found.clone()),
                &found,
                "{method} {id}"
            );
        }
    }
    assert_eq!(server.stored("acct_7").await, stored);
}

#[tokio::test]
async fn lists_and_trails_show_the_callers_owner_only() {
    let server = server();
    let (mine, theirs) = (
        server.manager_of("acct_42", &[]).await,
        server.manager_of("acct_7", &[]).await,
    );
    for (by, owner) in [(&mine, "acct_42"), (&theirs, "acct_7")] {
        let keys = server.get(by, "/keys").await.expect(200);
        let owners: Vec<_> = list(&keys, "keys")
            .iter()
            .map(|key| key["owner"].clone())
            .collect();
        assert_eq!(owners, [json!(owner)]);
        let trail = server.get(by, "/audit").await.expect(200);
        let ids: Vec<_> = list(&trail, "entries")
            .iter()
            .map(|one| one["key_id"].clone())
            .collect();
        assert_eq!(ids, [json!(by.record.id().to_string())]);
    }
    // A cursor of somebody else's key tells nothing of it.
    let cursor = format!("/keys?cursor={}", theirs.record.id());
    let found = server.get(&mine, &cursor).await.expect(200);
    let comes_after = mine.record.id() < theirs.record.id();
    assert_eq!(list(&found, "keys").len(), usize::from(comes_after));
}

#[tokio::test]
async fn a_manager_that_acts_for_a_key_finds_no_other_owners_key() {
    let server = server();
    let mine = server.manager_of("acct_42", &[]).await;
    let new = NewKey::new("acct_7", "expired").expires_in(Duration::from_secs(1));
    let theirs = server.keys.issue(new).await.unwrap().record.id();
    server.clock.advance(Duration::from_secs(2));
    let verifier = server.keys.verifier();
    let identity = verifier.verify(mine.key.expose_secret()).await.unwrap();
    let keys = server.keys.on_behalf_of(&identity);
    for found in [
        keys.rotate(&theirs, Duration::ZERO).await.map(drop),
        keys.disable(&theirs).await.map(drop),
        keys.revoke(&theirs, "").await.map(drop),
        keys.delete(&theirs).await,
    ] {
        assert_eq!(found.unwrap_err().kind(), ManageErrorKind::NotFound);
    }
}

fn list<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    body[name].as_array().unwrap()
}
