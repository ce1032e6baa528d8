-- A leaky bucket, which is GCRA (ITU-T I.371) in whole numbers: the quota may be used at once, and is restored evenly.
-- KEYS[1]: the bucket. ARGV: quota, actions that are restored each minute, and 1 to take an action or -1 to give one back.
-- Returns whether an action may be taken, how many are left, and microseconds: until all are restored, or until a retry.

-- The use of one action. Each microsecond restores as much as there are actions a minute, so that nothing is rounded: all
-- numbers are whole, and below 2^53.
local ACTION = 60000000
local quota = ARGV[1] * ACTION
local restored = tonumber(ARGV[2])
local change = tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local used = 0
-- What is not a bucket counts as an empty one.
local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'string' then
    local at, then_used = string.match(stored, '^(%d+) (%d+)$')
    if at then
        -- The server's clock may have been set back since.
        used = math.max(0, then_used - math.max(0, now - at) * restored)
    end
end

local allowed = change < 0 or used + ACTION <= quota
local wait = used + ACTION - quota
if allowed then
    used = math.max(0, used + change * ACTION)
    wait = used
end

if used > 0 then
    local value = string.format('%.0f %.0f', now, used)
    redis.call('SET', KEYS[1], value, 'PX', math.ceil(used / restored / 1000))
else
    redis.call('DEL', KEYS[1])
end
return { allowed and 1 or 0, math.max(0, math.floor((quota - used) / ACTION)), math.ceil(wait / restored) }
