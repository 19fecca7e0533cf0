-- A part of the usage buckets of a key, by hour: their places, and for each how many requests were
-- allowed, how many denied, and the scopes.
-- KEYS: version, places of the key's buckets, buckets of the key. ARGV: expected version, after which
-- place, before which, count.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local places = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
if #places == 0 then return {version, places, places} end
local fields = {}
for i, place in ipairs(places) do
  fields[3 * i - 2], fields[3 * i - 1], fields[3 * i] = 'a' .. place, 'd' .. place, 's' .. place
end
return {version, places, redis.call('HMGET', KEYS[3], unpack(fields))}
