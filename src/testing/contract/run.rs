//! Runs the rules.

use super::rule::Rule;
use super::{
    auditing, bulk, changing, conditions, counting, crowding, exercising, inserting, listing,
    racing, rotating, using,
};
use crate::store::registry::KeyRegistry;

/// Holds a store to every rule of [`KeyStore`](crate::store::KeyStore) and [`KeyRegistry`].
///
/// `fresh` makes an empty store; it is called once for each rule. What it makes may share one
/// database, as long as that is emptied: one rule is checked after the other.
///
/// # Panics
///
/// When the store breaks a rule; the message has the rule's name, what was expected and what was
/// found.
pub async fn check<S: KeyRegistry>(fresh: impl AsyncFn() -> S) {
    for rule in RULES.iter().copied().flatten() {
        rule.hold(&fresh().await).await;
    }
}

const RULES: &[&[Rule]] = &[
    inserting::RULES,
    changing::RULES,
    rotating::RULES,
    listing::RULES,
    using::RULES,
    bulk::RULES,
    auditing::RULES,
    conditions::RULES,
    counting::RULES,
    exercising::RULES,
    racing::RULES,
    crowding::RULES,
];
