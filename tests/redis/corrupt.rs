//! Values in Redis that the store did not write.

use jiff::Timestamp;
use tower_api_key::record::{KeyChange, KeyRecord};
use tower_api_key::store::{
    AuditLog, AuditPageRequest, KeyUse, PageRequest, StoreErrorKind, UsageStore,
};
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use crate::kit::{
    RedisServer, adding, assert_is, at, batch, committing, digest, find, id, record, store,
};

const ID: &str = "00000000000000000000000000000001";

#[tokio::test]
async fn an_invalid_document_is_corrupt_and_harms_no_other_key() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let key = format!("{{tower_api_key}}:key:{ID}");
    let start = format!("redis at {}: key_{ID}: ", server.address());
    let corrupt = StoreErrorKind::Corrupt;
    store.insert(adding(record(1))).await.unwrap();
    store.insert(adding(record(2))).await.unwrap();
    let good = server.command(&["HGET", &key, "record"]);
    let good = good.split("\r\n").nth(1).unwrap();
    let column = |column: usize| format!("the key document is invalid at line 1 column {column}");
    let moved = good.replace(&ID[..8], "00000001");
    for (text, cause) in [
        (String::new(), column(0)),
        ("{}".to_owned(), column(2)),
        (good[..good.len() - 1].to_owned(), column(good.len() - 1)),
        (
            good.replace("\"version\":1", "\"version\":2"),
            "the key document has version 2, written by another version of this crate".to_owned(),
        ),
        (
            good.replace("d1d1", "zzzz"),
            "the key document has a digest that is not SHA-256".to_owned(),
        ),
        (
            moved,
            "the document is that of key_00000001000000010000000100000001".to_owned(),
        ),
    ] {
        assert_ne!(text, good);
        server.command(&["HSET", &key, "record", &text]);
        let message = format!("{start}{cause}");
        assert_is(store.find(&digest(1)).await, corrupt, &message);
        assert_is(store.get(&id(1)).await, corrupt, &message);
        let page = PageRequest::default();
        assert_is(store.list("acct_42", &page).await, corrupt, &message);
        assert_eq!(*find(&store, 2).await.unwrap(), record(2));
    }
    server.command(&["HSET", &key, "record", good, "secret:1", &"d".repeat(65)]);
    let message = format!("{start}a last use is no time");
    assert_is(store.get(&id(1)).await, corrupt, &message);
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
    server.command(&["HSET", &key, "revision", "7"]);
    let message = format!("{start}the revision is not that of the document");
    assert_is(store.get(&id(1)).await, corrupt, &message);
    server.command(&["HDEL", &key, "record"]);
    let message = format!("{start}the key has no document");
    assert_is(store.find(&digest(1)).await, corrupt, &message);
    assert_is(store.get(&id(1)).await, corrupt, &message);
}

#[tokio::test]
async fn a_key_that_was_lost_is_corrupt_and_not_unknown() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let key = format!("{{tower_api_key}}:key:{ID}");
    let start = format!("redis at {}: key_{ID}: ", server.address());
    let corrupt = StoreErrorKind::Corrupt;
    store.insert(adding(record(1))).await.unwrap();
    let good = server.command(&["HGET", &key, "record"]);
    let good = good.split("\r\n").nth(1).unwrap();
    server.command(&["DEL", &key]);
    let message = format!("{start}the key has no document");
    assert_is(store.find(&digest(1)).await, corrupt, &message);
    let message = format!("{start}a list has the key, which does not exist");
    let page = PageRequest::default();
    assert_is(store.list("acct_42", &page).await, corrupt, &message);
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    let other = good.replace("d1d1", "d2d2");
    server.command(&["HSET", &key, "record", &other]);
    let message = format!("{start}the key lacks the digest that leads to it");
    assert_is(store.find(&digest(1)).await, corrupt, &message);
    server.command(&["SET", &digest_name(1), "x"]);
    let message = format!("redis at {}: an id is invalid", server.address());
    assert_is(store.find(&digest(1)).await, corrupt, &message);
}

fn digest_name(number: u32) -> String {
    let digest = hex::encode(digest(number).as_bytes());
    format!("{{tower_api_key}}:digest:{digest}")
}

/// A call that fails in the middle leaves nothing that allows a request.
#[tokio::test]
async fn a_value_of_another_type_fails_before_anything_is_written() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let corrupt = StoreErrorKind::Corrupt;
    let other_type = format!(
        "expected a value of the store in redis at {}, found one of another type",
        server.address()
    );
    for (number, broken) in (10..).zip(["owner", "revoked", "audit"]) {
        let owner = format!("acct_{number}");
        let key = |number| {
            let key = record(number);
            KeyRecord::new(key.id(), &*owner, "CI", at(0))
                .with_secret_versions(key.secret_versions().iter().cloned())
        };
        store.insert(adding(key(number))).await.unwrap();
        let name = format!("{{tower_api_key}}:{broken}:{owner}");
        server.command(&["DEL", &name]);
        server.command(&["SET", &name, "x"]);
        let size = server.command(&["DBSIZE"]);
        let inserted = store.insert(adding(key(number + 100))).await;
        assert_is(inserted, corrupt, &other_type);
        assert_eq!(find(&store, number + 100).await, None);
        if broken != "owner" {
            let disabling = committing(&key(number), &KeyChange::Disable);
            assert_is(store.commit(disabling).await, corrupt, &other_type);
            let page = PageRequest::default();
            let page = store.list(&owner, &page).await.unwrap();
            assert_eq!(*page.keys()[0], key(number));
        }
        assert_eq!(server.command(&["DBSIZE"]), size);
    }
    // A broken key stops no usage record of another.
    store.insert(adding(record(1))).await.unwrap();
    store.insert(adding(record(2))).await.unwrap();
    server.command(&["SET", &format!("{{tower_api_key}}:key:{ID}"), "x"]);
    assert_is(store.find(&digest(1)).await, corrupt, &other_type);
    assert_is(store.get(&id(1)).await, corrupt, &other_type);
    let uses = [1, 2].map(|number| KeyUse::new(id(number), 1, at(2)));
    store.record_usage(&batch(uses)).await.unwrap();
    let other = store.get(&id(2)).await.unwrap().unwrap();
    assert_eq!(other.last_used_at(), Some(at(2)));
}

#[tokio::test]
async fn an_invalid_entry_or_bucket_is_corrupt() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    store.insert(adding(record(2))).await.unwrap();
    let address = server.address();
    let trail = "{tower_api_key}:audit:acct_42";
    let page = AuditPageRequest::default();
    for text in [
        "",
        "3",
        "x{}",
        "3{}",
        r#"3{"at":"2026-01-01T00:00:00Z","action":"eaten","key":"","actor":"","reason":"","detail":""}"#,
    ] {
        server.command(&["ZADD", trail, "3", text]);
        let message = format!("redis at {address}: an entry of an audit trail is invalid");
        let read = store.audit("acct_42", &page).await;
        assert_is(read, StoreErrorKind::Corrupt, &message);
        server.command(&["ZREM", trail, text]);
    }
    assert_eq!(
        store.audit("acct_42", &page).await.unwrap().entries().len(),
        2
    );

    // Invalid counters and scopes stop no others, and a counter that is full stays as it is.
    let uses = [1, 2].map(|number| {
        let used = KeyUse::new(id(number), 1, at(0)).with_allowed(1);
        used.with_exercised(Scope::READ)
    });
    let usage = format!("{{tower_api_key}}:usage:{ID}");
    let hours = || Timestamp::UNIX_EPOCH..Timestamp::MAX;
    store.record_usage(&batch(uses.clone())).await.unwrap();
    let [allowed, scopes] = ["a00490896:1", "s00490896:1"];
    assert_eq!(server.command(&["HGET", &usage, allowed]), "$1\r\n1\r\n");
    assert_eq!(server.command(&["HGET", &usage, scopes]), "$4\r\nread\r\n");
    let most = i64::MAX.to_string();
    server.command(&["HSET", &usage, allowed, &most]);
    store.record_usage(&batch(uses.clone())).await.unwrap();
    let read = store.usage(&id(1), hours()).await.unwrap();
    assert_eq!(read[0].allowed(), i64::MAX.unsigned_abs());
    let message = format!("redis at {address}: key_{ID}: a usage bucket is invalid");
    for (field, value) in [(allowed, "x"), (scopes, "a:\"")] {
        server.command(&["HSET", &usage, field, value]);
        store.record_usage(&batch(uses.clone())).await.unwrap();
        let read = store.usage(&id(1), hours()).await;
        assert_is(read, StoreErrorKind::Corrupt, &message);
        server.command(&["HDEL", &usage, field]);
    }
    server.command(&["SET", &usage, "x"]);
    store.record_usage(&batch(uses)).await.unwrap();
    assert_eq!(store.usage(&id(2), hours()).await.unwrap()[0].allowed(), 5);
}
