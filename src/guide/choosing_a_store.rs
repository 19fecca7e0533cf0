//! Where to keep keys, and how soon a revocation holds everywhere.
//!
//! | the keys are used by | keep them in | and put before it |
//! | --- | --- | --- |
//! | tests; a process whose keys need not outlive it | `MemoryStore` | nothing |
//! | the processes of one machine | `SqliteStore` | nothing |
//! | many machines that share a PostgreSQL already | `PostgresStore` | `CachedStore::watching` |
//! | many machines that share a Redis that keeps its data | `RedisStore` | `CachedStore::watching` |
//! | anything else | a [`KeyStore`](crate::store::KeyStore) of your own | `TimeoutStore` or `CachedStore` |
//!
//! When in doubt, take SQLite for one machine and PostgreSQL for several.
//!
//! # What each costs and gives
//!
//! | | memory | SQLite | PostgreSQL | Redis |
//! | --- | --- | --- | --- | --- |
//! | a look-up, warm | 0.1 µs | 3–6 µs | a round trip | a round trip |
//! | keys outlive the process | no | yes | yes | as its settings say |
//! | a crash of the machine undoes | everything | nothing | nothing (`synchronous_commit`) | what its settings say |
//! | machines | one process | one | many | many |
//! | the feed tells of | every change | every change of this process; that others changed the file, within 100 ms | every change | every change |
//! | needs | nothing | a local file system | a server, sessions not pooled by transaction | a server that evicts nothing |
//!
//! # How long a revoked key may still work
//!
//! Without a cache, every request asks the store, and a revocation holds from the moment its call
//! returns: in the process for `MemoryStore`, on the machine for `SqliteStore`, everywhere for
//! `PostgresStore` and `RedisStore`.
//!
//! A cache answers without asking, so it has to be told. `CachedStore::watching` listens to the
//! store's [feed](crate::store::ChangeFeed):
//!
//! | the feed | a revocation made on another node holds after |
//! | --- | --- |
//! | works | the time that a message takes: milliseconds |
//! | is cut, silent or late | the fallback time to live: 5 s, or what you set |
//! | does not exist (`CachedStore::new`) | the time to live: 60 s, or what you set |
//!
//! A look-up that is under way may add its deadline (1 s) where that is longer than the second or
//! third of these, and `with_stale_if_error` replaces them. What is changed behind the store's
//! back, by SQL or by Redis commands of your own, is told by no feed of PostgreSQL or Redis, and
//! holds after the time to live.
//!
//! These are times of a machine that runs. One that sleeps, or whose virtual machine is paused, does
//! not count the pause, and answers from its cache for the rest of the bound when it wakes.
//!
//! The second row needs no luck. A feed has to *prove*, about once a second, that it has told of
//! everything: PostgreSQL by a notification of its own in the same queue, Redis by the answer to a
//! `PING` behind all messages, SQLite by `data_version`. Without a proof that is younger than the
//! fallback time to live, a cache trusts only answers that are. So a connection that is silently
//! dead costs look-ups, and never a bound. The node knows it (`CachedStore::feed_state`) and says
//! it (`CacheOptions::with_observer`).
//!
//! `tests/revocation_bound` measures this with two processes under load; run it on your machines
//! with `cargo test --release --all-features --test revocation_bound`.
//!
//! Expiration dates need no message: they are judged at every request.
//!
//! # When the store fails
//!
//! A request whose key is not in the cache is answered 503 with `Retry-After`, never 401, and never
//! let in. What the cache holds is answered within the bounds above. Every wait has a deadline, and
//! look-ups under way have a cap, so a store that hangs does not take the server with it. Whoever
//! would rather serve known keys for a while longer sets
//! `CacheOptions::with_stale_if_error`, and thereby the bound.
//!
//! # When the data are gone
//!
//! An empty store answers 401 to every key, and clients throw good keys away. So a store whose
//! tables are missing fails, with 503, until `migrate` is called: call it when you
//! deploy, not at every start, where the data might be lost, as on a Redis without persistence or a
//! volume that may not be mounted. For SQLite, `SqliteOptions::with_existing_file`, or a URL that ends
//! in `?mode=rw`, does not create a file.
//!
//! # Who can read and write the file
//!
//! `SqliteStore` creates its files with mode 0600, for their owner alone, and rejects a file that
//! others can write. Keep the directory to the same user: whoever can write a directory can replace
//! what is in it.
//!
//! # SQLite and the executor
//!
//! `SqliteStore` reads the file where the look-up is called, since handing a look-up to a thread
//! costs more than the look-up: 13–15 µs in place of 3–6. A page that is not in memory is read from
//! the disk meanwhile: on a laptop's disk about 0.1 ms, at worst some milliseconds, in which that
//! worker thread serves nobody else. A million keys take about 300 MB of file, which the system
//! keeps in memory where it has room. Where it has not, or the disk is slow, use
//! `SqliteOptions::with_lookups_on_a_thread`: other requests then wait microseconds at most.
//!
//! # Moving from one store to another
//!
//! Records hold digests, so they can be copied: read them with
//! [`KeyRegistry::list`](crate::KeyRegistry::list) by owner, and write them with
//! [`KeyRegistry::insert_many`](crate::KeyRegistry::insert_many). Keys of an older system are taken
//! over by their SHA-256 digests with [`KeyManager::import`](crate::KeyManager::import), without
//! anybody's plaintext. Importing a deleted key again creates it again.
