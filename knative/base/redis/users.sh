# Writes the ACL file from the Secret in /secret: hashes of the passwords, and for each user the commands its part sends.
# It names no command that is newer than Redis 7.0, so it loads on every supported Redis and Valkey.
set -eu
umask 077
# A missing or empty password stops the pod.
for user in ingest dispatcher api operator keda exporter backup; do
  case "$(cat "/secret/$user-password")" in '' | ,* | *, | *,,*) exit 1 ;; esac
done
# A password may be several, separated by commas; all work, so that one can be replaced.
hashes() (
  IFS=,
  set -f
  for one in $(cat "/secret/$1-password"); do printf '#%s ' "$(printf %s "$one" | sha256sum | cut -d ' ' -f 1)"; done
)
# Commands on the client's own connection. Not CLIENT TRACKING, which would report every changed key.
own='resetchannels -@all +@connection -@admin -@dangerous -client|tracking'
# A command is allowed if one pair of brackets (a selector), or the rules outside of them, allows it on all of its keys.
# So each command works on one kind of key only: XADD on streams, SET never on a stream.
# The names are those of events/keyspace.py and functions/adapters/redis; partitions are numbers, and the key directory's tag is {keys}.
of='~sspp:{[0-9]*}'
# A script may get any of our keys; Redis checks each command inside it.
scripts='(~sspp:* +eval +evalsha)'
# Every part that adds or removes entries counts the waiting bytes.
counts="($of:bytes +hincrby +hdel)"
# Ingest and redrives fill the fair queue of the overflow lane; dispatchers empty it.
queues="($of:*:slow:fair +zcard +zadd) ($of:*:slow:queued +hset) ($of:*:slow:finishes +hmget +hincrby +hset)"
# Ingest admits events and looks keys up by their digest. It cannot write the key directory, nor read, settle or delete
# entries.
admits="+info +config|get +time $scripts (%R~sspp:{keys}:* +get +mget) ($of:events:stream $of:events:slow:stream +xadd +xlen) ($of:rate:* +get +set) ($of:usage:* +get +incrby +expire) ($of:ids* +hget +hmget +hset +hlen +hincrby +expireat) ($of:bytes +hget +hmget +hset) $queues"
ensures='+xgroup|create +xgroup|setid +xgroup|delconsumer +xinfo|consumers +xinfo|groups +xpending +xrange'
letters="($of:*:dead +xdel +xrange +xrevrange) ($of:*:edited +hget +hset +hdel) ($of:*:buried +zrem) $counts $queues"
# The default user is off, so nobody can log in as it. It has all rights because Redis 7 checks them while it loads what
# scripts wrote to the append-only file, and drops those writes without them (redis/redis#14541).
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
