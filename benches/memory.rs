//! How much memory a key takes in the memory store, and how long it takes to insert and to find one.
//!
//! `cargo bench --bench memory` for a thousand, a hundred thousand and a million keys;
//! `cargo bench --bench memory -- 10000000` for ten million, which takes some minutes.
//!
//! Each count of keys runs in a process of its own. What it shows is the growth of the process's
//! resident memory, so it holds what the allocator wastes, too. Of a few keys it says little.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Instant;

use futures::executor::block_on;
use jiff::Timestamp;
use tower_api_key::key::{KeyDigest, KeyPrefix};
use tower_api_key::record::{ChangeContext, KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{Insert, KeyStore};
use tower_api_key::{KeyRegistry, MemoryStore, Scope};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let numbers = arguments[1..].iter().filter_map(|text| text.parse().ok());
    let counts: Vec<u32> = numbers.collect();
    let owners = arguments
        .iter()
        .find(|text| OWNERS.contains(&text.as_str()));
    if let ([count], Some(owners)) = (&counts[..], owners) {
        return fill(*count, owners);
    }
    let counts = if counts.is_empty() {
        vec![1_000, 100_000, 1_000_000]
    } else {
        counts
    };
    for count in counts {
        for owners in OWNERS {
            let program = env::current_exe().expect("has a path");
            let status = Command::new(program)
                .args([&count.to_string(), owners])
                .status();
            assert!(status.expect("starts").success());
        }
    }
}

const LOOK_UPS: u32 = 1_000_000;

/// Whose the keys are.
const OWNERS: [&str; 2] = ["one owner", "an owner each"];

fn fill(count: u32, owners: &str) {
    // What the first key brings with it is no part of a key.
    let store = MemoryStore::new();
    let context = ChangeContext::new(Timestamp::UNIX_EPOCH);
    block_on(store.insert(Insert::new(record(u32::MAX, "acct_0"), &context))).expect("new");
    let before = resident();
    let began = Instant::now();
    for number in 0..count {
        let owner = match owners {
            "one owner" => "acct_000042".to_owned(),
            _ => format!("acct_{number:06}"),
        };
        block_on(store.insert(Insert::new(record(number, &owner), &context))).expect("new");
    }
    let each = |began: Instant, count: u32| began.elapsed().as_nanos() / u128::from(count);
    let insert = each(began, count);
    let octets = resident().saturating_sub(before) / u64::from(count);

    // In an order that no prefetcher knows.
    let numbers = (0..LOOK_UPS).map(|step| step.wrapping_mul(2_654_435_761) % count);
    let digests: Vec<_> = numbers.map(digest).collect();
    let began = Instant::now();
    for digest in &digests {
        let found = store.try_find(digest).expect("does not wait");
        assert!(found.expect("no error").is_some());
    }
    let find = each(began, LOOK_UPS);
    println!(
        "{count:>9} keys, {owners:<13}: {octets} octets each, {insert} ns to insert, {find} ns to find"
    );
}

/// A key with a name of 20 octets and three scopes; ids come in the order of time.
fn record(number: u32, owner: &str) -> KeyRecord {
    let mut id = [0; KeyId::LEN];
    id[2..6].copy_from_slice(&number.to_be_bytes());
    id[6..].copy_from_slice(&digest(number).as_bytes()[..10]);
    let now = Timestamp::from_second(1_767_225_600).expect("in range");
    let prefix: KeyPrefix = "0123abcd".parse().expect("eight digits");
    KeyRecord::new(KeyId::from_bytes(id), owner, "Production server 01", now)
        .with_scopes([Scope::READ, Scope::WRITE, Scope::DELETE])
        .with_secret_versions([SecretVersion::new(1, digest(number), prefix, now)])
}

/// Octets that look random (splitmix64), another for each number.
fn digest(number: u32) -> KeyDigest {
    let mut octets = [0; KeyDigest::LEN];
    let mut state = u64::from(number) << 32;
    for word in octets.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    KeyDigest::from_bytes(octets)
}

/// The process's resident memory in octets.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    1_024 * kib.unwrap_or(0)
}
