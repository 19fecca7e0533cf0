//! The answer to a refusal.

use http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::admit::set_default;
use super::challenge::Challenges;
use super::refusal::Refusal;
use super::respond::Respond;
use crate::denial::Denial;
use crate::policy::head::RequestHead;

/// A responder's answer, with what the answer to every refusal has.
pub(super) fn answer<R, B>(
    responder: &R,
    head: RequestHead<'_>,
    denial: Denial,
    challenges: &Challenges,
) -> Response<B>
where
    R: Respond<B> + ?Sized,
{
    let refusal = Refusal::new(&denial, head, challenges);
    let mut response = responder.respond(&refusal);
    let status = response.status();
    let headers = response.headers_mut();
    // Unless the responder has said what caches may do.
    set_default(headers, CACHE_CONTROL, NO_STORE);
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && let Some(challenge) = refusal.challenge()
    {
        set_default(headers, WWW_AUTHENTICATE, challenge);
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) && let Some(seconds) = refusal.retry_after()
    {
        set_default(headers, RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(denial);
    response
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
