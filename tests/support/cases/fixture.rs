//! The application of a case: a trace around the layer, a trace within, and a service that notes
//! what it sees.

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_api_key::clock::ManualClock;
use tower_api_key::observe::Decision;
use tower_api_key::record::KeyRecord;
use tower_api_key::{ApiKeyLayer, Identity};
use tower_http::trace::{DefaultMakeSpan, MakeSpan, TraceLayer};
use tracing::Span;

use super::case::Case;
use super::keys;
use super::store::{CaseStore, Fault, Pace};

/// The body of a request, in process and off a socket alike.
pub(crate) type CaseBody = UnsyncBoxBody<Bytes, BoxError>;

/// The whole application.
pub(crate) type App = BoxCloneService<Request<CaseBody>, Response<Body>, Infallible>;

/// An application, and what there is to see of its work.
pub(crate) struct Fixture {
    pub(crate) app: App,
    pub(crate) store: CaseStore,
    pub(crate) inner: Inner,
    /// Of each decision that the observer was told, whether it let the request through.
    pub(crate) decisions: Arc<Mutex<Vec<bool>>>,
    /// Whether the body of a request in process was polled.
    pub(crate) body_polled: Arc<AtomicBool>,
}

/// The inner service, which answers 200 `inner-ok`.
#[derive(Clone, Default)]
pub(crate) struct Inner {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer_headers: HeaderMap,
}

/// What the inner service saw of one request.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) identity: Option<Identity>,
    pub(crate) body: Bytes,
}

impl Fixture {
    /// The application that a case asks for.
    ///
    /// # Panics
    ///
    /// When the case has an option that is not known here.
    pub(crate) fn new(case: &Case, pace: Pace) -> Self {
        let fault = Fault::parse(case.setup.store.as_deref());
        let store = CaseStore::new(case_records(case), other_record(case), fault, pace);
        let inner = Inner {
            answer_headers: inner_headers(case),
            ..Inner::default()
        };
        let decisions = Arc::<Mutex<Vec<bool>>>::default();
        let layer = layer(case, &store, fault).with_observer(observer(decisions.clone()));
        let trace = |shows_headers| {
            let hides_target = case.has_key_in_target();
            TraceLayer::new_for_http().make_span_with(CaseSpan {
                hides_target,
                shows_headers,
            })
        };
        let app = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(trace(false))
            .layer(layer)
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(trace(true))
            .service(inner.clone());
        Self {
            app: BoxCloneService::new(app),
            store,
            inner,
            decisions,
            body_polled: Arc::default(),
        }
    }
}

impl Inner {
    /// What the inner service saw, request by request.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Service<Request<CaseBody>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CaseBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let is_head = parts.method == Method::HEAD;
        let identity = parts.extensions.get().cloned();
        // Noted when it is called, so that a body which fails hides no call.
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen {
            headers,
            identity,
            body: Bytes::new(),
        });
        let index = seen.len() - 1;
        let (notes, answer_headers) = (self.seen.clone(), self.answer_headers.clone());
        Box::pin(async move {
            if let Ok(body) = body.collect().await {
                notes.lock().unwrap()[index].body = body.to_bytes();
            }
            // hyper cuts the content of an answer to HEAD over HTTP/1.1, but not over HTTP/2.
            let text = if is_head { "" } else { "inner-ok" };
            let mut response = Response::new(Body::from(text));
            response.headers_mut().extend(answer_headers);
            Ok(response)
        })
    }
}

/// An identity as a layer in front could have left it in the extensions.
pub(crate) async fn preset_identity(case: &Case) -> Identity {
    let store = tower_api_key::MemoryStore::from_records(keys::records(&case.setup)).unwrap();
    let verifier = tower_api_key::Verifier::new(store);
    verifier
        .verify(&keys::key("all"))
        .await
        .expect("the key of state all works")
}

/// Any body in the one type of the cases.
pub(crate) fn boxed<B>(body: B) -> CaseBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Sends a request straight into the application.
pub(crate) async fn oneshot(app: App, request: Request<CaseBody>) -> Response<Body> {
    match app.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn case_records(case: &Case) -> Vec<KeyRecord> {
    match case.setup.store.as_deref() {
        Some("empty") => Vec::new(),
        _ => keys::records(&case.setup),
    }
}

/// The record with most rights, which a store must not get anyone into by a mix-up.
fn other_record(case: &Case) -> KeyRecord {
    let records = keys::records(&case.setup);
    records
        .into_iter()
        .find(|record| record.name() == "all")
        .expect("a record of state all")
}

#[cfg(feature = "tokio")]
fn new_layer(store: &CaseStore, fault: Fault) -> ApiKeyLayer {
    use tower_api_key::store::TimeoutStore;

    if fault == Fault::Hangs {
        let deadline = std::time::Duration::from_millis(500);
        return ApiKeyLayer::new(TimeoutStore::new(store.clone(), deadline));
    }
    ApiKeyLayer::new(store.clone())
}

#[cfg(not(feature = "tokio"))]
fn new_layer(store: &CaseStore, _: Fault) -> ApiKeyLayer {
    ApiKeyLayer::new(store.clone())
}

fn layer(case: &Case, store: &CaseStore, fault: Fault) -> ApiKeyLayer {
    let clock = ManualClock::at(keys::now());
    let mut layer = new_layer(store, fault).with_clock(clock);
    if case.has_grpc {
        layer = layer.with_grpc();
    }
    for (option, value) in &case.config {
        layer = match option.as_str() {
            "public_paths" => {
                let paths = value.as_array().expect("a list of paths").iter();
                paths.fold(layer, |layer, path| {
                    layer
                        .with_public_path(path.as_str().expect("a path"))
                        .unwrap()
                })
            }
            "realm" => layer.with_realm(value.as_str().expect("a realm")).unwrap(),
            "allow_preflight" if value == true => layer.with_preflight_allowed(),
            "optional" if value == true => layer.with_insecure_anonymous_access(),
            "strip_credential" if value == false => layer.with_insecure_credential_kept(),
            // The inner service's, not the layer's.
            "inner_headers" => layer,
            _ => panic!("no such option: {option} = {value}"),
        };
    }
    layer
}

fn inner_headers(case: &Case) -> HeaderMap {
    let lines = case
        .config
        .get("inner_headers")
        .and_then(|lines| lines.as_array());
    let text = |line: &serde_json::Value, at: usize| line[at].as_str().unwrap_or("").to_owned();
    lines
        .into_iter()
        .flatten()
        .map(|line| {
            let name: HeaderName = text(line, 0).parse().expect("a header name");
            (
                name,
                HeaderValue::try_from(text(line, 1)).expect("a header value"),
            )
        })
        .collect()
}

fn observer(decisions: Arc<Mutex<Vec<bool>>>) -> impl Fn(&Decision<'_>) + Send + Sync {
    move |decision| {
        decisions.lock().unwrap().push(decision.outcome().is_ok());
        #[cfg(feature = "tracing")]
        {
            use tower_api_key::observe::{Observer, TracingObserver};

            TracingObserver::new().decided(decision);
        }
    }
}

/// The default span of a trace, with the headers or without.
///
/// It holds the target of the request. A few cases have a key there, which is the client's mistake
/// and which no layer can take out of another layer's span; for those the target is left out, so
/// that every other line is still searched.
#[derive(Clone)]
struct CaseSpan {
    hides_target: bool,
    shows_headers: bool,
}

impl<B> MakeSpan<B> for CaseSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        match (self.hides_target, self.shows_headers) {
            (false, shows) => DefaultMakeSpan::new()
                .include_headers(shows)
                .make_span(request),
            (true, true) => tracing::debug_span!("request", headers = ?request.headers()),
            (true, false) => tracing::debug_span!("request"),
        }
    }
}
