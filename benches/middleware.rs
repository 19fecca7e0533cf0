//! What the layer costs a request, beside no layer and a hand-written one.
//!
//! `cargo bench --bench middleware`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use tower::Layer;
use tower_api_key::ApiKeyLayer;
use tower_http::auth::AsyncRequireAuthorizationLayer;

mod fixture;
use fixture::hand_written::HandWritten;
use fixture::{Keys, Server, Shuffle, headers, keys, send, unknown_key};

/// The same requests through all three.
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
    bench!("tower-api-key", ApiKeyLayer::new(store).layer(Server));
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

/// The same number of requests on each of one or two cores.
fn cores(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let requests = requests(&plaintexts);
    let layer = ApiKeyLayer::new(store);
    let mut group = criterion.benchmark_group("cores");
    for (keys, requests) in [
        ("random keys", &requests[..]),
        ("one hot key", &requests[..1]),
    ] {
        for threads in [1, 2] {
            group.bench_function(format!("{keys}, {threads} threads"), |bencher| {
                bencher
                    .iter_custom(|iterations| in_parallel(&layer, requests, threads, iterations));
            });
        }
    }
    group.finish();
}

fn in_parallel(
    layer: &ApiKeyLayer,
    requests: &[HeaderMap],
    threads: u32,
    iterations: u64,
) -> Duration {
    let start = Barrier::new(threads as usize);
    let run = |seed| {
        let mut service = layer.layer(Server);
        let mut shuffle = Shuffle::new(seed);
        start.wait();
        let began = Instant::now();
        for _ in 0..iterations {
            let index = shuffle.step() % requests.len();
            black_box(send(&mut service, &requests[index]));
        }
        began.elapsed()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=threads)
            .map(|seed| scope.spawn(move || run(seed)))
            .collect();
        let times = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        times.max().unwrap_or_default()
    })
}

fn requests(plaintexts: &[String]) -> Vec<HeaderMap> {
    plaintexts.iter().map(|key| headers(Some(key))).collect()
}

criterion_group!(benches, request, refusal, cores);
criterion_main!(benches);
