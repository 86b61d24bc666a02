# Writes the ACL file of a node: base's users, who may see which node has what, and `cluster`, who is the other nodes.
set -eu
umask 077
sh /etc/redis/users.sh
# Known to whoever has all of the other passwords and to nobody else. All pods must have the same Secret: a new password
# parts those that were started with it from those that were not, so change passwords with all six pods down.
password=$(cat /secret/*-password | sha256sum | cut -d ' ' -f 1)
printf %s "$password" > /run/redis/cluster-password
printf 'masteruser cluster\nmasterauth %s\n' "$password" > /run/redis/replication.conf
# Those who speak to one node after the other ask which has which slots.
sed -i -E 's/^user (ingest|dispatcher|api|operator|keda) .*$/& +cluster|slots/' /run/redis/users.acl
sed -i -E 's/^user backup .*$/& +cluster|nodes/' /run/redis/users.acl
hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
echo "user cluster on #$hash resetchannels -@all +ping +replconf +psync +cluster" >> /run/redis/users.acl
