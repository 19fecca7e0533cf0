//! Headers by which some frameworks replace a request's method.

use http::header::HeaderName;

/// Whether a header of this name may replace the method behind the layer.
#[inline]
pub(crate) fn is_override(name: &HeaderName) -> bool {
    // One after the other, each a constant: a standard name is told from all three at once.
    *name == X_HTTP_METHOD_OVERRIDE || *name == X_HTTP_METHOD || *name == X_METHOD_OVERRIDE
}

const X_HTTP_METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const X_HTTP_METHOD: HeaderName = HeaderName::from_static("x-http-method");
const X_METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-method-override");
