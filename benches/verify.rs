//! The hot path without HTTP, step by step.
//!
//! `cargo bench --bench verify`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use sha2::{Digest, Sha256};
use tower_api_key::Verifier;
use tower_api_key::key::{KeyDigest, KeyFormat, KeyHasher};
use tower_api_key::store::KeyStore;

mod fixture;
use fixture::{Keys, Shuffle, keys, unknown_key};

fn steps(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let format = KeyFormat::default();
    let key = format.parse(&plaintexts[0]).expect("a key");
    let hasher = KeyHasher::sha256();
    let digest = hasher.digest(&key);
    let peppered = KeyHasher::hmac_sha256(&[7; 32]).expect("long enough");
    let same = KeyDigest::from_bytes(*digest.as_bytes());

    let mut group = criterion.benchmark_group("step");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| black_box(format.parse(black_box(&plaintexts[0]))));
    });
    group.bench_function("digest", |bencher| {
        bencher.iter(|| black_box(hasher.digest(black_box(&key))));
    });
    group.bench_function("digest under a pepper", |bencher| {
        bencher.iter(|| black_box(peppered.digest(black_box(&key))));
    });
    group.bench_function("compare", |bencher| {
        bencher.iter(|| black_box(black_box(&digest) == black_box(&same)));
    });
    group.bench_function("look up", |bencher| {
        bencher.iter(|| black_box(store.try_find(black_box(&digest))));
    });
    group.finish();
}

fn verify(criterion: &mut Criterion) {
    let Keys { store, plaintexts } = keys();
    let verifier = Verifier::new(store);
    let unknown = unknown_key();
    let malformed = unknown.to_uppercase();
    let mut group = criterion.benchmark_group("verify");
    let mut shuffle = Shuffle::new(7);
    group.bench_function("floor: SHA-256 and one probe", |bencher| {
        let probes: HashMap<[u8; 32], u64> = plaintexts
            .iter()
            .map(|key| (Sha256::digest(key).into(), 1))
            .collect();
        bencher.iter(|| {
            let digest: [u8; 32] = Sha256::digest(&plaintexts[shuffle.step()]).into();
            black_box(probes.get(&digest))
        });
    });
    group.bench_function("hit", |bencher| {
        bencher.iter(|| black_box(verifier.verify(&plaintexts[shuffle.step()]).now_or_never()));
    });
    for (name, key) in [("unknown", &unknown), ("malformed", &malformed)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(verifier.verify(black_box(key)).now_or_never()));
        });
    }
    group.finish();
}

criterion_group!(benches, steps, verify);
criterion_main!(benches);
