//! Signing in and out.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use jiff::Timestamp;
use tower_api_key::clock::{Clock, ManualClock};
use tower_api_key::record::KeyUpdate;
use tower_api_key::store::{SqliteStore, Store};
use tower_api_key::{KeyManager, NewKey, Scope};

use crate::browser::{Browser, MANAGE, OWNER, app, keys, management_key, served, sessions};
use crate::dashboard::DashboardOptions;
use crate::database::Sqlite;
use crate::sessions::{MAX_SESSIONS_OF_KEY, Sessions};

const LIST: &str = "/dashboard/keys";
const SIGN_IN: &str = "/dashboard/sign-in";

#[tokio::test]
async fn a_management_key_opens_the_dashboard_and_nothing_else_does() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let mut browser = Browser::new(&app);
    let page = browser.get(LIST).await;
    assert_eq!(
        (page.status, page.location()),
        (StatusCode::SEE_OTHER, SIGN_IN)
    );

    let reader = NewKey::new(OWNER, "Reader").with_scopes([Scope::READ]);
    let reader = keys.issue(reader).await.unwrap().key;
    for (key, status) in [
        ("", StatusCode::UNAUTHORIZED),
        ("tc_wrong", StatusCode::UNAUTHORIZED),
        (reader.expose_secret(), StatusCode::FORBIDDEN),
    ] {
        let page = browser.post(SIGN_IN, &[("key", key)]).await;
        assert_eq!(page.status, status);
        assert!(page.text.contains("aria-describedby=\"key-error\""));
        assert!(!page.headers.contains_key(SET_COOKIE));
    }

    let key = management_key(&keys, OWNER).await;
    let mut browser = Browser::signed_in(&app, &key).await;
    assert_eq!(browser.get(LIST).await.status, StatusCode::OK);
    assert!(!browser.cookie.contains(&key));
}

#[tokio::test]
async fn nobody_is_locked_out_by_the_attempts_of_others() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    let wrong = format!("{}{}", &key[..11], "0".repeat(56));
    let mut stranger = Browser::new(&app);
    for _ in 0..200 {
        let page = stranger.post(SIGN_IN, &[("key", &wrong)]).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    }
    let mut holder = Browser::signed_in(&app, &key).await;

    // One more than a key may have ends the oldest of that key, and nobody else's.
    let other = management_key(&keys, "acct_7").await;
    let mut first = Browser::signed_in(&app, &other).await;
    for _ in 0..MAX_SESSIONS_OF_KEY {
        Browser::signed_in(&app, &other).await;
    }
    assert_eq!(first.get(LIST).await.status, StatusCode::SEE_OTHER);
    assert_eq!(holder.get(LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_after_half_a_day() {
    let keys = keys();
    let key = management_key(&keys, OWNER).await;
    let clock = ManualClock::at(Timestamp::now());
    let options = DashboardOptions::new().with_clock(clock.clone());
    let app = served(&keys, &sessions().await, options);

    let mut idle = Browser::signed_in(&app, &key).await;
    clock.advance(Duration::from_secs(29 * 60));
    assert_eq!(idle.get(LIST).await.status, StatusCode::OK);
    clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(idle.get(LIST).await.status, StatusCode::SEE_OTHER);

    let mut busy = Browser::signed_in(&app, &key).await;
    let start = clock.now();
    while clock.now().as_second() - start.as_second() < 12 * 3_600 - 20 * 60 {
        clock.advance(Duration::from_secs(20 * 60));
        assert_eq!(busy.get(LIST).await.status, StatusCode::OK);
    }
    clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(busy.get(LIST).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let id = |key: String| {
        let keys = keys.clone();
        async move { keys.verifier().verify(&key).await.unwrap().key_id() }
    };
    for end in ["revoked", "disabled", "rotated", "narrowed"] {
        let key = management_key(&keys, OWNER).await;
        let mut browser = Browser::signed_in(&app, &key).await;
        let id = id(key).await;
        match end {
            "revoked" => drop(keys.revoke(&id, "").await.unwrap()),
            "disabled" => drop(keys.disable(&id).await.unwrap()),
            "rotated" => drop(keys.rotate(&id, Duration::ZERO).await.unwrap()),
            _ => {
                let update = KeyUpdate::new().with_scopes([Scope::READ]);
                drop(keys.update(&id, update).await.unwrap());
            }
        }
        let page = browser.get(LIST).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, SIGN_IN),
            "{end}"
        );
    }
}

/// Nobody looked in between.
#[tokio::test]
async fn a_session_ends_with_what_its_key_lost_for_a_while() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    for lost in ["disabled", "disabled by an update", "its scope"] {
        let key = management_key(&keys, OWNER).await;
        let mut browser = Browser::signed_in(&app, &key).await;
        let id = keys.verifier().verify(&key).await.unwrap().key_id();
        let update = async |update: KeyUpdate| drop(keys.update(&id, update).await.unwrap());
        match lost {
            "disabled" => {
                keys.disable(&id).await.unwrap();
                keys.enable(&id).await.unwrap();
            }
            "disabled by an update" => {
                update(KeyUpdate::new().with_disabled(true)).await;
                update(KeyUpdate::new().with_disabled(false)).await;
            }
            _ => {
                update(KeyUpdate::new().with_scopes([Scope::READ])).await;
                update(KeyUpdate::new().with_scopes([Scope::READ, MANAGE])).await;
            }
        }
        update(KeyUpdate::new().with_name("Renamed")).await;
        let page = browser.get(LIST).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, SIGN_IN),
            "{lost}"
        );
        // The key itself signs in again.
        Browser::signed_in(&app, &key).await;
    }
}

#[tokio::test]
async fn a_session_goes_on_while_its_key_can_sign_in() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    let id = keys.verifier().verify(&key).await.unwrap().key_id();
    // What was before the session is no matter.
    keys.disable(&id).await.unwrap();
    keys.enable(&id).await.unwrap();
    let mut browser = Browser::signed_in(&app, &key).await;
    for name in ["Renamed", "Again", "Management"] {
        let update = KeyUpdate::new().with_name(name);
        keys.update(&id, update).await.unwrap();
        // Nor is what happens to other keys.
        let other = keys.issue(NewKey::new(OWNER, "Other")).await.unwrap();
        keys.disable(&other.record.id()).await.unwrap();
        assert_eq!(browser.get(LIST).await.status, StatusCode::OK, "{name}");
    }
    let update = KeyUpdate::new().with_scopes([MANAGE, Scope::READ]);
    keys.update(&id, update).await.unwrap();
    keys.rotate(&id, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(browser.get(LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_where_the_trail_does_not_reach_back_to_its_start() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    let mut browser = Browser::signed_in(&app, &key).await;
    let id = keys.verifier().verify(&key).await.unwrap().key_id();
    let update = KeyUpdate::new().with_name("Renamed");
    keys.update(&id, update).await.unwrap();
    let all = Timestamp::now() + Duration::from_secs(60);
    keys.store().prune_audit_before(all).await.unwrap();
    assert_eq!(browser.get(LIST).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_out_clears_what_the_browser_keeps() {
    let keys = keys();
    let app = app(&keys, &sessions().await);
    let key = management_key(&keys, OWNER).await;
    let mut browser = Browser::signed_in(&app, &key).await;
    let list = browser.get(LIST).await;
    let csrf = list.field("csrf").to_owned();
    let refused = browser
        .post("/dashboard/sign-out", &[("csrf", "wrong")])
        .await;
    let out = browser
        .post("/dashboard/sign-out", &[("csrf", &csrf)])
        .await;
    assert_eq!(
        (out.status, out.location()),
        (StatusCode::SEE_OTHER, SIGN_IN)
    );
    assert_eq!(
        out.headers["clear-site-data"], r#""cache", "storage""#,
        "the cookie is removed by itself"
    );
    assert_eq!(browser.cookie, "");
    for page in [list, refused, browser.get(SIGN_IN).await] {
        assert!(!page.headers.contains_key("clear-site-data"));
    }
}

#[tokio::test]
async fn sessions_and_keys_in_one_file_outlive_the_process() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard.db");
    let files = ["", "-wal", "-shm"].map(|part| format!("{}{part}", path.display()));
    let remove = || files.iter().for_each(|file| drop(fs::remove_file(file)));
    remove();
    let url = format!("sqlite:{}", path.display());
    let open = async || {
        let store = SqliteStore::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let keys = KeyManager::new(store);
        let sessions = Sessions::sqlite(Sqlite::open(&path).unwrap()).await;
        let app = app(&keys, &sessions.unwrap());
        (keys, app)
    };
    let (keys, before) = open().await;
    let key = management_key(&keys, OWNER).await;
    let cookie = Browser::signed_in(&before, &key).await.cookie;
    drop((keys, before));

    let (_keys, after) = open().await;
    let mut browser = Browser::new(&after);
    browser.cookie.clone_from(&cookie);
    let page = browser.get(LIST).await;
    let id = cookie.split_once('=').unwrap().1;
    for file in &files {
        let found = fs::read(file).unwrap_or_default();
        for secret in [id, &key] {
            let is_there = found
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!is_there, "{file} holds what signs in");
        }
    }
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(">Management</a>"));
    remove();
}

#[tokio::test]
async fn the_cookie_is_for_this_dashboard_only() {
    let keys = keys();
    let key = management_key(&keys, OWNER).await;
    for (is_secure, name, path) in [
        (false, "trucustom=", "Path=/dashboard"),
        (true, "__Host-trucustom=", "Path=/"),
    ] {
        let options = DashboardOptions::new().with_secure(is_secure);
        let app = served(&keys, &sessions().await, options);
        let page = Browser::new(&app).post(SIGN_IN, &[("key", &key)]).await;
        let cookie = page.headers[SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with(name), "{cookie}");
        let attributes: Vec<_> = cookie.split("; ").collect();
        for expected in ["HttpOnly", "SameSite=Strict", path] {
            assert!(attributes.contains(&expected), "{cookie}");
        }
        assert_eq!(attributes.contains(&"Secure"), is_secure, "{cookie}");
    }
}
