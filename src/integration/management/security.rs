//! API keys in OpenAPI documents.

use std::fmt;
use std::sync::Arc;

use http::Method;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Header, OpenApi, Ref, RefOr, Response, Type};

use super::operations::operations;
use crate::key::format::KeyFormat;
use crate::policy::method::MethodPolicy;
use crate::policy::requirement::Requirement;
use crate::scope::set::ScopeSet;

/// Tells in an OpenAPI document of your own which API keys its operations need.
///
/// It adds
/// - the security schemes `bearer` (`Authorization: Bearer tc_…`) and `api_key` (`X-API-Key: tc_…`), of
///   which either is enough;
/// - to every operation, the scopes that it needs, and the answers 400, 401, 403 and 503 of a
///   [`DefaultResponder`](crate::middleware::DefaultResponder).
///
/// An operation that says `security` itself, such as `security(())` for a public one, stays as it is.
///
/// ```
/// use tower_api_key::integration::management::ApiKeySecurity;
/// use tower_api_key::key::KeyFormat;
/// use utoipa::OpenApi;
///
/// /// Lists products.
/// #[utoipa::path(get, path = "/products", responses((status = 200, description = "All of them")))]
/// async fn list() {}
///
/// #[derive(OpenApi)]
/// #[openapi(paths(list))]
/// struct Products;
///
/// let mut document = Products::openapi();
/// ApiKeySecurity::new(&KeyFormat::default()).add_to(&mut document);
///
/// let document = serde_json::to_value(&document)?;
/// let list = &document["paths"]["/products"]["get"];
/// assert_eq!(list["security"][0]["bearer"][0], "read");
/// assert_eq!(list["security"][1]["api_key"][0], "read");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct ApiKeySecurity {
    pattern: String,
    requirements: Arc<RequirementOf>,
}

/// What a method of a path needs.
type RequirementOf = dyn Fn(&Method, &str) -> Requirement + Send + Sync;

impl ApiKeySecurity {
    /// For keys of that format, and the scopes of
    /// [`MethodPolicy`](crate::policy::MethodPolicy): `read` for GET and HEAD, `write` for POST, PUT
    /// and PATCH, `delete` for DELETE. An operation with another method says that no key may use it.
    pub fn new(format: &KeyFormat) -> Self {
        Self {
            pattern: format.pattern(),
            requirements: Arc::new(|method, _| MethodPolicy::new().of(method)),
        }
    }

    /// Asks for these scopes for that method of that path. Default: by the method, see
    /// [`new`](Self::new).
    #[must_use]
    pub fn with_scopes<F>(self, scopes: F) -> Self
    where
        F: Fn(&Method, &str) -> ScopeSet + Send + Sync + 'static,
    {
        Self {
            requirements: Arc::new(move |method, path| scopes(method, path).into()),
            ..self
        }
    }

    /// Adds the schemes, and to each operation its scopes and refusals.
    pub fn add_to(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, self.bearer());
        components.add_security_scheme(API_KEY, self.api_key());
        components
            .schemas
            .insert(REFUSAL.to_owned(), refusal().into());
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                if operation.security.is_none() {
                    add_to_operation(operation, (self.requirements)(&method, path));
                }
            }
        }
    }

    fn bearer(&self) -> SecurityScheme {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let description = format!("An API key: `{}`", self.pattern);
        SecurityScheme::Http(bearer.description(Some(description)).build())
    }

    fn api_key(&self) -> SecurityScheme {
        let description = format!("An API key: `{}`", self.pattern);
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key".to_owned(),
            description,
        )))
    }
}

impl fmt::Debug for ApiKeySecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeySecurity")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}

fn add_to_operation(operation: &mut Operation, requirement: Requirement) {
    let (scopes, denied) = match requirement {
        Requirement::Scopes(scopes) => (scopes, "The API key lacks a scope"),
        // OpenAPI has no word for it, so the 403 says it.
        Requirement::NotPermitted => (ScopeSet::new(), "No API key may use this method"),
    };
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let requirements = [BEARER, API_KEY].map(|name| SecurityRequirement::new(name, &scopes));
    operation.security = Some(requirements.into());
    for (status, description) in [
        ("400", "More than one API key"),
        ("401", "Invalid or missing API key"),
        ("403", denied),
        ("503", "API keys cannot be verified at the moment"),
    ] {
        add_refusal(operation, status, description);
    }
}

const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";
const REFUSAL: &str = "ApiKeyRefusal";

/// Documents a refusal, beside what else the operation says of the status.
fn add_refusal(operation: &mut Operation, status: &str, description: &str) {
    let responses = &mut operation.responses.responses;
    let response = responses
        .entry(status.to_owned())
        .or_insert_with(|| RefOr::T(Response::new(description)));
    let RefOr::T(response) = response else { return };
    let body = Content::new(Some(Ref::from_schema_name(REFUSAL)));
    response
        .content
        .entry("application/json".to_owned())
        .or_insert_with(|| RefOr::T(body));
    let (name, kind) = match status {
        "503" => ("Retry-After", Type::Integer),
        _ => ("WWW-Authenticate", Type::String),
    };
    // Other answers of the status lack it, so that it is not said to be required.
    let header = Header::new(ObjectBuilder::new().schema_type(kind));
    let headers = &mut response.headers;
    headers
        .entry(name.to_owned())
        .or_insert_with(|| header.into());
}

/// The body of a refusal.
fn refusal() -> ObjectBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    ObjectBuilder::new()
        .property("error", text())
        .property("message", text())
        .required("error")
        .required("message")
}
