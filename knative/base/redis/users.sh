# Writes the ACL file from the Secret in /secret: passwords as hashes, each user with no more than it needs.
set -eu
umask 077
hash() { printf '#%s' "$(printf %s "$(cat "/secret/$1-password")" | sha256sum | cut -d ' ' -f 1)"; }
# sync and replconf: a backup is the snapshot that a replica would get.
hello='+ping +hello +auth +client|setinfo +client|setname'
cat > /run/redis/users.acl <<END
user default off
user app on $(hash app) resetchannels ~sspp:* -@all +@read +@write +@connection +@transaction +eval +evalsha +script|load +time -@dangerous -@admin +sync +replconf
user keda on $(hash keda) resetchannels ~sspp:*:stream ~sspp:*:retry -@all $hello +xlen +eval +type +zcard +llen
user exporter on $(hash exporter) resetchannels ~sspp:*:stream ~sspp:*:retry ~sspp:*:dead -@all $hello +info +slowlog|get +slowlog|len +latency|latest +latency|histogram +type +xlen +zcard
END
