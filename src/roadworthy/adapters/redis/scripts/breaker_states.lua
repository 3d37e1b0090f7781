-- All targets that have failed lately; forgets those that have not.
--
-- KEYS   as in breaker_failed
-- ARGV   milliseconds after which all is forgotten
--
-- Answers for each: target, failures, whether it is open, milliseconds until it is half open.
local forgotten = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, states = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local f, h, _, t = string.match(all[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  if t and tonumber(t) + forgotten >= now then
    local half_open_at = tonumber(h)
    states[#states + 1] = {all[i], tonumber(f), half_open_at > 0 and 1 or 0, math.max(half_open_at - now, 0)}
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return states
