//! More scopes for one route.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::answer;
use super::challenge::Challenges;
use super::config_error::ConfigError;
use super::future::ResponseFuture;
use super::json::DefaultResponder;
use super::ready;
use super::respond::Respond;
use super::source::Sources;
use crate::denial::{Denial, DenialKind};
use crate::identity::Identity;
use crate::observe::decision::Decision;
use crate::observe::observer::Observer;
use crate::policy::head::RequestHead;
use crate::scope::set::ScopeSet;
use crate::usage::monitor::UsageMonitor;

/// Asks the requests of one route for scopes, beside what the server's policy asks for.
///
/// It reads the [`Identity`] that [`ApiKeyLayer`](super::layer::ApiKeyLayer) left, so it belongs
/// inside of that layer, as with axum's `route_layer`. A request without an identity is refused
/// with 401, one whose key lacks a scope with 403.
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
pub struct RequireScope<R = DefaultResponder> {
    scopes: ScopeSet,
    challenges: Arc<Challenges>,
    observer: Option<Arc<dyn Observer>>,
    usage: Option<UsageMonitor>,
    responder: R,
}

impl RequireScope {
    /// Asks for every one of these scopes. With none, it asks for a valid key.
    pub fn new(scopes: impl Into<ScopeSet>) -> Self {
        Self {
            scopes: scopes.into(),
            challenges: Arc::default(),
            observer: None,
            usage: None,
            responder: DefaultResponder::new(),
        }
    }
}

impl<R> RequireScope<R> {
    /// Names the protected space in challenges. Default: `api`.
    ///
    /// # Errors
    ///
    /// As [`ApiKeyLayer::with_realm`](super::layer::ApiKeyLayer::with_realm).
    pub fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            challenges: Arc::new(Challenges::new(realm)?),
            ..self
        })
    }

    /// Tells this observer of every refusal here. Default: nobody.
    #[must_use]
    pub fn with_observer(self, observer: impl Observer) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// Notes in this monitor, that of the layer, that requests which pass here exercise the scopes.
    /// Default: nobody does, and then nobody should be
    /// [advised](crate::manage::AdvicePolicy::with_watched_scopes) on them.
    ///
    /// What counts is the layer's decision: a refusal here counts nothing.
    #[must_use]
    pub fn with_usage(self, usage: UsageMonitor) -> Self {
        Self {
            usage: Some(usage),
            ..self
        }
    }

    /// Lets this responder answer refusals. Default: [`DefaultResponder`].
    #[must_use]
    pub fn with_responder<T>(self, responder: T) -> RequireScope<T> {
        RequireScope {
            scopes: self.scopes,
            challenges: self.challenges,
            observer: self.observer,
            usage: self.usage,
            responder,
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

    /// The response to a request with this method, target and headers.
    pub(crate) fn refuse<B>(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        denial: Denial,
    ) -> Response<B>
    where
        R: Respond<B>,
    {
        let sources = Sources::default();
        let head = RequestHead::new(
            method,
            uri,
            http::Version::HTTP_11,
            headers,
            sources.names(),
        );
        if let Some(observer) = &self.observer {
            observer.decided(&Decision::new(head, Err(&denial)));
        }
        // `Vary` is the outer layer's to say: it knows where keys are read from.
        answer(&self.responder, head, denial, &self.challenges)
    }
}

impl<S, R: Clone> Layer<S> for RequireScope<R> {
    type Service = ScopeGuard<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        ScopeGuard {
            inner,
            required: Arc::new(self.clone()),
        }
    }
}

impl<R> fmt::Debug for RequireScope<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScope")
            .field("scopes", &self.scopes)
            .field("challenges", &self.challenges)
            .finish_non_exhaustive()
    }
}

/// Asks every request for scopes before the inner service sees it; made by [`RequireScope`].
pub struct ScopeGuard<S, R = DefaultResponder> {
    inner: S,
    required: Arc<RequireScope<R>>,
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for ScopeGuard<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    R: Respond<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.required.check(request.extensions()) {
            Ok(identity) => {
                if let Some(usage) = &self.required.usage {
                    usage.exercise(identity, &self.required.scopes);
                }
                ResponseFuture::passed(|| self.inner.call(request), None)
            }
            Err(denial) => {
                let (method, uri) = (request.method(), request.uri());
                let response = self.required.refuse(method, uri, request.headers(), denial);
                drop(ready::take(&mut self.inner));
                ResponseFuture::refused(response)
            }
        }
    }
}

impl<S: Clone, R> Clone for ScopeGuard<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            required: self.required.clone(),
        }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for ScopeGuard<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeGuard")
            .field("inner", &self.inner)
            .field("required", &self.required)
            .finish()
    }
}
