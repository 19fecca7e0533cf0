-- One page of an owner's keys.
-- KEYS: version, owner. ARGV: expected version, what names of keys start with, after which id,
-- count.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local page = {version}
for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[3], '+', 'LIMIT', 0, ARGV[4])) do
  table.insert(page, id)
  table.insert(page, redis.call('HGETALL', ARGV[2] .. id))
end
return page
