//! The service.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::admit::{self, Mark};
use super::extract::Lines;
use super::future::{ResponseFuture, Waiting};
use super::gate::{Gate, Pass, Step};
use super::json::DefaultResponder;
use super::refusal::Refusal;
use super::respond::Respond;
use crate::denial::Denial;
use crate::key::digest::KeyDigest;

/// Authenticates every request before the inner service sees it; made by
/// [`ApiKeyLayer`](super::layer::ApiKeyLayer).
pub struct ApiKeyAuth<S, R = DefaultResponder> {
    inner: S,
    shared: Arc<Shared<R>>,
}

/// What all clones of a service have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) gate: Gate,
    pub(super) responder: R,
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
        let gate = &self.shared.gate;
        let (step, lines) = gate.examine(&request);
        let pass = match step {
            Step::Open(opening) => Ok(Pass::Open(opening)),
            Step::Refuse(denial) => Err(denial),
            Step::LookUp(digest) => match gate.verifier.look_up_now(&digest) {
                Some(result) => result
                    .and_then(|identity| gate.authorise(identity, &gate.head(&request)))
                    .map(Pass::Key),
                None => return self.wait(digest, request, lines),
            },
        };
        match pass {
            Ok(pass) => {
                let mark = self.shared.admit(&mut request, lines, pass);
                ResponseFuture::passed(self.inner.call(request), Some(mark))
            }
            Err(denial) => {
                let response = self.shared.refuse(&request, denial);
                drop(self.take_ready());
                ResponseFuture::refused(response)
            }
        }
    }
}

impl<S: Clone, R> ApiKeyAuth<S, R> {
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
            call: Some((self.take_ready(), request)),
            lines,
        })
    }

    /// Takes the service that was polled ready, and leaves a clone that was not.
    ///
    /// A service may reserve room when it is ready, as a concurrency limit does. Whoever was polled
    /// ready must be the one that is called; and when none will be called, dropping it gives the
    /// room back, which a refused client could otherwise hold for as long as it stays connected.
    fn take_ready(&mut self) -> S {
        let unready = self.inner.clone();
        mem::replace(&mut self.inner, unready)
    }
}

impl<R> Shared<R> {
    #[inline]
    pub(super) fn admit<B>(&self, request: &mut Request<B>, lines: Lines, pass: Pass) -> Mark {
        self.gate.report(self.gate.head(request), Ok(&pass));
        admit::prepare(&self.gate, request, lines, pass)
    }

    pub(super) fn refuse<ReqBody, ResBody>(
        &self,
        request: &Request<ReqBody>,
        denial: Denial,
    ) -> Response<ResBody>
    where
        R: Respond<ResBody>,
    {
        let head = self.gate.head(request);
        self.gate.report(head, Err(&denial));
        let refusal = Refusal::new(&denial, head, &self.gate.challenges);
        let mut response = self.responder.respond(&refusal);
        admit::complete_refusal(&self.gate, &mut response);
        response.extensions_mut().insert(denial);
        response
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
