//! The service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::allowed::Allowed;
use super::extract::Lines;
use super::future::{ResponseFuture, Waiting};
use super::gate::{Refused, Step};
use super::json::DefaultResponder;
use super::ready;
use super::respond::Respond;
use super::shared::Shared;
use crate::denial::Denial;
use crate::key::digest::KeyDigest;

/// Authenticates every request before the inner service sees it; made by
/// [`ApiKeyLayer`](super::layer::ApiKeyLayer).
pub struct ApiKeyAuth<S, R = DefaultResponder> {
    inner: S,
    shared: Arc<Shared<R>>,
}

impl<S, R> ApiKeyAuth<S, R> {
    pub(super) fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self { inner, shared }
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for ApiKeyAuth<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    R: Respond<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, ReqBody>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.enter(&mut request) {
            Outcome::Allowed(allowed) => {
                ResponseFuture::allowed(|| self.inner.call(request), allowed)
            }
            Outcome::Refused(refused) => self.refuse(&request, refused),
            Outcome::Waits(digest, lines) => self.wait(digest, request, lines),
        }
    }
}

/// What becomes of a request, as far as it need not wait.
enum Outcome<R> {
    Allowed(Allowed<R>),
    Refused(Refused),
    Waits(KeyDigest, Lines),
}

impl<S, R> ApiKeyAuth<S, R> {
    /// Decides on a request, and prepares it for the inner service if it is allowed.
    #[inline]
    fn enter<ReqBody>(&self, request: &mut Request<ReqBody>) -> Outcome<R> {
        let shared = &self.shared;
        let (step, lines) = shared.gate.examine(request);
        let allowed = match step {
            Step::Open(opening) => Allowed::without_key(shared, request, lines, opening),
            Step::Refuse(kind) => Err(Denial::new(kind).into()),
            Step::LookUp(digest) => match shared.gate.verifier.look_up_now(&digest) {
                Some(verified) => Allowed::by_key(shared, request, lines, verified),
                None => return Outcome::Waits(digest, lines),
            },
        };
        match allowed {
            Ok(allowed) => Outcome::Allowed(allowed),
            Err(refused) => Outcome::Refused(refused),
        }
    }
}

impl<S: Clone, R> ApiKeyAuth<S, R> {
    /// Out of line, as is the wait, so that the way of a request that passes is short.
    #[inline(never)]
    fn refuse<ReqBody, ResBody>(
        &mut self,
        request: &Request<ReqBody>,
        refused: Refused,
    ) -> ResponseFuture<S, R, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: Respond<ResBody>,
    {
        let response = self.shared.refuse(request, refused);
        drop(ready::take(&mut self.inner));
        ResponseFuture::refused(response)
    }

    #[inline(never)]
    fn wait<ReqBody>(
        &mut self,
        digest: KeyDigest,
        request: Request<ReqBody>,
        lines: Lines,
    ) -> ResponseFuture<S, R, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        let verifier = self.shared.gate.verifier.clone();
        ResponseFuture::waiting(Waiting {
            look_up: Box::pin(async move { verifier.look_up(digest).await }),
            shared: self.shared.clone(),
            call: Some((ready::take(&mut self.inner), request)),
            lines,
        })
    }
}

impl<S: Clone, R> Clone for ApiKeyAuth<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for ApiKeyAuth<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyAuth")
            .field("inner", &self.inner)
            .field("gate", &self.shared.gate)
            .finish_non_exhaustive()
    }
}
