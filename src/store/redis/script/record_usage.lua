-- Adds a batch of usage records, if its sequence number is above the last one of its writer: each
-- whose secret exists.
-- KEYS: version. ARGV: expected version, what all names start with, writer, sequence number, latest
-- use; then for each record: id, number of the secret, last use, hour, how many requests were allowed,
-- how many denied, and the scopes. Sequence numbers, times and hours have the same number of digits
-- each, so they compare as strings; as numbers of Lua they would lose their last digits, and so would
-- counts.
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

-- A value that is corrupt, or a counter that is full, stops no other: it takes no part.
local failed
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' then return answer end
  for _, corrupt in ipairs({'WRONGTYPE', 'not an integer', 'overflow'}) do
    if string.find(answer.err, corrupt, 1, true) then return nil end
  end
  failed = answer
end

local function add_scopes(usage, field, scopes)
  local known = try('HGET', usage, field) or ''
  local union = known
  for scope in string.gmatch(scopes, '[^ ]+') do
    if not string.find(' ' .. union .. ' ', ' ' .. scope .. ' ', 1, true) then
      union = union == '' and scope or union .. ' ' .. scope
    end
  end
  if union ~= known then try('HSET', usage, field, union) end
end

for i = 6, #ARGV, 7 do
  local id, number, at, hour = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local allowed, denied, scopes = ARGV[i + 4], ARGV[i + 5], ARGV[i + 6]
  local key, field = names .. 'key:' .. id, 'secret:' .. number
  local secret = try('HGET', key, field)
  if secret then
    if string.sub(secret, 65) < at then
      redis.call('HSET', key, field, string.sub(secret, 1, 64) .. at)
    end
    if allowed ~= '0' or denied ~= '0' or scopes ~= '' then
      local usage, place = names .. 'usage:' .. id, hour .. ':' .. number
      if allowed ~= '0' then try('HINCRBY', usage, 'a' .. place, allowed) end
      if denied ~= '0' then try('HINCRBY', usage, 'd' .. place, denied) end
      add_scopes(usage, 's' .. place, scopes)
      if try('ZADD', names .. 'hours:' .. id, 0, place) == 1 then
        local first = try('ZSCORE', names .. 'hours', id)
        if not first or tonumber(hour) < tonumber(first) then
          try('ZADD', names .. 'hours', hour, id)
        end
      end
    end
  end
  if failed then return failed end
end
-- Last, so that a batch that failed is not noted as counted.
redis.call('HSET', writers, writer, ARGV[4] .. latest)
local old = before and string.sub(before, 21)
if old and old ~= latest then redis.call('ZREM', heard, old .. writer) end
return {version}
