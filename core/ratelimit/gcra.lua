-- Counts several keys at once or none of them. The text before this one sets two locals: now, the time in microseconds, and
-- linger, how many milliseconds a key outlives its use. Numbers are doubles, exact up to 2^53 microseconds: the year 2255.
--
-- KEYS: one for each check. ARGV: interval, tolerance and step of each, in microseconds (see gcra.go); then 1 to count what
-- is allowed, or 0 to look only.
-- Returns for each: 1 when allowed, remaining, microseconds to wait, microseconds to the whole quota.
local arrival, excess, counted = {}, {}, ARGV[#ARGV] == '1'
for i = 1, #KEYS do
  local tolerance, step = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local stored = tonumber(redis.call('GET', KEYS[i]) or now) or now
  arrival[i] = math.min(math.max(stored, now), now + tolerance)
  excess[i] = arrival[i] + step - now - tolerance
  counted = counted and excess[i] <= 0
end
local answer = {}
for i = 1, #KEYS do
  local interval, tolerance, step = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  if counted then
    arrival[i] = arrival[i] + step
    local ttl = math.ceil((arrival[i] - now) / 1000) + linger
    redis.call('SET', KEYS[i], string.format('%.0f', arrival[i]), 'PX', string.format('%.0f', ttl))
  end
  answer[#answer + 1] = excess[i] <= 0 and 1 or 0
  answer[#answer + 1] = math.floor(math.max(tolerance - (arrival[i] - now), 0) / interval)
  answer[#answer + 1] = math.max(excess[i], 0)
  answer[#answer + 1] = arrival[i] - now
end
return answer
