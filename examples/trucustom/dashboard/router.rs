//! The dashboard's routes, and what every answer of it carries.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderName;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tower_api_key::KeyManager;
use tower_api_key::clock::{Clock, SystemClock};
use tower_api_key::store::Store;
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, SessionManagerLayer};

use super::refusal::Refusal;
use super::signed_in::LONGEST_SECONDS;
use super::{audit, create, key_change, key_list, key_page, sign_in};
use crate::sessions::Sessions;

/// The keys that the dashboard shows and changes.
pub(crate) type Keys = KeyManager<Arc<dyn Store>>;

/// How the dashboard is served.
#[derive(Clone)]
pub(crate) struct DashboardOptions {
    is_secure: bool,
    clock: Arc<dyn Clock>,
}

impl DashboardOptions {
    /// Over http, by the system's clock.
    pub(crate) fn new() -> Self {
        Self {
            is_secure: false,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Whether people reach it by https, so that the cookie never travels without. Default: no.
    #[must_use]
    pub(crate) fn with_secure(self, is_secure: bool) -> Self {
        Self { is_secure, ..self }
    }

    /// Takes the time from this clock. Default: the system's.
    #[must_use]
    #[allow(dead_code, reason = "only tests set the time")]
    pub(crate) fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }
}

pub(super) type Shared = Arc<State>;

pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn Clock>,
}

/// The dashboard, to be nested at `/dashboard`.
pub(crate) fn router(keys: Keys, sessions: Sessions, options: DashboardOptions) -> Router {
    let shared = Arc::new(State {
        keys,
        clock: options.clock,
    });
    // A name with `__Host-` binds the cookie to this host, and asks for `Path=/`.
    let (name, path) = if options.is_secure {
        ("__Host-trucustom", "/")
    } else {
        ("trucustom", "/dashboard")
    };
    let sessions = SessionManagerLayer::new(sessions)
        .with_name(name)
        .with_path(path)
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_secure(options.is_secure)
        .with_expiry(Expiry::OnInactivity(Duration::seconds(LONGEST_SECONDS)));

    let router = Router::new()
        .route("/", get(|| async { Redirect::to("/dashboard/keys") }))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/keys", get(key_list::show).post(create::submit))
        .route("/keys/new", get(create::form))
        .route("/keys/{id}", get(key_page::show))
        .route(
            "/keys/{id}/edit",
            get(key_change::form).post(key_change::submit),
        )
        .route("/keys/{id}/rotate", post(key_change::rotate))
        .route("/keys/{id}/switch", post(key_change::switch))
        .route(
            "/keys/{id}/revoke",
            get(key_change::confirm).post(key_change::revoke),
        )
        .route("/audit", get(audit::show))
        .route("/style.css", get(style))
        .route("/copy.js", get(script))
        .route("/icon.svg", get(icon))
        .fallback(|| async { Refusal::NotFound })
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .layer(sessions)
        .layer(CsrfLayer::new().with_rejection_response(|_| cross_origin()))
        .layer(DefaultBodyLimit::max(64 * 1_024))
        .with_state(shared);
    HEADERS.into_iter().fold(router, |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

fn cross_origin() -> Response {
    Refusal::Forged.into_response()
}

async fn style() -> impl IntoResponse {
    let content = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (content, include_str!("style.css"))
}

async fn script() -> impl IntoResponse {
    let content = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (content, include_str!("copy.js"))
}

async fn icon() -> impl IntoResponse {
    let content = [(header::CONTENT_TYPE, "image/svg+xml")];
    (content, include_str!("icon.svg"))
}
