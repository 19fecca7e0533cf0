//! The tower edge: the layer, what it can be told, and how it refuses.
//!
//! [`ApiKeyLayer`] authenticates every request of a server. [`RequireScope`] asks one route's
//! requests for more. A [`Respond`] makes the answer to a refusal: [`DefaultResponder`] in JSON,
//! [`GrpcResponder`] for tonic servers.

pub(crate) mod allowed;
pub(crate) mod challenge;
pub(crate) mod config_error;
pub(crate) mod denied;
pub(crate) mod extract;
pub(crate) mod future;
pub(crate) mod gate;
pub(crate) mod grpc;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod layer;
mod layer_usage;
mod notice;
pub(crate) mod public_path;
pub(crate) mod ready;
pub(crate) mod refusal;
pub(crate) mod require_scope;
pub(crate) mod respond;
pub(crate) mod service;
pub(crate) mod shared;
pub(crate) mod source;

pub use config_error::{ConfigError, ConfigErrorKind};
pub use future::ResponseFuture;
pub use grpc::GrpcResponder;
pub use json::DefaultResponder;
pub use layer::ApiKeyLayer;
pub use refusal::Refusal;
pub use require_scope::{RequireScope, ScopeGuard, ScopeGuardFuture};
pub use respond::Respond;
pub use service::ApiKeyAuth;
pub use source::KeySource;
