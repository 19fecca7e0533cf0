//! The server.

use std::error::Error;
use std::io::{self, Write as _};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::sync::watch;
use tower_api_key::ApiKeyLayer;
use tower_api_key::ScopeSet;
use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
use tower_api_key::observe::Decision;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::store::{StoreError, StoreErrorKind};
use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions, UsageMonitor};
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::dashboard::{self, DashboardOptions};
use crate::database::report;
use crate::settings::{Place, Settings};
use crate::stores::Stores;
use crate::{connections, first_start, products, support};

pub(crate) async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    let asked = requests_to_stop();
    let listener = support::listen().await?;
    let base = format!("http://{}", listener.local_addr()?);
    let place = settings.place()?;
    let stores = Stores::open(&place).await?;
    match place {
        Place::Sqlite(_) | Place::Postgres(_) => {}
        Place::Redis(_) => say("Products end with this process: they are in memory.\n"),
        Place::Memory => say("All of it ends with this process: it is in memory.\n"),
    }
    first_start::greet(&stores.keys, &settings.account, &base).await?;

    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new()
        .with_shutdown_deadline(Duration::from_secs(3))
        .with_observer(report_usage);
    let flusher = UsageFlusher::spawn(monitor.clone(), stores.keys.store().clone(), options)?;
    let app = router(stores, &settings, monitor)?;

    say(&format!("Dashboard: {base}/dashboard"));
    say(&format!("Listening on {base}. Ctrl-C stops."));
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    // With a timer, hyper gives up on a client that never ends its headers.
    server.http1().timer(TokioTimer::new());
    let (stop, give_up) = (asked_to_stop(&asked, 1), asked_to_stop(&asked, 2));
    connections::serve(listener, server, app, stop, give_up).await;
    tokio::select! {
        written = flusher.shutdown() => Ok(written?),
        () = hurried(&asked) => Err("stopped before all uses were written".into()),
    }
}

/// Where nobody can be told, the server serves all the same.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn router(
    stores: Stores,
    settings: &Settings,
    monitor: UsageMonitor,
) -> Result<Router, Box<dyn Error>> {
    let layer = || {
        let layer = ApiKeyLayer::from_verifier(stores.keys.verifier());
        layer
            .with_observer(report_corrupt)
            .with_realm("TruCustom API")
    };
    let products = layer()?.with_usage(monitor.clone());
    // The authoriser asks for `keys:manage`, whatever the method.
    let any_key = |_: &RequestHead<'_>| Requirement::Scopes(ScopeSet::new());
    let management = layer()?.with_policy(any_key).with_usage(monitor);

    let api = ManagementApi::new(&stores.keys, OwnerAuthoriser::new());
    let options = DashboardOptions::new().with_secure(settings.behind_https);
    let dashboard = dashboard::router(stores.keys.clone(), stores.sessions, options);
    Ok(Router::new()
        .route("/", get(async || Redirect::to("/dashboard")))
        .route("/health", get(async || "ok"))
        .nest(
            "/api/v1/products",
            products::router(stores.products).layer(products),
        )
        .nest("/api/v1", api.router().layer(management))
        .route("/dashboard/", get(async || Redirect::to("/dashboard")))
        .nest("/dashboard", dashboard)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_like_this)
        .layer(RequestBodyTimeoutLayer::new(LONGEST_PAUSE)))
}

/// How long a client may pause in the middle of a body.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

async fn not_like_this() -> impl IntoResponse {
    let message = "This resource does not have that method.";
    let body = json!({"error": "Method Not Allowed", "message": message});
    (StatusCode::METHOD_NOT_ALLOWED, Json(body))
}

async fn nothing_here() -> impl IntoResponse {
    let message = "There is nothing here. The dashboard is at /dashboard, the API at /api/v1.";
    let body = json!({"error": "Not Found", "message": message});
    (StatusCode::NOT_FOUND, Json(body))
}

/// A key whose record cannot be read is denied with 503; its id and the cause are in the message.
fn report_corrupt(decision: &Decision<'_>) {
    let source = decision.denial().and_then(Error::source);
    if let Some(error) = source.and_then(|source| source.downcast_ref::<StoreError>())
        && error.kind() == StoreErrorKind::Corrupt
    {
        report(error);
    }
}

fn report_usage(event: &UsageEvent) {
    match event {
        UsageEvent::WriteFailed { failure, waiting } => {
            report(&format!(
                "{waiting} counts of uses wait to be written: {failure}"
            ));
        }
        UsageEvent::Dropped { requests } => {
            report(&format!("the counts of {requests} requests were dropped"));
        }
        _ => {}
    }
}

/// How often the process was asked to stop.
fn requests_to_stop() -> watch::Receiver<u32> {
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            stop_signal().await;
            sender.send_modify(|count| *count += 1);
        }
    });
    receiver
}

async fn asked_to_stop(asked: &watch::Receiver<u32>, times: u32) {
    let mut asked = asked.clone();
    let heard = asked.wait_for(|count| *count >= times).await;
    if heard.is_err() {
        // Nobody asks any more.
        std::future::pending::<()>().await;
    }
}

/// Who asks twice waits no longer than a store takes that answers.
async fn hurried(asked: &watch::Receiver<u32>) {
    asked_to_stop(asked, 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Ends at Ctrl-C, and when the system asks the process to end.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    () = support::stop_signal() => {}
                    _ = terminate.recv() => {}
                }
                return;
            }
            Err(error) => report(&format!("only Ctrl-C stops this: {error}")),
        }
    }
    support::stop_signal().await;
}
