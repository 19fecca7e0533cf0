//! What a store tells of changes to its keys, whichever process made them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::record::id::KeyId;

/// A store that tells of every change to its keys, whichever process made it.
///
/// `CachedStore` (feature `cache`) listens to it, so that a revocation on one machine empties the
/// caches of all. Uses of keys are not told.
pub trait ChangeFeed: Send + Sync + 'static {
    /// Tells the listener of every change from now on, for as long as it exists.
    ///
    /// # For implementers
    ///
    /// - Tell the listener at once how the feed stands: [`InStep`](FeedEvent::InStep),
    ///   [`Lost`](FeedEvent::Lost), or [`Reset`](FeedEvent::Reset) and then
    ///   [`CaughtUp`](FeedEvent::CaughtUp).
    /// - Tell of a change after a look-up would show it, never before.
    fn watch(&self, listener: Weak<dyn FeedListener>);
}

/// Hears what a [`ChangeFeed`] tells.
pub trait FeedListener: Send + Sync + 'static {
    /// Takes note of an event. It must neither block nor panic.
    fn on_event(&self, event: FeedEvent);
}

/// What a [`ChangeFeed`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEvent {
    /// A new secret works: the key was inserted or rotated.
    Added(KeyId),
    /// The key was changed or deleted.
    Changed(KeyId),
    /// Any key may have changed, as after a time without connection.
    Reset,
    /// Every change that was committed before `as_of` has been told, on the clock that tokio's
    /// timers run by.
    CaughtUp {
        /// When the proof of this was asked for.
        as_of: Instant,
    },
    /// From now on, every change is told before the call that made it returns: no proof is needed.
    InStep,
    /// Changes may go untold until the next [`CaughtUp`](Self::CaughtUp) or
    /// [`InStep`](Self::InStep).
    Lost,
}

impl<F: ChangeFeed + ?Sized> ChangeFeed for Arc<F> {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        (**self).watch(listener);
    }
}

/// The listeners of one store, and how its feed stands.
pub(crate) struct Listeners(Mutex<State>);

struct State {
    listeners: Vec<Weak<dyn FeedListener>>,
    /// What a new listener is told first.
    standing: FeedEvent,
}

impl Listeners {
    /// No listeners yet, of a feed that stands so.
    pub(crate) fn new(standing: FeedEvent) -> Self {
        Self(Mutex::new(State {
            listeners: Vec::new(),
            standing,
        }))
    }

    /// Adds a listener and tells it how the feed stands.
    pub(crate) fn add(&self, listener: Weak<dyn FeedListener>) {
        // OK after a panic: no call leaves the state half changed.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listener.upgrade() {
            listener.on_event(state.standing);
        }
        state.listeners.retain(|other| other.strong_count() > 0);
        state.listeners.push(listener);
    }

    /// Tells every listener.
    pub(crate) fn tell(&self, event: FeedEvent) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(
            event,
            FeedEvent::CaughtUp { .. } | FeedEvent::InStep | FeedEvent::Lost
        ) {
            state.standing = event;
        }
        // Under the lock, so that every listener hears the events in their order.
        state.listeners.retain(|listener| match listener.upgrade() {
            Some(listener) => {
                listener.on_event(event);
                true
            }
            None => false,
        });
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Listeners")
            .field("count", &state.listeners.len())
            .field("standing", &state.standing)
            .finish()
    }
}
