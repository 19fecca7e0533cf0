-- Deletes entries of the audit trail that are older than a time, and idempotency keys that are, up to
-- a number of each; returns how many entries it deleted, and whether there may be more of either.
-- KEYS: version. ARGV: expected version, what all names start with, time, how many at most.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, before, most = ARGV[2], '(' .. ARGV[3], tonumber(ARGV[4])
local deleted = 0
-- Each starts with 18 digits of time.
local entries = redis.call('ZRANGEBYLEX', names .. 'audit', '-', before, 'LIMIT', 0, most)
for _, entry in ipairs(entries) do
  local colon = string.find(entry, ':', 19, true)
  local number, trail = string.sub(entry, 19, colon - 1), 'audit:' .. string.sub(entry, colon + 1)
  deleted = deleted + redis.call('ZREMRANGEBYSCORE', names .. trail, number, number)
end
if #entries > 0 then redis.call('ZREMRANGEBYRANK', names .. 'audit', 0, #entries - 1) end
local issued = redis.call('ZRANGEBYLEX', names .. 'idempotency', '-', before, 'LIMIT', 0, most)
for _, one in ipairs(issued) do
  local idempotency = names .. 'idempotency:' .. string.sub(one, 19)
  local id = redis.call('GET', idempotency)
  local key = id and names .. 'key:' .. id
  local known = id and redis.call('HGET', key, 'idempotency')
  if known == one then redis.call('HDEL', key, 'idempotency') end
  -- Not where the key that it was issued with is gone, and it leads to another.
  if not known or known == one then redis.call('DEL', idempotency) end
end
if #issued > 0 then redis.call('ZREMRANGEBYRANK', names .. 'idempotency', 0, #issued - 1) end
return {version, deleted, (#entries == most or #issued == most) and 1 or 0}
