-- One page of the audit trail of an owner, newest first.
-- KEYS: version, audit trail of the owner. ARGV: expected version, before which number,
-- count.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
return {version, redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[2], '-inf', 'LIMIT', 0, ARGV[3])}
