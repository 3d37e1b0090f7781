-- Keeps values under marks, unless one of the marks was dropped since the caller looked.
--
-- KEYS   the marks, then the values
-- ARGV   how many marks; milliseconds that the values live;
--        for each mark: what the caller saw there ('' for nothing), what to put there if there is still nothing;
--        then each value
--
-- A value begins with the number of its marks and what stands at them, and is found only while all of that still stands there. So a mark lives
-- at least as long as what was put under it: one that the server forgets takes its values with it.
local marks, lives = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, marks do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[2 * i + 1] then
    return 0
  end
end
local under = {}
for i = 1, marks do
  under[i] = ARGV[2 * i + 1]
  if under[i] == '' then
    under[i] = ARGV[2 * i + 2]
    redis.call('SET', KEYS[i], under[i], 'PX', lives)
  elseif redis.call('PTTL', KEYS[i]) < lives then
    redis.call('PEXPIRE', KEYS[i], lives)
  end
end
local head = string.char(marks) .. table.concat(under)
for i = marks + 1, #KEYS do
  redis.call('SET', KEYS[i], head .. ARGV[marks + i + 2], 'PX', lives)
end
return 1
