-- Forgets up to ARGV[1] messages that take.lua counted under KEYS[1] at ARGV[2].
redis.call('LREM', KEYS[1], -tonumber(ARGV[1]), ARGV[2])
if redis.call('LLEN', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
return 0
