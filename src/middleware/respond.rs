//! The seam for answers to refusals.

use std::sync::Arc;

use http::Response;

use super::refusal::Refusal;

/// Makes the response to a refused request, with the inner service's type of body.
///
/// The layer adds to whatever this returns: the [`Denial`](crate::denial::Denial) in the response's
/// extensions, `Vary`, and, where the header is absent, `Cache-Control: no-store`, `WWW-Authenticate`
/// to 401 and 403, and `Retry-After` to 429 and 503. The answer to a HEAD request
/// must have no content, since not every server cuts it, and then needs the `Content-Length` of the
/// answer to GET, or routers may say 0. A closure `Fn(&Refusal<'_>) -> Response<B>` is a responder:
///
/// ```
/// use http::Response;
/// use tower_api_key::middleware::{Refusal, Respond};
///
/// let responder = |refusal: &Refusal<'_>| {
///     let mut response = Response::new(refusal.message().into_owned());
///     *response.status_mut() = refusal.status();
///     response
/// };
/// # fn check(_: impl Respond<String>) {}
/// # check(responder);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no response with the body `{B}`",
    note = "`DefaultResponder` serves a body that can be made from `bytes::Bytes`",
    note = "a tonic server uses `ApiKeyLayer::with_responder(GrpcResponder::new())`",
    note = "for any other body, pass a closure `Fn(&Refusal<'_>) -> Response<B>` to `with_responder`"
)]
pub trait Respond<B>: Send + Sync + 'static {
    /// The response.
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B>;
}

impl<F, B> Respond<B> for F
where
    F: Fn(&Refusal<'_>) -> Response<B> + Send + Sync + 'static,
{
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        self(refusal)
    }
}

impl<R, B> Respond<B> for Arc<R>
where
    R: Respond<B> + ?Sized,
{
    fn respond(&self, refusal: &Refusal<'_>) -> Response<B> {
        (**self).respond(refusal)
    }
}
