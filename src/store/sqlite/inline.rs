//! Connections that answer lookups where they are asked.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

use super::link::Link;

/// Connections for lookups on the calling thread. None may be there.
pub(crate) struct Inline(Box<[Mutex<Link>]>);

impl Inline {
    /// These connections.
    pub(crate) fn new(links: Vec<Link>) -> Self {
        Self(links.into_iter().map(Mutex::new).collect())
    }

    /// Works with a connection that nobody uses; `None` when all are in use. It never waits.
    pub(crate) fn try_with<T>(&self, work: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let first = thread_number();
        for step in 0..self.0.len() {
            // Each thread begins with another one, so that it hardly ever finds it in use.
            let slot = &self.0[first.wrapping_add(step) % self.0.len()];
            match slot.try_lock() {
                Ok(mut link) => return Some(work(&mut link)),
                // OK after a panic: a lookup leaves nothing half done.
                Err(TryLockError::Poisoned(link)) => return Some(work(&mut link.into_inner())),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        None
    }
}

/// A number that few other threads have.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER
        .try_with(|number| {
            number.get().unwrap_or_else(|| {
                let next = NEXT.fetch_add(1, Ordering::Relaxed);
                number.set(Some(next));
                next
            })
        })
        // The thread is ending.
        .unwrap_or(0)
}
