//! Whoever was polled ready.

use std::mem;

/// Takes the service that was polled ready, and leaves a clone that was not.
///
/// A service may reserve room when it is ready, as a concurrency limit does. Whoever was polled
/// ready must be the one that is called; and when none will be called, dropping it gives the room
/// back, which a refused client could otherwise hold for as long as it stays connected.
pub(super) fn take<S: Clone>(service: &mut S) -> S {
    let unready = service.clone();
    mem::replace(service, unready)
}
