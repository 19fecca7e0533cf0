//! Values that are none of the store's.

use jiff::Timestamp;
use tower_api_key::record::{KeyChange, KeyRecord};
use tower_api_key::store::{AuditPageRequest, KeyUse, PageRequest, ScopeUse, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use crate::kit::{RedisServer, assert_is, at, batch, context, digest, find, id, record, store};

const ID: &str = "00000000000000000000000000000001";

#[tokio::test]
async fn what_is_no_record_is_corrupt() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let address = server.address();
    let key = format!("{{tower_api_key}}:key:{ID}");
    let used_key = KeyUse::new(id(1), 1, at(1));
    let start = format!("expected a record of the store in redis at {address}, found ");
    let no_record = format!("{start}something else as key key_{ID}");
    let other_type =
        format!("expected a value of the store in redis at {address}, found one of another type");
    let corrupt = StoreErrorKind::Corrupt;
    store.insert(record(1), &context()).await.unwrap();
    let good = server.command(&["HGET", &key, "record"]);
    let good = good.split("\r\n").nth(1).unwrap();
    let moved = good.replace(&ID[..8], "00000001");
    let broken = [
        String::new(),
        "{}".to_owned(),
        "[1,2]".to_owned(),
        good[..good.len() - 1].to_owned(),
        good.replace("\"format\":1", "\"format\":2"),
        good.replace("\"format\":1", "\"format\":1,\"networks\":[]"),
        good.replace("d1d1", "zzzz"),
        good.replace("\"read\"", "\"read write\""),
        good.replace("0123abcd", "0123ABCD"),
        good.replace("\"created\":", "\"created\":9999"),
        good.replace("\"expires\":null", "\"expires\":\"never\""),
        moved,
    ];
    for text in &broken {
        assert_ne!(text, good);
        server.command(&["HSET", &key, "record", text]);
        assert_is(store.find(&digest(1)).await, corrupt, &no_record);
        assert_is(store.get(&id(1)).await, corrupt, &no_record);
        assert_is(
            store.list("acct_42", &PageRequest::default()).await,
            corrupt,
            &no_record,
        );
        assert_is(
            store.apply(&id(1), &KeyChange::Enable, &context()).await,
            corrupt,
            &no_record,
        );
    }
    server.command(&["HSET", &key, "record", good, "used:1", "x"]);
    assert_is(store.find(&digest(1)).await, corrupt, &no_record);
    server.command(&["HDEL", &key, "record"]);
    assert_is(store.find(&digest(1)).await, corrupt, &no_record);

    // A record that is not where a digest leads.
    server.command(&["DEL", &key]);
    let message = format!("{start}none where a digest leads to one");
    assert_is(store.find(&digest(1)).await, corrupt, &message);
    let message = format!("{start}none where a list leads to one");
    assert_is(
        store.list("acct_42", &PageRequest::default()).await,
        corrupt,
        &message,
    );
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    server.command(&["HSET", &key, "record", &good.replace("d1d1", "d2d2")]);
    let message = format!("{start}one without the digest that leads to it");
    assert_is(store.find(&digest(1)).await, corrupt, &message);

    // Values of other types; a broken key holds up no use of another.
    server.command(&["SET", &key, "x"]);
    assert_is(store.find(&digest(1)).await, corrupt, &other_type);
    assert_is(store.get(&id(1)).await, corrupt, &other_type);
    store.insert(record(2), &context()).await.unwrap();
    let uses = [used_key, KeyUse::new(id(2), 1, at(2))];
    store.record_usage(&batch(uses)).await.unwrap();
    assert_eq!(find(&store, 2).await.unwrap().last_used_at(), Some(at(2)));
    for (number, broken) in ["owner", "revoked", "audit"].into_iter().enumerate() {
        let owner = format!("acct_{number}");
        let name = format!("{{tower_api_key}}:{broken}:{owner}");
        server.command(&["SET", &name, "x"]);
        let other = KeyRecord::new(id(3), &*owner, "CI", at(0));
        let limit = context().with_max_keys_of_owner(1);
        assert_is(store.insert(other, &limit).await, corrupt, &other_type);
        assert_eq!(store.get(&id(3)).await.unwrap(), None);
        if broken != "owner" {
            let page = PageRequest::default();
            assert!(store.list(&owner, &page).await.unwrap().keys().is_empty());
        }
    }
}

#[tokio::test]
async fn what_is_no_entry_or_sum_is_corrupt() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(record(1), &context()).await.unwrap();
    store.insert(record(2), &context()).await.unwrap();
    let address = server.address();
    let start = format!("expected a record of the store in redis at {address}, found ");
    let trail = "{tower_api_key}:audit:acct_42";
    let page = AuditPageRequest::default();
    for text in [
        "",
        "3",
        "x{}",
        "3{}",
        r#"3{"at":0,"action":"eaten","key":"","actor":"","reason":"","detail":""}"#,
    ] {
        server.command(&["ZADD", trail, "3", text]);
        let message = format!("{start}something else in an audit trail");
        let read = store.audit("acct_42", &page).await;
        assert_is(read, StoreErrorKind::Corrupt, &message);
        server.command(&["ZREM", trail, text]);
    }
    assert_eq!(
        store.audit("acct_42", &page).await.unwrap().entries().len(),
        2
    );

    // Broken sums hold up no others, and one that is full stays as it is.
    let uses = [1, 2].map(|number| KeyUse::new(id(number), 1, at(0)).with_allowed(1));
    let sums = format!("{{tower_api_key}}:usage:{ID}");
    let hours = || Timestamp::MIN..Timestamp::MAX;
    store.record_usage(&batch(uses.clone())).await.unwrap();
    let place = "a200490896:1";
    assert_eq!(server.command(&["HGET", &sums, place]), "$1\r\n1\r\n");
    let most = i64::MAX.to_string();
    for (value, expected) in [(&*most, Some(i64::MAX as u64)), ("x", None)] {
        server.command(&["HSET", &sums, place, value]);
        store.record_usage(&batch(uses.clone())).await.unwrap();
        let read = store.usage(&id(1), hours()).await;
        if let Some(sum) = expected {
            assert_eq!(read.unwrap()[0].allowed(), sum);
        } else {
            let message = format!("{start}something else as a sum of uses");
            assert_is(read, StoreErrorKind::Corrupt, &message);
        }
    }
    server.command(&["SET", &sums, "x"]);
    store.record_usage(&batch(uses)).await.unwrap();
    assert_eq!(store.usage(&id(2), hours()).await.unwrap()[0].allowed(), 4);
}

#[tokio::test]
async fn what_is_no_exercised_scope_is_corrupt() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(record(1), &context()).await.unwrap();
    store.insert(record(2), &context()).await.unwrap();
    let uses = [1, 2].map(|number| KeyUse::new(id(number), 1, at(0)).with_exercised(Scope::READ));
    store.record_usage(&batch(uses.clone())).await.unwrap();
    let scopes = format!("{{tower_api_key}}:scopes:{ID}");
    let hours = "$18\r\n200490896200490896\r\n";
    assert_eq!(server.command(&["HGET", &scopes, "read"]), hours);
    let address = server.address();
    let message = format!(
        "expected a record of the store in redis at {address}, found something else as an \
         exercised scope"
    );
    for (scope, value) in [
        ("read", "x"),
        ("a b", "200490896200490896"),
        ("a", "200490896"),
    ] {
        server.command(&["HSET", &scopes, scope, value]);
        let read = store.scope_uses(&id(1)).await;
        assert_is(read, StoreErrorKind::Corrupt, &message);
        server.command(&["HDEL", &scopes, scope]);
    }
    // Broken scopes hold up no others.
    server.command(&["SET", &scopes, "x"]);
    let later = [1, 2].map(|number| KeyUse::new(id(number), 1, at(3_600)).with_allowed(1));
    let later = later.map(|one| one.with_exercised(Scope::READ));
    store.record_usage(&batch(later)).await.unwrap();
    let expected = ScopeUse::new(Scope::READ, at(0), at(3_600));
    assert_eq!(store.scope_uses(&id(2)).await.unwrap(), [expected]);
}
