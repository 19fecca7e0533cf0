//! How the memory store grows.

use tower_api_key::MemoryStore;
use tower_api_key::store::KeyStore;

use crate::keys::{digest, numbers, record};
use crate::timing::median;

/// Prints the time of a look-up and the memory a key, from a thousand keys up to `keys`.
pub(crate) fn growth(keys: usize, look_ups: usize) {
    let mut size = 1_000;
    while size <= keys {
        let before = resident();
        let store = MemoryStore::from_records((0..size).map(record)).unwrap();
        let octets = resident().saturating_sub(before) / size;
        let mut times = Vec::new();
        for number in numbers(size, look_ups) {
            let digest = digest(number);
            let begun = std::time::Instant::now();
            assert!(store.try_find(&digest).unwrap().unwrap().is_some());
            times.push(begun.elapsed());
        }
        let p50 = median(times);
        println!("memory: {size} keys, {octets} octets a key, a look-up {p50:.0?} (p50)");
        size *= 10;
    }
}

/// The octets of this process that are in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * 4_096
}
