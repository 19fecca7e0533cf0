//! The server.

use std::error::Error;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use tower_api_key::ApiKeyLayer;
use tower_api_key::ScopeSet;
use tower_api_key::integration::management::{ManagementApi, OwnerAuthoriser};
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions, UsageMonitor};

use crate::dashboard::{self, DashboardOptions};
use crate::settings::{Place, Settings};
use crate::stores::Stores;
use crate::{first_start, products, support};

pub(crate) async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    let listener = support::listen().await?;
    let base = format!("http://{}", listener.local_addr()?);
    let place = settings.place()?;
    let stores = Stores::open(&place).await?;
    match place {
        Place::Sqlite(_) | Place::Postgres(_) => {}
        Place::Redis(_) => println!("Products end with this process: they are in memory.\n"),
        Place::Memory => println!("All of it ends with this process: it is in memory.\n"),
    }
    first_start::greet(&stores.keys, &settings.account, &base).await?;

    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new().with_observer(report);
    let flusher = UsageFlusher::spawn(monitor.clone(), stores.keys.store().clone(), options)?;
    let app = router(stores, &settings, monitor)?;

    println!("Dashboard: {base}/dashboard");
    println!("Listening on {base}. Ctrl-C stops.");
    axum::serve(listener, app)
        .with_graceful_shutdown(stop_signal())
        .await?;
    flusher.shutdown().await?;
    Ok(())
}

fn router(
    stores: Stores,
    settings: &Settings,
    monitor: UsageMonitor,
) -> Result<Router, Box<dyn Error>> {
    let layer = || {
        let layer = ApiKeyLayer::from_verifier(stores.keys.verifier());
        layer.with_realm("TruCustom API")
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
        .nest("/dashboard", dashboard))
}

fn report(event: &UsageEvent) {
    match event {
        UsageEvent::WriteFailed { failure, waiting } => {
            eprintln!("error: {waiting} counts of uses wait to be written: {failure}");
        }
        UsageEvent::Dropped { requests } => {
            eprintln!("error: the counts of {requests} requests were dropped");
        }
        _ => {}
    }
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
            Err(error) => eprintln!("only Ctrl-C stops this: {error}"),
        }
    }
    support::stop_signal().await;
}
