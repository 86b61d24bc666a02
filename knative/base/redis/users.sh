# Writes the ACL file from the Secret in /secret: passwords as hashes, each user with no more than its part sends.
# The file loads on every Redis and Valkey we support: it names no command that came after 7.0.
set -eu
umask 077
# A missing password must not become the empty one.
for user in ingest dispatcher api operator keda exporter backup; do
  case "$(cat "/secret/$user-password")" in '' | ,* | *, | *,,*) exit 1 ;; esac
done
# Several passwords, parted by commas, all work: the new one and the one it replaces.
hashes() (
  IFS=,
  set -f
  for one in $(cat "/secret/$1-password"); do printf '#%s ' "$(printf %s "$one" | sha256sum | cut -d ' ' -f 1)"; done
)
# What concerns a client's own connection only; tracking would tell it every key that changes.
own='resetchannels -@all +@connection -@admin -@dangerous -client|tracking'
# A command passes where one pair of brackets, or what stands outside of them, allows it on all of its keys. So no
# command works on another kind of key than it is meant for: XADD on streams alone, SET never on one.
# The names are those of events/keyspace.py and functions/adapters/redis; partitions are numbers, and the key directory's tag is {keys}.
of='~sspp:{[0-9]*}'
# A script may be run on any key of ours: each command in it is checked by itself.
scripts='(~sspp:* +eval +evalsha)'
# Bytes that wait are counted by every part that brings or takes some.
counts="($of:bytes +hincrby +hdel)"
# The fair queue of a slow lane is filled by the front door and by redrives, and emptied by dispatchers.
queues="($of:*:slow:fair +zcard +zadd) ($of:*:slow:queued +hset) ($of:*:slow:finishes +hmget +hincrby +hset)"
# The front door: it admits, and looks keys up by their digest. It cannot write the key directory, nor read, settle or
# delete what waits.
admits="+info +config|get +time $scripts (%R~sspp:{keys}:* +get +mget) ($of:events:stream $of:events:slow:stream +xadd +xlen) ($of:rate:* +get +set) ($of:usage:* +get +incrby +expire) ($of:ids* +hget +hmget +hset +hlen +hincrby +expireat) ($of:bytes +hget +hmget +hset) $queues"
ensures='+xgroup|create +xgroup|setid +xgroup|delconsumer +xinfo|consumers +xinfo|groups +xpending +xrange'
letters="($of:*:dead +xdel +xrange +xrevrange) ($of:*:edited +hget +hset +hdel) ($of:*:buried +zrem) $counts $queues"
# Nobody can log in as the default user, which is off. It may do everything all the same: while Redis 7 loads its
# append-only file it asks this user's rights for what a script wrote, and drops it without them (redis/redis#14541).
cat > /run/redis/users.acl <<END
user default off ~* &* +@all
user ingest on $(hashes ingest) $own $admits
user dispatcher on $(hashes dispatcher) $own +time $scripts ($of:*:stream $ensures +type +xadd +xlen +xreadgroup +xautoclaim +xclaim +xack +xdel) ($of:*:retry +type +zadd +zcard +zrangebyscore +zrem +zscore) ($of:*:parked +type +hget +hset +hdel +hstrlen) ($of:*:dead +type +xadd +xlen +xrange +xrevrange) ($of:*:buried +type +zadd) ($of:*:slow:fair +zcard +zrange +zrem) ($of:*:slow:queued +hget +hdel) ($of:*:slow:finishes +hset +del) ($of:bytes +type +hmget) ($of:*:behind +type +hget +hset +hincrby) $counts (%R~sspp:bury:* +exists)
user api on $(hashes api) $own $admits $letters ($of:*:buried +zrevrangebylex) ($of:*:slow:stream +xadd +xlen)
user operator on $(hashes operator) $own $scripts (~sspp:{keys}:* +get +mget +mset +set +del +exists) (~sspp:partitions ~sspp:ticked +get +set) (~sspp:bury:* +set) ($of:usage:* +get +incrby +expire) ($of:*:stream $ensures +xadd) ($of:*:stream $of:*:dead +xlen) ($of:*:retry +zcard) ($of:*:behind +hget +hmget +hset +del) ($of:bytes +hget +hgetall +hset) $letters
user keda on $(hashes keda) $own (%R$of:*:stream +xlen) ($of:*:retry $of:*:fair +eval +type +zcard +llen)
user exporter on $(hashes exporter) $own +info +slowlog|get +slowlog|len +latency|latest +latency|histogram (%R$of:*:stream %R$of:*:retry %R$of:*:fair %R$of:*:dead +type +xlen +zcard)
user backup on $(hashes backup) resetchannels -@all +auth +replconf +sync
END
