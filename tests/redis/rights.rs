//! What the user of the server may do.

use jiff::Timestamp;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{
    AuditPageRequest, KeyUse, PageRequest, RedisStore, StoreErrorKind, UsageBatch,
};

use crate::kit::{
    Heard, PASSWORD, RedisServer, assert_empty, assert_tells_no_secret, at, batch, context, digest,
    find, id, options, record, rotation, store,
};

#[tokio::test]
async fn what_the_user_may_not_do_is_said_and_leaves_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let all = store(&server).await;
    all.insert(record(1), &context()).await.unwrap();
    let size = server.command(&["DBSIZE"]);
    let start = format!(
        "expected permission for the commands, keys and channel of the store in redis at {}, \
         found that something is denied: ",
        server.address()
    );
    // The user of the documentation, without this and that.
    for (user, rules) in [
        ("channel", "~{tower_api_key}:* +@all"),
        ("keys", "~other:* &{tower_api_key}:* +@all"),
        (
            "evalsha",
            "~{tower_api_key}:* &{tower_api_key}:* +@all -evalsha",
        ),
        ("zadd", "~{tower_api_key}:* &{tower_api_key}:* +@all -zadd"),
    ] {
        let password = format!(">{PASSWORD}");
        let mut words = vec!["ACL", "SETUSER", user, "on", &password, "resetchannels"];
        words.extend(rules.split(' '));
        server.command(&words);
        let url = format!("redis://{user}:{PASSWORD}@{}", server.address());
        let store = RedisStore::connect_with(&url, options()).await.unwrap();
        let error = store.insert(record(2), &context()).await.unwrap_err();
        assert_tells_no_secret(&error);
        assert_eq!(
            error.kind(),
            StoreErrorKind::Misconfigured,
            "{user}: {error}"
        );
        assert!(error.to_string().starts_with(&start), "{error}");
        let answers = store.insert_many(vec![record(2)], &context()).await;
        assert_eq!(
            answers
                .into_iter()
                .map(|answer| answer.unwrap_err().kind())
                .collect::<Vec<_>>(),
            [StoreErrorKind::Misconfigured]
        );
        assert_eq!(server.command(&["DBSIZE"]), size);
    }
    assert_eq!(all.get(&id(2)).await.unwrap(), None);
}

/// As the documentation says it.
#[tokio::test]
async fn the_commands_that_are_needed_are_enough() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let needed = "EVALSHA SCRIPT|LOAD HELLO SUBSCRIBE PUBLISH GET SET INCR DEL UNLINK EXISTS HGET HMGET \
                  HGETALL HSET HSETNX HINCRBY HDEL SADD SREM SCARD ZADD ZREM ZCARD ZSCORE ZRANGE \
                  ZRANGEBYLEX ZRANGEBYSCORE ZREVRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYSCORE";
    let needed: Vec<_> = needed
        .split(' ')
        .map(|command| format!("+{command}"))
        .collect();
    for commands in ["+@all -@dangerous", &needed.join(" ")] {
        let password = format!(">{PASSWORD}");
        let mut words = vec!["ACL", "SETUSER", "keys", "reset", "on", &password];
        words.extend(["~{tower_api_key}:*", "&{tower_api_key}:*"]);
        words.extend(commands.split(' '));
        server.command(&words);
        let url = format!("redis://keys:{PASSWORD}@{}", server.address());
        let store = RedisStore::connect_with(&url, options()).await.unwrap();
        let heard = Heard::of(&store);
        store.migrate().await.unwrap();
        let once = context()
            .with_idempotency_key([7; 32])
            .with_max_keys_of_owner(3);
        store.insert(record(2), &once).await.unwrap();
        assert_eq!(store.insert(record(3), &once).await.unwrap().id(), id(2));
        assert_eq!(*find(&store, 2).await.unwrap(), record(2));
        for number in 3..=10 {
            let change = rotation(digest(number), at(1));
            store.apply(&id(2), &change, &context()).await.unwrap();
        }
        let uses = [0, 7_200].map(|second| {
            let used = KeyUse::new(id(2), 9, at(second));
            used.with_allowed(1).with_refused(1)
        });
        for uses in [&uses[..], &uses[..1], &uses[1..]] {
            let uses = uses.iter().cloned();
            store.record_usage(&batch(uses)).await.unwrap();
        }
        let first = UsageBatch::new([7; 16], 1, uses);
        store.record_usage(&first).await.unwrap();
        let later = KeyUse::new(id(2), 9, at(9_000));
        let second = UsageBatch::new([7; 16], 2, [later]);
        store.record_usage(&second).await.unwrap();
        let hours = Timestamp::MIN..Timestamp::MAX;
        assert_eq!(store.usage(&id(2), hours).await.unwrap().len(), 2);
        let page = PageRequest::default();
        assert_eq!(store.list("acct_42", &page).await.unwrap().keys().len(), 1);
        let page = AuditPageRequest::default();
        let trail = store.audit("acct_42", &page).await.unwrap();
        assert_eq!(trail.entries().len(), 9);
        store.forget_usage_before(at(3_600)).await.unwrap();
        let lost = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        store.apply(&id(2), &lost, &context()).await.unwrap();
        store
            .apply(&id(2), &KeyChange::Delete, &context())
            .await
            .unwrap();
        store.insert(record(2), &once).await.unwrap();
        store.forget_audit_before(at(3_600)).await.unwrap();
        store
            .apply(&id(2), &KeyChange::Delete, &context())
            .await
            .unwrap();
        heard.proof().await;
        assert_empty(&server, &store).await;
    }
}
