#!/bin/sh
# Redis as files. Runs in Redis' own image.
#   redis.sh dump FOLDER             the snapshot of the server in REDIS_BACKUP_URL, as redis-0.rdb
#   redis.sh dump-cluster FOLDER     of the Redis Cluster of that server: the snapshot and the slots of each primary
#   redis.sh restore FOLDER DATA...  make these the data of the servers, none of which may run; DATA is each one's folder
# A snapshot (RDB) is one moment of one server: all keys, consumer groups and due times. The partitions of a cluster
# share no keys, so its primaries need not be saved at the same moment.
set -eu
umask 077

fail() {
  echo "redis: $*" >&2
  exit 1
}

snapshot() { # URL FILE
  redis-cli -u "$1" --no-auth-warning --rdb "$2" || fail "no snapshot"
}

primaries() { # address and slots of each, by its first slot
  redis-cli -u "$REDIS_BACKUP_URL" --no-auth-warning cluster nodes |
    awk '$3 ~ /master/ && $3 !~ /fail/ && NF > 8 { sub(/@.*/, "", $2); print $2, $9 }' | sort -k2n
}

dump_cluster() { # FOLDER
  primaries > "$1/primaries"
  awk '{ split($2, ends, "-"); total += ends[2] - ends[1] + 1 } END { exit total != 16384 }' "$1/primaries" ||
    fail "the primaries that answer do not have all slots"
  number=0
  while read -r address slots; do
    snapshot "$(printf %s "$REDIS_BACKUP_URL" | sed -E "s|@[^@/]*|@$address|")" "$1/redis-$number.rdb" < /dev/null
    echo "$slots" > "$1/redis-$number.slots"
    number=$((number + 1))
  done < "$1/primaries"
  rm "$1/primaries"
}

# A server with `appendonly yes` reads no snapshot but the base of its append-only files.
append_only() { # RDB FOLDER
  mkdir "$2"
  cp "$1" "$2/appendonly.aof.1.base.rdb"
  echo "file appendonly.aof.1.base.rdb seq 1 type b" > "$2/appendonly.aof.manifest"
}

# A node that has never met another, and has its slots: join.sh does the rest.
node() { # NUMBER SLOTS
  echo "$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n') :0@0 myself,master - 0 0 $(($1 + 1)) connected $2"
  echo "vars currentEpoch $(($1 + 1)) lastVoteEpoch 0"
}

restore() { # FOLDER DATA...
  from=$1 number=0
  shift
  [ -s "$from/redis-0.rdb" ] || fail "there is no snapshot in $from"
  [ "$#" -gt 1 ] || [ ! -e "$from/redis-0.slots" ] || fail "the snapshot of a cluster is not one server's"
  [ "$#" -eq 1 ] || [ -e "$from/redis-0.slots" ] || fail "the snapshot of one server is not a cluster's"
  moment=$(date -u +%Y%m%dT%H%M%SZ)
  for data in "$@"; do
    rm -rf "$data/fresh"
    mkdir "$data/fresh"
    if [ -e "$from/redis-$number.rdb" ]; then append_only "$from/redis-$number.rdb" "$data/fresh/appendonlydir"; fi
    if [ -e "$from/redis-$number.slots" ]; then
      node "$number" "$(cat "$from/redis-$number.slots")" > "$data/fresh/nodes.conf"
    fi
    for name in appendonlydir nodes.conf; do # what was there is moved aside, not deleted
      if [ -e "$data/$name" ]; then mv "$data/$name" "$data/$name.before-$moment"; fi
      if [ -e "$data/fresh/$name" ]; then mv "$data/fresh/$name" "$data/$name"; fi
    done
    rmdir "$data/fresh"
    number=$((number + 1))
  done
}

verb=${1-} folder=${2-}
case $verb in
  dump) mkdir -p "$folder" && snapshot "$REDIS_BACKUP_URL" "$folder/redis-0.rdb" ;;
  dump-cluster) mkdir -p "$folder" && dump_cluster "$folder" ;;
  restore) shift && restore "$@" ;;
  *) fail "usage: redis.sh dump FOLDER | dump-cluster FOLDER | restore FOLDER DATA..." ;;
esac
