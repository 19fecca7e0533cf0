//! One named rule.

use std::fmt;
use std::pin::Pin;

use crate::store::contract::store::Store;

/// What a rule demands of a store that is empty at first.
pub(super) struct Rule {
    name: &'static str,
    check: Check,
}

type Check = for<'a> fn(&'a dyn Store) -> Checking<'a>;

type Checking<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The value of a step of a rule, or how the store broke the rule.
pub(super) type Outcome<T = ()> = Result<T, Broken>;

/// What was expected of a store, and found instead.
#[derive(Debug)]
pub(super) struct Broken(String);

impl Rule {
    pub(super) const fn new(name: &'static str, check: Check) -> Self {
        Self { name, check }
    }

    /// Panics when the store breaks the rule.
    pub(super) async fn hold(&self, store: &dyn Store) {
        if let Err(broken) = (self.check)(store).await {
            broken.panic(self.name);
        }
    }
}

/// A list of rules, each a name and a function.
macro_rules! rules {
    ($($name:literal => $check:ident,)*) => {
        pub(super) const RULES: &[$crate::testing::contract::rule::Rule] = &[$(
            $crate::testing::contract::rule::Rule::new($name, |store| Box::pin($check(store))),
        )*];
    };
}

impl Broken {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(super) fn panic(&self, rule: &str) -> ! {
        panic!("the store breaks the rule `{rule}`: {self}");
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
