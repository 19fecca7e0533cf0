//! A set of scopes.

use std::str::FromStr;
use std::{fmt, slice};

use serde::{Deserialize, Serialize};

use super::name::{InvalidScope, Scope};

/// A set of scopes: those that a key holds, or those that a request needs.
///
/// Iterates in a fixed order: `read`, `write`, `delete`, then the others by name. [`Display`]
/// joins the names with single spaces, as in the `scope` parameter of RFC 6749, section 3.3.
///
/// [`Display`]: fmt::Display
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct ScopeSet {
    /// One bit for each of [`COMMON`]: a request that needs only those allocates nothing.
    common: u8,
    others: Others,
}

/// The other scopes, sorted and without repeats; behind one thin pointer, since most sets have none.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Others(Option<Box<Sorted>>);

/// At least one scope.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Sorted(Box<[Scope]>);

/// The bits of [`COMMON`].
#[derive(Clone, Copy)]
pub(crate) enum Common {
    Read = 1,
    Write = 2,
    Delete = 4,
}

const COMMON: [Scope; 3] = [Scope::READ, Scope::WRITE, Scope::DELETE];

impl ScopeSet {
    /// The empty set, which permits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One of [`COMMON`], for what is asked of every request.
    pub(crate) const fn common(scope: Common) -> Self {
        Self {
            common: scope as u8,
            others: Others(None),
        }
    }

    /// Those of [`COMMON`] that have these [bits](Self::common_bits).
    pub(crate) const fn of_common_bits(bits: u8) -> Self {
        Self {
            common: bits & (Common::Read as u8 | Common::Write as u8 | Common::Delete as u8),
            others: Others(None),
        }
    }

    /// The scopes among stored names, without those that are not scope names.
    ///
    /// For stores: no policy can ask for a name that is not a [`Scope`], so it grants nothing, and
    /// leaving it out is safe. A name is never split or folded: `"read write"` is one bad name.
    ///
    /// ```
    /// use tower_api_key::scope::{Scope, ScopeSet};
    ///
    /// let held = ScopeSet::from_stored_lossy(["write", "read write", "*"]);
    /// assert_eq!(held, ScopeSet::from([Scope::WRITE, Scope::from_static("*")]));
    /// ```
    pub fn from_stored_lossy<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names
            .into_iter()
            .filter_map(|name| Scope::new(name).ok())
            .collect()
    }

    /// Whether the set holds exactly this scope.
    pub fn contains(&self, scope: &Scope) -> bool {
        match common_bit(scope) {
            Some(bit) => self.common & bit != 0,
            None => self.others.contain(scope),
        }
    }

    /// Whether the set holds every scope of `needed`.
    #[inline]
    pub fn contains_all(&self, needed: &Self) -> bool {
        needed.common & !self.common == 0
            && needed.others.iter().all(|scope| self.others.contain(scope))
    }

    /// The scopes of this set that `held` lacks.
    #[must_use]
    pub fn difference(&self, held: &Self) -> Self {
        Self {
            common: self.common & !held.common,
            others: self
                .others
                .iter()
                .filter(|scope| !held.others.contain(scope))
                .cloned()
                .collect(),
        }
    }

    /// The scopes of both sets together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            common: self.common | other.common,
            others: self
                .others
                .iter()
                .chain(other.others.iter())
                .cloned()
                .collect(),
        }
    }

    /// One bit for each scope of [`COMMON`].
    #[inline]
    pub(crate) fn common_bits(&self) -> u8 {
        self.common
    }

    /// The scopes that have no such bit.
    #[inline]
    pub(crate) fn others(&self) -> impl Iterator<Item = &Scope> {
        self.others.iter()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.common == 0 && self.others.0.is_none()
    }

    /// How many scopes the set holds.
    pub fn len(&self) -> usize {
        self.common.count_ones() as usize + self.others.iter().len()
    }

    /// The scopes, in the set's order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        static SHARED: [Scope; 3] = COMMON;
        let common = SHARED.iter().filter(|scope| self.contains(scope));
        common.chain(self.others.iter())
    }
}

impl Others {
    #[inline]
    fn iter(&self) -> slice::Iter<'_, Scope> {
        self.0.as_ref().map_or(&[][..], |sorted| &sorted.0).iter()
    }

    fn contain(&self, scope: &Scope) -> bool {
        self.iter().as_slice().binary_search(scope).is_ok()
    }
}

impl FromIterator<Scope> for Others {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        if scopes.is_empty() {
            return Self(None);
        }
        scopes.sort_unstable();
        scopes.dedup();
        Self(Some(Box::new(Sorted(scopes.into()))))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut common = 0;
        let mut others = Vec::new();
        for scope in scopes {
            match common_bit(&scope) {
                Some(bit) => common |= bit,
                None => others.push(scope),
            }
        }
        Self {
            common,
            others: others.into_iter().collect(),
        }
    }
}

impl<const N: usize> From<[Scope; N]> for ScopeSet {
    fn from(scopes: [Scope; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scope> for ScopeSet {
    fn from(scope: Scope) -> Self {
        match common_bit(&scope) {
            Some(common) => Self {
                common,
                others: Others::default(),
            },
            None => Self {
                common: 0,
                others: [scope].into_iter().collect(),
            },
        }
    }
}

impl From<Vec<Scope>> for ScopeSet {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<ScopeSet> for Vec<Scope> {
    fn from(set: ScopeSet) -> Self {
        set.iter().cloned().collect()
    }
}

/// Reads names with single spaces between them, as [`Display`](fmt::Display) writes them; the empty
/// text is the empty set.
impl FromStr for ScopeSet {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() {
            return Ok(Self::new());
        }
        text.split(' ').map(Scope::new).collect()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Scope::as_str))
            .finish()
    }
}

fn common_bit(scope: &Scope) -> Option<u8> {
    match scope.as_str() {
        "read" => Some(Common::Read as u8),
        "write" => Some(Common::Write as u8),
        "delete" => Some(Common::Delete as u8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_whatever_the_order_and_repeats() {
        let scope = |name| Scope::new(name).unwrap();
        let one: ScopeSet = ["z", "read", "a", "read", "z"].map(scope).into();
        let two: ScopeSet = ["a", "z", "read"].map(scope).into();
        assert_eq!(one, two);
        assert_eq!(one.len(), 3);
        assert_eq!(one.to_string(), "read a z");
    }

    #[test]
    fn a_set_is_read_as_it_is_written() {
        for text in ["", "read", "read write a z"] {
            assert_eq!(text.parse::<ScopeSet>().unwrap().to_string(), text);
        }
        for text in [" ", "read ", "read  write", "read,\"write\"", "read\twrite"] {
            assert!(text.parse::<ScopeSet>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn difference_and_union_treat_common_and_other_scopes_alike() {
        let scope = |name| Scope::new(name).unwrap();
        let needed: ScopeSet = ["read", "delete", "a", "b"].map(scope).into();
        let held: ScopeSet = ["read", "b", "c"].map(scope).into();
        assert_eq!(needed.difference(&held).to_string(), "delete a");
        assert_eq!(needed.union(&held).to_string(), "read delete a b c");
        assert!(!held.contains_all(&needed));
        assert!(needed.union(&held).contains_all(&needed));
    }
}
