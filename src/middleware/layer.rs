//! The layer.

use std::fmt;
use std::sync::Arc;

use http::Method;
use tower_layer::Layer;

use super::challenge::Challenges;
use super::config_error::ConfigError;
use super::gate::Gate;
use super::json::DefaultResponder;
use super::service::ApiKeyAuth;
use super::shared::Shared;
use super::source::{KeySource, Sources};
use crate::clock::Clock;
use crate::key::format::KeyFormat;
use crate::key::hasher::KeyHasher;
use crate::observe::observer::Observer;
use crate::policy::scope_policy::ScopePolicy;
use crate::store::contract::key_store::KeyStore;
use crate::verify::verifier::Verifier;

/// Authenticates every request of a server by its API key.
///
/// A request passes only when its key was verified and covers what the policy asks for; then the
/// inner service finds an [`Identity`](crate::identity::Identity) in the request's extensions.
/// Every other request is answered here.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore};
///
/// let keys = KeyManager::new(MemoryStore::new());
/// let app: Router = Router::new()
///     .route("/products", get(|| async { "[]" }))
///     .layer(ApiKeyLayer::new(keys.store().clone()));
/// ```
///
/// With axum, a layer covers the routes that were added before it, and the fallback if that was
/// set before it. To cover whatever will ever be added, wrap the finished router:
/// `ApiKeyLayer::new(store).layer(app)`. That is also the quickest, since the router boxes every
/// layer that it is given.
#[derive(Clone)]
pub struct ApiKeyLayer<R = DefaultResponder> {
    pub(super) gate: Gate,
    responder: R,
}

impl ApiKeyLayer {
    /// A layer with the defaults: keys of the format `tc_` and 64 digits, in `Authorization:
    /// Bearer` or `X-API-Key`, digested with SHA-256, scopes by method, answers in JSON.
    pub fn new(store: impl KeyStore + 'static) -> Self {
        Self::from_verifier(Verifier::new(store))
    }

    /// A layer with this verifier's store, formats, hasher and clock.
    ///
    /// ```
    /// use tower_api_key::key::KeyHasher;
    /// use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore};
    ///
    /// let pepper = [7; 32]; // from a secret manager
    /// let keys = KeyManager::new(MemoryStore::new()).with_hasher(KeyHasher::hmac_sha256(&pepper)?);
    /// let layer = ApiKeyLayer::from_verifier(keys.verifier());
    /// # Ok::<(), tower_api_key::key::PepperTooShort>(())
    /// ```
    pub fn from_verifier(verifier: Verifier) -> Self {
        Self {
            gate: Gate::new(verifier),
            responder: DefaultResponder::new(),
        }
    }

    /// Answers denied gRPC requests in gRPC, with status 200 and `grpc-status`.
    ///
    /// Defaults to JSON for every request. A gRPC request is a POST with the content type
    /// `application/grpc`, over HTTP/2, or `application/grpc-web`. Switch it on where the inner service
    /// answers gRPC beside HTTP; a tonic server uses [`GrpcResponder`](super::grpc::GrpcResponder).
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_grpc();
    /// ```
    #[must_use]
    pub fn with_grpc(mut self) -> Self {
        self.responder = self.responder.with_grpc();
        self
    }
}

impl<R> ApiKeyLayer<R> {
    /// Accepts keys of these formats, such as an old prefix beside a new one.
    ///
    /// Default: `tc_` and 64 digits.
    ///
    /// ```
    /// use tower_api_key::key::KeyFormat;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let formats = [KeyFormat::default(), KeyFormat::new("acme_")?.with_checksum()];
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_formats(formats)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no format, or two have the same prefix.
    pub fn with_formats(
        mut self,
        formats: impl IntoIterator<Item = KeyFormat>,
    ) -> Result<Self, ConfigError> {
        self.gate.verifier = self.gate.verifier.with_formats(formats)?;
        Ok(self)
    }

    /// Digests keys with this hasher, which must be that of whoever issued them.
    ///
    /// Default: SHA-256. [`from_verifier`](Self::from_verifier) takes the manager's.
    ///
    /// ```
    /// use tower_api_key::key::KeyHasher;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let pepper = [7; 32]; // from a secret manager
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_hasher(KeyHasher::hmac_sha256(&pepper)?);
    /// # Ok::<(), tower_api_key::key::PepperTooShort>(())
    /// ```
    #[must_use]
    pub fn with_hasher(mut self, hasher: KeyHasher) -> Self {
        self.gate.verifier = self.gate.verifier.with_hasher(hasher);
        self
    }

    /// Judges the ends of keys by this clock.
    ///
    /// Default: the system's.
    ///
    /// ```
    /// use tower_api_key::clock::ManualClock;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let clock = ManualClock::at("2026-01-01T00:00:00Z".parse()?);
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_clock(clock.clone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.gate.verifier = self.gate.verifier.with_clock(clock);
        self
    }

    /// Reads keys from these headers only.
    ///
    /// Default: [`KeySource::BEARER`] and [`KeySource::X_API_KEY`]. A header that is not listed is
    /// neither read nor removed. The order does not matter: two headers with different keys are
    /// refused.
    ///
    /// Refusals challenge with `Bearer` (RFC 9110, section 11.6.1) even where [`KeySource::BEARER`] is
    /// not listed, since no scheme stands for a key in another header: tell clients where to send it.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_api_key::middleware::KeySource;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let own = KeySource::header(HeaderName::from_static("x-acme-key"));
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_sources([KeySource::BEARER, own])?;
    /// # Ok::<(), tower_api_key::middleware::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when
    /// - there is no source, more than 8, or one twice;
    /// - a header means something else to servers or browsers, such as `Cookie`, `Host` or
    ///   whatever starts with `Content-` or `Sec-`.
    pub fn with_sources(
        mut self,
        sources: impl IntoIterator<Item = KeySource>,
    ) -> Result<Self, ConfigError> {
        self.gate.sources = Arc::new(Sources::new(sources)?);
        Ok(self)
    }

    /// Asks this policy what a request needs.
    ///
    /// Default: [`MethodPolicy`](crate::policy::MethodPolicy), scopes by method.
    ///
    /// ```
    /// use tower_api_key::policy::{RequestHead, Requirement};
    /// use tower_api_key::{ApiKeyLayer, MemoryStore, Scope};
    ///
    /// // Every request needs `read`; routes ask for more with `RequireScope`.
    /// let layer = ApiKeyLayer::new(MemoryStore::new())
    ///     .with_policy(|_: &RequestHead<'_>| Requirement::from(Scope::READ));
    /// ```
    #[must_use]
    pub fn with_policy(mut self, policy: impl ScopePolicy) -> Self {
        self.gate.policy = Arc::new(policy);
        self
    }

    /// Tells this observer of every decision, with the exact reason of a refusal.
    ///
    /// Default: nobody.
    ///
    /// ```
    /// use tower_api_key::observe::Decision;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_observer(|decision: &Decision<'_>| {
    ///     if let Some(denial) = decision.denial() {
    ///         eprintln!("refused {}: {denial}", decision.head().method());
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.gate.observer = Some(Arc::new(observer));
        self
    }

    /// Lets this responder answer refusals.
    ///
    /// Defaults to [`DefaultResponder`], which answers in JSON. A service whose body cannot be made
    /// from `Bytes` needs another: a tonic server [`GrpcResponder`](super::grpc::GrpcResponder), or one
    /// of its own; see [`Respond`](super::respond::Respond).
    ///
    /// ```
    /// use http::Response;
    /// use tower_api_key::middleware::Refusal;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_responder(|refusal: &Refusal<'_>| {
    ///     let mut response = Response::new(format!("{}\n", refusal.message()));
    ///     *response.status_mut() = refusal.status();
    ///     response
    /// });
    /// ```
    #[must_use]
    pub fn with_responder<T>(self, responder: T) -> ApiKeyLayer<T> {
        ApiKeyLayer {
            gate: self.gate,
            responder,
        }
    }

    /// Names the protected space in `WWW-Authenticate` (RFC 9110, section 11.5).
    ///
    /// Default: `api`.
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_realm("TruCustom API")?;
    /// # Ok::<(), tower_api_key::middleware::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the realm is empty, longer than 256 octets, or has anything but
    /// printable ASCII without `"` and `\`.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        self.gate.challenges = Arc::new(Challenges::new(realm)?);
        Ok(self)
    }

    /// Lets requests without a key pass, whatever they ask for, without an identity.
    ///
    /// Default: they are refused with 401. A request with a bad key is refused all the same, and so
    /// is one whose credential headers are empty or hold a key in another way than `Bearer <key>`.
    ///
    /// # Security
    ///
    /// The policy is not asked for a request without a key: handlers must look at
    /// `Option<Identity>`, or routes be guarded by [`RequireScope`](super::require_scope::RequireScope).
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_insecure_anonymous_access();
    /// ```
    #[must_use]
    pub fn with_insecure_anonymous_access(mut self) -> Self {
        self.gate.allows_anonymous = true;
        self
    }

    /// Lets every request for this path pass, without looking at its key.
    ///
    /// Default: no path. The path is compared octet for octet with that of the request's target,
    /// before any decoding; the query does not matter. A request passes without an identity, even
    /// with a valid key, and its credential headers are removed.
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_public_path("/health")?;
    /// # Ok::<(), tower_api_key::middleware::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the path
    /// - does not start with `/`, or is `/`, which stands for the whole of a nested router too;
    /// - is not canonical: empty or dot segments, percent-encoding, anything but printable ASCII;
    /// - looks like a pattern: paths are exact.
    pub fn with_public_path(self, path: &str) -> Result<Self, ConfigError> {
        self.add_public_path(None, path)
    }

    /// Lets requests with this method for this path pass, without looking at their key.
    ///
    /// As [`with_public_path`](Self::with_public_path), for one method: GET leaves HEAD out. A request
    /// with a header that may replace its method, such as `X-HTTP-Method-Override`, does not pass.
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// use http::Method;
    ///
    /// let layer = ApiKeyLayer::new(MemoryStore::new())
    ///     .with_public_path_for(Method::POST, "/webhooks/payments")?;
    /// # Ok::<(), tower_api_key::middleware::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_public_path`](Self::with_public_path).
    pub fn with_public_path_for(self, method: Method, path: &str) -> Result<Self, ConfigError> {
        self.add_public_path(Some(method), path)
    }

    /// Lets CORS preflights pass: OPTIONS with `Origin` and `Access-Control-Request-Method`.
    ///
    /// Default: they need a key, which browsers never send with them. A `CorsLayer` outside of this
    /// layer answers preflights before they get here, and needs no such allowance.
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_preflight_allowed();
    /// ```
    #[must_use]
    pub fn with_preflight_allowed(mut self) -> Self {
        self.gate.allows_preflight = true;
        self
    }

    /// Leaves the credential headers in the request, marked as sensitive.
    ///
    /// Default: they are removed, all of them, so that nothing behind this layer can log or forward
    /// a key.
    ///
    /// # Security
    ///
    /// Whatever handles the request behind this layer sees the plaintext key.
    ///
    /// ```
    /// # use tower_api_key::{ApiKeyLayer, MemoryStore};
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_insecure_credential_kept();
    /// ```
    #[must_use]
    pub fn with_insecure_credential_kept(mut self) -> Self {
        self.gate.keeps_credential = true;
        self
    }

    fn add_public_path(mut self, method: Option<Method>, path: &str) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.gate.public_paths).add(method, path)?;
        Ok(self)
    }
}

impl<S, R: Clone> Layer<S> for ApiKeyLayer<R> {
    type Service = ApiKeyAuth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = Shared {
            gate: self.gate.clone(),
            responder: self.responder.clone(),
        };
        ApiKeyAuth::new(inner, Arc::new(shared))
    }
}

impl<R> fmt::Debug for ApiKeyLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyLayer")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
