//! How a cache is doing.

/// What a cache holds and has done since it was made, for a metrics page.
///
/// Answers from memory are not counted, since a counter would be what all cores wait for: they are
/// the requests with a well-formed key, less [`look_ups`](Self::look_ups).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Digests of keys that are held, in date or not; at most the capacity.
    pub keys: usize,
    /// Digests of unknown keys that are held, in date or not; at most the negative capacity.
    pub unknown_keys: usize,
    /// Look-ups under way; at most the cap.
    pub under_way: usize,
    /// Look-ups that have begun. Requests that waited for the look-up of another are not in it.
    pub look_ups: u64,
    /// Requests that were refused because of the bounds on look-ups.
    pub refused: u64,
    /// Look-ups and refusals in place of which a record that is out of date answered.
    pub stale: u64,
    /// Changes after which a key, or everything, was forgotten.
    pub invalidations: u64,
}

/// Whether a cache hears of changes to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FeedState {
    /// It has no feed: what it holds lives for the time to live.
    Absent,
    /// Changes are told, and that was proven within the fallback time to live.
    Current,
    /// Changes may go untold: what it holds lives for the fallback time to live.
    Behind,
}
