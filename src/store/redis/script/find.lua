-- The id and the document of the key that has a digest; the version of the store if there is none.
-- KEYS: version, digest. ARGV: what names of keys start with.
local id = redis.call('GET', KEYS[2])
if not id then return redis.call('GET', KEYS[1]) end
return {id, redis.call('HGET', ARGV[1] .. id, 'record')}
