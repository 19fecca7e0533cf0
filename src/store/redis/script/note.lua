-- Notes uses of keys, each where a version with that field still exists and was not used later.
-- KEYS: version. ARGV: expected version, what names of keys start with; then for each use: id,
-- field of its last use, time. Times have the same number of digits, so they compare as texts; as
-- numbers they would lose their last digits.
local version = redis.call('GET', KEYS[1])
if version ~= ARGV[1] then return {version} end
local corrupt = 0
for i = 3, #ARGV, 3 do
  local key = ARGV[2] .. ARGV[i]
  local before = redis.pcall('HGET', key, ARGV[i + 1])
  if type(before) == 'table' then
    -- One broken value holds up no other key's.
    if not string.find(before.err, 'WRONGTYPE', 1, true) then return before end
    corrupt = corrupt + 1
  elseif before and before < ARGV[i + 2] then
    redis.call('HSET', key, ARGV[i + 1], ARGV[i + 2])
  end
end
return {version, corrupt}
