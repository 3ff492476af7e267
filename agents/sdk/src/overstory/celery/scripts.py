"""What has to happen in the broker at once or not at all, as Lua.

Payloads are made by Python and compared or moved as they are: Lua's cjson would turn an empty list into an object.
"""

RETURN = """
-- KEYS: holders, unacked, unacked_index, list, copies, copied, lists, parked
-- ARGV: tag, holder, payload, task id, now, 'return' | 'park' | 'acknowledge', list name
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
if ARGV[6] == 'park' then
    redis.call('HSET', KEYS[8], ARGV[4], ARGV[3])
elseif ARGV[6] == 'return' then
    redis.call('RPUSH', KEYS[4], ARGV[3])
    redis.call('HSET', KEYS[5], ARGV[4], ARGV[3])
    redis.call('ZADD', KEYS[6], ARGV[5], ARGV[4])
    redis.call('SADD', KEYS[7], ARGV[7])
end
return 1
"""
"""Take a message out of a holder's hands: 1 when this call did it. The right end of a list is where workers take from."""

MISSING = """
-- KEYS: list, copies, copied      ARGV: pushed before, most
local missing = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
    local payload = redis.call('HGET', KEYS[2], id)
    if not payload then
        redis.call('ZREM', KEYS[3], id)
    elseif not redis.call('LPOS', KEYS[1], payload, 'RANK', -1) then
        missing[#missing + 1] = id
    end
end
return missing
"""
"""Ids of the oldest copies whose message is not in the list. The oldest are near the end that LPOS begins at."""

PUBLISH_AGAIN = """
-- KEYS: list, copies, copied      ARGV: id, now
local payload = redis.call('HGET', KEYS[2], ARGV[1])
if not payload or redis.call('LPOS', KEYS[1], payload, 'RANK', -1) then return 0 end
redis.call('RPUSH', KEYS[1], payload)
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
return 1
"""

FIRE = """
-- KEYS: beat, list, copies, copied, lists
-- ARGV: entry, mark of the firing that was seen last, mark of this, payload, task id, now, with a copy: '1', list name
local last = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if last == ARGV[3] then return 1 end
if last ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('LPUSH', KEYS[2], ARGV[4])
if ARGV[7] == '1' then
    redis.call('HSET', KEYS[3], ARGV[5], ARGV[4])
    redis.call('ZADD', KEYS[4], ARGV[6], ARGV[5])
    redis.call('SADD', KEYS[5], ARGV[8])
end
return 1
"""
"""Claim one slot of a periodic task and push its message; 0 when another beat did. Ours already: pushed, not again."""
