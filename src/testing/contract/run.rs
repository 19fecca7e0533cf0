//! Runs the rules.

use super::rule::Rule;
use super::{auditing, committing, conditions, counting, inserting, listing, racing, using};
use crate::store::contract::store::Store;

/// Holds a store to every rule of [`KeyStore`](crate::store::KeyStore),
/// [`KeyRegistry`](crate::store::KeyRegistry), [`AuditLog`](crate::store::AuditLog) and
/// [`UsageStore`](crate::store::UsageStore).
///
/// `fresh` makes an empty store; it is called once for each rule. What it makes may share one
/// database, as long as that is emptied: one rule is checked after the other.
///
/// # Panics
///
/// When the store breaks a rule; the message has the rule's name, what was expected and what was
/// found.
pub async fn check<S: Store>(fresh: impl AsyncFn() -> S) {
    for rule in RULES.iter().copied().flatten() {
        rule.hold(&fresh().await).await;
    }
}

const RULES: &[&[Rule]] = &[
    inserting::RULES,
    committing::RULES,
    conditions::RULES,
    listing::RULES,
    auditing::RULES,
    using::RULES,
    counting::RULES,
    racing::RULES,
];
