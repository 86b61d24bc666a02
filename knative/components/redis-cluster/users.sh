# Writes the ACL file of a node: base's users, with the right to see the slots, and the user `cluster` of the other nodes.
set -eu
umask 077
sh /etc/redis/users.sh
# Derived from all other passwords. Pods with different Secrets cannot talk to each other, so change passwords while all
# six pods are down.
password=$(cat /secret/*-password | sha256sum | cut -d ' ' -f 1)
printf %s "$password" > /run/redis/cluster-password
printf 'masteruser cluster\nmasterauth %s\n' "$password" > /run/redis/replication.conf
# Clients of a cluster ask which node has which slots.
sed -i -E 's/^user (ingest|dispatcher|api|operator|keda) .*$/& +cluster|slots/' /run/redis/users.acl
sed -i -E 's/^user backup .*$/& +cluster|nodes/' /run/redis/users.acl
hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
echo "user cluster on #$hash resetchannels -@all +ping +replconf +psync +cluster" >> /run/redis/users.acl
