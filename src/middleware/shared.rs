//! What a service and the futures of its responses have in common.

use std::mem;

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RETRY_AFTER,
    TRANSFER_ENCODING, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::denied::DeniedHead;
use super::gate::{Gate, Refused};
use super::headers::set_default;
use super::refusal::Refusal;
use super::respond::Respond;
use crate::denial::Denial;
use crate::policy::head::RequestHead;

/// What all clones of a service have in common.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) gate: Gate,
    pub(super) responder: R,
}

impl<R> Shared<R> {
    /// Denies a request that has not reached the inner service.
    pub(super) fn refuse<ReqBody, ResBody>(
        &self,
        request: &Request<ReqBody>,
        refused: Refused,
    ) -> Response<ResBody>
    where
        R: Respond<ResBody>,
    {
        let mut response = self.deny(self.gate.head(request), refused.denial);
        response
            .headers_mut()
            .append(VARY, self.gate.sources.vary());
        if let Some(notice) = refused.notice {
            notice.apply(&mut response);
        }
        response
    }

    /// Denies a request that was denied behind the layer; the layer's own response takes the place of
    /// that one.
    #[cold]
    pub(super) fn deny_behind<B>(&self, response: &mut Response<B>, denied: &DeniedHead)
    where
        R: Respond<B>,
    {
        let head = denied.head(self.gate.sources.names());
        let own = self.deny(head, denied.denial.clone());
        let (mut plain, _) = mem::replace(response, own).into_parts();
        // What layers in between have added stays, so that a layer further out does the same.
        plain
            .extensions
            .extend(mem::take(response.extensions_mut()));
        *response.extensions_mut() = plain.extensions;
        for name in REPLACED.iter().chain(response.headers().keys()) {
            plain.headers.remove(name);
        }
        response.headers_mut().extend(plain.headers);
    }

    /// Tells the observer of a denial, counts it, and makes the response.
    fn deny<B>(&self, head: RequestHead<'_>, denial: Denial) -> Response<B>
    where
        R: Respond<B>,
    {
        let denial = match self.gate.report(head, Err(&denial)) {
            Ok(()) => denial,
            Err(panicked) => panicked,
        };
        self.gate.count_denied(&denial);
        let refusal = Refusal::new(&denial, head, &self.gate.challenges);
        let mut response = self.responder.respond(&refusal);
        complete(&mut response, &refusal);
        response.extensions_mut().insert(denial);
        response
    }
}

/// Adds what a responder has left out.
fn complete<B>(response: &mut Response<B>, refusal: &Refusal<'_>) {
    let status = response.status();
    let headers = response.headers_mut();
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
}

/// The headers of the empty response that do not hold for the one in its place.
const REPLACED: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ETAG,
    TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
];

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
