"""List prices, in US dollars a month."""

from __future__ import annotations

#: List prices of Akamai's (Linode's) core regions; some regions cost more.
#: Compare them with linode.com/pricing before you rely on them. They leave out traffic beyond the included amount.
NODE = {
    "g6-standard-1": 12,
    "g6-standard-2": 24,
    "g6-standard-4": 48,
    "g6-standard-6": 96,
    "g6-standard-8": 192,
    "g6-dedicated-2": 36,
    "g6-dedicated-4": 72,
    "g6-dedicated-8": 144,
    "g6-dedicated-16": 288,
}
#: A node of a managed database.
DATABASE_NODE = {
    "g6-standard-1": 30,
    "g6-standard-2": 60,
    "g6-standard-4": 120,
    "g6-dedicated-2": 65,
    "g6-dedicated-4": 130,
    "g6-dedicated-8": 260,
}
HIGH_AVAILABILITY = 60
ENTERPRISE = 300
NODE_BALANCER = 10
OBJECT_STORAGE = 5
#: A GiB of block storage.
VOLUME_GIB = 0.10
#: The volumes of Redis and of dev's PostgreSQL in knative/.
OWN_VOLUMES_GIB = 20
#: The volumes of the five further nodes of a Redis Cluster.
CLUSTER_VOLUMES_GIB = 50
