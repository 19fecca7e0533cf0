-- Adds a key.
-- KEYS: version, key, owner. ARGV: expected version, id, record, what names of digests start with,
-- channel, message; then for each secret version: digest, field of its last use, its last use.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {version, 'id'} end
local digests, fields = {}, {'record', ARGV[3]}
for i = 7, #ARGV, 3 do
  local digest = ARGV[4] .. ARGV[i]
  if digests[digest] or redis.call('EXISTS', digest) == 1 then return {version, 'digest'} end
  digests[digest] = true
  table.insert(fields, ARGV[i + 1])
  table.insert(fields, ARGV[i + 2])
end
-- A script that fails is not undone. So what may be refused comes first, and the record last:
-- a digest without its record is never accepted. Listeners hear of it when the script has ended.
redis.call('PUBLISH', ARGV[5], ARGV[6])
redis.call('ZADD', KEYS[3], 0, ARGV[2])
for digest in pairs(digests) do redis.call('SET', digest, ARGV[2]) end
redis.call('HSET', KEYS[2], unpack(fields))
return {version, 'done'}
