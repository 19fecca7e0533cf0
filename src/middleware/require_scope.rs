//! More scopes for one route.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::denied::denied;
use super::ready;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::scope::set::ScopeSet;
use crate::usage::monitor::UsageMonitor;

/// Asks the requests of one route for scopes, beside what the server's policy asks for.
///
/// It reads the [`Identity`] that [`ApiKeyLayer`](super::layer::ApiKeyLayer) left, so it belongs
/// inside of that layer, as with axum's `route_layer`. A request without an identity is denied with
/// 401, one whose key lacks a scope with 403. The layer makes the response, by its own responder; its
/// observer is told, and the request counts as denied. Without that layer, the response is empty.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_api_key::{ApiKeyLayer, MemoryStore, Scope};
/// use tower_api_key::middleware::RequireScope;
///
/// const REPORTS: Scope = Scope::from_static("reports");
///
/// let app: Router = Router::new()
///     .route("/reports", get(|| async { "…" }))
///     .route_layer(RequireScope::new([REPORTS]))
///     .layer(ApiKeyLayer::new(MemoryStore::new()));
/// ```
#[derive(Clone)]
pub struct RequireScope {
    scopes: ScopeSet,
    usage: Option<UsageMonitor>,
}

impl RequireScope {
    /// Asks for every one of these scopes. With none, it asks for a valid key.
    pub fn new(scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            usage: None,
        }
    }

    /// Notes in this monitor, that of the layer, that requests which pass here exercise the scopes.
    ///
    /// Defaults to no monitor, and then nobody should be
    /// [advised](crate::manage::AdvicePolicy::with_watched_scopes) on them.
    #[must_use]
    pub fn with_usage(self, usage: UsageMonitor) -> Self {
        Self {
            usage: Some(usage),
            ..self
        }
    }

    /// The identity among these extensions, if it has the scopes.
    fn check<'a>(&self, extensions: &'a Extensions) -> Result<&'a Identity, Denial> {
        let identity = extensions.get::<Identity>();
        let identity = identity.ok_or_else(|| Denial::new(DenialKind::Missing))?;
        if identity.scopes().contains_all(&self.scopes) {
            return Ok(identity);
        }
        let missing = self.scopes.difference(identity.scopes());
        let denial = Denial::insufficient_scope(missing);
        Err(denial.of_key(identity.key_id(), identity.secret_version()))
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = ScopeGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ScopeGuard {
            inner,
            required: Arc::new(self.clone()),
        }
    }
}

impl fmt::Debug for RequireScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScope")
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Asks every request for scopes before the inner service sees it; made by [`RequireScope`].
///
/// The body of its responses needs a default, which must be the empty one.
#[derive(Clone, Debug)]
pub struct ScopeGuard<S> {
    inner: S,
    required: Arc<RequireScope>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ScopeGuard<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ScopeGuardFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.required.check(request.extensions()) {
            Ok(identity) => {
                if let Some(usage) = &self.required.usage {
                    usage.exercise(identity, &self.required.scopes);
                }
                ScopeGuardFuture {
                    inner: Some(self.inner.call(request)),
                    denied: None,
                }
            }
            Err(denial) => {
                drop(ready::take(&mut self.inner));
                ScopeGuardFuture {
                    inner: None,
                    denied: Some(denied(&request.into_parts().0, denial)),
                }
            }
        }
    }
}

pin_project! {
    /// The response of [`ScopeGuard`].
    pub struct ScopeGuardFuture<F, B> {
        #[pin]
        inner: Option<F>,
        denied: Option<Response<B>>,
    }
}

impl<F, B, E> Future for ScopeGuardFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(context),
            // A future that has ended may not be polled again; then it never ends.
            None => match this.denied.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
        }
    }
}

impl<F, B> fmt::Debug for ScopeGuardFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeGuardFuture").finish_non_exhaustive()
    }
}
