//! A browser without script: it keeps the cookie, and sends the forms of pages.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_api_key::store::Store;
use tower_api_key::{KeyManager, MemoryStore, NewKey, Scope};

use crate::dashboard::{DashboardOptions, Keys, router};
use crate::database::Sqlite;
use crate::sessions::Sessions;

/// The scope that the dashboard asks for.
pub(crate) const MANAGE: Scope = Scope::from_static("keys:manage");
pub(crate) const OWNER: &str = "acct_42";

pub(crate) fn keys() -> Keys {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    KeyManager::new(store)
}

/// Sessions that end with the test.
pub(crate) async fn sessions() -> Sessions {
    Sessions::sqlite(Sqlite::memory().unwrap()).await.unwrap()
}

/// A key that may sign in, for 400 days.
pub(crate) async fn management_key(keys: &Keys, owner: &str) -> String {
    let new = NewKey::new(owner, "Management")
        .with_scopes([Scope::READ, Scope::WRITE, Scope::DELETE, MANAGE])
        .expires_in(Duration::from_secs(400 * 86_400));
    keys.issue(new)
        .await
        .unwrap()
        .key
        .expose_secret()
        .to_owned()
}

pub(crate) fn app(keys: &Keys, sessions: &Sessions) -> Router {
    served(keys, sessions, DashboardOptions::new())
}

pub(crate) fn served(keys: &Keys, sessions: &Sessions, options: DashboardOptions) -> Router {
    let dashboard = router(keys.clone(), sessions.clone(), options);
    Router::new().nest("/dashboard", dashboard)
}

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers
            .get(LOCATION)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first field of that name.
    pub(crate) fn field(&self, name: &str) -> &str {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&start).unwrap();
        rest.split_once('"').unwrap().0
    }

    pub(crate) fn plaintext(&self) -> &str {
        let (_, rest) = self.text.split_once("id=\"plaintext\"").unwrap();
        rest.split_once("value=\"")
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0
    }
}

pub(crate) struct Browser {
    app: Router,
    pub(crate) cookie: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl Browser {
    pub(crate) fn new(app: &Router) -> Self {
        Self {
            app: app.clone(),
            cookie: String::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) async fn signed_in(app: &Router, key: &str) -> Self {
        let mut browser = Self::new(app);
        let page = browser.post("/dashboard/sign-in", &[("key", key)]).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::SEE_OTHER, "/dashboard/keys")
        );
        browser
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        let body = fields.collect::<Vec<_>>().join("&");
        self.send("POST", path, body).await
    }

    async fn send(&mut self, method: &str, path: &str, body: String) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost:3000")
            .header("content-type", "application/x-www-form-urlencoded");
        if !self.cookie.is_empty() {
            request = request.header(COOKIE, &self.cookie);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let (head, body) = self
            .app
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        if let Some(cookie) = head.headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let pair = cookie.split(';').next().unwrap();
            self.cookie = if pair.ends_with('=') {
                String::new()
            } else {
                pair.to_owned()
            };
        }
        let body = body.collect().await.unwrap().to_bytes();
        Page {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

fn encoded(value: &str) -> String {
    let octets = value.bytes().map(|octet| format!("%{octet:02X}"));
    octets.collect::<Vec<_>>().concat()
}
