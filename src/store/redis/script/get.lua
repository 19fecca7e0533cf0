-- The fields of a key.
-- KEYS: version, key. ARGV: expected version.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
return {version, redis.call('HGETALL', KEYS[2])}
