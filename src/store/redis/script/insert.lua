-- Adds a key, with its entry of the audit trail.
-- KEYS: version. ARGV: expected version, what all names start with, id, owner, document, revision,
-- `1` for a revoked key or nothing, id and revision of the acting key or nothing twice, how many keys
-- that are not revoked the owner may have or nothing, idempotency key or nothing, message, time and
-- text of the entry; then for each secret: number, digest and last use in one.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, id, owner, time = ARGV[2], ARGV[3], ARGV[4], ARGV[13]
local key = names .. 'key:' .. id
-- The idempotency key belongs to its owner.
local issued = ARGV[11] ~= '' and ARGV[11] .. ':' .. owner
local earlier = issued and redis.call('GET', names .. 'idempotency:' .. issued)
if earlier then
  local fields = redis.call('HGETALL', names .. 'key:' .. earlier)
  if #fields > 0 then return {version, 'existing', earlier, fields} end
end
if redis.call('EXISTS', key) == 1 then return {version, 'id'} end
if ARGV[8] ~= '' and redis.call('HGET', names .. 'key:' .. ARGV[8], 'revision') ~= ARGV[9] then
  return {version, 'acting'}
end
local digests, fields = {}, {'record', ARGV[5], 'revision', ARGV[6]}
for i = 15, #ARGV, 2 do
  local digest = names .. 'digest:' .. string.sub(ARGV[i + 1], 1, 64)
  if digests[digest] or redis.call('EXISTS', digest) == 1 then return {version, 'digest'} end
  digests[digest] = true
  table.insert(fields, 'secret:' .. ARGV[i])
  table.insert(fields, ARGV[i + 1])
end
-- Fails here, before anything is written, where a value of the owner is something else.
local keys, revoked = names .. 'owner:' .. owner, names .. 'revoked:' .. owner
local trail = names .. 'audit:' .. owner
local count = redis.call('ZCARD', keys) - redis.call('SCARD', revoked)
redis.call('ZCARD', trail)
if ARGV[10] ~= '' and count >= tonumber(ARGV[10]) then return {version, 'limit'} end
-- A script that fails is not undone. So the key comes last: a digest without its key is never
-- accepted. Listeners are called when the script has ended.
local number = string.format('%.0f', redis.call('INCR', names .. 'number'))
redis.call('PUBLISH', names .. 'changes', ARGV[12])
redis.call('ZADD', names .. 'audit', 0, time .. number .. ':' .. owner)
redis.call('ZADD', trail, number, number .. ARGV[14])
if ARGV[7] ~= '' then redis.call('SADD', revoked, id) end
if issued then
  redis.call('ZADD', names .. 'idempotency', 0, time .. issued)
  redis.call('SET', names .. 'idempotency:' .. issued, id)
  table.insert(fields, 'idempotency')
  table.insert(fields, time .. issued)
end
for digest in pairs(digests) do redis.call('SET', digest, id) end
redis.call('ZADD', keys, 0, id)
redis.call('HSET', key, unpack(fields))
return {version, 'done'}
