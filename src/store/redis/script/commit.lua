-- Changes or deletes a key, with the entry of the audit trail, if the key and the acting key still
-- have the revisions that the change was made from.
-- KEYS: version. ARGV: expected version, what all names start with, id, owner, revision, id and
-- revision of the acting key or nothing twice, message, time and text of the entry, document after or
-- nothing to delete, its revision, `1` for a key that is then revoked or nothing; then for each secret
-- after: number, digest and last use in one.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local names, id, owner, after = ARGV[2], ARGV[3], ARGV[4], ARGV[11]
local key, revoked = names .. 'key:' .. id, names .. 'revoked:' .. owner
local revision = redis.call('HGET', key, 'revision')
if not revision then return {version, 'gone'} end
if revision ~= ARGV[5] then return {version, 'conflict'} end
if ARGV[6] ~= '' and redis.call('HGET', names .. 'key:' .. ARGV[6], 'revision') ~= ARGV[7] then
  return {version, 'acting'}
end

-- The secrets that the key has, which then lose those that stay.
local gone, issued = {}, nil
local stored = redis.call('HGETALL', key)
for i = 1, #stored, 2 do
  local field, value = stored[i], stored[i + 1]
  if field == 'idempotency' then issued = value end
  if string.sub(field, 1, 7) == 'secret:' then gone[field] = value end
end
local fields, added = {'record', after, 'revision', ARGV[12]}, {}
for i = 14, #ARGV, 2 do
  local field, value = 'secret:' .. ARGV[i], ARGV[i + 1]
  local digest, known = string.sub(value, 1, 64), gone[field]
  if known and string.sub(known, 1, 64) == digest then
    -- Its last use only moves forward.
    if known > value then value = known end
    gone[field] = nil
  else
    local name = names .. 'digest:' .. digest
    if added[name] or redis.call('EXISTS', name) == 1 then return {version, 'digest'} end
    added[name] = true
  end
  table.insert(fields, field)
  table.insert(fields, value)
end

-- A script that fails is not undone. So what may fail comes first (this fails where a value of the
-- owner is something else), and in an order in which every part of it denies more requests. Listeners
-- are called when the script has ended.
local trail = names .. 'audit:' .. owner
redis.call('ZCARD', trail)
redis.call('SCARD', revoked)
redis.call('PUBLISH', names .. 'changes', ARGV[8])
for _, secret in pairs(gone) do
  redis.call('DEL', names .. 'digest:' .. string.sub(secret, 1, 64))
end
if after == '' then
  redis.call('DEL', key)
  redis.call('ZREM', names .. 'owner:' .. owner, id)
  redis.call('SREM', revoked, id)
  redis.call('UNLINK', names .. 'usage:' .. id, names .. 'hours:' .. id)
  redis.call('ZREM', names .. 'hours', id)
  if issued then
    local idempotency = names .. 'idempotency:' .. string.sub(issued, 19)
    if redis.call('GET', idempotency) == id then redis.call('DEL', idempotency) end
    redis.call('ZREM', names .. 'idempotency', issued)
  end
end
local number = string.format('%.0f', redis.call('INCR', names .. 'number'))
redis.call('ZADD', names .. 'audit', 0, ARGV[9] .. number .. ':' .. owner)
redis.call('ZADD', trail, number, number .. ARGV[10])
if after == '' then return {version, 'done'} end
if ARGV[13] ~= '' then redis.call('SADD', revoked, id) end
for digest in pairs(added) do redis.call('SET', digest, id) end
for field in pairs(gone) do redis.call('HDEL', key, field) end
redis.call('HSET', key, unpack(fields))
return {version, 'done'}
