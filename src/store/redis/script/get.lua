-- All fields of a hash: of a key, or of the scopes that a key has exercised.
-- KEYS: version, hash. ARGV: expected version.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
return {version, redis.call('HGETALL', KEYS[2])}
