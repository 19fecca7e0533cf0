//! What a key may do: scope names and sets of them.
//!
//! A [`Scope`] is one name with the grammar of a `scope-token` (RFC 6749, section 3.3). Names are
//! exact and case-sensitive, and none implies another. A [`ScopeSet`] is what a key holds, or what
//! a request needs.
//!
//! ```
//! use tower_api_key::scope::{Scope, ScopeSet};
//!
//! const REPORTS: Scope = Scope::from_static("reports:export");
//!
//! let held = ScopeSet::from([Scope::READ, REPORTS]);
//! assert!(held.contains(&REPORTS));
//! assert!(!held.contains(&Scope::WRITE));
//! assert_eq!(held.to_string(), "read reports:export");
//! ```

pub(crate) mod name;
pub(crate) mod set;

pub use name::{InvalidScope, Scope};
pub use set::ScopeSet;
