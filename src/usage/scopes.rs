//! Scopes as bits.

use std::array;
use std::sync::OnceLock;

use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;

/// A bit for each scope that requests have needed, in the order of their first need, up to a bound.
/// What has a bit keeps it.
pub(super) struct ScopeBits {
    others: [OnceLock<Scope>; OTHERS],
}

/// How many bits the common scopes have, which are always the same.
const COMMON: usize = 3;
const OTHERS: usize = u64::BITS as usize - COMMON;

impl ScopeBits {
    pub(super) fn new() -> Self {
        Self {
            others: array::from_fn(|_| OnceLock::new()),
        }
    }

    /// The bits of these scopes; `None` where one has no bit, and there is none left.
    #[inline]
    pub(super) fn of(&self, scopes: &ScopeSet) -> Option<u64> {
        let mut bits = u64::from(scopes.common_bits());
        // Most sets have none.
        for scope in scopes.others() {
            bits |= self.bit(scope)?;
        }
        Some(bits)
    }

    /// The scopes with these bits.
    pub(super) fn names(&self, bits: u64) -> ScopeSet {
        let [common, ..] = bits.to_le_bytes();
        let common = ScopeSet::of_common_bits(common);
        if bits >> COMMON == 0 {
            return common;
        }
        let others = self.others.iter().enumerate();
        let named = others.filter(|(index, _)| bits & bit_of(*index) != 0);
        let named: ScopeSet = named.filter_map(|(_, one)| one.get().cloned()).collect();
        named.union(&common)
    }

    fn bit(&self, scope: &Scope) -> Option<u64> {
        let is_it = |place: &OnceLock<Scope>| {
            // Whoever takes a place first has it; another then goes on to the next.
            let known = place.get_or_init(|| scope.clone());
            known == scope
        };
        self.others.iter().position(is_it).map(bit_of)
    }
}

fn bit_of(index: usize) -> u64 {
    1 << (COMMON + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_from_their_bits_up_to_the_bound() {
        let bits = ScopeBits::new();
        let scope = |number: usize| Scope::new(format!("s{number}")).unwrap();
        let common = ScopeSet::from([Scope::READ, Scope::WRITE, Scope::DELETE]);
        assert_eq!(bits.of(&ScopeSet::new()), Some(0));
        assert_eq!(bits.of(&common), Some(0b111));
        assert_eq!(bits.names(0b101).to_string(), "read delete");
        for number in 0..OTHERS {
            let one = ScopeSet::from([Scope::READ, scope(number)]);
            let found = bits.of(&one).unwrap();
            assert_eq!(found, 1 | 1 << (3 + number));
            assert_eq!(bits.names(found), one);
        }
        let beyond = ScopeSet::from([Scope::READ, scope(OTHERS)]);
        assert_eq!(bits.of(&beyond), None);
        // The others keep theirs.
        assert_eq!(bits.of(&scope(OTHERS - 1).into()), Some(1 << 63));
        assert_eq!(bits.names(u64::MAX).len(), 64);
    }
}
