//! Headers by which some frameworks replace a request's method.

use http::header::HeaderName;

/// Whether a header of this name may replace the method behind the layer.
pub(crate) fn is_override(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The length first: it tells most headers apart without reading them.
    match name.len() {
        22 => name == "x-http-method-override",
        13 => name == "x-http-method",
        17 => name == "x-method-override",
        _ => false,
    }
}
