//! The description of the API in OpenAPI 3.1.

use http::Method;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{
    Content, Header, Info, OpenApi, Ref, RefOr, Required, ResponseBuilder, Type,
    schema::ObjectBuilder,
};

use super::authorise::OwnerAuthoriser;
use super::handlers;
use super::operations::operations;
use super::problem::{FieldError, FieldErrorCode, Problem, ProblemCode};
use super::schema;
use super::security::ApiKeySecurity;
use crate::key::format::KeyFormat;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        handlers::create,
        handlers::list,
        handlers::show,
        handlers::change,
        handlers::rotate,
        handlers::revoke,
        handlers::usage,
        handlers::advice,
        handlers::audit,
        handlers::document,
    ),
    components(schemas(
        Problem,
        ProblemCode,
        FieldError,
        FieldErrorCode,
        schema::ScopeName,
        schema::Noted
    ))
)]
struct Described;

/// The document for keys of that format.
pub(super) fn document(format: &KeyFormat) -> OpenApi {
    let mut document = Described::openapi();
    document.info = Info::new("API keys", env!("CARGO_PKG_VERSION"));
    document.info.description = Some(DESCRIPTION.to_owned());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            add_problems(path, &method, operation);
        }
    }
    let scope = |_: &Method, _: &str| OwnerAuthoriser::SCOPE.into();
    ApiKeySecurity::new(format)
        .with_scopes(scope)
        .add_to(&mut document);
    document
}

const DESCRIPTION: &str = "Makes, shows, changes, rotates and revokes API keys, and tells how they \
    are used. Every key belongs to the owner of the calling key.";

/// What every request, every change and every key may be answered beside what the handler says.
fn add_problems(path: &str, method: &Method, operation: &mut Operation) {
    let is_change = *method != Method::GET;
    let mut problems = vec![
        (
            "400",
            "Query parameters, header fields or the JSON text are wrong",
        ),
        ("503", "Keys cannot be managed at the moment"),
    ];
    if path.contains("{id}") {
        problems.push(("404", "No such key"));
    }
    if is_change {
        problems.extend([
            ("403", "The key may give no key what it lacks itself"),
            (
                "409",
                "The state of the key, or of the owner's keys, does not allow it",
            ),
            ("413", "The body is longer than 64 KiB"),
            ("415", "The body is not declared as JSON"),
            (
                "422",
                "Members of the body are wrong, or the policy does not allow them",
            ),
        ]);
    }
    let may_lack_body = path.ends_with("/rotate") || path.ends_with("/revoke");
    if let (true, Some(RefOr::T(body))) = (may_lack_body, &mut operation.request_body) {
        body.required = Some(Required::False);
    }
    if is_change && path.contains("{id}") {
        problems.push(("412", "The key has another revision"));
        add_if_match(operation);
    }
    for (status, description) in problems {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let mut response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", problem);
        if status == "503" {
            let seconds = Header::new(ObjectBuilder::new().schema_type(Type::Integer));
            response = response.header("Retry-After", seconds);
        }
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_owned(), response.into());
    }
}

fn add_if_match(operation: &mut Operation) {
    let mut parameter = Parameter::new("If-Match");
    parameter.parameter_in = ParameterIn::Header;
    parameter.required = Required::False;
    parameter.description = Some(
        "The `ETag` of the key as the client knows it; another revision, or what is no tag, is 412"
            .to_owned(),
    );
    let tags = ObjectBuilder::new().schema_type(Type::String);
    parameter.schema = Some(tags.into());
    operation
        .parameters
        .get_or_insert_default()
        .push(parameter.into());
}
