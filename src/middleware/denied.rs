//! Requests that are denied behind the layer.

use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, Uri, Version};

use super::challenge::Challenges;
use crate::denial::Denial;
use crate::policy::head::RequestHead;

/// The head of a request that was denied behind the layer.
///
/// It stands in the extensions of the response beside the [`Denial`], for the layer to make the
/// response of on the way out.
#[derive(Clone)]
pub(crate) struct DeniedHead {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

impl DeniedHead {
    /// What responders and observers see of the request.
    pub(super) fn head<'a>(&'a self, hidden: &'a [HeaderName]) -> RequestHead<'a> {
        RequestHead::new(&self.method, &self.uri, self.version, &self.headers, hidden)
    }
}

/// An empty response with the denial in its extensions, which the layer outside replaces by its own.
///
/// Without that layer it is a plain 401 or 403, with the challenge that RFC 9110 asks for (section
/// 15.5.2).
#[cold]
pub(crate) fn denied<B: Default>(request: &Parts, denial: Denial) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = denial.status();
    if let Some(challenge) = Challenges::default().of(&denial) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(denial);
    response.extensions_mut().insert(DeniedHead {
        method: request.method.clone(),
        uri: request.uri.clone(),
        version: request.version,
        headers: request.headers.clone(),
    });
    response
}
