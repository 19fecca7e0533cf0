-- Changes or deletes a key, if its record is still the one that the change was made from.
-- KEYS: version, key, owner. ARGV: expected version, id, record before, record after or nothing,
-- what names of digests start with, channel, message, new digest or nothing, field of its last use;
-- then for each secret version that goes: digest, field of its last use.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local record = redis.call('HGET', KEYS[2], 'record')
if not record then return {version, 'gone'} end
if record ~= ARGV[3] then return {version, 'raced', redis.call('HGETALL', KEYS[2])} end
local added = ARGV[8] ~= '' and ARGV[5] .. ARGV[8]
if added and redis.call('EXISTS', added) == 1 then return {version, 'digest'} end
-- A script that fails is not undone. So what may be refused comes first, and in an order in which
-- every part of it refuses more keys. Listeners hear of it when the script has ended.
redis.call('PUBLISH', ARGV[6], ARGV[7])
for i = 10, #ARGV, 2 do redis.call('DEL', ARGV[5] .. ARGV[i]) end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[2])
  return {version, 'done'}
end
if added then
  redis.call('SET', added, ARGV[2])
  redis.call('HSETNX', KEYS[2], ARGV[9], '')
end
redis.call('HSET', KEYS[2], 'record', ARGV[4])
for i = 10, #ARGV, 2 do redis.call('HDEL', KEYS[2], ARGV[i + 1]) end
return {version, 'done', redis.call('HGETALL', KEYS[2])}
