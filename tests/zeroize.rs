//! What is left in memory of a key that was dropped: nothing.
//!
//! An allocator of its own keeps a copy of every block that is freed while it records.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "an allocator is unsafe, and a test may fail"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, slice};

use futures::executor::block_on;
use tower_api_key::key::{ApiKey, KeyFormat};
use tower_api_key::{KeyManager, MemoryStore, NewKey};

/// The system's allocator, which shows blocks to the recorder before they are freed.
struct Recording;

#[global_allocator]
static ALLOCATOR: Recording = Recording;

// SAFETY: every call is passed on to the system's allocator. A growing block is moved by the default
// `realloc`, so the old one is freed here too.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that a block which is freed without having been filled may be read.
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The recorder is locked only by the thread that records, and its room is never freed.
        if IS_RECORDING.get() {
            // SAFETY: the block is still allocated, and was zeroed when it was new.
            let octets = unsafe { slice::from_raw_parts(block, layout.size()) };
            FREED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(octets);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

thread_local! {
    static IS_RECORDING: Cell<bool> = const { Cell::new(false) };
}

static FREED: Mutex<Freed> = Mutex::new(Freed {
    octets: [0; ROOM],
    len: 0,
});

/// Room for what one test frees.
const ROOM: usize = 4 << 20;

struct Freed {
    octets: [u8; ROOM],
    len: usize,
}

impl Freed {
    fn push(&mut self, octets: &[u8]) {
        let end = self.len + octets.len();
        assert!(end <= ROOM, "a test frees more than there is room for");
        self.octets[self.len..end].copy_from_slice(octets);
        self.len = end;
    }
}

/// Runs on this thread, and says whether one of the keys that it returns was left in a freed block.
fn leaves<const N: usize>(run: impl FnOnce() -> [Digits; N]) -> bool {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    FREED.lock().unwrap().len = 0;
    IS_RECORDING.set(true);
    let keys = run();
    IS_RECORDING.set(false);

    let freed = FREED.lock().unwrap();
    let freed = &freed.octets[..freed.len];
    let holds = |part: &[u8]| freed.windows(part.len()).any(|window| window == part);
    // The first 8 digits may be shown, so they are no trace. The others are none in part either.
    keys.iter()
        .any(|Digits(digits)| digits[8..].chunks(14).any(holds))
}

/// A key's digits, on the stack.
struct Digits([u8; KeyFormat::DIGITS]);

impl Digits {
    fn of(key: &ApiKey) -> Self {
        Self(key.expose_secret().as_bytes()[3..].try_into().unwrap())
    }
}

fn generate() -> ApiKey {
    ApiKey::generate(&KeyFormat::default()).unwrap()
}

#[test]
fn sc_log_5_the_search_finds_what_is_not_wiped() {
    assert!(leaves(|| {
        let key = generate();
        let digits = Digits::of(&key);
        drop(key.expose_secret().to_owned());
        [digits]
    }));
    // A part of it is found too.
    assert!(leaves(|| {
        let key = generate();
        let digits = Digits::of(&key);
        drop(key.expose_secret()[30..60].to_owned());
        [digits]
    }));
}

#[test]
fn sc_log_5_a_key_is_wiped_when_it_is_made_and_dropped() {
    for format in [KeyFormat::default(), KeyFormat::default().with_checksum()] {
        assert!(!leaves(|| {
            let key = ApiKey::generate(&format).unwrap();
            let again = format.parse(key.expose_secret()).unwrap();
            [Digits::of(&key), Digits::of(&again)]
        }));
    }
}

#[test]
fn sc_log_5_issuing_rotating_and_verifying_leave_nothing() {
    let keys = KeyManager::new(MemoryStore::new());
    let verifier = keys.verifier();
    assert!(!leaves(|| {
        let fresh = block_on(keys.issue(NewKey::new("acct_42", "CI"))).unwrap();
        let id = fresh.record.id();
        let rotated = block_on(keys.rotate(&id, Duration::from_secs(60))).unwrap();
        for key in [&fresh.key, &rotated.key] {
            block_on(verifier.verify(key.expose_secret())).unwrap();
        }
        let unknown = generate();
        block_on(verifier.verify(unknown.expose_secret())).unwrap_err();
        [
            Digits::of(&fresh.key),
            Digits::of(&rotated.key),
            Digits::of(&unknown),
        ]
    }));
}

#[test]
fn sc_log_5_reading_the_environment_leaves_nothing() {
    let (whole, broken) = (generate(), generate());
    // SAFETY: nothing in this process reads the environment but through the standard library, which
    // takes turns.
    unsafe {
        env::set_var("SC_LOG_5_KEY", format!(" {}\n", whole.expose_secret()));
        env::set_var("SC_LOG_5_BROKEN", format!("{}0", broken.expose_secret()));
    }
    assert!(!leaves(|| {
        drop(ApiKey::from_env("SC_LOG_5_KEY").unwrap());
        drop(ApiKey::from_env("SC_LOG_5_BROKEN").unwrap_err());
        [Digits::of(&whole), Digits::of(&broken)]
    }));
}

/// Whether a type is `Clone`: an inherent constant goes before that of a trait.
struct Probe<T>(PhantomData<T>);

impl<T: Clone> Probe<T> {
    const CLONES: bool = true;
}

trait Otherwise {
    const CLONES: bool = false;
}

impl<T> Otherwise for Probe<T> {}

#[test]
fn sc_log_5_a_key_cannot_be_copied_and_the_limit_is_documented() {
    let (clones, control) = (Probe::<ApiKey>::CLONES, Probe::<String>::CLONES);
    assert!(control && !clones);
    let docs = include_str!("../src/lib.rs");
    assert!(docs.contains("The buffers in which a server received a key are the server's"));
}
