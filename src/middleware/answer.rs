//! The answer to a refusal.

use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};

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
    let mut response = responder.respond(&Refusal::new(&denial, head, challenges));
    // Unless the responder has said what caches may do.
    set_default(response.headers_mut(), CACHE_CONTROL, NO_STORE);
    response.extensions_mut().insert(denial);
    response
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
