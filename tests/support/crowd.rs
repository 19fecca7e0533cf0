//! Many clients at once, in front of services that reserve room.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use http::Response;
use http_body_util::Full;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_api_key::{ApiKeyLayer, KeyStore, Scope};

use super::stores;
use super::support::inner::Probe;
use super::support::stores::Gated;
use super::support::{Answered, Sent, UNKNOWN, get, issue, keys, request, send};

const LIMIT: usize = 4;
const CLIENTS: usize = 400;

/// How many calls are going on in a service.
#[derive(Default)]
struct Meter {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Meter {
    async fn busy(self: Arc<Self>) {
        self.all.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A service that is busy for a while.
fn busy(
    meter: &Arc<Meter>,
) -> impl Service<Sent, Response = Answered, Error = BoxError, Future: Send> + Clone + Send + 'static
{
    let meter = meter.clone();
    service_fn(move |_| {
        let busy = meter.clone().busy();
        async {
            busy.await;
            Ok(Response::new(Full::from("inner-ok")))
        }
    })
}

/// Sends one request from each client, all at once; half of them may pass. Returns the clients'
/// services, which stay alive as those of idle connections do.
async fn crowd<S>(service: &S, key: &str) -> Vec<S>
where
    S: Service<Sent, Response = Answered> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Debug + Send,
{
    let clients = (0..CLIENTS).map(|client| {
        let mut service = service.clone();
        let (request, status) = match client % 4 {
            0 | 1 => (get(key), 200),
            2 => (get(UNKNOWN), 401),
            _ => (request("GET", &[]), 401),
        };
        tokio::spawn(async move {
            let ready = service.ready().await.unwrap();
            let response = ready.call(request).await.unwrap();
            assert_eq!(response.status(), status);
            service
        })
    });
    let clients: Vec<_> = clients.collect();
    // Room that leaks keeps the others waiting for ever.
    let served = timeout(Duration::from_secs(60), join_all(clients)).await;
    served
        .expect("every client is served")
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// Returns the most calls that went on at once.
async fn crowd_before_a_limit(store: impl KeyStore + 'static, key: &str) -> usize {
    let (meter, room) = (Arc::default(), Arc::new(Semaphore::new(LIMIT)));
    let limited = ConcurrencyLimit::with_semaphore(busy(&meter), room.clone());
    let service = ApiKeyLayer::new(store).layer(limited);
    let clients = crowd(&service, key).await;
    assert_eq!(meter.all.load(Ordering::SeqCst), CLIENTS / 2);
    assert_eq!(room.available_permits(), LIMIT, "a client holds room");
    assert_eq!(clients.len(), CLIENTS);
    meter.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_concurrency_limit_inside_is_kept_and_never_leaks_on_one_thread() {
    let (key, quick, slow) = stores().await;
    assert_eq!(crowd_before_a_limit(quick, &key).await, LIMIT);
    assert_eq!(crowd_before_a_limit(slow, &key).await, LIMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_concurrency_limit_inside_is_kept_and_never_leaks_on_four_threads() {
    let (key, quick, slow) = stores().await;
    assert!(crowd_before_a_limit(quick, &key).await <= LIMIT);
    assert!(crowd_before_a_limit(slow, &key).await <= LIMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_small_buffer_inside_serves_a_crowd() {
    let (key, quick, slow) = stores().await;
    for layer in [ApiKeyLayer::new(quick), ApiKeyLayer::new(slow)] {
        let meter = Arc::default();
        let service = layer.layer(Buffer::new(busy(&meter), 2));
        let clients = crowd(&service, &key).await;
        assert_eq!(meter.all.load(Ordering::SeqCst), CLIENTS / 2);
        // The clients are idle now; none of them holds a place in the buffer.
        let mut held: Vec<_> = clients[..2].to_vec();
        for service in &mut held {
            assert!(futures::poll!(service.ready()).is_ready());
        }
    }
}

#[tokio::test]
async fn a_refused_client_that_stays_connected_holds_no_room() {
    let room = Arc::new(Semaphore::new(1));
    let (key, quick, slow) = stores().await;
    for layer in [ApiKeyLayer::new(quick), ApiKeyLayer::new(slow)] {
        let limited = ConcurrencyLimit::with_semaphore(Probe::new().0, room.clone());
        let mut refused = layer.layer(limited);
        let mut other = refused.clone();
        for request in [
            get(UNKNOWN),
            get("x"),
            request("PUT", &[("x-api-key", &key)]),
        ] {
            let ready = refused.ready().await.unwrap();
            assert_eq!(room.available_permits(), 0);
            let response = ready.call(request).await.unwrap();
            assert!(response.status().is_client_error());
            assert_eq!(room.available_permits(), 1, "the refused client holds room");
            send(&mut other, get(&key)).await.assert_allowed();
        }
    }
}

#[tokio::test]
async fn a_request_dropped_while_it_waits_gives_its_room_back_and_harms_no_other() {
    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let store = Gated::new(keys.store().clone());
    let (probe, seen) = Probe::new();
    let room = Arc::new(Semaphore::new(LIMIT));
    let limited = ConcurrencyLimit::with_semaphore(probe, room.clone());
    let service = ApiKeyLayer::new(store.clone()).layer(limited);

    let mut waiting = Vec::new();
    for _ in 0..LIMIT {
        let mut client = service.clone();
        let ready = client.ready().await.unwrap();
        let mut response = Box::pin(ready.call(get(key.expose_secret())));
        assert!(futures::poll!(&mut response).is_pending());
        waiting.push((client, response));
    }
    assert_eq!((store.asked(), room.available_permits()), (LIMIT, 0));
    let mut late = service.clone();
    assert!(futures::poll!(late.ready()).is_pending());

    // The first and the third go; their services stay.
    let (first, dropped) = waiting.remove(0);
    drop(dropped);
    let (third, dropped) = waiting.remove(1);
    drop(dropped);
    // One of the two rooms is for the client that was late.
    assert_eq!(room.available_permits(), 1);
    let late = late.ready().await.unwrap().call(get(key.expose_secret()));
    store.let_through(LIMIT);
    for (_, response) in waiting {
        assert_eq!(response.await.unwrap().status(), 200);
    }
    assert_eq!(late.await.unwrap().status(), 200);
    assert_eq!((seen.calls(), room.available_permits()), (3, LIMIT));
    drop((first, third));
}
