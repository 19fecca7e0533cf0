//! What an allowed request allocates: what its own `Extensions` take for one value, and no more.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use jiff::Timestamp;
use support::{Answered, Keys, issue, keys};
use tower::{Layer, Service};
use tower_api_key::middleware::ApiKeyAuth;
use tower_api_key::policy::{RequestHead, Requirement};
use tower_api_key::usage::UsageMonitor;
use tower_api_key::{ApiKeyLayer, Identity, Scope, ScopeSet};

/// Counts the calls of each thread for itself, so that tests beside each other do not mix.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count_one() {
    // A thread that is ending may have no counter any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let before = COUNT.get();
    black_box(work());
    COUNT.get() - before
}

/// Answers with the response that it is given, which has a header already.
#[derive(Clone)]
struct Inner;

impl Service<Request<Option<Answered>>> for Inner {
    type Response = Answered;
    type Error = Infallible;
    type Future = Ready<Result<Answered, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Option<Answered>>) -> Self::Future {
        assert!(request.extensions().get::<Identity>().is_some());
        ready(Ok(request.body_mut().take().unwrap()))
    }
}

/// A request with this header line; its body is the response that the inner service is to give.
fn request(name: header::HeaderName, value: &str) -> Request<Option<Answered>> {
    let mut response = Response::new(Full::default());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let mut request = Request::new(Some(response));
    request.headers_mut().insert(name, value.parse().unwrap());
    let any = HeaderValue::from_static("*/*");
    request.headers_mut().insert(header::ACCEPT, any);
    request
}

/// How many allocations a request and its response cost in the service.
fn cost(service: &mut ApiKeyAuth<Inner>, request: Request<Option<Answered>>) -> usize {
    let mut context = Context::from_waker(Waker::noop());
    allocations(|| {
        assert!(service.poll_ready(&mut context).is_ready());
        let response = pin!(service.call(request));
        let Poll::Ready(Ok(response)) = response.poll(&mut context) else {
            panic!("expected an answer at once");
        };
        assert_eq!(response.headers().len(), 3);
        response
    })
}

/// What a request's own extensions allocate for one value of the size of an `Identity`.
fn forced() -> usize {
    let mut request = Request::new(());
    let value = [0_usize; size_of::<Identity>() / size_of::<usize>()];
    assert_eq!(size_of_val(&value), size_of::<Identity>());
    allocations(|| request.extensions_mut().insert(value))
}

const BEARER: header::HeaderName = header::AUTHORIZATION;
const X_API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| 7_u8), 0);
    assert_eq!(allocations(|| [Box::new(7_u8), Box::new(8)]), 2);
    assert!(forced() > 0);
}

/// The layer, without and with usage counted.
fn services(keys: &Keys) -> [ApiKeyAuth<Inner>; 2] {
    let layer = ApiKeyLayer::new(keys.store().clone());
    let counting = layer.clone().with_usage(UsageMonitor::new());
    [layer.layer(Inner), counting.layer(Inner)]
}

#[test]
fn one_hot_key_costs_what_the_extensions_force() {
    let keys = keys();
    for service in services(&keys) {
        one_hot_key(&keys, service);
    }
}

fn one_hot_key(keys: &Keys, mut service: ApiKeyAuth<Inner>) {
    let key = block_on(issue(keys, [Scope::READ])).key;
    let bearer = format!("Bearer {}", key.expose_secret());
    for _ in 0..100 {
        cost(&mut service, request(BEARER, &bearer));
    }
    let forced = forced();
    for _ in 0..1_000 {
        assert_eq!(cost(&mut service, request(BEARER, &bearer)), forced);
        assert_eq!(
            cost(&mut service, request(X_API_KEY, key.expose_secret())),
            forced
        );
    }
}

/// What is noted of a scope of one's own allocates nothing.
#[test]
fn exercising_any_scope_costs_nothing() {
    const REPORTS: Scope = Scope::from_static("reports");
    let keys = keys();
    let key = block_on(issue(&keys, [Scope::READ, REPORTS])).key;
    let asked = ScopeSet::from(REPORTS);
    let policy = move |_: &RequestHead<'_>| Requirement::Scopes(asked.clone());
    let layer = ApiKeyLayer::new(keys.store().clone()).with_policy(policy);
    let monitor = UsageMonitor::new();
    let counting = layer.clone().with_usage(monitor.clone());
    let [mut plain, mut counting] = [layer, counting].map(|layer| layer.layer(Inner));
    let cost = |service: &mut _| cost(service, request(X_API_KEY, key.expose_secret()));
    for _ in 0..100 {
        cost(&mut counting);
        monitor.drain(Timestamp::UNIX_EPOCH);
    }
    for round in 0..1_000 {
        assert_eq!(cost(&mut counting), cost(&mut plain));
        if round % 10 == 0 {
            let uses = monitor.drain(Timestamp::UNIX_EPOCH);
            assert_eq!(uses[0].exercised(), &ScopeSet::from(REPORTS));
        }
    }
}

#[cfg(feature = "axum")]
#[test]
fn an_axum_handler_gets_its_identity_for_nothing() {
    use axum::extract::FromRequestParts;

    let keys = keys();
    let key = block_on(issue(&keys, [Scope::READ])).key;
    let identity = block_on(keys.verifier().verify(key.expose_secret())).unwrap();
    let mut request = Request::new(());
    request.extensions_mut().insert(identity);
    let (mut parts, ()) = request.into_parts();
    let cost = allocations(|| {
        let mut extraction = pin!(Identity::from_request_parts(&mut parts, &()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(
            extraction.as_mut().poll(&mut context),
            Poll::Ready(Ok(_))
        ));
    });
    assert_eq!(cost, 0);
}

/// Each of 1,000 keys once, in an order without a pattern, again and again.
#[test]
fn a_thousand_keys_cost_what_the_extensions_force() {
    let keys = keys();
    for service in services(&keys) {
        a_thousand_keys(&keys, service);
    }
}

fn a_thousand_keys(keys: &Keys, mut service: ApiKeyAuth<Inner>) {
    let issued = (0..1_000).map(|_| block_on(issue(keys, [Scope::READ])).key);
    let mut issued: Vec<_> = issued.collect();
    // The keys are random, so their order is.
    issued.sort_by(|one, two| one.expose_secret().cmp(two.expose_secret()));
    for _ in 0..10 {
        for key in &issued {
            cost(&mut service, request(X_API_KEY, key.expose_secret()));
        }
    }
    let forced = forced();
    for _ in 0..10 {
        for key in &issued {
            assert_eq!(
                cost(&mut service, request(X_API_KEY, key.expose_secret())),
                forced
            );
        }
    }
}
