-- The key of a digest: its fields and then its id; if there is none, the version of the store.
-- KEYS: version, digest. ARGV: what names of keys start with.
local id = redis.call('GET', KEYS[2])
if not id then return redis.call('GET', KEYS[1]) end
local key = redis.call('HGETALL', ARGV[1] .. id)
key[#key + 1] = id
return key
