//! What the user of the server may do.

use jiff::Timestamp;
use tower_api_key::record::{KeyChange, Revocation};
use tower_api_key::store::{
    ActingKey, AuditLog, AuditPageRequest, Inserted, KeyUse, PageRequest, RedisStore,
    StoreErrorKind, UsageBatch, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore, Scope};

use crate::kit::{
    Heard, PASSWORD, RedisServer, adding, assert_empty, assert_tells_no_secret, at, batch,
    committing, context, digest, find, id, options, record, rotation, store,
};

#[tokio::test]
async fn what_the_user_may_not_do_is_said_and_leaves_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let all = store(&server).await;
    all.insert(adding(record(1))).await.unwrap();
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
        let error = store.insert(adding(record(2))).await.unwrap_err();
        assert_tells_no_secret(&error);
        assert_eq!(
            error.kind(),
            StoreErrorKind::Misconfigured,
            "{user}: {error}"
        );
        assert!(error.to_string().starts_with(&start), "{error}");
        let answers = store.insert_many(vec![adding(record(2))]).await;
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
                  HGETALL HSET HINCRBY HDEL SADD SREM SCARD ZADD ZREM ZCARD ZSCORE ZRANGE \
                  ZRANGEBYLEX ZREVRANGEBYLEX ZRANGEBYSCORE ZREVRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYSCORE";
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
        let once = |number| {
            adding(record(number))
                .with_idempotency_key(Some([7; 32]))
                .with_max_keys_per_owner(Some(3))
        };
        store.insert(once(2)).await.unwrap();
        let existing = store.get(&id(2)).await.unwrap().unwrap();
        assert_eq!(
            store.insert(once(3)).await.unwrap(),
            Inserted::Existing(existing)
        );
        let acting = ActingKey {
            id: id(2),
            revision: 0,
        };
        let conditional = adding(record(3)).with_acting(Some(acting));
        let error = store.insert(conditional).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Conflict);
        assert_eq!(*find(&store, 2).await.unwrap(), record(2));
        for number in 3..=10 {
            let change = rotation(digest(number), at(1));
            apply(&store, &id(2), &change, &context()).await.unwrap();
        }
        let uses = [0, 7_200].map(|second| {
            let used = KeyUse::new(id(2), 9, at(second));
            used.with_allowed(1)
                .with_refused(1)
                .with_exercised(Scope::READ)
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
        store.prune_usage_before(at(3_600)).await.unwrap();
        let lost = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        apply(&store, &id(2), &lost, &context()).await.unwrap();
        apply(&store, &id(2), &KeyChange::Delete, &context())
            .await
            .unwrap();
        store.insert(once(2)).await.unwrap();
        store.prune_audit_before(at(3_600)).await.unwrap();
        apply(&store, &id(2), &KeyChange::Delete, &context())
            .await
            .unwrap();
        heard.proof().await;
        assert_empty(&server, &store).await;
    }
}

/// A call that fails in the middle leaves nothing that allows a request.
#[tokio::test]
async fn a_call_that_fails_in_the_middle_allows_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let all = store(&server).await;
    let mut number = 0;
    let mut failed = 0;
    for denied in ["incr", "zadd", "sadd", "set", "hset", "hdel", "del", "zrem"] {
        let password = format!(">{PASSWORD}");
        let rule = format!("-{denied}");
        let mut words = vec!["ACL", "SETUSER", denied, "on", &password, "+@all", &rule];
        words.extend(["~{tower_api_key}:*", "&{tower_api_key}:*"]);
        server.command(&words);
        let url = format!("redis://{denied}:{PASSWORD}@{}", server.address());
        let store = RedisStore::connect_with(&url, options()).await.unwrap();
        let new = 1_000 + number;
        for change in [
            None,
            Some(rotation(digest(new), at(20))),
            Some(KeyChange::Revoke(Revocation::new(at(1), "lost"))),
            Some(KeyChange::Delete),
        ] {
            number += 1;
            let before = record(number);
            if let Some(change) = change {
                all.insert(adding(before.clone())).await.unwrap();
                let done = store.commit(committing(&before, &change)).await;
                failed += u32::from(done.is_err());
                if done.is_err()
                    && let Ok(Some(found)) = all.find(&digest(number)).await
                {
                    assert_eq!(*found, before, "{denied} {change:?}");
                }
                if done.is_err() && matches!(change, KeyChange::Rotate { .. }) {
                    let found = all.find(&digest(new)).await;
                    assert!(!matches!(found, Ok(Some(_))), "{denied}");
                }
            } else if store.insert(adding(before)).await.is_err() {
                failed += 1;
                let found = all.find(&digest(number)).await;
                assert!(!matches!(found, Ok(Some(_))), "{denied}");
            }
        }
    }
    // All need the first two; then the revocation its mark, insert and rotation their digests, all but
    // the deletion the fields, and the deletion the last two.
    assert_eq!(failed, 4 + 4 + 1 + 2 + 3 + 1 + 1);
}
