//! What changes of keys and notes of use need besides: a context, and a writer.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tower_api_key::record::ChangeContext;
use tower_api_key::store::{KeyUse, UsageBatch};

/// A change at the start of 2026, without conditions.
pub(crate) fn context() -> ChangeContext {
    ChangeContext::new(Timestamp::constant(1_767_225_600, 0))
}

/// Uses that a writer notes of whom nobody has heard.
pub(crate) fn batch(uses: impl IntoIterator<Item = KeyUse>) -> UsageBatch {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut writer = [0; 16];
    writer[8..].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    UsageBatch::new(writer, 1, uses)
}
