//! Requests that are denied behind the layer.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, Version};

use super::challenge::Challenges;
use super::source::X_API_KEY;
use crate::denial::Denial;
use crate::policy::head::RequestHead;

/// The denial of a request behind the layer, with the head of the request but without credentials.
///
/// It stands in the extensions of the response, for the layer to make its own response of on the way
/// out.
#[derive(Clone)]
pub(crate) struct DeniedHead {
    pub(super) denial: Denial,
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
    response.extensions_mut().insert(DeniedHead {
        denial: denial.clone(),
        method: request.method.clone(),
        uri: request.uri.clone(),
        version: request.version,
        headers: without_credentials(&request.headers),
    });
    response.extensions_mut().insert(denial);
    response
}

/// The layer marks a credential that it keeps as sensitive; without the layer, none is marked.
fn without_credentials(headers: &HeaderMap) -> HeaderMap {
    let is_secret = |(name, value): &(&HeaderName, &HeaderValue)| {
        value.is_sensitive() || **name == AUTHORIZATION || **name == X_API_KEY
    };
    let kept = headers.iter().filter(|line| !is_secret(line));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::denial::DenialKind;

    #[test]
    fn no_credential_is_left_in_the_response() {
        let mut request = Request::new(()).into_parts().0;
        let mut secret = HeaderValue::from_static("secret");
        for name in ["authorization", "x-api-key"] {
            request.headers.insert(name, secret.clone());
        }
        secret.set_sensitive(true);
        request.headers.insert("x-partner-key", secret);
        for value in ["text/html", "application/json"] {
            let value = HeaderValue::from_static(value);
            request.headers.append("accept", value);
        }
        let response: Response<()> = denied(&request, Denial::new(DenialKind::Missing));
        let head = response.extensions().get::<DeniedHead>();
        let headers = &head.expect("the head of the request").headers;
        let kept: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["accept", "accept"]);
    }
}
