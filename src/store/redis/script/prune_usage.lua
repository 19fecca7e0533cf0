-- Deletes usage buckets of hours before one, and writers whose latest use was before a time, up to a
-- number of each; returns how many buckets it deleted, and whether there may be more of either.
-- KEYS: version. ARGV: expected version, what all names start with, hour, time, how many at most.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, hour, most = ARGV[2], ARGV[3], tonumber(ARGV[5])
local hours, deleted, left = names .. 'hours', 0, most
for _, id in ipairs(redis.call('ZRANGEBYSCORE', hours, '-inf', '(' .. hour, 'LIMIT', 0, most)) do
  local order = names .. 'hours:' .. id
  local places = redis.call('ZRANGEBYLEX', order, '-', '(' .. hour, 'LIMIT', 0, left)
  local fields = {}
  for i, place in ipairs(places) do
    fields[3 * i - 2], fields[3 * i - 1], fields[3 * i] = 'a' .. place, 'd' .. place, 's' .. place
  end
  if #places > 0 then
    redis.call('HDEL', names .. 'usage:' .. id, unpack(fields))
    redis.call('ZREMRANGEBYRANK', order, 0, #places - 1)
  end
  local first = redis.call('ZRANGE', order, 0, 0)[1]
  if first then
    redis.call('ZADD', hours, string.sub(first, 1, 8), id)
  else
    redis.call('ZREM', hours, id)
  end
  deleted = deleted + #places
  left = left - math.max(#places, 1)
  if left <= 0 then break end
end
local heard = names .. 'writers:heard'
local silent = redis.call('ZRANGEBYLEX', heard, '-', '(' .. ARGV[4], 'LIMIT', 0, most)
for _, one in ipairs(silent) do
  local time, writer = string.sub(one, 1, 18), string.sub(one, 19)
  local known = redis.call('HGET', names .. 'writers', writer)
  if known and string.sub(known, 21) == time then redis.call('HDEL', names .. 'writers', writer) end
end
if #silent > 0 then redis.call('ZREMRANGEBYRANK', heard, 0, #silent - 1) end
return {version, deleted, (left <= 0 or #silent == most) and 1 or 0}
