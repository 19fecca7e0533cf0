//! The operations of a path in an OpenAPI document.

use http::Method;
use utoipa::openapi::path::{Operation, PathItem};

/// Those that the path has, with their methods.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::OPTIONS, &mut item.options),
        (Method::HEAD, &mut item.head),
        (Method::PATCH, &mut item.patch),
        (Method::TRACE, &mut item.trace),
    ];
    let some = all.into_iter();
    some.filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
