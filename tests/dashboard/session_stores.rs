//! What every store of sessions keeps to.

use serde_json::json;
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};

use crate::browser::sessions;
use crate::database::Postgres;
use crate::redis_server::RedisServer;
use crate::sessions::{MAX_SESSIONS, MAX_SESSIONS_OF_KEY, Sessions};

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
        let database = Postgres::connect(&server.url()).await.unwrap();
        Sessions::postgres(database).await.unwrap()
    };
    let sessions = open().await;
    keeps_to_it(&sessions).await;
    outlives(&sessions, &open().await).await;

    // A connection that was cut is made anew, once that was seen.
    let kept = new(&sessions, "key_1").await;
    server.cut_connections();
    let mut found = sessions.load(&kept.id).await;
    while found.is_err() {
        found = sessions.load(&kept.id).await;
    }
    assert!(found.unwrap().is_some());
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
    let mut found = sessions.load(&kept.id).await;
    while found.is_err() {
        found = sessions.load(&kept.id).await;
    }
    assert!(found.unwrap().is_some());
}

/// What one process keeps, another knows.
async fn outlives(first: &Sessions, second: &Sessions) {
    let kept = new(first, "key_1").await;
    let found = second.load(&kept.id).await.unwrap().unwrap();
    assert_eq!(found.data, kept.data);
    second.delete(&kept.id).await.unwrap();
    assert_eq!(first.load(&kept.id).await.unwrap(), None);
}

async fn keeps_to_it(sessions: &Sessions) {
    let mut kept = new(sessions, "key_1").await;
    let found = sessions.load(&kept.id).await.unwrap().unwrap();
    assert_eq!((found.id, &found.data), (kept.id, &kept.data));
    let late = (found.expiry_date - kept.expiry_date).abs();
    assert!(late <= Duration::seconds(2), "{late}");

    kept.data.insert("seen".to_owned(), json!(2));
    sessions.save(&kept).await.unwrap();
    let found = sessions.load(&kept.id).await.unwrap().unwrap();
    assert_eq!(found.data, kept.data);

    // An id that is there is refused, and the session of it stays.
    assert!(sessions.create(&mut kept.clone()).await.is_err());
    assert!(sessions.load(&kept.id).await.unwrap().is_some());

    sessions.delete(&kept.id).await.unwrap();
    assert_eq!(sessions.load(&kept.id).await.unwrap(), None);
    sessions.save(&kept).await.unwrap();
    assert_eq!(sessions.load(&kept.id).await.unwrap(), None, "brought back");

    let first = new(sessions, "key_1").await;
    let other = new(sessions, "key_2").await;
    let mut last = None;
    for _ in 0..MAX_SESSIONS_OF_KEY {
        last = Some(new(sessions, "key_1").await);
    }
    assert_eq!(sessions.load(&first.id).await.unwrap(), None);
    assert!(sessions.load(&other.id).await.unwrap().is_some());
    assert!(sessions.load(&last.unwrap().id).await.unwrap().is_some());
    for number in 0..MAX_SESSIONS {
        new(sessions, &format!("key_{}", number + 3)).await;
    }
    assert_eq!(sessions.load(&other.id).await.unwrap(), None);
}

async fn new(sessions: &Sessions, key_id: &str) -> Record {
    let data = [("ticket".to_owned(), json!({"key_id": key_id}))];
    let mut record = Record {
        id: Id::default(),
        data: data.into_iter().collect(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    };
    sessions.create(&mut record).await.unwrap();
    record
}
