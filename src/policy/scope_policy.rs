//! The seam for policies.

use std::sync::Arc;

use super::head::RequestHead;
use super::requirement::Requirement;

/// Says what a request needs of a key.
///
/// It is asked after the key was verified, so it need not fear that its answer tells a stranger
/// anything. A closure `Fn(&RequestHead<'_>) -> Requirement` is a policy. A policy must not block;
/// if it panics, the request is denied with 503.
pub trait ScopePolicy: Send + Sync + 'static {
    /// What this request needs.
    fn requirement(&self, head: &RequestHead<'_>) -> Requirement;
}

impl<F> ScopePolicy for F
where
    F: Fn(&RequestHead<'_>) -> Requirement + Send + Sync + 'static,
{
    fn requirement(&self, head: &RequestHead<'_>) -> Requirement {
        self(head)
    }
}

impl<T: ScopePolicy + ?Sized> ScopePolicy for Arc<T> {
    fn requirement(&self, head: &RequestHead<'_>) -> Requirement {
        (**self).requirement(head)
    }
}
