-- Adds a key, with its entry of the audit trail.
-- KEYS: version. ARGV: expected version, what all names start with, id, owner, record, message,
-- `1` or nothing for a revoked key, how many keys that are not revoked the owner may have or
-- nothing, time and idempotency key or nothing, time and text of the entry; then for each secret
-- version: digest, field of its last use, its last use.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, id, owner, issued = ARGV[2], ARGV[3], ARGV[4], ARGV[9]
local key = names .. 'key:' .. id
local idempotency = issued ~= '' and names .. 'idempotency:' .. string.sub(issued, 20)
local earlier = idempotency and redis.call('GET', idempotency)
if earlier then
  local fields = redis.call('HGETALL', names .. 'key:' .. earlier)
  if #fields > 0 then return {version, 'earlier', earlier, fields} end
end
if redis.call('EXISTS', key) == 1 then return {version, 'id'} end
local digests, fields = {}, {'record', ARGV[5]}
for i = 12, #ARGV, 3 do
  local digest = names .. 'digest:' .. ARGV[i]
  if digests[digest] or redis.call('EXISTS', digest) == 1 then return {version, 'digest'} end
  digests[digest] = true
  table.insert(fields, ARGV[i + 1])
  table.insert(fields, ARGV[i + 2])
end
local keys, revoked = names .. 'owner:' .. owner, names .. 'revoked:' .. owner
if ARGV[8] ~= '' then
  local unrevoked = redis.call('ZCARD', keys) - redis.call('SCARD', revoked)
  if unrevoked >= tonumber(ARGV[8]) then return {version, 'limit'} end
end
-- A script that fails is not undone. So what may be refused comes first, and the record last: a
-- digest without its record is never accepted. Listeners hear of it when the script has ended.
local number = string.format('%.0f', redis.call('INCR', names .. 'number'))
redis.call('PUBLISH', names .. 'changes', ARGV[6])
redis.call('ZADD', names .. 'audit', 0, ARGV[10] .. number .. ':' .. owner)
redis.call('ZADD', keys, 0, id)
local entry = redis.pcall('ZADD', names .. 'audit:' .. owner, number, number .. ARGV[11])
if type(entry) == 'table' then
  redis.call('ZREM', keys, id)
  return entry
end
if ARGV[7] ~= '' then redis.call('SADD', revoked, id) end
if idempotency then
  redis.call('ZADD', names .. 'idempotency', 0, issued)
  redis.call('SET', idempotency, id)
  table.insert(fields, 'idempotency')
  table.insert(fields, issued)
end
for digest in pairs(digests) do redis.call('SET', digest, id) end
redis.call('HSET', key, unpack(fields))
return {version, 'done'}
