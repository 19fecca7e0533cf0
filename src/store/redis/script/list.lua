-- Keys of an owner in descending order of their ids: each id, and the fields of the key.
-- KEYS: version, owner. ARGV: expected version, what names of keys start with, below which id,
-- count.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local page = {version}
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', KEYS[2], ARGV[3], '-', 'LIMIT', 0, ARGV[4])) do
  table.insert(page, id)
  table.insert(page, redis.call('HGETALL', ARGV[2] .. id))
end
return page
