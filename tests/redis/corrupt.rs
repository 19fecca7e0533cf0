//! Values that are none of the store's.

use tower_api_key::record::{KeyChange, KeyRecord};
use tower_api_key::store::{KeyUse, PageRequest, StoreErrorKind};
use tower_api_key::{KeyRegistry, KeyStore};

use crate::kit::{RedisServer, assert_is, at, digest, find, id, record, store};

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
    store.insert(record(1)).await.unwrap();
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
            store.apply(&id(1), &KeyChange::Enable).await,
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
    store.insert(record(2)).await.unwrap();
    let uses = [used_key, KeyUse::new(id(2), 1, at(2))];
    let message = format!("{start}a value of another type");
    assert_is(store.record_usage(&uses).await, corrupt, &message);
    assert_eq!(find(&store, 2).await.unwrap().last_used_at(), Some(at(2)));
    server.command(&["SET", "{tower_api_key}:owner:acct_7", "x"]);
    let other = KeyRecord::new(id(3), "acct_7", "CI", at(0));
    assert_is(store.insert(other).await, corrupt, &other_type);
    assert_eq!(store.get(&id(3)).await.unwrap(), None);
}
