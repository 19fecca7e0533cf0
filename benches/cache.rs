//! What an answer from the cache costs, beside one from the memory store that it stands before.
//!
//! `cargo bench --features cache --bench cache` for a thousand and a million keys, or for as many
//! as are named after `--`.
//!
//! Both take turns on each thread, and of many rounds one of the fastest counts, so that what else
//! the machine does shows as little as can be. The instructions are counted by valgrind, which
//! hides the kernel's part of reading the clock: some 20 more for the cache.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tower_api_key::MemoryStore;
use tower_api_key::key::{KeyDigest, KeyPrefix};
use tower_api_key::record::{KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{CacheOptions, CachedStore, KeyStore};

const ROUNDS: usize = 300;
const LOOK_UPS: u32 = 5_000;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, run, store, look_ups] = arguments.as_slice()
        && run == "run"
    {
        return repeat(store, look_ups.parse().expect("a number"));
    }
    let named = arguments[1..].iter().filter_map(|text| text.parse().ok());
    let mut counts: Vec<u32> = named.collect();
    if counts.is_empty() {
        counts = vec![1_000, 1_000_000];
    }
    for count in counts {
        let (memory, cached) = stores(count);
        for (which, keys) in [("one hot key", 1), ("random keys", count)] {
            for threads in [1, 2] {
                let [one, other] = time(&memory, &cached, keys, threads);
                let ratio = other / one;
                println!(
                    "{count:>9} keys, {which}, {threads} threads: \
                     memory {one:>6.1} ns, cache {other:>6.1} ns, {ratio:.2} times as much"
                );
            }
        }
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    let [memory, cache] = ["memory", "cache"].map(instructions);
    println!("instructions for one hot key of a thousand: memory {memory}, cache {cache}");
}

/// A memory store with so many keys, and a cache before it that holds them all.
fn stores(count: u32) -> (MemoryStore, CachedStore<MemoryStore>) {
    let memory = MemoryStore::from_records((0..count).map(record)).expect("new");
    let options = CacheOptions::new()
        .with_capacity(count)
        .with_time_to_live(Duration::from_secs(86_400));
    let cached = CachedStore::watching(memory.clone(), options).expect("valid");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("starts").block_on(async {
        for number in 0..count {
            let found = cached.find(&digest(number)).await;
            assert!(found.expect("no error").is_some());
        }
    });
    (memory, cached)
}

/// Nanoseconds a look-up in either, on average over the threads.
fn time<M: KeyStore, C: KeyStore>(memory: &M, cached: &C, keys: u32, threads: u32) -> [f64; 2] {
    let start = Barrier::new(threads as usize);
    let rounds = |seed: u32| {
        let mut random = Random(seed.into());
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            start.wait();
            one.push(round(memory, keys, &mut random));
            start.wait();
            other.push(round(cached, keys, &mut random));
        }
        [one, other].map(|mut rounds| {
            rounds.sort_by(f64::total_cmp);
            rounds[ROUNDS / 20]
        })
    };
    thread::scope(|scope| {
        let rounds = &rounds;
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || rounds(thread + 1)))
            .collect();
        let each = running.into_iter().map(|one| one.join().expect("no panic"));
        each.fold([0.0; 2], |sums, [one, other]| {
            [
                sums[0] + one / f64::from(threads),
                sums[1] + other / f64::from(threads),
            ]
        })
    })
}

fn round<S: KeyStore>(store: &S, keys: u32, random: &mut Random) -> f64 {
    let digests: Vec<_> = (0..LOOK_UPS).map(|_| digest(random.below(keys))).collect();
    let began = Instant::now();
    for digest in &digests {
        let found = black_box(store.try_find(digest)).expect("does not wait");
        assert!(found.expect("no error").is_some());
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS)
}

/// Instructions a look-up of one hot key of a thousand: the difference of two runs, which leaves
/// out what it takes to start.
fn instructions(store: &str) -> i64 {
    const FEW: i64 = 5_000;
    const MANY: i64 = 25_000;
    (total(store, MANY) - total(store, FEW)) / (MANY - FEW)
}

fn total(store: &str, look_ups: i64) -> i64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("has a path"))
        .args(["run", store, &look_ups.to_string()])
        .output()
        .expect("starts");
    assert!(output.status.success(), "{store}: {}", output.status);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = told.split("Collected : ").nth(1).expect("a total");
    let digits = collected.split_whitespace().next().unwrap_or_default();
    digits.parse().expect("a number")
}

fn repeat(store: &str, look_ups: u32) {
    let (memory, cached) = stores(1_000);
    let hot = digest(5);
    for _ in 0..look_ups {
        match store {
            "memory" => black_box(memory.try_find(black_box(&hot))),
            _ => black_box(cached.try_find(black_box(&hot))),
        };
    }
}

fn record(number: u32) -> KeyRecord {
    let mut id = [0; KeyId::LEN];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let now = Timestamp::from_second(1_767_225_600).expect("in range");
    let prefix: KeyPrefix = "0123abcd".parse().expect("eight digits");
    KeyRecord::new(
        KeyId::from_bytes(id),
        "acct_000042",
        "Production server 01",
        now,
    )
    .with_secret_versions([SecretVersion::new(1, digest(number), prefix, now)])
}

fn digest(number: u32) -> KeyDigest {
    let mut octets = [0; KeyDigest::LEN];
    let mut random = Random(u64::from(number) << 32);
    for word in octets.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    KeyDigest::from_bytes(octets)
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or_default()
    }
}
