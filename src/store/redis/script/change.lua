-- Changes or deletes a key, with the entry of the audit trail, if its record is still the one that
-- the change was made from.
-- KEYS: version. ARGV: expected version, what all names start with, id, owner, record before,
-- record after or nothing, message, `1` or nothing for a key that is then revoked, new digest or
-- nothing, field of its last use, time and text of the entry, `1` or nothing for a key that then
-- has other scopes; then for each secret version that goes: digest, field of its last use.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, id, owner, after = ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local key, revoked = names .. 'key:' .. id, names .. 'revoked:' .. owner
local record = redis.call('HGET', key, 'record')
if not record then return {version, 'gone'} end
if record ~= ARGV[5] then return {version, 'raced', redis.call('HGETALL', key)} end
local added = ARGV[9] ~= '' and names .. 'digest:' .. ARGV[9]
if added and redis.call('EXISTS', added) == 1 then return {version, 'digest'} end
-- A script that fails is not undone. So what may be refused comes first (this fails where the trail
-- is something else), and in an order in which every part of it refuses more keys. Listeners hear
-- of it when the script has ended.
local trail = names .. 'audit:' .. owner
redis.call('ZCARD', trail)
redis.call('PUBLISH', names .. 'changes', ARGV[7])
for i = 14, #ARGV, 2 do redis.call('DEL', names .. 'digest:' .. ARGV[i]) end
if after == '' or ARGV[13] ~= '' then redis.call('UNLINK', names .. 'scopes:' .. id) end
if after == '' then
  local issued = redis.call('HGET', key, 'idempotency')
  redis.call('DEL', key)
  redis.call('ZREM', names .. 'owner:' .. owner, id)
  redis.call('SREM', revoked, id)
  redis.call('UNLINK', names .. 'usage:' .. id, names .. 'hours:' .. id)
  redis.call('ZREM', names .. 'hours', id)
  if issued then
    local idempotency = names .. 'idempotency:' .. string.sub(issued, 20)
    if redis.call('GET', idempotency) == id then redis.call('DEL', idempotency) end
    redis.call('ZREM', names .. 'idempotency', issued)
  end
end
local number = string.format('%.0f', redis.call('INCR', names .. 'number'))
redis.call('ZADD', names .. 'audit', 0, ARGV[11] .. number .. ':' .. owner)
redis.call('ZADD', trail, number, number .. ARGV[12])
if after == '' then return {version, 'done'} end
if ARGV[8] ~= '' then redis.call('SADD', revoked, id) end
if added then
  redis.call('SET', added, id)
  redis.call('HSETNX', key, ARGV[10], '')
end
redis.call('HSET', key, 'record', after)
for i = 14, #ARGV, 2 do redis.call('HDEL', key, ARGV[i + 1]) end
return {version, 'done', redis.call('HGETALL', key)}
