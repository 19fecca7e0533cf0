//! The future of a response.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::allowed::Allowed;
use super::extract::Lines;
use super::respond::Respond;
use super::shared::Shared;
use crate::denial::Denial;
use crate::identity::Identity;

pin_project! {
    /// The response of [`ApiKeyAuth`](super::service::ApiKeyAuth).
    ///
    /// Only a request that waits for the store costs an allocation here.
    pub struct ResponseFuture<S, R, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, R, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        Waiting { waiting: Box<Waiting<S, R, ReqBody>> },
        Allowed { #[pin] inner: S::Future, allowed: Option<Allowed<R>> },
        Refused { response: Option<S::Response> },
    }
}

/// A request that waits for the store, with the readied service that is to take it.
pub(super) struct Waiting<S, R, ReqBody> {
    pub(super) look_up: Pin<Box<dyn Future<Output = Result<Identity, Denial>> + Send>>,
    pub(super) shared: Arc<Shared<R>>,
    /// Taken when the look-up has ended.
    pub(super) call: Option<(S, Request<ReqBody>)>,
    pub(super) lines: Lines,
}

impl<S, R, ReqBody> ResponseFuture<S, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn waiting(waiting: Waiting<S, R, ReqBody>) -> Self {
        Self {
            state: State::Waiting {
                waiting: Box::new(waiting),
            },
        }
    }

    /// The future of a service that is called here, so that it need not be moved often.
    #[inline]
    pub(super) fn allowed(call: impl FnOnce() -> S::Future, allowed: Allowed<R>) -> Self {
        Self {
            state: State::Allowed {
                inner: call(),
                allowed: Some(allowed),
            },
        }
    }

    pub(super) fn refused(response: S::Response) -> Self {
        Self {
            state: State::Refused {
                response: Some(response),
            },
        }
    }
}

impl<S, R, ReqBody, ResBody> Future for ResponseFuture<S, R, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::Waiting { waiting } = state.as_mut().project() {
            let result = ready!(waiting.look_up.as_mut().poll(context));
            // A future that has ended may not be polled again; then it never ends.
            let Some((service, request)) = waiting.call.take() else {
                return Poll::Pending;
            };
            let next = resume(&waiting.shared, service, request, waiting.lines, result);
            state.set(next);
        }
        match state.project() {
            StateProjection::Allowed { inner, allowed } => finish(inner, allowed, context),
            StateProjection::Refused { response } => response
                .take()
                .map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
            StateProjection::Waiting { .. } => Poll::Pending,
        }
    }
}

/// Finishes the response of the inner service, where it lies.
#[inline]
fn finish<F, R, B, E>(
    inner: Pin<&mut F>,
    allowed: &mut Option<Allowed<R>>,
    context: &mut Context<'_>,
) -> Poll<F::Output>
where
    F: Future<Output = Result<Response<B>, E>>,
    R: Respond<B>,
{
    let mut outcome = inner.poll(context);
    if let Poll::Ready(result) = &mut outcome
        && let Some(allowed) = allowed.take()
        && let Ok(response) = result
    {
        allowed.finish(response);
    }
    outcome
}

/// Goes on with a request whose key was looked up.
fn resume<S, R, ReqBody, ResBody>(
    shared: &Arc<Shared<R>>,
    mut service: S,
    mut request: Request<ReqBody>,
    lines: Lines,
    verified: Result<Identity, Denial>,
) -> State<S, R, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
{
    match Allowed::by_key(shared, &mut request, lines, verified) {
        Ok(allowed) => State::Allowed {
            inner: service.call(request),
            allowed: Some(allowed),
        },
        Err(refused) => State::Refused {
            response: Some(shared.refuse(&request, refused)),
        },
    }
}

impl<S, R, ReqBody> fmt::Debug for ResponseFuture<S, R, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "waiting for the store",
            State::Allowed { .. } => "allowed",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
