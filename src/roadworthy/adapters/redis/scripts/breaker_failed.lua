-- Counts a failure of a target.
--
-- KEYS   the hash of all targets: failures in a row, when it is half open (0: closed), until when it is probed, when it
--        failed last; times in milliseconds
-- ARGV   target; how many failures open it; milliseconds that it stays open; milliseconds after which all is forgotten
--
-- Answers failures, whether it is open, milliseconds until it is half open.
local target, threshold, open_for, forgotten = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local failures, half_open_at, probed_until = 0, 0, 0
local kept = redis.call('HGET', KEYS[1], target)
if kept then
  local f, h, p, t = string.match(kept, '^(%d+) (%d+) (%d+) (%d+)$')
  if t and tonumber(t) + forgotten >= now then
    failures, half_open_at, probed_until = tonumber(f), tonumber(h), tonumber(p)
  end
end
failures = failures + 1
if (half_open_at == 0 and failures >= threshold) or (half_open_at > 0 and half_open_at <= now) then
  half_open_at, probed_until = now + open_for, 0
end
redis.call('HSET', KEYS[1], target, string.format('%d %.0f %.0f %.0f', failures, half_open_at, probed_until, now))
redis.call('PEXPIRE', KEYS[1], forgotten)
return {failures, half_open_at > 0 and 1 or 0, math.max(half_open_at - now, 0)}
