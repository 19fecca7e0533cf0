-- The key of a digest.
-- KEYS: version, digest. ARGV: expected version, what names of keys start with.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local id = redis.call('GET', KEYS[2])
if not id then return {version} end
return {version, id, redis.call('HGETALL', ARGV[2] .. id)}
