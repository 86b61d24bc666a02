# Writes the ACL file from the Secret in /secret: passwords as hashes, each user with no more than it needs.
# The file loads on every Redis and Valkey we support: it names no command that came after 7.0.
set -eu
umask 077
# A missing password must not become the empty one.
for user in app keda exporter backup; do [ -s "/secret/$user-password" ]; done
hash() { printf '#%s' "$(printf %s "$(cat "/secret/$1-password")" | sha256sum | cut -d ' ' -f 1)"; }
# What concerns a client's own connection only; tracking would tell it every key that changes.
own='+@connection -@admin -@dangerous -client|tracking'
# Nobody can log in as the default user, which is off. It may do everything all the same: while Redis 7 loads its
# append-only file it asks this user's rights for what a script wrote, and drops it without them (redis/redis#14541).
cat > /run/redis/users.acl <<END
user default off ~* &* +@all
user app on $(hash app) resetchannels ~sspp:* -@all +@read +@write $own +eval +evalsha +time -function -scan -randomkey -dbsize -lolwut +info +config|get
user keda on $(hash keda) resetchannels ~sspp:*:stream ~sspp:*:retry -@all $own +xlen +eval +type +zcard +llen
user exporter on $(hash exporter) resetchannels ~sspp:*:stream ~sspp:*:retry ~sspp:*:dead -@all $own +info +slowlog|get +slowlog|len +latency|latest +latency|histogram +type +xlen +zcard
user backup on $(hash backup) resetchannels -@all +auth +replconf +sync
END
