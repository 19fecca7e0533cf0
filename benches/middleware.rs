//! What the layer costs a request, beside no layer, a hand-written one, and the least that one could do.
//!
//! `cargo bench --bench middleware`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};
use tower_api_key::ApiKeyLayer;
use tower_api_key::usage::UsageMonitor;
use tower_http::auth::AsyncRequireAuthorizationLayer;

mod fixture;
use fixture::bare::Bare;
use fixture::hand_written::HandWritten;
use fixture::{Body, Keys, Server, Shuffle, headers, keys, send, unknown_key};

/// The same requests through all five.
fn request(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let requests = requests(&plaintexts);
    let mut group = criterion.benchmark_group("request");
    macro_rules! bench {
        ($name:literal, $service:expr) => {
            let mut service = $service;
            let mut shuffle = Shuffle::new(7);
            group.bench_function($name, |bencher| {
                bencher.iter(|| black_box(send(&mut service, &requests[shuffle.step()])));
            });
        };
    }
    bench!("no layer", Server);
    let layer = ApiKeyLayer::new(store);
    bench!("tower-api-key", layer.layer(Server));
    bench!("with usage", {
        layer.clone().with_usage(UsageMonitor::new()).layer(Server)
    });
    bench!("bare", Bare::new(&plaintexts));
    bench!("hand-written", {
        AsyncRequireAuthorizationLayer::new(HandWritten::new(&plaintexts)).layer(Server)
    });
    group.finish();
}

/// Refusals, beside an allowed request.
fn refusal(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let mut service = ApiKeyLayer::new(store).layer(Server);
    let mut group = criterion.benchmark_group("refusal");
    for (name, credential) in [
        ("allowed", Some(plaintexts[7].clone())),
        ("missing", None),
        ("malformed", Some("tc_".to_owned() + &"g".repeat(64))),
        ("wrong length", Some("sk_live_1234567890".to_owned())),
        ("unknown", Some(unknown_key())),
    ] {
        let headers = headers(credential.as_deref());
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(send(&mut service, &headers)));
        });
    }
    group.finish();
}

/// The same number of requests on each of one or two cores: what no core shares takes the same time
/// on both. The server without the layer shows what the machine itself makes of two.
fn cores(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let layer = ApiKeyLayer::new(store);
    let counting = layer.clone().with_usage(UsageMonitor::new());
    let mut group = criterion.benchmark_group("cores");
    for threads in [1, 2] {
        let mut bench = |name: &str, run: &(dyn Fn(u32, u64) -> Duration + Sync)| {
            group.bench_function(format!("{name}, {threads} threads"), |bencher| {
                bencher
                    .iter_custom(|iterations| in_parallel(threads, |seed| run(seed, iterations)));
            });
        };
        bench("no layer", &|seed, iterations| {
            repeat(Server, &plaintexts, seed, iterations)
        });
        bench("random keys", &|seed, iterations| {
            repeat(layer.layer(Server), &plaintexts, seed, iterations)
        });
        bench("one hot key", &|seed, iterations| {
            repeat(layer.layer(Server), &plaintexts[..1], seed, iterations)
        });
        bench("one hot key with usage", &|seed, iterations| {
            repeat(counting.layer(Server), &plaintexts[..1], seed, iterations)
        });
    }
    group.finish();
}

/// The longest time that any of the threads took.
fn in_parallel(threads: u32, run: impl Fn(u32) -> Duration + Sync) -> Duration {
    let start = Barrier::new(threads as usize);
    let work = |seed| {
        start.wait();
        run(seed)
    };
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=threads)
            .map(|seed| scope.spawn(move || work(seed)))
            .collect();
        let times = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        times.max().unwrap_or_default()
    })
}

/// Sends requests with these keys; the headers are the thread's own, as they are in a server.
fn repeat<S>(mut service: S, plaintexts: &[String], seed: u32, iterations: u64) -> Duration
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let requests = requests(plaintexts);
    let mut shuffle = Shuffle::new(seed);
    let began = Instant::now();
    for _ in 0..iterations {
        let index = shuffle.step() % requests.len();
        black_box(send(&mut service, &requests[index]));
    }
    began.elapsed()
}

fn requests(plaintexts: &[String]) -> Vec<HeaderMap> {
    plaintexts.iter().map(|key| headers(Some(key))).collect()
}

criterion_group!(benches, request, refusal, cores);
criterion_main!(benches);
