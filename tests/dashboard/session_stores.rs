//! What every store of sessions keeps to.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::{Duration as Span, OffsetDateTime};
use tower_sessions::session::{Id, Record};

use crate::browser::sessions;
use crate::database::Postgres;
use crate::heavy;
use crate::redis_server::RedisServer;
use crate::sessions::{MAX_SESSIONS, MAX_SESSIONS_OF_KEY, Sessions, TICKET};

#[tokio::test]
async fn in_sqlite() {
    keeps_to_it(&sessions().await).await;
}

#[cfg(unix)]
#[tokio::test]
async fn in_postgres() {
    use crate::postgres_server::PostgresServer;

    let Some(server) = PostgresServer::start() else {
        return;
    };
    let open = async || {
        let database = Postgres::new(&server.url()).unwrap();
        Sessions::postgres(database).await.unwrap()
    };
    let sessions = open().await;
    keeps_to_it(&sessions).await;
    outlives(&sessions, &open().await).await;

    let kept = new(&sessions, "key_1").await;
    server.cut_connections();
    is_found_again(&sessions, &kept).await;
}

#[tokio::test]
async fn in_redis() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let sessions = Sessions::redis(&server.url()).await.unwrap();
    keeps_to_it(&sessions).await;
    let other = Sessions::redis(&server.url()).await.unwrap();
    outlives(&sessions, &other).await;

    let kept = new(&sessions, "key_1").await;
    let names = server.command(&["KEYS", "*session:*"]);
    assert!(!names.contains(&kept.id.to_string()));
    server.cut_connections();
    is_found_again(&sessions, &kept).await;
}

/// What one process keeps, another knows.
async fn outlives(first: &Sessions, second: &Sessions) {
    let kept = new(first, "key_1").await;
    let found = second.load(&kept.id).await.unwrap().unwrap();
    assert_eq!(found.data, kept.data);
    second.delete(&kept.id).await.unwrap();
    assert_eq!(first.load(&kept.id).await.unwrap(), None);
}

/// A connection that was cut is made anew, once that was seen.
async fn is_found_again(sessions: &Sessions, kept: &Record) {
    let asking = async {
        loop {
            if let Ok(found) = sessions.load(&kept.id).await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), asking).await;
    assert!(found.unwrap().is_some());
}

async fn keeps_to_it(sessions: &Sessions) {
    let mut kept = new(sessions, "key_1").await;
    let found = sessions.load(&kept.id).await.unwrap().unwrap();
    assert_eq!((found.id, &found.data), (kept.id, &kept.data));
    let late = (found.expiry_date - kept.expiry_date).abs();
    // Of an hour; the machine may be busy.
    assert!(late <= Span::minutes(1), "{late}");

    kept.data.insert("seen".to_owned(), json!(2));
    sessions.save(&kept).await.unwrap();
    let found = sessions.load(&kept.id).await.unwrap().unwrap();
    assert_eq!(found.data, kept.data);

    // An id that is there is refused, and the session of it stays.
    let refused = sessions.create(&mut kept.clone()).await.unwrap_err();
    // What is told of it, in a log too, holds neither the id nor its digest.
    let told = refused.to_string();
    let digest = hex::encode(Sha256::digest(kept.id.0.to_be_bytes()));
    for secret in [kept.id.to_string(), digest] {
        assert!(!told.contains(&secret), "{told}");
    }
    assert!(sessions.load(&kept.id).await.unwrap().is_some());

    sessions.delete(&kept.id).await.unwrap();
    assert_eq!(sessions.load(&kept.id).await.unwrap(), None);
    sessions.save(&kept).await.unwrap();
    assert_eq!(sessions.load(&kept.id).await.unwrap(), None, "brought back");

    // Those that were signed out do not count.
    let first = new(sessions, "key_1").await;
    for _ in 0..MAX_SESSIONS_OF_KEY {
        let ended = new(sessions, "key_1").await;
        sessions.delete(&ended.id).await.unwrap();
    }
    assert!(is_there(sessions, &first).await);

    // One key's are too many for itself alone, however many they are.
    let other = new(sessions, "key_2").await;
    for _ in 1..MAX_SESSIONS_OF_KEY {
        new(sessions, "key_1").await;
    }
    assert!(is_there(sessions, &first).await);
    let second = new(sessions, "key_1").await;
    assert!(!is_there(sessions, &first).await);
    assert!(is_there(sessions, &second).await);
    if !heavy::skips("thousands of sessions take long to make") {
        keeps_to_the_most(sessions, &other).await;
    }
}

/// When the store is full; the other session is that of the second key, which has no more.
async fn keeps_to_the_most(sessions: &Sessions, other: &Record) {
    for _ in 0..MAX_SESSIONS {
        new(sessions, "key_1").await;
    }
    assert!(is_there(sessions, other).await);
    for number in 1..MAX_SESSIONS - MAX_SESSIONS_OF_KEY {
        new(sessions, &format!("key_{}", number + 2)).await;
    }
    // All are full; who has too many ends one of their own, and only then another's is ended.
    new(sessions, "key_1").await;
    assert!(is_there(sessions, other).await);
    new(sessions, "key_3").await;
    assert!(!is_there(sessions, other).await);
}

async fn is_there(sessions: &Sessions, session: &Record) -> bool {
    sessions.load(&session.id).await.unwrap().is_some()
}

async fn new(sessions: &Sessions, key_id: &str) -> Record {
    let data = [(TICKET.to_owned(), json!({"key_id": key_id}))];
    let mut record = Record {
        id: Id::default(),
        data: data.into_iter().collect(),
        expiry_date: OffsetDateTime::now_utc() + Span::hours(1),
    };
    sessions.create(&mut record).await.unwrap();
    record
}
