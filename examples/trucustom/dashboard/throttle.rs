//! A bound on attempts to sign in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Counts failed attempts by the start of what was tried, and all of them together.
///
/// A key has 256 random bits, so this protects the store from load more than keys from guesses.
pub(super) struct Throttle(Mutex<Window>);

#[derive(Default)]
struct Window {
    minute: i64,
    failures: u32,
    by_prefix: HashMap<Box<str>, u32>,
}

impl Throttle {
    const MAX_FAILURES: u32 = 120;
    const MAX_OF_PREFIX: u32 = 5;

    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Whether one more attempt may be made in this minute.
    pub(super) fn allows(&self, key: &str, second: i64) -> bool {
        let window = self.window(second);
        let of_prefix = window.by_prefix.get(prefix(key)).copied().unwrap_or(0);
        window.failures < Self::MAX_FAILURES && of_prefix < Self::MAX_OF_PREFIX
    }

    pub(super) fn failed(&self, key: &str, second: i64) {
        let mut window = self.window(second);
        window.failures += 1;
        *window.by_prefix.entry(prefix(key).into()).or_default() += 1;
    }

    fn window(&self, second: i64) -> std::sync::MutexGuard<'_, Window> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = second.div_euclid(60);
        if window.minute != minute {
            *window = Window {
                minute,
                ..Window::default()
            };
        }
        window
    }
}

/// What a key shows of itself.
fn prefix(key: &str) -> &str {
    key.char_indices()
        .nth(11)
        .map_or(key, |(end, _)| &key[..end])
}
