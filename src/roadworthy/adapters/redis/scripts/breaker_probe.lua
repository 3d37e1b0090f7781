-- Whether the caller may send the one probe of a half-open target. A closed one lets everybody through.
--
-- KEYS   as in breaker_failed
-- ARGV   target; milliseconds that the probe may take; milliseconds after which all is forgotten
local target, probe_for = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HGET', KEYS[1], target)
local f, h, p, t
if kept then
  f, h, p, t = string.match(kept, '^(%d+) (%d+) (%d+) (%d+)$')
end
if not t or tonumber(h) == 0 then
  return 1
end
if math.max(tonumber(h), tonumber(p)) > now then
  return 0
end
redis.call('HSET', KEYS[1], target, string.format('%d %.0f %.0f %.0f', f, h, now + probe_for, t))
return 1
