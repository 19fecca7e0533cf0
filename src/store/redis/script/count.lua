-- Counts a batch of uses, if its number is higher than any before of its writer, and notes the last
-- uses: each where a version with that field still exists.
-- KEYS: version. ARGV: expected version, what all names start with, writer, number, latest use;
-- then for each use: id, secret version, time, hour, how many were allowed, and refused, and the
-- scopes that they exercised. Numbers, times and hours have the same number of digits each, so they compare as texts; as numbers of Lua
-- they would lose their last digits, and so would counts.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, writer, latest = ARGV[2], ARGV[3], ARGV[5]
local writers, heard = names .. 'writers', names .. 'writers:heard'
local before = redis.call('HGET', writers, writer)
if before then
  if ARGV[4] <= string.sub(before, 1, 20) then return {version} end
  if latest < string.sub(before, 21) then latest = string.sub(before, 21) end
end
redis.call('ZADD', heard, 0, latest .. writer)

-- A value that is broken, or a sum that is full, holds up no other: it takes no part.
local failed
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' then return answer end
  for _, broken in ipairs({'WRONGTYPE', 'not an integer', 'overflow'}) do
    if string.find(answer.err, broken, 1, true) then return nil end
  end
  failed = answer
end

local function add(id, place, hour, count)
  if count == '0' then return end
  local sum = try('HINCRBY', names .. 'usage:' .. id, place, count)
  -- A sum that was there before has its place in the order of hours.
  if sum ~= tonumber(count) then return end
  if try('ZADD', names .. 'hours:' .. id, 0, string.sub(place, 2)) == 1 then
    local first = try('ZSCORE', names .. 'hours', id)
    if not first or tonumber(hour) < tonumber(first) then
      try('ZADD', names .. 'hours', hour, id)
    end
  end
end

local function exercise(id, scope, hour)
  local scopes = names .. 'scopes:' .. id
  local known = try('HGET', scopes, scope)
  local first, last = hour, hour
  if known then
    first, last = string.sub(known, 1, 9), string.sub(known, 10)
    if first <= hour and hour <= last then return end
    if hour < first then first = hour end
    if hour > last then last = hour end
  end
  try('HSET', scopes, scope, first .. last)
end

for i = 6, #ARGV, 7 do
  local id, number, at, hour = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local key, field = names .. 'key:' .. id, 'used:' .. number
  local used = try('HGET', key, field)
  if used then
    if used < at then redis.call('HSET', key, field, at) end
    local place = hour .. ':' .. number
    add(id, 'a' .. place, hour, ARGV[i + 4])
    add(id, 'r' .. place, hour, ARGV[i + 5])
    for scope in string.gmatch(ARGV[i + 6], '[^ ]+') do exercise(id, scope, hour) end
  end
  if failed then return failed end
end
-- Last, so that a batch that is refused is not noted as counted.
redis.call('HSET', writers, writer, ARGV[4] .. latest)
local old = before and string.sub(before, 21)
if old and old ~= latest then redis.call('ZREM', heard, old .. writer) end
return {version}
