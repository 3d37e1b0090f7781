-- Adds records to the streams of their tasks and publishes those that were added.
--
-- KEYS   for each record: the task's stream, which is also the name of its channel
-- ARGV   how many records a stream keeps; milliseconds that a new stream lives;
--        then for each record: its number, the milliseconds that the stream lives from now on (0: as it is), its bytes
--
-- A record whose number does not rise is left out: it comes from an attempt that is over. Any other error spares the
-- records after it and is the script's answer.
local kept, new_stream_lives = ARGV[1], ARGV[2]
local failure
for i = 1, #KEYS do
  local stream, number, lives, record = KEYS[i], ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  local added = redis.pcall('XADD', stream, 'MAXLEN', '~', kept, number .. '-0', 'r', record)
  if type(added) == 'string' then
    if lives ~= '0' then
      redis.call('PEXPIRE', stream, lives)
    elseif redis.call('XLEN', stream) == 1 then
      redis.call('PEXPIRE', stream, new_stream_lives)
    end
    redis.call('PUBLISH', stream, record)
  elseif not string.find(added.err, 'The ID specified in XADD', 1, true) then
    failure = failure or added
  end
end
return failure
