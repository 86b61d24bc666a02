# Joins all nodes to one cluster, and again when a pod comes back with another address. Runs beside each node.
# NODES: every node, HOST:PORT@BUS, in the same order everywhere. SELF: the number of this one, from 0.
# The first three nodes take a third of the slots each; a node without slots becomes the replica of a primary. This
# script takes no slot from a node and promotes no replica: Redis does that itself.
set -u
slots=16384
primaries=3
total=$(echo $NODES | wc -w)
own=$(echo $NODES | cut -d ' ' -f $((SELF + 1)))
port=${own%@*} port=${port##*:}
export REDISCLI_AUTH="$(cat "${RUN:-/run/redis}/cluster-password")"
here() { redis-cli --no-auth-warning --user cluster -p "$port" cluster "$@"; }

meet() { # every node whose address this one does not know
  for node in $NODES; do
    host=${node%%:*} ports=${node##*:}
    address=$(getent ahostsv4 "$host" | awk '{print $1; exit}')
    [ -n "$address" ] || continue
    case $known in *" $address:$ports"*) ;; *) here meet "$address" "${ports%@*}" "${ports#*@}" ;; esac
  done
}

copy() { # become the replica of the primary with this node's number (by slots), or of one that has none
  here replicate "$(echo "$known" | sort -k9,9n | awk -v self="$SELF" '
    $3 ~ /slave/ && $3 !~ /fail/ { copies[$4]++ }
    $3 ~ /master/ && $3 !~ /fail/ && NF > 8 { ids[count++] = $1 }
    END {
      for (step = 0; step < count; step++) {
        id = ids[(self + step) % count]
        if (!copies[id]) break
      }
      print copies[id] ? ids[self % count] : id
    }')"
}

take_part() {
  assigned=$(here info) || return
  known=$(here nodes) || return # after it, so that whoever has the slots is known
  meet
  mine=$(echo "$known" | grep myself)
  case $mine in *myself,master*) ;; *) return ;; esac
  [ "$(echo "$mine" | wc -w)" -eq 8 ] || return # it has slots
  # A node that knows all others knows who owns the slots; one that lost its volume must not take them again.
  [ "$(echo "$known" | grep -vcE 'fail|handshake|noaddr')" -ge "$total" ] || return
  if echo "$assigned" | grep -q "cluster_slots_assigned:$slots"; then
    copy
  elif [ "$SELF" -lt "$primaries" ]; then
    here addslotsrange $((slots * SELF / primaries)) $((slots * (SELF + 1) / primaries - 1))
  fi
}

while :; do
  take_part
  sleep "${EVERY:-5}"
done
