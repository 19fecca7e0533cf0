//! The seam for observers.

use std::sync::Arc;

use super::decision::Decision;

/// Is told of every decision, before the inner service is called.
///
/// A request that the layer allows and that [`RequireScope`](crate::middleware::RequireScope) or the axum
/// extractor denies is decided on twice, and the observer is told of both decisions.
///
/// It is called on the request's way, so it must be quick and must not block. If it panics, the request
/// is denied with 503. It sees neither keys nor digests. A closure `Fn(&Decision<'_>)` is an observer; `()` does nothing.
pub trait Observer: Send + Sync + 'static {
    /// Notes a decision.
    fn decided(&self, decision: &Decision<'_>);
}

impl Observer for () {
    fn decided(&self, _: &Decision<'_>) {}
}

impl<F> Observer for F
where
    F: Fn(&Decision<'_>) + Send + Sync + 'static,
{
    fn decided(&self, decision: &Decision<'_>) {
        self(decision);
    }
}

impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn decided(&self, decision: &Decision<'_>) {
        (**self).decided(decision);
    }
}
