-- Makes the store, or says which version it has.
-- KEYS: version. ARGV: version.
local version = redis.call('GET', KEYS[1])
if not version then
  redis.call('SET', KEYS[1], ARGV[1])
  version = ARGV[1]
end
return {version}
