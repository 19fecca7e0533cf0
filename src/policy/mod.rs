//! What a request needs of a key.
//!
//! A [`ScopePolicy`] reads the head of a request and says which scopes it needs. The default,
//! [`MethodPolicy`], goes by the method. A closure is a policy too:
//!
//! ```
//! use tower_api_key::policy::{MethodPolicy, RequestHead, Requirement, ScopePolicy};
//! use tower_api_key::scope::Scope;
//!
//! const REPORTS: Scope = Scope::from_static("reports");
//!
//! let methods = MethodPolicy::new();
//! let policy = move |head: &RequestHead<'_>| match head.uri().path() {
//!     "/reports" => Requirement::from(REPORTS),
//!     _ => methods.requirement(head),
//! };
//! # fn check(_: impl ScopePolicy) {}
//! # check(policy);
//! ```

pub(crate) mod head;
pub(crate) mod method;
pub(crate) mod method_override;
pub(crate) mod requirement;
pub(crate) mod scope_policy;

pub use head::RequestHead;
pub use method::MethodPolicy;
pub use requirement::Requirement;
pub use scope_policy::ScopePolicy;
