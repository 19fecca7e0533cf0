//! The switch between what a developer waits for and what CI runs in full.
#![allow(dead_code, reason = "each test crate uses a part of it")]

/// `.ci/run` sets it to 1.
const SWITCH: &str = "TOWER_API_KEY_HEAVY_TESTS";

fn is_on() -> bool {
    std::env::var(SWITCH).is_ok_and(|value| value == "1")
}

/// How often a test does what it does: `full` with the switch, `small` without it.
pub(crate) fn size<T>(small: T, full: T) -> T {
    if is_on() { full } else { small }
}

/// Whether a test is skipped, since the switch is not set; says so, with the reason.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn skips(reason: &str) -> bool {
    if !is_on() {
        eprintln!("skipped: {reason}; {SWITCH}=1 runs it");
    }
    !is_on()
}
