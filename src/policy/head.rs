//! What a policy sees of a request.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version};

/// The head of a request, without the headers that carry credentials.
///
/// Policies, responders and observers see this; never a body, and never a key. `Authorization` is
/// left out whether keys are read from it or not, and so are values that are marked sensitive.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    hidden: &'a [HeaderName],
}

impl<'a> RequestHead<'a> {
    /// A head whose `hidden` headers are left out, such as those that carry credentials.
    pub fn new(
        method: &'a Method,
        uri: &'a Uri,
        version: Version,
        headers: &'a HeaderMap,
        hidden: &'a [HeaderName],
    ) -> Self {
        Self {
            method,
            uri,
            version,
            headers,
            hidden,
        }
    }

    /// The request's method (RFC 9110, section 9).
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The request's target.
    ///
    /// A client may have put anything into its path or query, by mistake a key too: do not log it
    /// whole. [`Debug`](fmt::Debug) leaves it out.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The version of HTTP that the request came over.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The first value of a header, unless it is hidden.
    pub fn header(&self, name: &HeaderName) -> Option<&'a HeaderValue> {
        let value = self.headers.get(name)?;
        self.shows(name, value).then_some(value)
    }

    /// Every header line that is not hidden, in no particular order of names.
    pub fn headers(&self) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        self.lines()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Every header line, without the values that are hidden.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'a HeaderName, Option<&'a HeaderValue>)> {
        let head = *self;
        self.headers
            .iter()
            .map(move |(name, value)| (name, head.shows(name, value).then_some(value)))
    }

    /// Whether a header is there whose name passes this test; quicker than to look at every line.
    pub(crate) fn any_name(&self, test: impl FnMut(&HeaderName) -> bool) -> bool {
        self.headers.keys().any(test)
    }

    fn shows(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        !value.is_sensitive() && *name != AUTHORIZATION && !self.hidden.contains(name)
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .finish_non_exhaustive()
    }
}
